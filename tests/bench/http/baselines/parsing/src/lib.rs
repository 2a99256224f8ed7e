//! P: only parses the environment's document.

use worker::{Context, Env, Request, Response, Result, event};

#[event(fetch)]
async fn fetch(request: Request, env: Env, _context: Context) -> Result<Response> {
    let key = request.headers().get("x-environment-key")?.unwrap_or_default();
    let stored = env.kv("ENVIRONMENTS")?.get(&format!("document:{key}")).bytes().await?;
    let document: serde_json::Value = serde_json::from_slice(&stored.ok_or("no such environment")?)?;
    Response::from_json(&document["api_key"])
}
