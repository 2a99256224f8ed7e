//! Whether the worker is well, and which one it is (contract §A.8).

use serde_json::json;

use super::response::Response;

/// GET /health/liveness/: it answers, so it lives.
pub fn liveness() -> Response<'static> {
    Response::json(json!({"status": "ok"}).to_string().into_bytes())
}

/// GET /health/ and /health/readiness/: whether the store of environments can be read.
pub fn readiness(environments: bool) -> Response<'static> {
    let (status, state) = if environments { ("ok", "working") } else { ("error", "unavailable") };
    let mut response =
        Response::json(json!({"status": status, "environments": state}).to_string().into_bytes());
    response.status = if environments { 200 } else { 503 };
    response
}

/// GET /version/, with the fields of Flagsmith's own that mean something here.
pub fn version() -> Response<'static> {
    let version = env!("CARGO_PKG_VERSION");
    Response::json(json!({"image_tag": version, "package_versions": {".": version}}).to_string().into_bytes())
}
