//! An open, self-hostable Edge API for Flagsmith on Cloudflare Workers.

#[cfg(target_arch = "wasm32")]
pub mod edge;
