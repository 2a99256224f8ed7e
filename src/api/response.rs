//! What is answered: status, headers, body.

use std::borrow::Cow;
use std::fmt::Write;

use super::error::{Error, RETRY_AFTER_SECONDS};
use super::route::Route;
use crate::document::Environment;

/// An answer to a request; it may borrow from the environment that it was made of.
#[derive(Clone, Debug)]
pub struct Response<'e> {
    /// The HTTP status.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(&'static str, Cow<'e, str>)>,
    /// Empty for none.
    pub body: Cow<'e, [u8]>,
}

const JSON: &str = "application/json";

/// As many as any answer has.
const MAX_HEADERS: usize = 10;

/// What the head of an answer seldom exceeds, in bytes.
const HEAD_LENGTH: usize = 512;

/// What a browser's script may read of an answer.
const EXPOSED_HEADERS: &str =
    "etag, x-flagsmith-document-updated-at, retry-after, flagsmith-version, x-edge-stale-seconds";

impl<'e> Response<'e> {
    /// A JSON answer.
    pub fn json(body: impl Into<Cow<'e, [u8]>>) -> Response<'e> {
        let mut response = Response::empty(200);
        response.headers.push(("content-type", JSON.into()));
        response.body = body.into();
        response
    }

    /// An answer without a body.
    pub fn empty(status: u16) -> Response<'e> {
        Response { status, headers: Vec::with_capacity(MAX_HEADERS), body: Cow::default() }
    }

    /// An error's answer.
    pub fn error(error: &Error) -> Response<'e> {
        let mut response = Response::json(error.body().to_string().into_bytes());
        response.status = error.status();
        if let Error::Unavailable(_) = error {
            response.headers.push(("retry-after", RETRY_AFTER_SECONDS.into()));
        }
        response
    }

    /// Says when the environment was last changed.
    #[must_use]
    pub fn updated_at(mut self, environment: &'e Environment) -> Response<'e> {
        if let Some(updated_at) = &environment.updated_at {
            self.headers.push(("x-flagsmith-document-updated-at", (&*updated_at.seconds).into()));
        }
        self
    }

    /// Names what was answered, so that it can be asked for again only if it has changed.
    #[must_use]
    pub fn tagged(mut self, tag: String) -> Response<'e> {
        self.headers.push(("etag", tag.into()));
        self
    }

    /// Says for how long the environment could not be confirmed, if it could not.
    #[must_use]
    pub fn stale(mut self, seconds: Option<u64>) -> Response<'e> {
        self.headers.extend(seconds.map(|seconds| ("x-edge-stale-seconds", seconds.to_string().into())));
        self
    }

    /// Adds what every answer has: who may read it, and how it may be kept.
    #[must_use]
    pub fn finish(mut self, route: Option<Route>, method: &str) -> Response<'e> {
        let headers = &mut self.headers;
        headers.push(("access-control-allow-origin", "*".into()));
        headers.push(("access-control-expose-headers", EXPOSED_HEADERS.into()));
        // What a GET answers may be kept by who asked, and is asked about each time; nothing else may be kept.
        let keep =
            self.status < 400 && matches!(method, "GET" | "HEAD") && route.is_some_and(Route::is_keyed);
        headers.push(("cache-control", if keep { "private, no-cache" } else { "no-store" }.into()));
        if let Some(route) = route {
            headers.push(("allow", route.allow().into()));
            if route.is_keyed() {
                headers.push(("vary", "X-Environment-Key".into()));
            }
        }
        self
    }

    /// Status and headers as one text.
    pub fn head_text(&self) -> String {
        let mut text = String::with_capacity(HEAD_LENGTH);
        // A String takes any write.
        let _ = write!(text, "{}", self.status);
        for (name, value) in &self.headers {
            text.extend([" ", name, ":", value]);
        }
        text
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| &**value)
    }
}
