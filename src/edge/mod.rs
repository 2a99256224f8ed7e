//! The only IO: everything that touches the Workers platform. wasm32 only.
//!
//! It loads what the core asks for and sends what the core answers; it decides nothing that could be decided
//! without IO.

mod access;
mod alarm;
mod analytics;
mod analytics_object;
mod analytics_rows;
mod authorize;
mod body;
mod clock;
mod config;
mod database;
mod directory;
mod directory_object;
mod directory_rows;
mod edge_identities;
mod entry;
mod environment_object;
mod environment_rows;
mod environments;
mod failure;
mod identities;
mod identity_object;
mod identity_rows;
mod inspection;
mod kv;
mod notices;
mod origin;
mod origin_document;
mod override_rows;
mod overrides;
mod pages;
mod proxy;
mod publishing;
mod rate_limit;
mod records;
mod registry_object;
mod registry_rows;
mod registry_survey;
mod respond;
mod status;
mod task;
mod timeout;
mod transfer;

use worker::wasm_bindgen::{self, JsValue, prelude::wasm_bindgen};
use worker::{Context, Env, ScheduleContext, ScheduledEvent, event, web_sys, worker_sys};

pub use analytics_object::AnalyticsObject;
pub use directory_object::DirectoryObject;
pub use environment_object::EnvironmentObject;
pub use identity_object::IdentityObject;
pub use registry_object::RegistryObject;

#[event(start)]
fn start() {
    console_error_panic_hook::set_once();
}

/// Answers a request: gives a response where nothing has to be waited for, else a promise of one.
///
/// That difference is why this is not `#[event(fetch)]`, which always gives a promise. The entry module calls it.
#[wasm_bindgen]
pub fn answer(
    request: web_sys::Request,
    method: String,
    url: String,
    environment_key: Option<String>,
    if_none_match: Option<String>,
    env: Env,
    context: worker_sys::Context,
) -> JsValue {
    let incoming = entry::Incoming::new(request, method, &url, environment_key, if_none_match);
    task::run(async move { entry::answer(incoming, env, Context::new(context)).await.into() })
}

/// The handler of the cron trigger: has everything that publishes look after itself, whatever went wrong before.
#[event(scheduled)]
async fn scheduled(_event: ScheduledEvent, env: Env, _context: ScheduleContext) {
    if config::Config::of(&env).publishes()
        && let Err(failure) = publishing::reconcile_all(&env).await
    {
        failure.log(None);
    }
}

/// Sixteen random bytes.
fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    // The platform's source of randomness does not fail; zeros would still be an identifier.
    let _ = getrandom::fill(&mut bytes);
    bytes
}
