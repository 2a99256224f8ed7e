//! OPTIONS: the preflight of a request to another origin (contract §A.0).

use super::response::Response;

const METHODS: &str = "DELETE, GET, OPTIONS, PATCH, POST, PUT";

/// Flagsmith's own list.
const HEADERS: &str = "accept, authorization, content-type, user-agent, x-csrftoken, x-requested-with, \
    sentry-trace, traceparent, tracestate, baggage, x-environment-key, x-e2e-test-auth-token, \
    flagsmith-application-name, flagsmith-application-version, flagsmith-sdk-user-agent";

/// Grants the requested headers, for every path and without a key.
pub fn answer(requested_headers: Option<String>) -> Response<'static> {
    let mut response = Response::empty(200);
    let mut headers = HEADERS.to_owned();
    let requested = requested_headers.unwrap_or_default().to_lowercase();
    for name in requested.split(',').map(str::trim) {
        if !name.is_empty() && !HEADERS.split(", ").any(|granted| granted == name) {
            headers.extend([", ", name]);
        }
    }
    response.headers = vec![
        ("access-control-allow-origin", "*".into()),
        ("access-control-allow-methods", METHODS.into()),
        ("access-control-allow-headers", headers.into()),
        ("access-control-max-age", "86400".into()),
        // The answer contains the requested headers.
        ("vary", "Access-Control-Request-Headers".into()),
        ("content-length", "0".into()),
    ];
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_header_is_granted_once() {
        for (requested, granted) in [
            (None, HEADERS.to_owned()),
            (Some(""), HEADERS.to_owned()),
            (Some("authorization,X-Environment-Key"), HEADERS.to_owned()),
            (Some(" , X-Mine, Authorization,x-other"), format!("{HEADERS}, x-mine, x-other")),
        ] {
            let response = answer(requested.map(str::to_owned));
            let headers: Vec<_> =
                response.headers().filter(|(name, _)| *name == "access-control-allow-headers").collect();
            assert_eq!(headers, [("access-control-allow-headers", &*granted)], "{requested:?}");
        }
    }
}
