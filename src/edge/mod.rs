//! The only IO: everything that touches the Workers platform. wasm32 only.
//!
//! It loads what the core asks for and sends what the core answers; it decides nothing that could be decided
//! without IO.

mod body;
mod config;
mod entry;
mod environments;
mod failure;
mod identities;
mod identity_object;
mod respond;
mod timeout;

use std::task::{self, Poll, Waker};

use worker::wasm_bindgen::{self, JsValue, prelude::wasm_bindgen};
use worker::wasm_bindgen_futures::future_to_promise;
use worker::{Context, Env, event, web_sys, worker_sys};

pub use identity_object::IdentityObject;

#[event(start)]
fn start() {
    console_error_panic_hook::set_once();
}

/// The handler of requests: gives a response where nothing has to be waited for, else a promise of one.
///
/// That difference is why this is not `#[event(fetch)]`: its future, its promise and their wrappers cost more than
/// the whole of a warm `GET /flags/` (README, *Figures*).
#[wasm_bindgen(js_name = fetch)]
pub fn fetch(request: web_sys::Request, env: Env, context: worker_sys::Context) -> JsValue {
    let mut answer = Box::pin(entry::answer(request, env, Context::new(context)));
    // Whoever has to wait is asked again by the promise, and leaves its waker there.
    match answer.as_mut().poll(&mut task::Context::from_waker(Waker::noop())) {
        Poll::Ready(response) => response.into(),
        Poll::Pending => future_to_promise(async move { Ok(answer.await.into()) }).into(),
    }
}
