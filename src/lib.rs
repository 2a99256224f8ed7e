//! An open, self-hostable Edge API for Flagsmith on Cloudflare Workers.

pub mod document;
#[cfg(target_arch = "wasm32")]
pub mod edge;
pub mod evaluate;
pub mod identity;
