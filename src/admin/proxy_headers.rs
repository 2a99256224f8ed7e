//! The changes to a request for the origin, and to its answer. Everything else stays unchanged.

use std::borrow::Cow;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::origin::Origin;
use crate::api::essence;
use crate::document::hex;
use crate::document::json::Json;
use crate::page::ORIGIN_DESCRIPTION;

/// The maximum length of a chunked body in bytes. It is buffered for its `Content-Length`, which Flagsmith requires.
pub const MAX_CHUNKED_BODY: usize = 10 * 1024 * 1024;

/// The maximum length in bytes of an answer in which pagination links are rewritten.
pub const MAX_PAGE_LENGTH: usize = 1024 * 1024;

/// The worker's name in `Via`.
const PSEUDONYM: &str = "flagsmith-edge-worker";

/// Hop-by-hop headers (RFC 9110 §7.6.1).
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Headers that the platform or the worker sets itself, regardless of the client's.
const REWRITTEN_HEADERS: [&str; 8] = [
    "cdn-loop",
    "content-length",
    // `Expect` is for the next hop, the platform. Forwarded, it would break the call.
    "expect",
    "forwarded",
    "host",
    "true-client-ip",
    "via",
    "x-real-ip",
];

/// True if a request's header is forwarded to the origin unchanged. `name` is in lower case; `connection` is the
/// `Connection` header.
pub fn is_forwarded(name: &str, connection: &str) -> bool {
    let ours =
        REWRITTEN_HEADERS.contains(&name) || name.starts_with("cf-") || name.starts_with("x-forwarded-");
    !ours && is_returned(name, connection)
}

/// True if an answer's header is returned to the client unchanged.
pub fn is_returned(name: &str, connection: &str) -> bool {
    let named = || connection.split(',').any(|named| named.trim().eq_ignore_ascii_case(name));
    !HOP_BY_HOP.contains(&name) && !named()
}

/// The origin's path and query for a request. Only the origin's API description has another path here, since the
/// worker's own description has the origin's path.
pub fn target(target: &str) -> Cow<'_, str> {
    match target.strip_prefix(ORIGIN_DESCRIPTION).filter(|rest| rest.is_empty() || rest.starts_with('?')) {
        Some(query) => format!("/api/v1/swagger.json{query}").into(),
        None => target.into(),
    }
}

/// The method of a request at the origin: GET for a HEAD. Some servers, such as gunicorn, send a body after a HEAD, and
/// the platform would read that body as the next answer on the connection. A GET has the same headers (RFC 9110
/// §9.3.2).
pub fn method(method: &str) -> &str {
    if method == "HEAD" { "GET" } else { method }
}

/// The `Via` of a forwarded request; `None` if the request has passed this worker before.
pub fn via(before: Option<String>) -> Option<String> {
    match before.filter(|before| !before.is_empty()) {
        None => Some(format!("1.1 {PSEUDONYM}")),
        Some(before) if before.contains(PSEUDONYM) => None,
        Some(before) => Some(format!("{before}, 1.1 {PSEUDONYM}")),
    }
}

/// The time limit for the origin's answer to begin, for a body of `length` bytes. It is `allowed` for a request without
/// a body, and longer with one, since a slow client may still be sending.
pub fn timeout(allowed: Duration, length: u64) -> Duration {
    allowed.saturating_add(Duration::from_secs(length / (64 * 1024)))
}

fn sha256(text: &str) -> String {
    hex(&Sha256::digest(text))
}

/// The value of `Location` for the client, if it leads to the origin. `here` is the scheme and host of the request.
pub fn location(value: &str, origin: &Origin, here: &str) -> Option<String> {
    let is_path = value.starts_with('/') && !value.starts_with("//");
    if is_path {
        let path = origin.without_prefix(value);
        return (path != value).then(|| path.to_owned());
    }
    origin.target(value).map(|target| format!("{here}{target}"))
}

/// An answer's body in which `next` and `previous` lead to this worker instead of the origin. The origin builds these
/// URLs from the requested host (contract §F). All other bytes stay the same.
pub fn rewrite_pagination_links(body: &[u8], origin: &Origin, here: &str) -> Option<Vec<u8>> {
    let members = Json::parse(body).ok()?.object()?;
    let mut changes: Vec<(usize, usize, String)> = Vec::new();
    for name in ["next", "previous"] {
        let Some(value) = members.get(name) else { continue };
        let Some(url) = value.text().and_then(|url| location(&url, origin, here)) else { continue };
        let start = (value.source().as_ptr() as usize).checked_sub(body.as_ptr() as usize)?;
        changes.push((start, start + value.source().len(), serde_json::to_string(&url).ok()?));
    }
    // There are at most two changes, and this swap is less code than a sort.
    if let [first, second] = changes.as_mut_slice()
        && first.0 > second.0
    {
        std::mem::swap(first, second);
    }
    let (mut changed, mut done) = (Vec::with_capacity(body.len()), 0);
    for (start, end, url) in &changes {
        changed.extend_from_slice(body.get(done..*start)?);
        changed.extend_from_slice(url.as_bytes());
        done = *end;
    }
    changed.extend_from_slice(body.get(done..)?);
    (done > 0).then_some(changed)
}

/// True if a body of this media type may have pagination links.
pub fn is_json(media_type: &str) -> bool {
    let essence = essence(media_type).to_ascii_lowercase();
    essence == "application/json" || essence.ends_with("+json")
}

/// The keys of the rate limit: the SHA-256 of each credential in the request. The origin reads only one of them. All
/// are counted; otherwise a client could avoid the limit by an additional credential.
pub fn rate_keys(authorization: Option<&str>, cookies: Option<&str>) -> Vec<String> {
    // Normalized: the keyword may be in any letter case, and spaces do not count.
    let mut words = authorization.unwrap_or_default().split_whitespace();
    let authorization = words.next().map(|keyword| {
        let secret: Vec<&str> = words.collect();
        format!("{} {}", keyword.to_ascii_lowercase(), secret.join(" "))
    });
    let session = cookies.and_then(session);
    authorization.as_deref().into_iter().chain(session).map(sha256).collect()
}

/// The session cookie of the dashboard (contract §E); the last of several, as at the origin.
fn session(cookies: &str) -> Option<&str> {
    let session = cookies.split(';').filter_map(|cookie| cookie.trim().strip_prefix("jwt=")).next_back();
    session.filter(|session| !session.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "https://edge.example.com";

    fn origin() -> Origin {
        Origin::parse("https://flagsmith.internal:8000").unwrap()
    }

    #[test]
    fn hop_by_hop_and_platform_headers_are_not_forwarded() {
        for (name, goes, comes) in [
            ("authorization", true, true),
            ("cookie", true, true),
            ("set-cookie", true, true),
            ("x-environment-key", true, true),
            ("accept-encoding", true, true),
            ("access-control-allow-origin", true, true),
            ("connection", false, false),
            ("keep-alive", false, false),
            ("te", false, false),
            ("transfer-encoding", false, false),
            ("upgrade", false, false),
            ("x-named", false, false),
            ("close", false, false),
            ("expect", false, true),
            ("content-length", false, true),
            ("cf-connecting-ip", false, true),
            ("x-forwarded-for", false, true),
            ("x-forwarded-anything", false, true),
            ("via", false, true),
        ] {
            assert_eq!(is_forwarded(name, "close, X-Named"), goes, "{name}");
            assert_eq!(is_returned(name, "close, X-Named"), comes, "{name}");
        }
    }

    #[test]
    fn the_origins_description_is_read_from_its_own_paths() {
        for (path, expected) in [
            ("/api/v1/docs/origin.json", "/api/v1/swagger.json"),
            ("/api/v1/docs/origin.json?a=b", "/api/v1/swagger.json?a=b"),
            ("/api/v1/docs/origin.jsons", "/api/v1/docs/origin.jsons"),
            (
                "/api/v1/projects/?next=/api/v1/docs/origin.json",
                "/api/v1/projects/?next=/api/v1/docs/origin.json",
            ),
        ] {
            assert_eq!(target(path), expected);
        }
    }

    #[test]
    fn a_head_is_sent_to_the_origin_as_a_get() {
        for (sent, arrives) in [("HEAD", "GET"), ("GET", "GET"), ("POST", "POST"), ("head", "head")] {
            assert_eq!(method(sent), arrives);
        }
    }

    #[test]
    fn a_looping_request_is_detected_by_its_via_header() {
        assert_eq!(via(None).as_deref(), Some("1.1 flagsmith-edge-worker"));
        assert_eq!(via(Some("2 cache".into())).as_deref(), Some("2 cache, 1.1 flagsmith-edge-worker"));
        assert_eq!(via(via(Some("2 cache".into()))), None);
    }

    #[test]
    fn pagination_links_are_rewritten_and_the_rest_is_unchanged() {
        for (body, expected) in [
            (
                r#"{"count": 3, "next": "http://flagsmith.internal:8000/x/?page=2", "previous": null, "results": [1.0]}"#,
                Some(
                    r#"{"count": 3, "next": "https://edge.example.com/x/?page=2", "previous": null, "results": [1.0]}"#,
                ),
            ),
            (
                r#"{"previous":"https://flagsmith.internal:8000/a","x":"ü","next":"https:\/\/flagsmith.internal:8000\/b"}"#,
                Some(
                    r#"{"previous":"https://edge.example.com/a","x":"ü","next":"https://edge.example.com/b"}"#,
                ),
            ),
            (r#"{"next":"https://elsewhere.example.com/x","previous":7}"#, None),
            (r#"{"results":[{"next":"https://flagsmith.internal:8000/x"}]}"#, None),
            (r#"[{"next":"https://flagsmith.internal:8000/x"}]"#, None),
            (r#"{"next":"https://flagsmith.internal:8000/x""#, None),
            ("", None),
        ] {
            let changed = rewrite_pagination_links(body.as_bytes(), &origin(), HERE)
                .map(|body| String::from_utf8(body).unwrap());
            assert_eq!(changed.as_deref(), expected, "{body}");
        }
        assert_eq!(rewrite_pagination_links(b"\xff{}", &origin(), HERE), None);
    }

    #[test]
    fn a_location_at_the_origin_is_rewritten() {
        let below = Origin::parse("https://flagsmith.internal:8000/flagsmith").unwrap();
        for (origin, value, expected) in [
            (&origin(), "https://flagsmith.internal:8000/a?b", Some("https://edge.example.com/a?b")),
            (&origin(), "/a?b", None),
            (&origin(), "https://elsewhere.example.com/a", None),
            (&origin(), "//elsewhere.example.com/a", None),
            (&below, "/flagsmith/a?b", Some("/a?b")),
            (&below, "/a?b", None),
            (&below, "https://flagsmith.internal:8000/flagsmith/a", Some("https://edge.example.com/a")),
        ] {
            assert_eq!(location(value, origin, HERE).as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn each_credential_is_rate_limited_by_its_hash() {
        let authorization = |value: &str| rate_keys(Some(value), None);
        let cookie = |value: &str| rate_keys(None, Some(value));
        assert_eq!(authorization("Token a"), authorization(" TOKEN   a "));
        assert_ne!(authorization("Token a"), authorization("Token b"));
        assert_ne!(authorization("Token a"), authorization("Token A"));
        assert_eq!(cookie("a=1; jwt=x"), cookie("jwt=x; b=2"));
        assert_eq!(cookie("jwt=other; jwt=x"), cookie("jwt=x"));
        assert_ne!(cookie("jwt=x"), cookie("jwt=y"));
        assert!(cookie("a=1").is_empty());
        assert!(authorization(" ").is_empty());
        let both = rate_keys(Some("Token a"), Some("jwt=x"));
        assert_eq!(both, [authorization("Token a"), cookie("jwt=x")].concat());
        assert!(both.iter().all(|key| key.len() == 64 && !key.contains("token")));
    }

    #[test]
    fn a_long_body_extends_the_timeout() {
        let allowed = Duration::from_secs(30);
        assert_eq!(timeout(allowed, 0), allowed);
        assert_eq!(timeout(allowed, 200 * 1024 * 1024), Duration::from_secs(30 + 3200));
        assert_eq!(timeout(Duration::MAX, u64::MAX), Duration::MAX);
    }

    #[test]
    fn json_is_recognized_by_its_media_type() {
        for (media_type, expected) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/problem+json", true),
            ("text/json-like", false),
            ("application/jsonl", false),
            ("", false),
        ] {
            assert_eq!(is_json(media_type), expected, "{media_type}");
        }
    }
}
