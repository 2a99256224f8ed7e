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
mod check;
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
mod first_discovery;
mod hold;
mod identities;
mod identity_move;
mod identity_object;
mod identity_rows;
mod import_export;
mod incoming;
mod identity_insight;
mod join_all;
mod key_states;
mod kv;
mod log;
mod notifications;
mod origin;
mod origin_document;
mod override_rows;
mod overrides;
mod pages;
mod proxy;
mod publishing;
mod rate_limit;
mod stored;
mod registry_object;
mod registry_rows;
mod registry_discovery;
mod respond;
mod status;
mod executor;
mod telemetry;
mod timeout;

use worker::wasm_bindgen::{self, JsValue, prelude::wasm_bindgen};
use worker::{Context, Env, ScheduleContext, ScheduledEvent, event, web_sys, worker_sys};

pub use analytics_object::AnalyticsObject;
pub use directory_object::DirectoryObject;
pub use environment_object::EnvironmentObject;
pub use identity_object::IdentityObject;
pub use registry_object::RegistryObject;

#[event(start)]
fn start() {
    log::panics();
}

/// Answers a request: gives a response where nothing has to be waited for, else a promise of one.
///
/// That difference is why this is not `#[event(fetch)]`, which always gives a promise. The entry module calls it, with
/// `metrics` where a data set is bound.
#[wasm_bindgen]
#[expect(
    clippy::too_many_arguments,
    reason = "each crosses into WebAssembly for less than a field of an object"
)]
pub fn answer(
    request: web_sys::Request,
    method: String,
    url: String,
    environment_key: Option<String>,
    if_none_match: Option<String>,
    content_type: Option<String>,
    content_length: Option<String>,
    content_encoding: Option<String>,
    env: Env,
    context: worker_sys::Context,
    metrics: Option<telemetry::Metrics>,
) -> JsValue {
    let headers =
        incoming::PrereadHeaders { environment_key, if_none_match, content_type, content_length, content_encoding };
    let incoming = incoming::IncomingRequest::new(request, method, &url, headers);
    let telemetry = telemetry::Telemetry::begin(metrics, config::Config::of(&env).log_requests);
    executor::run(async move {
        let response = entry::answer(&incoming, &env, &Context::new(context)).await;
        telemetry.end(&incoming.trace, || response.status());
        response.into()
    })
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
