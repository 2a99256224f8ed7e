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

pub use identity_object::IdentityObject;

use worker::{Context, Env, Request, Result, event, web_sys};

#[event(start)]
fn start() {
    console_error_panic_hook::set_once();
}

#[event(fetch)]
async fn fetch(request: Request, env: Env, context: Context) -> Result<web_sys::Response> {
    Ok(entry::answer(request, env, context).await)
}
