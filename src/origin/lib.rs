//! The embedded origin: answers Flagsmith's Admin API from a state in memory. All but `platform` is without IO.
//!
//! [`answer`] takes a request and returns the answer with the rows that the request changed. A store writes these rows
//! in one transaction; [`State::load_row`] reads them back.
//!
//! # Layout
//!
//! - `rows` has the structs of the rows, `state` their tables, and `changes` the only way to change them.
//! - `route` has all paths, and `access` the master API keys.
//! - `call`, `input`, `pages` and `refusal` are the parts that endpoints are made of.
//! - Each family of endpoints has a file with its name.
//! - `platform` has the Durable Object that keeps the state; on wasm32 only.

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::todo,
    clippy::unimplemented,
    clippy::unreachable
)]
#![allow(missing_docs, reason = "the fields of rows and the routes have Flagsmith's names")]

mod access;
mod answer;
mod audit;
mod call;
mod changes;
mod defaults;
mod document;
mod document_length;
mod environment_document;
mod environments;
mod evaluation;
mod feature_segments;
mod feature_states;
mod features;
mod identities;
mod identity_overrides;
mod input;
mod keys;
mod limits;
mod multivariate_feature_state_values;
mod multivariate_options;
mod organisations;
mod pages;
#[cfg(target_arch = "wasm32")]
mod platform;
mod projects;
mod refusal;
mod route;
mod rows;
mod rules;
mod scope;
mod segment_overrides;
mod segments;
mod server_keys;
mod simple_feature_states;
mod state;
mod state_sums;
mod subject;
mod traits;
mod update_flag;
mod values;

pub use access::{DeploymentKeyChange, set_deployment_key};
pub use answer::{answer, refuse_by_head};
pub use call::{Context, Request};
pub use changes::Changes;
pub use flagsmith_edge_core::api::Response;
#[cfg(target_arch = "wasm32")]
pub use platform::OriginObject;
pub use route::Route;
pub use state::{LoadError, State};
