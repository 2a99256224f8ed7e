//! GET /edge/status: the published environments and their state.
//!
//! Without an origin, these are the environments with documents in KV. With the worker's own admin key all are listed,
//! also while the origin is down. Other callers get the environments that they administer, by the origin's answer. Before
//! the first environment exists, callers that the origin knows get an empty list.

use serde_json::{Map, Value, json};
use worker::Env;

use crate::admin::AdminError;
use crate::admin::access_decision::{AccessDecision, Challenge};
use crate::admin::admin_key::Spelling;
use crate::admin::credential::Credential;
use crate::admin::permission::Permission;
use crate::api::{Dependency, Error, Response};
use crate::document::{ClientKey, ServerKey, json};
use crate::edge::access::authorize::authorize;
use crate::edge::access::limit::admit;
use crate::edge::http::incoming::{IncomingRequest, split_url};
use crate::edge::objects::publishing;
use crate::edge::platform::clock::now_ms;
use crate::edge::platform::config::Config;
use crate::edge::platform::failure::Failure;
use crate::edge::platform::join_all::join_all;
use crate::edge::platform::kv;
use crate::publish::{stored, stored_keys, webhook_id};

/// The number of objects that are called at the same time for their status.
const ASKED_AT_ONCE: usize = 50;
/// The number of environments for which permissions are checked at the origin at the same time. The origin takes some
/// 0.3 s for each.
const PROBED_AT_ONCE: usize = 5;
/// The client key for the check of a credential while there are no environments.
const UNKNOWN_ENVIRONMENT: &str = "none";

/// Answers the request.
pub async fn answer(incoming: &IncomingRequest, env: &Env) -> Result<Response<'static>, AdminError> {
    admit(incoming, env).await?;
    let config = Config::of(env);
    let header = |name: &str| incoming.header(name);
    let Some(credential) = Credential::read(&header) else {
        return refusal(&AccessDecision::Unauthenticated(Challenge::missing()));
    };
    let hash = config.admin_key_sha256.as_deref();
    let admin_key = hash.and_then(|hash| credential.admin_key(hash));
    let is_local = admin_key == Some(Spelling::ApiKey);
    // Here the authorization needs no request to the origin.
    if !is_local && (admin_key.is_some() || config.origin.is_none()) {
        return refusal(&authorize(env, &header, &ClientKey::default(), Permission::Admin).await?);
    }
    let publishes = config.publishes();
    let (discovery, published) = match publishes {
        true => registry(env).await?,
        false => (Value::Null, Map::new()),
    };
    // Without an origin that publishes, all environments are in KV.
    let stored = match publishes {
        true => None,
        false => Some(in_kv(env, &published).await.map_err(unavailable)?),
    };
    let all = stored.as_ref().map_or(&published, |(environments, _)| environments);
    let all: Vec<ClientKey> = all.keys().map(|name| ClientKey::unchecked(name)).collect();
    let client_keys = match is_local {
        true => all.clone(),
        false => match permitted(env, &header, &all).await? {
            Ok(client_keys) => client_keys,
            Err(decision) => return refusal(&decision),
        },
    };
    // The state of discoveries concerns all environments, so only callers that administer all of them get it. Without
    // environments the origin has shown no administrator.
    let sees_all = is_local || (!all.is_empty() && client_keys.len() == all.len());
    // Scheme and host of the request, which is an address of the worker.
    let url = incoming.request.url();
    let (base, _) = split_url(&url);
    let webhook =
        |client_key| config.webhook_secret.as_ref().map(|secret| webhook_url(base, client_key, secret));
    let mut statuses = Vec::with_capacity(client_keys.len());
    for asked in client_keys.chunks(ASKED_AT_ONCE).filter(|_| publishes) {
        let asked = asked
            .iter()
            .map(|client_key| async move { (client_key, publishing::status_of(env, client_key).await) });
        for (client_key, status) in join_all(asked).await {
            // An object that does not answer is reported, too.
            let failed = |failure: Failure| json!({"environment": client_key, "unavailable": failure.cause});
            let mut status =
                status.map_or_else(failed, |status| serde_json::from_str(&status).unwrap_or_default());
            if let Some(status) = status.as_object_mut() {
                status.insert("webhook".to_owned(), webhook(Some(client_key)).into());
                status.insert("server_keys".to_owned(), published.get(client_key.as_str()).cloned().into());
            }
            statuses.push(status);
        }
    }
    let (stored, more) = match stored {
        Some((mut stored, more)) => {
            stored.retain(|name, _| client_keys.iter().any(|client_key| **client_key == **name));
            (stored, more)
        }
        // KV may have environments besides the origin's. If KV does not answer, there may be more of them.
        None if sees_all => in_kv(env, &published).await.unwrap_or_else(|failure| {
            failure.log(None);
            (Map::new(), true)
        }),
        None => (Map::new(), false),
    };
    statuses.extend(stored.into_iter().map(|(_, status)| status));
    let webhook = if sees_all { webhook(None) } else { None };
    let discovery = sees_all.then_some(discovery);
    let faults = config.faults.iter().filter(|_| sees_all).map(ToString::to_string);
    let faults: Vec<String> = faults.collect();
    let body = json!({
        "environments": statuses,
        "discovery": discovery,
        "webhook": webhook,
        "more": more,
        "settings_faults": faults,
    });
    Ok(Response::json(body.to_string().into_bytes()))
}

/// The environments with documents in KV that no origin publishes, and true if there are more of them.
async fn in_kv(env: &Env, published: &Map<String, Value>) -> Result<(Map<String, Value>, bool), Failure> {
    let page = kv::list(env, kv::DOCUMENT).await?;
    let found = stored(&page, kv::DOCUMENT, published, None, now_ms());
    if found.0.is_empty() {
        return Ok(found);
    }
    let server_keys = server_keys(env).await?;
    Ok(stored(&page, kv::DOCUMENT, published, server_keys.as_deref(), now_ms()))
}

/// The server keys in KV, unless too many must be read.
async fn server_keys(env: &Env) -> Result<Option<Vec<ServerKey>>, Failure> {
    let Some((mut known, others)) = stored_keys(&kv::list(env, kv::SERVER_KEY).await?) else {
        return Ok(None);
    };
    // Sequential, which takes less code; only keys without metadata are read.
    for name in others {
        // An entry that is not a server key is ignored, as for requests.
        known.extend(kv::get(env, &name, kv::TIMEOUT).await?.and_then(|entry| json::read(&entry)));
    }
    Ok(Some(known))
}

/// Returns the environments that the caller administers; an error if it administers none of those that exist.
async fn permitted(
    env: &Env,
    header: &dyn Fn(&str) -> Option<String>,
    all: &[ClientKey],
) -> Result<Result<Vec<ClientKey>, AccessDecision>, AdminError> {
    let mut permitted = Vec::new();
    if all.is_empty() {
        // The origin refuses unknown credentials with 401 at any environment, and known ones otherwise.
        let nowhere = ClientKey::unchecked(UNKNOWN_ENVIRONMENT);
        return Ok(match authorize(env, header, &nowhere, Permission::Admin).await? {
            unknown @ AccessDecision::Unauthenticated(_) => Err(unknown),
            _ => Ok(permitted),
        });
    }
    for asked in all.chunks(PROBED_AT_ONCE) {
        let probes = asked.iter().map(|client_key| authorize(env, header, client_key, Permission::Admin));
        for (client_key, decision) in asked.iter().zip(join_all(probes).await) {
            match decision? {
                AccessDecision::Allowed => permitted.push(client_key.clone()),
                AccessDecision::Forbidden | AccessDecision::NoEnvironment => {}
                unknown @ AccessDecision::Unauthenticated(_) => return Ok(Err(unknown)),
            }
        }
    }
    Ok(if permitted.is_empty() { Err(AccessDecision::Forbidden) } else { Ok(permitted) })
}

/// The registry's report about discoveries, and its environments with their server keys.
pub async fn registry(env: &Env) -> Result<(Value, Map<String, Value>), Error> {
    let registered = publishing::registered(env).await.map_err(unavailable)?;
    let mut discovery: Value = serde_json::from_str(&registered).unwrap_or_default();
    let environments = discovery.as_object_mut().and_then(|members| members.remove("environments"));
    let Some(Value::Object(environments)) = environments else { return Ok((discovery, Map::new())) };
    Ok((discovery, environments))
}

fn unavailable(failure: Failure) -> Error {
    failure.unavailable(Dependency::Environment, None)
}

fn webhook_url(base: &str, client_key: Option<&ClientKey>, secret: &str) -> String {
    format!("{base}/edge/webhooks/{}", webhook_id(client_key, secret))
}

fn refusal(decision: &AccessDecision) -> Result<Response<'static>, AdminError> {
    decision.refusal().ok_or(AdminError::PermissionsUnavailable)
}
