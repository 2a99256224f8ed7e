//! Decides the permissions of an admin's credential: by a decision of the last minute, else by requests to the origin.

use std::cell::RefCell;
use std::time::Duration;

use worker::Env;

use crate::admin::access_decision::{AccessDecision, AccessDecisions, Challenge};
use crate::admin::admin_key::Spelling;
use crate::admin::authorization::{Authorization, Probe, ProbeAnswer, Progress};
use crate::admin::credential::Credential;
use crate::admin::permission::Permission;
use crate::admin::{AdminError, Origin};
use crate::cache::Ttl;
use crate::document::ClientKey;
use crate::edge::origin::client::{self as origin, Call};
use crate::edge::platform::clock::now_ms;
use crate::edge::platform::config::Config;
use crate::edge::platform::failure::{Failure, Source};
use crate::edge::platform::secret_hash::TtlCache;

/// A probe that takes longer counts as failed. Each takes a Flagsmith some 0.3 s.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The maximum length of a probe's answer in bytes. A user's permissions have some hundred bytes.
const MAX_ANSWER_LENGTH: usize = 64 * 1024;

thread_local! {
    /// Decisions by the fingerprint of credential and environment.
    static DECISIONS: RefCell<TtlCache<AccessDecisions>> = RefCell::default();
}

/// Decides if the caller has a permission in an environment; 503 if that cannot be decided.
///
/// The worker's own admin key has all permissions, and without an origin no other credential has any.
pub async fn authorize(
    env: &Env,
    header: &dyn Fn(&str) -> Option<String>,
    client_key: &ClientKey,
    permission: Permission,
) -> Result<AccessDecision, AdminError> {
    let config = Config::of(env);
    let hash = config.admin_key_sha256.as_ref();
    if config.origin.is_none() && hash.is_none() {
        return Err(AdminError::AdminKeyMissing);
    }
    let Some(credential) = Credential::read(header) else {
        return Ok(AccessDecision::Unauthenticated(Challenge::missing()));
    };
    // Checked first, so that the admin key never leaves the worker in any spelling.
    match hash.and_then(|hash| credential.admin_key(hash)) {
        Some(Spelling::ApiKey) => return Ok(AccessDecision::Allowed),
        Some(Spelling::Other) => return Ok(AccessDecision::Unauthenticated(Challenge::misspelt_admin_key())),
        None => {}
    }
    let Some(origin) = &config.origin else {
        return Ok(AccessDecision::Unauthenticated(Challenge::wrong_key()));
    };
    let name = credential.fingerprint(client_key);
    // Decisions carry their own time of expiry.
    let known = DECISIONS.with_borrow_mut(|decisions| decisions.get(&name, now_ms(), Ttl::UNLIMITED));
    let known = known.map(|known| known.value);
    if let Some(decision) = known.as_ref().and_then(|known| known.get(permission, now_ms())) {
        return Ok(decision.clone());
    }
    let asked_at = now_ms();
    let decided = ask(env, origin, &credential, client_key, permission).await?;
    let decision =
        decided.iter().find(|(decided, _)| *decided == permission).map(|(_, decision)| decision.clone());
    let mut decisions = known.unwrap_or_default();
    decisions.record(decided, asked_at);
    let length = decisions.memory_length();
    DECISIONS.with_borrow_mut(|cache| cache.put(&name, decisions, length, asked_at));
    decision.ok_or(AdminError::PermissionsUnavailable)
}

async fn ask(
    env: &Env,
    origin: &Origin,
    credential: &Credential,
    client_key: &ClientKey,
    permission: Permission,
) -> Result<Vec<(Permission, AccessDecision)>, AdminError> {
    let mut question = Authorization::new(credential, permission);
    let mut probe = question.first();
    loop {
        let answer = send(env, origin, credential, client_key, probe).await.map_err(|fault| {
            fault.report();
            AdminError::PermissionsUnavailable
        })?;
        let www_authenticate = answer.header("www-authenticate");
        let seen = ProbeAnswer {
            status: answer.status,
            www_authenticate: www_authenticate.as_deref(),
            body: &answer.body,
        };
        match question.take(seen) {
            Ok(Progress::Decided(decided)) => return Ok(decided),
            Ok(Progress::Ask(next)) => probe = next,
            Err(unclear) => {
                let cause = format!("a probe of permissions was answered with {}", unclear.0);
                // The log line has no environment, since the client key may belong to none.
                Failure::new(Source::Origin, cause).log(None);
                return Err(AdminError::PermissionsUnavailable);
            }
        }
    }
}

async fn send(
    env: &Env,
    origin: &Origin,
    credential: &Credential,
    client_key: &ClientKey,
    probe: Probe,
) -> Result<origin::OriginAnswer, origin::OriginError> {
    let mut headers: Vec<(&str, String)> = credential.headers().collect();
    headers.push(("accept", "application/json".to_owned()));
    if probe.body().is_some() {
        headers.push(("content-type", "application/json".to_owned()));
    }
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let target = probe.path(client_key);
    let call = Call {
        method: probe.method(),
        target: &target,
        headers: &headers,
        body: probe.body().map(str::as_bytes),
        timeout: TIMEOUT,
        max_length: MAX_ANSWER_LENGTH,
    };
    origin::call(env, origin, call).await
}
