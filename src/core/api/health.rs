//! The worker's health and version (contract §A.8).

use serde_json::json;

use super::response::Response;
use super::route::HealthRoute;
use crate::document::Timestamp;

/// GET /health/liveness/: always 200.
pub fn liveness() -> Response<'static> {
    Response::json(json!({"status": "ok"}).to_string().into_bytes())
}

/// The readiness answer. `environments`: true if the store of environments can be read. `last_update`: the time of this
/// isolate's latest confirmation.
pub fn readiness(
    route: HealthRoute,
    environments: bool,
    last_update: Option<Timestamp>,
) -> Response<'static> {
    let status = if environments { "ok" } else { "error" };
    let body = match route {
        // The form of Flagsmith's Edge Proxy.
        HealthRoute::ProxyReadiness => json!({
            "status": status,
            "reason": (!environments).then_some("environment document(s) not updated."),
            "last_successful_update": last_update.map(Timestamp::iso),
        }),
        _ => json!({
            "status": status,
            "environments": if environments { "working" } else { "unavailable" },
        }),
    };
    let mut response = Response::json(body.to_string().into_bytes());
    response.status = if environments { 200 } else { 503 };
    response
}

/// GET /version/, with those fields of Flagsmith's that apply here.
pub fn version() -> Response<'static> {
    let version = env!("CARGO_PKG_VERSION");
    Response::json(json!({"image_tag": version, "package_versions": {".": version}}).to_string().into_bytes())
}
