//! GET /api/v1/environment-document/: what SDKs evaluate locally (contract §A.5).

use super::response::Response;
use crate::document::{Environment, Timestamp};

/// Whether the document is not newer than an `If-Modified-Since`.
pub fn is_kept(environment: &Environment, if_modified_since: Option<String>) -> bool {
    let since = if_modified_since.and_then(|date| Timestamp::from_http_date(&date));
    let updated_at = environment.updated_at.as_ref().map(|updated_at| updated_at.timestamp.seconds());
    updated_at.zip(since).is_some_and(|(updated_at, since)| updated_at <= since.seconds())
}

/// The document.
pub fn answer(environment: &Environment) -> Response<'_> {
    dated(Response::json(environment.document()).updated_at(environment), environment)
}

/// For whoever keeps the document.
pub fn unmodified(environment: &Environment) -> Response<'_> {
    dated(Response::empty(304), environment)
}

fn dated<'e>(mut response: Response<'e>, environment: &'e Environment) -> Response<'e> {
    let date = environment.updated_at.as_ref().map(|updated_at| &*updated_at.http_date);
    response.headers.extend(date.map(|date| ("last-modified", date.into())));
    response
}
