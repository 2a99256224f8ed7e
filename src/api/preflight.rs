//! OPTIONS: what a browser asks before it sends a request to another origin (contract §A.0).

use super::response::Response;

const METHODS: &str = "DELETE, GET, OPTIONS, PATCH, POST, PUT";

/// Flagsmith's own list.
const HEADERS: &str = "accept, authorization, content-type, user-agent, x-csrftoken, x-requested-with, \
    sentry-trace, traceparent, tracestate, baggage, x-environment-key, x-e2e-test-auth-token, \
    flagsmith-application-name, flagsmith-application-version, flagsmith-sdk-user-agent";

/// Grants what is asked; every path and no key will do.
pub fn answer(requested_headers: Option<String>) -> Response<'static> {
    let mut response = Response::empty(200);
    let headers = match requested_headers {
        Some(requested) if !requested.is_empty() => format!("{HEADERS}, {}", requested.to_lowercase()).into(),
        _ => HEADERS.into(),
    };
    response.headers = vec![
        ("access-control-allow-origin", "*".into()),
        ("access-control-allow-methods", METHODS.into()),
        ("access-control-allow-headers", headers),
        ("access-control-max-age", "86400".into()),
        // The answer names what was asked for.
        ("vary", "Access-Control-Request-Headers".into()),
        ("content-length", "0".into()),
    ];
    response
}
