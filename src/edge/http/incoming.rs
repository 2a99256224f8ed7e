//! The request type of the handlers.

use worker::web_sys;

use crate::edge::http::telemetry::Trace;

/// A request, with the headers that the entry module has read. Passing a string into WebAssembly costs less than a
/// later call for it.
pub struct IncomingRequest {
    /// The request in the platform's form.
    pub request: web_sys::Request,
    /// The method as it was sent. The platform's bindings turn unknown methods into GET.
    pub method: String,
    /// The path as it was sent, without plain dot segments.
    pub path: String,
    /// The query without the question mark.
    pub query: String,
    /// The facts about it for metrics and logs.
    pub trace: Trace,
    preread_headers: PrereadHeaders,
}

/// Headers that the entry module has read. Each further header costs a call.
pub struct PrereadHeaders {
    /// `X-Environment-Key`, read for all methods.
    pub environment_key: Option<String>,
    /// `If-None-Match`, read for a GET.
    pub if_none_match: Option<String>,
    /// `Content-Type`, read for all methods except GET.
    pub content_type: Option<String>,
    /// `Content-Length`, read for all methods except GET.
    pub content_length: Option<String>,
    /// `Content-Encoding`, read for all methods except GET.
    pub content_encoding: Option<String>,
}

/// Scheme and host of a URL, and the rest.
pub fn split_url(url: &str) -> (&str, &str) {
    url.match_indices('/').nth(2).and_then(|(at, _)| url.split_at_checked(at)).unwrap_or((url, "/"))
}

impl IncomingRequest {
    /// `url` is the platform's own string, since the bindings would resolve encoded dot segments.
    pub fn new(
        request: web_sys::Request,
        method: String,
        url: &str,
        preread_headers: PrereadHeaders,
    ) -> IncomingRequest {
        // A fragment is never sent.
        let (_, target) = split_url(url);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (path, query) = (path.to_owned(), query.to_owned());
        let trace = Trace::default();
        IncomingRequest { request, method, path, query, trace, preread_headers }
    }

    /// A header's value, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<String> {
        match name {
            "x-environment-key" => self.preread_headers.environment_key.clone(),
            "if-none-match" if self.method == "GET" => self.preread_headers.if_none_match.clone(),
            "content-type" if self.method != "GET" => self.preread_headers.content_type.clone(),
            "content-length" if self.method != "GET" => self.preread_headers.content_length.clone(),
            "content-encoding" if self.method != "GET" => self.preread_headers.content_encoding.clone(),
            _ => self.headers().get(name).ok().flatten(),
        }
    }

    /// All headers, in the platform's form.
    pub fn headers(&self) -> web_sys::Headers {
        self.request.headers()
    }
}
