//! The failures of the Admin API and of the proxy in front of the origin.

use std::fmt;

use crate::api::{self, Response};

/// The reasons for an answer other than the requested one.
#[derive(Clone, Debug, PartialEq)]
pub enum AdminError {
    /// A failure that the SDK API has, too.
    Api(api::Error),
    /// The body takes too long to arrive.
    BodyTimeout,
    /// The body is longer than this many bytes and has no `Content-Length`.
    LengthRequired(usize),
    /// The bodies without a `Content-Length` that are in transit take all memory that is reserved for such bodies.
    TooManyUploads,
    /// The credential has sent too many requests.
    Throttled,
    /// The permission of the caller cannot be checked at the origin.
    PermissionsUnavailable,
    /// Neither an origin nor an admin key is configured.
    AdminKeyMissing,
    /// No origin is configured, and the path is the origin's.
    OriginMissing,
    /// The origin refused the connection, or broke off.
    OriginUnreachable,
    /// The origin did not answer in time.
    OriginTimeout,
    /// The request has passed through this worker before.
    Loop,
}

/// The `Retry-After` of a rate-limited answer. The platform counts by the minute and does not report the rest of the
/// current one.
const THROTTLED_SECONDS: &str = "60";
/// The `Retry-After` of answers about a failure that usually ends soon.
const UNAVAILABLE_SECONDS: &str = "1";

impl AdminError {
    /// The answer to the client.
    pub fn response(&self) -> Response<'static> {
        let (status, retry_after) = match self {
            AdminError::Api(error) => return Response::error(error),
            AdminError::BodyTimeout => (408, None),
            AdminError::LengthRequired(_) => (411, None),
            AdminError::Throttled => (429, Some(THROTTLED_SECONDS)),
            AdminError::OriginUnreachable => (502, None),
            AdminError::TooManyUploads | AdminError::PermissionsUnavailable => {
                (503, Some(UNAVAILABLE_SECONDS))
            }
            AdminError::AdminKeyMissing | AdminError::OriginMissing => (503, None),
            AdminError::OriginTimeout => (504, None),
            AdminError::Loop => (508, None),
        };
        let response = Response::detail(status, &self.to_string());
        match retry_after {
            Some(seconds) => response.with("retry-after", seconds),
            None => response,
        }
    }
}

impl From<api::Error> for AdminError {
    fn from(error: api::Error) -> AdminError {
        AdminError::Api(error)
    }
}

impl fmt::Display for AdminError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AdminError::Api(error) => return error.fmt(f),
            AdminError::LengthRequired(limit) => {
                return write!(f, "A request body of more than {limit} bytes needs a Content-Length header.");
            }
            AdminError::Throttled => {
                return write!(f, "Request was throttled. Expected available in {THROTTLED_SECONDS} seconds.");
            }
            AdminError::BodyTimeout => {
                "The request body did not arrive in time; send it faster or with a Content-Length."
            }
            AdminError::TooManyUploads => {
                "Too many request bodies without a Content-Length are in transit; try again, or send a Content-Length."
            }
            AdminError::PermissionsUnavailable => "Your permissions cannot be checked now; try again.",
            AdminError::AdminKeyMissing => {
                "Authentication is not configured: set ORIGIN_URL or ADMIN_KEY_SHA256."
            }
            AdminError::OriginMissing => {
                "The Admin API needs an origin: set ORIGIN_URL, or deploy with ORIGIN=embedded."
            }
            AdminError::OriginUnreachable => {
                "The origin behind this API cannot be reached; try again later."
            }
            AdminError::OriginTimeout => {
                "The origin behind this API did not answer in time; try again later."
            }
            AdminError::Loop => {
                "ORIGIN_URL or EVENTS_URL leads back to this API; set it to the address of a Flagsmith."
            },
        })
    }
}

impl std::error::Error for AdminError {}
