//! An open, self-hostable Edge API for Flagsmith on Cloudflare Workers.
//!
//! It serves Flagsmith's SDK API from environment documents in Workers KV, and keeps identities and their traits
//! in Durable Objects. Every Flagsmith SDK works against it by changing one URL. The Admin API goes to the Flagsmith
//! behind it, the origin.
//!
//! # Layout
//!
//! `document ← identity ← evaluate ← api ← admin ← edge`: a module uses only those to its left; `memory` and `page`
//! use none.
//! `admin` uses no more of `api` than its answers, its errors and how it reads fields, `publish` only `document` and where
//! the origin is, `settings` those two.
//!
//! - [`document`]: the environment document as published, and its compiled form. Parsing finds every fault.
//! - [`identity`]: what is stored of an identity, and the commands that change it.
//! - [`evaluate`]: decides which state and value each feature has for an identity. Total.
//! - [`api`]: the SDK API, bytes in and bytes out: routes, keys, errors, one file for each endpoint.
//! - [`admin`]: the Admin API: what is served here, what is the origin's, and how it gets there and back.
//! - [`publish`]: decides which documents of an origin are published, and when.
//! - [`cache`]: what an isolate remembers of the stores, with its age, bounded.
//! - [`page`]: which static files are served, and under which rules.
//! - [`settings`]: the settings of a deployment, and what is wrong with them.
//! - `edge`: the only IO, on wasm32 only: the entry, KV, Durable Objects, the origin.
//!
//! `document`, `identity`, `evaluate`, `api` and `memory` are a crate of their own, `src/core`, since Cargo knows one
//! opt-level for each: what computes is compiled for speed, what waits for size.
//!
//! # Invariants
//!
//! - No type of the platform is named outside `edge`; the native build would not find it.
//! - Nothing panics: a panic ends the isolate, and with it the requests of others.
//! - What was parsed can be evaluated, and always to the same result.
//! - A client key never gets what only a server key may see.
//! - An identity's answer is never computed without its stored traits: if they cannot be had, the answer is 503.
//! - A server key is known by its SHA-256 only; keys of that kind, identifiers, trait values and bodies are in no
//!   log, no error text and no cache key.

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
pub mod settings;

pub use flagsmith_edge_core::{api, cache, document, evaluate, identity};
