//! OpenFeature's Remote Evaluation Protocol 0.3 (OFREP): flags for the providers of OpenFeature's SDKs.
//!
//! A request is read into an [`OfrepQuery`], which may need the stored state of one identity. Evaluation and the rules for
//! identities are those of `POST /identities/` ([`super::subject`]).

mod answer;
mod bulk;
mod config_hint;
mod context;
mod environment_key;
mod error;
mod flag;
mod path;
mod query;

pub use config_hint::ConfigHint;
pub use environment_key::read as environment_key;
pub use error::{bulk_error, flag_error};
pub use path::{OfrepPath, flag_key};
pub use query::{OfrepQuery, read_bulk, read_flag};
