//! The Admin API: passes requests on to the origin, and its answers back.

use std::time::Duration;

use worker::{Context, Env, web_sys};

use super::config::Config;
use super::entry::Incoming;
use super::origin::Exchange;
use super::publishing;
use super::respond::respond;
use crate::admin::{self, Destination, Origin};
use crate::api::{Error, Response};

/// Answers a request that is not the SDK API's.
pub async fn answer(incoming: Incoming, env: &Env, context: &Context) -> web_sys::Response {
    let origin = Config::of(env).origin.as_ref();
    match (admin::direct(&incoming.method, &incoming.path, origin, &|name| incoming.header(name)), origin) {
        (Destination::Origin, Some(origin)) => match forward(&incoming, origin).await {
            Ok(response) => {
                if response.ok()
                    && let Some(affected) = admin::publishing::after_write(&incoming.method, &incoming.path)
                {
                    context.wait_until(publishing::refresh(env.clone(), affected));
                }
                response
            }
            Err(error) => respond(Response::error(&error).finish(None, &incoming.method)),
        },
        (Destination::Answered(response), _) => respond(response),
        (Destination::Origin, None) => respond(Response::error(&Error::NotFound)),
    }
}

const TIMEOUT: Duration = Duration::from_secs(30);

async fn forward(incoming: &Incoming, origin: &Origin) -> Result<web_sys::Response, Error> {
    let target = match incoming.query.as_str() {
        "" => incoming.path.clone(),
        query => format!("{}?{query}", incoming.path),
    };
    let body = incoming.request.body().map(Into::into);
    let exchange = Exchange::new(&origin.url(&target), &incoming.method, &incoming.headers, body);
    let exchange = exchange.map_err(|_| Error::NotFound)?;
    exchange.within(TIMEOUT, exchange.send()).await.map_err(|fault| fault.report())
}
