//! B1: the same answer to every request, after reading the body of a POST.

use worker::{Context, Env, Method, Request, Response, Result, event};

#[event(fetch)]
async fn fetch(mut request: Request, env: Env, _context: Context) -> Result<Response> {
    if request.method() == Method::Post {
        request.bytes().await?;
    }
    prepared::answer(&env)
}
