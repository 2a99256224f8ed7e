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
mod origin;
mod proxy;
mod publishing;
mod rate_limit;
mod respond;
mod task;
mod timeout;

use worker::wasm_bindgen::{self, JsValue, prelude::wasm_bindgen};
use worker::{Context, Env, event, web_sys, worker_sys};

pub use identity_object::IdentityObject;

#[event(start)]
fn start() {
    console_error_panic_hook::set_once();
}

/// The handler of requests: gives a response where nothing has to be waited for, else a promise of one.
///
/// That difference is why this is not `#[event(fetch)]`, which always gives a promise.
#[wasm_bindgen(js_name = fetch)]
pub fn fetch(request: web_sys::Request, env: Env, context: worker_sys::Context) -> JsValue {
    task::run(async move { entry::answer(request, env, Context::new(context)).await.into() })
}
