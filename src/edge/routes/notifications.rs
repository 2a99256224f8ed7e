//! The worker's own endpoints, above all for an origin's notifications of changes.

use serde_json::json;
use worker::{Env, web_sys};

use crate::admin::publishing::Affected;
use crate::api::{Dependency, Error, Response, preflight};
use crate::edge::http::body;
use crate::edge::http::incoming::IncomingRequest;
use crate::edge::http::response::respond;
use crate::edge::objects::publishing;
use crate::edge::platform::config::Config;
use crate::edge::routes::proxy;
use crate::edge::routes::status;
use crate::publish::{
    Endpoint, MAX_NOTIFICATION_LENGTH, NotificationKind, constant_time_eq, is_of_documents, is_queue_change,
    verify_signature, webhook_id,
};

/// Answers a request to one of the worker's own endpoints.
pub async fn answer(endpoint: Endpoint, incoming: &IncomingRequest, env: &Env) -> web_sys::Response {
    let method = &*incoming.method;
    incoming.trace.set_route(endpoint.name());
    if method == "OPTIONS" {
        return respond(preflight(incoming.header("access-control-request-headers")));
    }
    let response = if !endpoint.has_method(method) {
        Response::error(&Error::MethodNotAllowed(method.to_owned())).with("allow", endpoint.allow())
    } else {
        let response = match endpoint {
            Endpoint::QueueChange(client_key) => take_queue_change(client_key, incoming, env).await,
            Endpoint::Webhook(id) => take_webhook(&id, incoming, env).await,
            Endpoint::Status => match proxy::admit(incoming, env).await {
                Ok(()) => status::answer(incoming, env).await,
                Err(error) => Err(error),
            },
        };
        response.unwrap_or_else(|error| Response::error(&error))
    };
    respond(response.finish(None, method))
}

/// The body of the origin's notification to a realtime server: the document of an environment has changed.
async fn take_queue_change(
    client_key: String,
    incoming: &IncomingRequest,
    env: &Env,
) -> Result<Response<'static>, Error> {
    let token = Config::of(env).sse_authentication_token.as_ref().ok_or(Error::NotFound)?;
    let authorization = incoming.header("authorization").unwrap_or_default();
    if !constant_time_eq(&authorization, &format!("Token {token}")) {
        return Ok(refused("Invalid token."));
    }
    let body = body::read(incoming, MAX_NOTIFICATION_LENGTH).await?;
    if !is_queue_change(&body) {
        return Err(Error::Malformed("updated_at is missing".to_owned()));
    }
    notify(env, Affected::Environment(client_key), NotificationKind::Realtime).await
}

/// A webhook: of one environment, or of everything.
async fn take_webhook(id: &str, incoming: &IncomingRequest, env: &Env) -> Result<Response<'static>, Error> {
    let secret = Config::of(env).webhook_secret.as_ref().ok_or(Error::NotFound)?;
    let body = body::read(incoming, MAX_NOTIFICATION_LENGTH).await?;
    // Checked first: without the secret, all ids are answered alike.
    if !verify_signature(&body, &incoming.header("x-flagsmith-signature").unwrap_or_default(), secret) {
        return Ok(refused("Invalid signature."));
    }
    if id == webhook_id(None, secret) {
        let is_narrow = is_of_documents(&body);
        let affected = if is_narrow { Affected::Documents } else { Affected::Everything };
        return notify(env, affected, NotificationKind::OrganisationWebhook).await;
    }
    let (_, keys) = status::registry(env).await?;
    let key = keys.keys().find(|key| id == webhook_id(Some(key), secret));
    let affected = Affected::Environment(key.ok_or(Error::NotFound)?.clone());
    notify(env, affected, NotificationKind::EnvironmentWebhook).await
}

async fn notify(env: &Env, affected: Affected, kind: NotificationKind) -> Result<Response<'static>, Error> {
    let notified = publishing::notify_affected(env, &affected, Some(kind)).await;
    notified.map_err(|failure| failure.unavailable(Dependency::Environment, None))?;
    Ok(Response::empty(202))
}

fn refused(detail: &str) -> Response<'static> {
    let mut response = Response::error(&Error::Invalid(json!({"detail": detail})));
    response.status = 401;
    response
}
