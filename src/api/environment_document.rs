//! GET /api/v1/environment-document/: what SDKs evaluate locally (contract §A.5).

use super::response::Response;
use crate::document::{Environment, Timestamp};

/// The document, or 304 if it is not newer than `If-Modified-Since`, which counts only without `If-None-Match`
/// (RFC 9110 §13.1.3).
pub fn answer<'e>(
    environment: &'e Environment,
    if_none_match: Option<String>,
    if_modified_since: Option<String>,
) -> Response<'e> {
    let Some(updated_at) = &environment.updated_at else { return Response::json(environment.document()) };
    let since = if_modified_since.filter(|_| if_none_match.is_none());
    let since = since.and_then(|date| Timestamp::from_http_date(&date));
    let mut response = match since {
        Some(since) if updated_at.timestamp.seconds() <= since.seconds() => Response::empty(304),
        _ => Response::json(environment.document()).updated_at(environment),
    };
    response.headers.push(("last-modified", (&*updated_at.http_date).into()));
    response
}
