//! Counts requests by the platform's rate limiter.

use worker::Env;
use worker::js_sys::{Object, Promise, Reflect};
use worker::wasm_bindgen::{self, JsCast, JsValue, prelude::wasm_bindgen};
use worker::wasm_bindgen_futures::JsFuture;

use crate::admin::{AdminError, proxy_headers};
use crate::edge::http::incoming::IncomingRequest;
use crate::edge::platform::failure::{Failure, Source};

/// The binding's name.
const BINDING: &str = "ADMIN_RATE_LIMIT";

#[wasm_bindgen]
extern "C" {
    /// A rate limiter. The type in `worker` accepts only objects of the class of the same name.
    type RateLimiter;

    #[wasm_bindgen(method, catch)]
    fn limit(this: &RateLimiter, options: &Object) -> Result<Promise, JsValue>;
}

/// Checks that the credentials may send one more request.
pub async fn admit(incoming: &IncomingRequest, env: &Env) -> Result<(), AdminError> {
    let (authorization, cookies) = (incoming.header("authorization"), incoming.header("cookie"));
    for key in proxy_headers::rate_keys(authorization.as_deref(), cookies.as_deref()) {
        if !has_room(env, &key).await {
            return Err(AdminError::Throttled);
        }
    }
    Ok(())
}

/// True if `key` may send one more request. Without a limiter, and when the limiter fails, every request is allowed.
async fn has_room(env: &Env, key: &str) -> bool {
    match ask(env, key).await {
        Ok(has_room) => has_room,
        Err(error) => {
            Failure::new(Source::RateLimit, worker::Error::from(error)).log(None);
            true
        }
    }
}

async fn ask(env: &Env, key: &str) -> Result<bool, JsValue> {
    let limiter = Reflect::get(env, &BINDING.into())?;
    if limiter.is_undefined() {
        return Ok(true);
    }
    let options = Object::new();
    Reflect::set(&options, &"key".into(), &key.into())?;
    let outcome = JsFuture::from(limiter.unchecked_into::<RateLimiter>().limit(&options)?).await?;
    Ok(Reflect::get(&outcome, &"success".into())?.is_truthy())
}
