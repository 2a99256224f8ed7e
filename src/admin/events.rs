//! Experiments' events of SDKs (contract §A.6), on their way to the server that keeps them: `EVENTS_URL`, else the origin.
//!
//! SDKs take any 2xx for success and read no body. The Python SDK sends its events again after every error, for ever. So
//! events that no server would keep are accepted and discarded.

use crate::api::{Response, essence};

/// The path, here and at the server.
pub const PATH: &str = "/v1/events";

/// True if a request's header is forwarded with its events. `name` is in lower case. All others are for this worker, or
/// for the origin's Admin API: credentials and cookies must not reach another server.
pub fn is_forwarded(name: &str) -> bool {
    matches!(name, "accept" | "content-encoding" | "content-type" | "user-agent" | "x-environment-key")
        || name.starts_with("flagsmith-")
}

/// True if the origin's answer means that the origin has no endpoint for events. A Flagsmith that also serves its
/// dashboard answers every unknown path with a page: the dashboard, or Django's refusal of a POST.
pub fn is_missing_endpoint(status: u16, content_type: &str) -> bool {
    matches!(status, 300..=399 | 404 | 405)
        || status < 500 && essence(content_type).eq_ignore_ascii_case("text/html")
}

/// The answer to events that no server keeps.
pub fn discarded() -> Response<'static> {
    Response::detail(202, "The events are discarded: set EVENTS_URL to a server that keeps them.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_headers_of_events_are_forwarded() {
        for (name, is_sent) in [
            ("content-type", true),
            ("x-environment-key", true),
            ("flagsmith-sdk-user-agent", true),
            ("user-agent", true),
            ("authorization", false),
            ("cookie", false),
            ("cf-connecting-ip", false),
            ("x-forwarded-for", false),
            ("via", false),
            ("host", false),
        ] {
            assert_eq!(is_forwarded(name), is_sent, "{name}");
        }
    }

    #[test]
    fn pages_and_unknown_paths_are_no_endpoint() {
        for (status, content_type, is_missing) in [
            (404, "application/json", true),
            (405, "application/json", true),
            (301, "", true),
            (200, "text/html; charset=utf-8", true),
            (403, "Text/HTML", true),
            (200, "application/json", false),
            (202, "", false),
            (400, "application/json", false),
            (403, "application/json", false),
            (429, "application/json", false),
            (502, "text/html", false),
        ] {
            assert_eq!(is_missing_endpoint(status, content_type), is_missing, "{status} {content_type}");
        }
    }
}
