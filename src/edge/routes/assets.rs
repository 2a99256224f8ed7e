//! Serves the static files that are bound to the worker (see [`crate::page`]).

use worker::js_sys::{Promise, Reflect};
use worker::wasm_bindgen::{self, JsCast, JsValue, prelude::wasm_bindgen};
use worker::wasm_bindgen_futures::JsFuture;
use worker::web_sys::{Headers, RequestInit, Response as WebResponse, ResponseInit};
use worker::{Env, web_sys};

use crate::api::{Error, Response};
use crate::edge::http::incoming::IncomingRequest;
use crate::edge::http::response::respond;
use crate::edge::platform::config::Config;
use crate::edge::platform::failure::{Failure, Source};
use crate::page::{ALLOW, FILES_MISSING, Page};

/// The binding's name.
const BINDING: &str = "ASSETS";

#[wasm_bindgen]
extern "C" {
    /// The binding of the static files. The type in `worker` is not used, since its responses have another type than
    /// [`WebResponse`].
    type Assets;

    #[wasm_bindgen(method, catch)]
    fn fetch(this: &Assets, url: &str, init: &RequestInit) -> Result<Promise, JsValue>;
}

/// Answers a request for a page, or for a file that a page loads.
pub async fn answer(page: Page<'_>, incoming: &IncomingRequest, env: &Env) -> web_sys::Response {
    let method = &*incoming.method;
    let response = match method {
        "GET" | "HEAD" => match file(page, incoming, env).await {
            Ok(Some(response)) => return response,
            Ok(None) => Response::error(&Error::NotFound),
            Err(cause) => {
                Failure::new(Source::Assets, worker::Error::from(cause)).log(None);
                Response::detail(503, FILES_MISSING)
            }
        },
        other => Response::error(&Error::MethodNotAllowed(other.to_owned())),
    };
    respond(response.with("allow", ALLOW).finish(None, method))
}

/// Returns the file, or 304 if the client's copy is current; `None` if there is no such file.
async fn file(page: Page<'_>, incoming: &IncomingRequest, env: &Env) -> Result<Option<WebResponse>, JsValue> {
    let assets = Reflect::get(env, &BINDING.into())?;
    let init = RequestInit::new();
    init.set_method(&incoming.method);
    let headers = Headers::new()?;
    if let Some(tags) = incoming.header("if-none-match") {
        headers.set("if-none-match", &tags)?;
    }
    init.set_headers(&headers);
    // Only the path of the URL counts.
    let url = format!("https://assets{}", page.file(Config::of(env).origin.is_some()));
    let promise = assets.unchecked_into::<Assets>().fetch(&url, &init)?;
    let found: WebResponse = JsFuture::from(promise).await?.unchecked_into();
    match found.status() {
        200 | 304 => {}
        404 => return Ok(None),
        status => return Err(format!("status {status}").as_str().into()),
    }
    let headers = Headers::new()?;
    for (name, value) in page.headers() {
        headers.set(name, value)?;
    }
    if let Some(tag) = found.headers().get("etag")? {
        headers.set("etag", &tag)?;
    }
    let init = ResponseInit::new();
    init.set_status(found.status());
    init.set_headers(&headers);
    WebResponse::new_with_opt_readable_stream_and_init(found.body().as_ref(), &init).map(Some)
}
