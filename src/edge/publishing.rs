//! Tells the environments that a write has changed.

use worker::Env;

use crate::admin::publishing::Affected;

/// Has what a write through the worker affected published again.
pub async fn refresh(_env: Env, _affected: Affected) {}
