//! Accepts the origin's notifications of changes.

use worker::Env;

use crate::admin::publishing::Affected;
use crate::api::{Dependency, Error, Response};
use crate::document::ClientKey;
use crate::edge::http::body;
use crate::edge::http::incoming::IncomingRequest;
use crate::edge::objects::publishing;
use crate::edge::platform::config::Config;
use crate::edge::routes::status;
use crate::publish::{
    MAX_NOTIFICATION_LENGTH, NotificationKind, constant_time_eq, is_of_documents, is_queue_change,
    verify_signature, webhook_id,
};

/// Accepts the origin's notification to a realtime server: the document of an environment has changed.
pub async fn take_queue_change(
    client_key: ClientKey,
    incoming: &IncomingRequest,
    env: &Env,
) -> Result<Response<'static>, Error> {
    let token = Config::of(env).sse_authentication_token.as_ref().ok_or(Error::NotFound)?;
    let authorization = incoming.header("authorization").unwrap_or_default();
    if !constant_time_eq(&authorization, &format!("Token {token}")) {
        return Ok(Response::detail(401, "Invalid token."));
    }
    let body = body::read(incoming, MAX_NOTIFICATION_LENGTH).await?;
    if !is_queue_change(&body) {
        return Err(Error::Malformed("updated_at is missing".to_owned()));
    }
    notify(env, Affected::Environment(client_key), NotificationKind::Realtime).await
}

/// Accepts a webhook of one environment, or of the organisation.
pub async fn take_webhook(
    id: &str,
    incoming: &IncomingRequest,
    env: &Env,
) -> Result<Response<'static>, Error> {
    let secret = Config::of(env).webhook_secret.as_ref().ok_or(Error::NotFound)?;
    let body = body::read(incoming, MAX_NOTIFICATION_LENGTH).await?;
    // Checked first, so that without the secret all ids get the same answer.
    if !verify_signature(&body, &incoming.header("x-flagsmith-signature").unwrap_or_default(), secret) {
        return Ok(Response::detail(401, "Invalid signature."));
    }
    if id == webhook_id(None, secret) {
        let is_narrow = is_of_documents(&body);
        let affected = if is_narrow { Affected::Documents } else { Affected::Everything };
        return notify(env, affected, NotificationKind::OrganisationWebhook).await;
    }
    let (_, environments) = status::registry(env).await?;
    let mut client_keys = environments.keys().map(|name| ClientKey::unchecked(name));
    let client_key = client_keys.find(|client_key| id == webhook_id(Some(client_key), secret));
    let affected = Affected::Environment(client_key.ok_or(Error::NotFound)?);
    notify(env, affected, NotificationKind::EnvironmentWebhook).await
}

async fn notify(env: &Env, affected: Affected, kind: NotificationKind) -> Result<Response<'static>, Error> {
    let notified = publishing::notify_affected(env, &affected, Some(kind)).await;
    notified.map_err(|failure| failure.unavailable(Dependency::Environment, None))?;
    Ok(Response::empty(202))
}
