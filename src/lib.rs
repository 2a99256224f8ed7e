//! An open, self-hostable Edge API for Flagsmith on Cloudflare Workers.
//!
//! It serves Flagsmith's SDK API from environment documents in Workers KV, and keeps identities and their traits
//! in Durable Objects. Every Flagsmith SDK works against it by changing one URL. The Admin API goes to the Flagsmith
//! behind it, the origin.
//!
//! # Layout
//!
//! `document ← identity ← evaluate ← api ← admin ← route ← edge`: a module uses only those to its left; `cache` and `page`
//! use none. `admin` uses of `api` only the answers, the errors and the reader of fields, and of `page` the description
//! of the origin. `publish` uses only `document` and the address of the origin, and `settings` uses those two.
//! `tests/layers.rs` fails on any other import.
//!
//! - [`document`]: the environment document as published, and its compiled form. Parsing finds every fault.
//! - [`identity`]: the stored state of an identity, and the commands that change it.
//! - [`evaluate`]: decides the state and value of each feature for an identity. Total.
//! - [`api`]: the SDK API, bytes in and bytes out: routes, keys, errors, one file for each endpoint.
//! - [`admin`]: the Admin API: routes served here, and the path of other requests to the origin and back.
//! - [`publish`]: decides which documents of an origin are published, and when.
//! - [`cache`]: an isolate's bounded cache of stored values, with their ages.
//! - [`page`]: the static files, and the rules under which they are served.
//! - [`route`]: all paths, by family. It names the endpoints of `api`, `admin` and `page`.
//! - [`settings`]: the settings of a deployment, and their faults.
//! - `edge`: the only IO, on wasm32 only: the entry, KV, Durable Objects, the origin.
//!
//! `document`, `identity`, `evaluate`, `api` and `cache` are a crate of their own, `src/core`. Cargo has one opt-level
//! for each crate: code that computes is compiled for speed, code that waits is compiled for size.
//!
//! `src/origin` is a second worker, the embedded origin. `src/platform` has what both workers use of the platform.
//!
//! # Invariants
//!
//! - In this crate, no type of the platform is named outside `edge`; the native build would not find it.
//! - Nothing panics: a panic ends the isolate, and with it the requests of others.
//! - A parsed document can be evaluated, and always to the same result.
//! - A client key never gets server-side-only features.
//! - An identity's answer is never computed without its stored traits: if they cannot be read, the answer is 503.
//! - A server key is identified by its SHA-256 only. Logs, error texts and cache keys contain no server keys,
//!   identifiers, trait values or bodies.

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::todo,
    clippy::unimplemented,
    clippy::unreachable
)]

pub mod admin;
#[cfg(target_arch = "wasm32")]
pub mod edge;
pub mod page;
pub mod publish;
pub mod route;
pub mod settings;

pub use flagsmith_edge_core::{api, cache, document, evaluate, identity};
