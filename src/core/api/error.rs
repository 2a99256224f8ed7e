//! The failures of the SDK API, in Flagsmith's words where it has some (contract §A). The Admin API has them, too.

use std::fmt;

use serde_json::{Value, json};

/// The reasons for an answer other than the requested one.
#[derive(Clone, Debug, PartialEq)]
pub enum Error {
    /// No environment key, or one of the wrong kind.
    KeyMissing,
    /// An unknown, inactive or expired key.
    KeyUnknown,
    /// The organisation is stopped.
    ServingStopped,
    /// The organisation does not store traits.
    TraitsNotStored,
    /// The endpoint does not have this method.
    MethodNotAllowed(String),
    /// The body is not JSON by its media type.
    UnsupportedMediaType(String),
    /// The body is compressed, or encoded otherwise.
    UnsupportedEncoding(String),
    /// The body is longer than this many bytes.
    BodyTooLarge(usize),
    /// The body is not JSON; what is wrong and where.
    Malformed(String),
    /// The body is JSON of another shape; Flagsmith's report of it.
    Invalid(Value),
    /// The request names no identity.
    IdentifierMissing,
    /// No such feature, or none that this key may see.
    FeatureNotFound,
    /// No such endpoint.
    NotFound,
    /// The path has a dot segment.
    DotSegment,
    /// The value stored for the key cannot be read. A retry does not help.
    Unreadable,
    /// Something needed for the answer cannot be had now.
    Unavailable(Dependency),
}

/// A part that can be unavailable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dependency {
    /// The environment document.
    Environment,
    /// The identity's stored state.
    Identity,
    /// The object that keeps evaluations for the origin.
    Analytics,
    /// The directory of identities.
    Directory,
    /// Room for one more answer of a large identity.
    Answers,
}

/// The `Retry-After` of an unavailable answer.
pub const RETRY_AFTER_SECONDS: &str = "1";

/// The `Retry-After` of an answer about a stored value that cannot be read. An isolate reads such a value again after
/// this time at the latest.
pub const UNREADABLE_SECONDS: &str = "60";

impl Error {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Error::Malformed(_) | Error::Invalid(_) | Error::IdentifierMissing | Error::DotSegment => 400,
            Error::KeyMissing | Error::KeyUnknown | Error::ServingStopped | Error::TraitsNotStored => 403,
            Error::FeatureNotFound | Error::NotFound => 404,
            Error::MethodNotAllowed(_) => 405,
            Error::BodyTooLarge(_) => 413,
            Error::UnsupportedMediaType(_) | Error::UnsupportedEncoding(_) => 415,
            Error::Unavailable(_) | Error::Unreadable => 503,
        }
    }

    /// The JSON body.
    pub fn body(&self) -> Value {
        match self {
            Error::Invalid(report) => report.clone(),
            other => json!({"detail": other.to_string()}),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::KeyMissing => f.write_str("Invalid or missing Environment key"),
            Error::KeyUnknown => f.write_str("Invalid or missing Environment Key"),
            Error::ServingStopped => f.write_str("Organisation is disabled from serving flags."),
            Error::TraitsNotStored => f.write_str("Organisation is not authorised to store traits."),
            Error::MethodNotAllowed(method) => write!(f, "Method \"{method}\" not allowed."),
            Error::UnsupportedMediaType(media_type) => {
                write!(f, "Unsupported media type \"{media_type}\" in request.")
            }
            Error::UnsupportedEncoding(encoding) => {
                write!(f, "Unsupported content encoding \"{encoding}\" in request: send uncompressed JSON.")
            }
            Error::BodyTooLarge(limit) => write!(f, "Request body must not be larger than {limit} bytes."),
            Error::Malformed(problem) => write!(f, "JSON parse error - {problem}"),
            Error::Invalid(report) => write!(f, "{report}"),
            Error::IdentifierMissing => f.write_str("Missing identifier"),
            Error::FeatureNotFound => f.write_str("Given feature not found"),
            Error::NotFound => f.write_str("Not found."),
            Error::DotSegment => f.write_str("The path has dot segments; send it without them."),
            Error::Unreadable => f.write_str(
                "The value stored for this environment key cannot be read. See the log for the cause, and publish the environment again.",
            ),
            Error::Unavailable(Dependency::Environment) => {
                f.write_str("The environment is temporarily unavailable; try again.")
            }
            Error::Unavailable(Dependency::Identity) => f.write_str("The identity is temporarily unavailable; try again."),
            Error::Unavailable(Dependency::Answers) => {
                f.write_str("Too many answers of large identities are being sent; try again.")
            }
            Error::Unavailable(Dependency::Analytics) => f.write_str("Analytics are temporarily unavailable; report the evaluations again."),
            Error::Unavailable(Dependency::Directory) => {
                f.write_str("The directory of identities is temporarily unavailable; try again.")
            }
        }
    }
}

impl std::error::Error for Error {}
