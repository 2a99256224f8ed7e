//! Answers at the worker's own endpoints: an origin's notices of changes, and what is published.

use futures_util::future::join_all;
use serde_json::{Value, json};
use worker::{Env, web_sys};

use super::body;
use super::config::Config;
use super::entry::Incoming;
use super::failure::Failure;
use super::publishing;
use super::respond::respond;
use crate::admin::publishing::Affected;
use crate::api::{Error, Response, preflight};
use crate::document::hash_of_server_key;
use crate::publish::{Endpoint, MAX_NOTICE_LENGTH, is_queue_change, is_signed, same_secret, webhook_id};

/// How many objects are asked for their status at a time.
const ASKED_AT_ONCE: usize = 50;

/// Answers a request to one of the worker's own endpoints.
pub async fn answer(endpoint: Endpoint, incoming: Incoming, env: &Env) -> web_sys::Response {
    let method = incoming.method.clone();
    if method == "OPTIONS" {
        return respond(preflight(incoming.header("access-control-request-headers")));
    }
    let response = if !endpoint.has_method(&method) {
        Response::error(&Error::MethodNotAllowed(method.clone())).with("allow", endpoint.allow())
    } else {
        let response = match endpoint {
            Endpoint::QueueChange(client_key) => take_queue_change(client_key, &incoming, env).await,
            Endpoint::Webhook(id) => take_webhook(&id, &incoming, env).await,
            Endpoint::Status => status(&incoming, env).await,
        };
        response.unwrap_or_else(|error| Response::error(&error))
    };
    respond(response.finish(None, &method))
}

/// What an origin tells a realtime server: a document has changed, and which.
async fn take_queue_change(
    client_key: String,
    incoming: &Incoming,
    env: &Env,
) -> Result<Response<'static>, Error> {
    let token = Config::of(env).sse_authentication_token.as_ref().ok_or(Error::NotFound)?;
    let authorization = incoming.header("authorization").unwrap_or_default();
    if !same_secret(&authorization, &format!("Token {token}")) {
        return Ok(refused("Invalid token."));
    }
    let body = body::read(&incoming.request, MAX_NOTICE_LENGTH).await?;
    if !is_queue_change(&body) {
        return Err(Error::Malformed("updated_at is missing".to_owned()));
    }
    tell(env, Affected::Environment(client_key)).await
}

/// A webhook: of one environment, or of everything.
async fn take_webhook(id: &str, incoming: &Incoming, env: &Env) -> Result<Response<'static>, Error> {
    let secret = Config::of(env).webhook_secret.as_ref().ok_or(Error::NotFound)?;
    let body = body::read(&incoming.request, MAX_NOTICE_LENGTH).await?;
    // First of all: to who does not know the secret every id is the same.
    if !is_signed(&body, &incoming.header("x-flagsmith-signature").unwrap_or_default(), secret) {
        return Ok(refused("Invalid signature."));
    }
    if id == webhook_id(None, secret) {
        return tell(env, Affected::Everything).await;
    }
    let (_, keys) = registry(env).await?;
    let key = keys.into_iter().find(|key| id == webhook_id(Some(key), secret));
    tell(env, Affected::Environment(key.ok_or(Error::NotFound)?)).await
}

async fn tell(env: &Env, affected: Affected) -> Result<Response<'static>, Error> {
    publishing::tell_affected(env, &affected).await.map_err(unavailable)?;
    Ok(Response::empty(202))
}

/// What the registry says of itself, and the environments that it knows.
async fn registry(env: &Env) -> Result<(Value, Vec<String>), Error> {
    let registered = publishing::registered(env).await.map_err(unavailable)?;
    let registered: Value = serde_json::from_str(&registered).unwrap_or_default();
    let keys = registered.get("environments").and_then(Value::as_array).into_iter().flatten();
    let keys = keys.filter_map(Value::as_str).map(str::to_owned).collect();
    Ok((registered, keys))
}

/// Which environments are published, and how that goes.
async fn status(incoming: &Incoming, env: &Env) -> Result<Response<'static>, Error> {
    let config = Config::of(env);
    let key = incoming.header("authorization").unwrap_or_default();
    let key = key.strip_prefix("Api-Key ").unwrap_or_default();
    let is_admin = config
        .admin_key_sha256
        .as_ref()
        .is_some_and(|hash| hash_of_server_key(key).eq_ignore_ascii_case(hash));
    if !is_admin {
        return Ok(refused("Authentication credentials were not provided."));
    }
    let (mut discovery, environments) = registry(env).await?;
    if let Some(discovery) = discovery.as_object_mut() {
        discovery.remove("environments");
    }
    let mut statuses = Vec::with_capacity(environments.len());
    for keys in environments.chunks(ASKED_AT_ONCE) {
        let asked = keys.iter().map(|key| async move { (key, publishing::status_of(env, key).await) });
        for (key, status) in join_all(asked).await {
            // An object that does not answer is worth knowing of, too.
            let failed = |failure: Failure| json!({"environment": key, "unavailable": failure.cause});
            let mut status =
                status.map_or_else(failed, |status| serde_json::from_str(&status).unwrap_or_default());
            if let (Some(secret), Some(status)) = (&config.webhook_secret, status.as_object_mut()) {
                status.insert("webhook".to_owned(), path_of(Some(key), secret).into());
            }
            statuses.push(status);
        }
    }
    let webhook = config.webhook_secret.as_ref().map(|secret| path_of(None, secret));
    let body = json!({"environments": statuses, "discovery": discovery, "webhook": webhook});
    Ok(Response::json(body.to_string().into_bytes()))
}

fn path_of(client_key: Option<&str>, secret: &str) -> String {
    format!("/edge/webhooks/{}", webhook_id(client_key, secret))
}

fn refused(detail: &str) -> Response<'static> {
    let mut response = Response::error(&Error::Invalid(json!({"detail": detail})));
    response.status = 401;
    response
}

fn unavailable(failure: Failure) -> Error {
    failure.log(None);
    Error::Unavailable(crate::api::Part::Environment)
}
