//! The SDK API: bytes in, bytes out.
//!
//! [`answer`] drives a request over a [`Backend`], which has the stores. Each endpoint only reads the request into a
//! [`Plan`], and renders the answer of identities with [`Continuation::answer`].

mod analytics;
mod bulk_identities;
mod cached_response;
mod driver;
mod environment_document;
mod error;
mod etag;
pub mod fields;
mod flags;
mod health;
mod identities;
mod key;
mod ofrep;
mod plan;
mod preflight;
pub mod query;
mod request;
mod response;
mod route;
mod subject;
mod traits;
mod write_json;

pub use analytics::{AnalyticsVersion, Evaluations, MAX_COUNT};
pub use cached_response::CachedResponse;
pub use driver::{Backend, KnownOverrides, answer};
pub use environment_document::{DocumentConditions, render as render_document};
pub use error::{Dependency, Error};
pub use health::readiness;
pub use key::EnvironmentKey;
pub use ofrep::{ConfigHint, bulk_error as ofrep_error};
pub use plan::{Continuation, Plan, plan};
pub use preflight::answer as preflight;
pub use request::{Request, body, check_encoding, essence};
pub use response::{Response, check_method};
pub use route::{HealthRoute, KeyedRoute, MAX_BODY_LENGTH, SdkRoute, check_path};
