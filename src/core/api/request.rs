//! The parts of a request, and the JSON of its body.

use super::error::Error;
use crate::document::json::Json;

/// The parts of a request that endpoints read.
pub struct Request<'a> {
    /// The method in upper case.
    pub method: &'a str,
    /// The path as it was sent.
    pub path: &'a str,
    /// The query without the question mark.
    pub query: &'a str,
    /// Returns a header's value by its name in lower case. Endpoints read only the headers that they use.
    pub header: &'a dyn Fn(&str) -> Option<String>,
    /// The body; empty if there is none.
    pub body: &'a [u8],
    /// Returns sixteen random bytes.
    pub random: &'a dyn Fn() -> [u8; 16],
    /// True if requests of OFREP store traits (`OFREP_PERSIST_TRAITS`).
    pub persists_ofrep_traits: bool,
    /// True if the deployment has event streams, which answers of OFREP then name.
    pub has_streams: bool,
}

impl<'a> Request<'a> {
    /// A request without a path, a query and a body.
    pub fn of_headers(method: &'a str, header: &'a dyn Fn(&str) -> Option<String>) -> Request<'a> {
        let random = &|| [0; 16];
        let (persists_ofrep_traits, has_streams) = (false, false);
        Request { method, path: "", query: "", header, body: &[], random, persists_ofrep_traits, has_streams }
    }
}

/// Checks that a body is not encoded, by its `Content-Encoding`, before the body is read.
pub fn check_encoding(content_encoding: Option<String>) -> Result<(), Error> {
    let Some(encoding) = content_encoding else { return Ok(()) };
    let is_plain =
        |coding: &str| matches!(coding.trim(), "") || coding.trim().eq_ignore_ascii_case("identity");
    if encoding.split(',').all(is_plain) { Ok(()) } else { Err(Error::UnsupportedEncoding(encoding)) }
}

/// A media type without its parameters.
pub fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim()
}

/// The body's JSON; an empty body is an empty object, whatever its type.
pub fn body<'a>(request: &Request<'a>) -> Result<Json<'a>, Error> {
    if request.body.is_empty() {
        return Json::parse(b"{}").map_err(Error::Malformed);
    }
    let media_type = (request.header)("content-type").unwrap_or_default();
    if !essence(&media_type).eq_ignore_ascii_case("application/json") {
        return Err(Error::UnsupportedMediaType(media_type));
    }
    Json::parse(request.body).map_err(Error::Malformed)
}
