//! The event streams of an environment's changes: Flagsmith's, and that of OpenFeature's protocol.

use std::borrow::Cow;

use worker::{Context, Env, web_sys};

use crate::api::{EnvironmentKey, Error, Response, query};
use crate::document::ClientKey;
use crate::edge::cache::environments::Environments;
use crate::edge::http::incoming::IncomingRequest;
use crate::edge::http::response::respond;
use crate::edge::objects::stream::client as streams;
use crate::edge::platform::config::Config;
use crate::route::StreamKind;

/// The text of an answer without a stream.
const UNAVAILABLE: &str = "No stream can be opened now; try again.";
/// The pause before a client should try again, in seconds.
const RETRY_AFTER_SECONDS: &str = "10";
/// The `Allow` header.
const ALLOW: &str = "GET, OPTIONS";

/// Answers with a stream. An unknown key is refused as in the SDK API, so that clients give up.
pub async fn answer(
    client_key: ClientKey,
    kind: StreamKind,
    incoming: &IncomingRequest,
    env: &Env,
    context: &Context,
) -> web_sys::Response {
    match open(client_key, kind, incoming, env, context).await {
        Ok(stream) => stream,
        Err(response) => respond(response.finish(None, &incoming.method)),
    }
}

async fn open(
    client_key: ClientKey,
    kind: StreamKind,
    incoming: &IncomingRequest,
    env: &Env,
    context: &Context,
) -> Result<web_sys::Response, Response<'static>> {
    if incoming.method != "GET" {
        let refusal = Error::MethodNotAllowed(incoming.method.clone());
        return Err(Response::error(&refusal).with("allow", ALLOW));
    }
    let key = EnvironmentKey::Client(client_key.clone());
    let loaded = Environments::new(env, Config::of(env)).load(&key, context).await;
    incoming.trace.set_environment(&loaded.map_err(|error| Response::error(&error))?);
    let unavailable = || Response::detail(503, UNAVAILABLE).with("retry-after", RETRY_AFTER_SECONDS);
    // Browsers send the header; other clients have a parameter.
    let seen = incoming
        .header("last-event-id")
        .or_else(|| query::last(&incoming.query, "lastEventId").map(Cow::into_owned));
    let stream = streams::open(env, &client_key, kind, seen).await.map_err(|failure| {
        failure.log(Some(&client_key));
        unavailable()
    })?;
    stream.ok_or_else(unavailable)
}
