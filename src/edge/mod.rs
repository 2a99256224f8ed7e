//! All uses of the Workers platform, and so all IO; on wasm32 only.
//!
//! This module loads values for the core and sends the core's answers. Decisions without IO are in the other modules.

mod access;
mod cache;
mod http;
mod objects;
mod origin;
mod platform;
mod routes;

use worker::wasm_bindgen::{self, JsValue, prelude::wasm_bindgen};
use worker::{Context, Env, ScheduleContext, ScheduledEvent, event, web_sys, worker_sys};

pub use objects::analytics::object::AnalyticsObject;
pub use objects::directory::object::DirectoryObject;
pub use objects::environment::object::EnvironmentObject;
pub use objects::identity::object::IdentityObject;
pub use objects::registry::object::RegistryObject;
use platform::failure::{Failure, Source};

#[event(start)]
fn start() {
    flagsmith_edge_platform::log::log_panics();
}

/// Replaces the WebAssembly instance at the next call, with all of its state. The warm-up (`warm_up.js`) ends with it.
#[wasm_bindgen]
pub fn discard_instance() {
    wasm_bindgen::handler::schedule_reinit();
}

/// Logs a fault of the warm-up. `cause` has no data of a client, since it is from before the first request.
#[wasm_bindgen]
pub fn log_warm_up_fault(cause: &str) {
    Failure::new(Source::WarmUp, cause).log(None);
}

/// Answers a request with a response, or with a promise of one if something has to be awaited.
///
/// For this reason it is not `#[event(fetch)]`, which always returns a promise. The entry module calls it; `metrics` is
/// the data set, if one is bound.
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
    metrics: Option<http::telemetry::Metrics>,
) -> JsValue {
    let headers = http::incoming::PrereadHeaders {
        environment_key,
        if_none_match,
        content_type,
        content_length,
        content_encoding,
    };
    let incoming = http::incoming::IncomingRequest::new(request, method, &url, headers);
    let telemetry =
        http::telemetry::Telemetry::begin(metrics, platform::config::Config::of(&env).log_requests);
    platform::executor::run(async move {
        let response = routes::router::answer(&incoming, &env, &Context::new(context)).await;
        telemetry.end(&incoming.trace, || response.status());
        response.into()
    })
}

/// The handler of the cron trigger. It starts the routine checks of everything that publishes, after failures too.
#[event(scheduled)]
async fn scheduled(_event: ScheduledEvent, env: Env, _context: ScheduleContext) {
    if platform::config::Config::of(&env).publishes()
        && let Err(failure) = objects::publishing::reconcile_all(&env).await
    {
        failure.log(None);
    }
}
