//! Answers: status, headers, body.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::error::{Error, RETRY_AFTER_SECONDS, UNREADABLE_SECONDS};
use super::route::SdkRoute;
use crate::document::Environment;
use crate::document::ruleset::SegmentIndex;

/// An answer to a request. It may borrow from its environment.
#[derive(Clone, Debug)]
pub struct Response<'e> {
    /// The HTTP status.
    pub status: u16,
    /// The headers of this answer only, with names in lower case. [`Response::headers`] adds those of every answer.
    pub(super) headers: Vec<(&'static str, Cow<'e, str>)>,
    common: Option<Common>,
    /// The body; empty for none.
    pub body: Cow<'e, [u8]>,
    /// The segment that spent the evaluation's budget, for the log.
    pub exhausted: Option<SegmentIndex>,
}

const STALE_SECONDS: &str = "x-edge-stale-seconds";
const JSON: &str = "application/json";

/// The maximum number of headers of one answer, without those of every answer.
const MAX_HEADERS: usize = 6;

/// The capacity for [`Response::head_text`], in bytes. Longer texts are rare.
const HEAD_LENGTH: usize = 256;

/// The headers that a browser's script may read. Only an origin sends `Flagsmith-Version`, but contract §A.0 lists it.
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

    /// A failure: its text as `{"detail": …}`.
    pub fn detail(status: u16, text: &str) -> Response<'e> {
        let mut response = Response::json(json!({"detail": text}).to_string().into_bytes());
        response.status = status;
        response
    }

    /// A report of problems, with an object for each item of a request. `is_unavailable`: true if an item may succeed
    /// when the request is sent again.
    pub fn by_item(problems: Vec<Value>, is_unavailable: bool) -> Response<'e> {
        let response = Response::error(&Error::Invalid(json!({"data": problems})));
        if !is_unavailable {
            return response;
        }
        Response { status: 503, ..response }.with("retry-after", RETRY_AFTER_SECONDS)
    }

    /// An answer of JSON lines.
    pub fn lines(body: impl Into<Cow<'e, [u8]>>) -> Response<'e> {
        let mut response = Response::empty(200).with("content-type", "application/x-ndjson");
        response.body = body.into();
        response
    }

    /// An answer without a body.
    pub fn empty(status: u16) -> Response<'e> {
        let headers = Vec::with_capacity(MAX_HEADERS);
        Response { status, headers, common: None, body: Cow::default(), exhausted: None }
    }

    /// An error's answer.
    pub fn error(error: &Error) -> Response<'e> {
        let mut response = Response::json(error.body().to_string().into_bytes());
        response.status = error.status();
        let retry_after = match error {
            Error::Unavailable(_) => Some(RETRY_AFTER_SECONDS),
            Error::Unreadable => Some(UNREADABLE_SECONDS),
            _ => None,
        };
        response.headers.extend(retry_after.map(|seconds| ("retry-after", seconds.into())));
        if let Error::UnsupportedEncoding(_) = error {
            // RFC 9110 §15.5.16
            response.headers.push(("accept-encoding", "identity".into()));
        }
        response
    }

    /// Adds a header with a name in lower case.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Cow<'e, str>>) -> Response<'e> {
        self.headers.push((name, value.into()));
        self
    }

    /// Adds the time of the environment's last change.
    #[must_use]
    pub fn updated_at(mut self, environment: &'e Environment) -> Response<'e> {
        if let Some(updated_at) = &environment.updated_at {
            self.headers.push(("x-flagsmith-document-updated-at", (&*updated_at.seconds).into()));
        }
        self
    }

    /// Records the segment that spent the evaluation's budget, if there is one.
    #[must_use]
    pub fn exhausted(mut self, segment: Option<SegmentIndex>) -> Response<'e> {
        self.exhausted = segment;
        self
    }

    /// Adds the entity tag, with which the client can revalidate the answer.
    #[must_use]
    pub fn tagged(mut self, tag: String) -> Response<'e> {
        self.headers.push(("etag", tag.into()));
        self
    }

    /// Adds the time since the environment was last confirmed, if confirming it failed.
    #[must_use]
    pub fn stale(mut self, seconds: Option<u64>) -> Response<'e> {
        if let Some(seconds) = seconds {
            // If two stores failed, the second is reported.
            self.headers.retain(|(name, _)| *name != STALE_SECONDS);
            self.headers.push((STALE_SECONDS, seconds.to_string().into()));
        }
        self
    }

    /// Adds the headers of every answer: CORS and caching.
    #[must_use]
    pub fn finish(mut self, route: Option<SdkRoute>, method: &str) -> Response<'e> {
        // A client may keep the answer to a GET and must revalidate it each time; no other answer may be kept.
        let keep = self.status < 400
            && matches!(method, "GET" | "HEAD")
            && matches!(route, Some(SdkRoute::Keyed(_)));
        self.common = Some(Common { route, keep });
        self
    }

    /// All headers.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let own = self.headers.iter().map(|(name, value)| (*name, &**value));
        own.chain(self.common.iter().flat_map(Common::headers))
    }

    /// Returns the status and the headers as one text. Two answers have the same text only if both are equal in these.
    pub fn head_text(&self) -> String {
        let mut text = String::with_capacity(HEAD_LENGTH);
        let route =
            self.common.and_then(|common| common.route).map_or('-', |route| char::from(route.number()));
        let keep = self.common.map_or('-', |common| if common.keep { '1' } else { '0' });
        text.extend([char::from_u32(self.status.into()).unwrap_or_default(), route, keep]);
        for (name, value) in &self.headers {
            text.extend([" ", name, ":", value]);
        }
        text
    }
}

/// Checks that an endpoint has a method; the error is the answer. `allow`: the `Allow` header.
pub fn check_method(method: &str, allow: &'static str) -> Result<(), Response<'static>> {
    if allow.split(", ").any(|allowed| allowed == method) {
        return Ok(());
    }
    Err(Response::error(&Error::MethodNotAllowed(method.to_owned())).with("allow", allow))
}

/// The route, and true if the answer may be stored: together they determine the common headers.
#[derive(Clone, Copy, Debug)]
struct Common {
    route: Option<SdkRoute>,
    keep: bool,
}

impl Common {
    fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let keyed = matches!(self.route, Some(SdkRoute::Keyed(_)));
        let ofrep = matches!(self.route, Some(SdkRoute::Keyed(route)) if route.is_ofrep());
        let headers = [
            Some(("access-control-allow-origin", "*")),
            Some(("access-control-expose-headers", EXPOSED_HEADERS)),
            Some(("cache-control", if self.keep { "private, no-cache" } else { "no-store" })),
            // As in Flagsmith's framework. Browsers must not guess a media type, since answers contain texts of any
            // client.
            Some(("x-content-type-options", "nosniff")),
            self.route.map(|route| ("allow", route.allow())),
            keyed.then_some((
                "vary",
                if ofrep { "X-Environment-Key, X-API-Key, Authorization" } else { "X-Environment-Key" },
            )),
        ];
        headers.into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_listed_method_is_accepted() {
        for method in ["POST", "OPTIONS"] {
            assert!(check_method(method, "POST, OPTIONS").is_ok(), "{method}");
        }
        for method in ["GET", "POS", "post", "", "POST, OPTIONS"] {
            let Err(refusal) = check_method(method, "POST, OPTIONS") else { panic!("{method}") };
            let headers: Vec<_> = refusal.headers().collect();
            assert_eq!(
                (refusal.status, headers.contains(&("allow", "POST, OPTIONS"))),
                (405, true),
                "{method}"
            );
        }
    }
}
