//! Decisions about callers' permissions, the answers to refused callers, and the lifetimes of decisions (contract §E).

use serde_json::Value;

use super::permission::{PERMISSIONS, Permission};
use crate::api::Response;

/// A decision about one credential and one permission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessDecision {
    /// The caller has the permission.
    Allowed,
    /// The caller does not have the permission.
    Forbidden,
    /// The environment does not exist.
    NoEnvironment,
    /// The credential belongs to no account.
    Unauthenticated(Challenge),
}

/// The origin's answer to an unknown credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// JSON.
    pub body: Box<[u8]>,
    /// `WWW-Authenticate`
    pub www_authenticate: Box<str>,
}

/// Flagsmith's challenge (contract §E).
const WWW_AUTHENTICATE: &str = "Cookie realm=\"api\"";
/// The maximum length of a challenge's body that is forwarded.
const MAX_CHALLENGE_LENGTH: usize = 1024;
/// The maximum length of a `WWW-Authenticate` that is forwarded. A truncated one could not be parsed.
const MAX_HEADER_LENGTH: usize = 256;

impl Challenge {
    /// The answer to a request without a credential.
    pub fn missing() -> Challenge {
        Challenge::new("Authentication credentials were not provided.")
    }

    /// The answer to a master API key that is not the worker's own admin key.
    pub fn wrong_key() -> Challenge {
        Challenge::new("Valid Master API Key not found.")
    }

    /// The answer to the admin key in any spelling but the valid one.
    pub fn misspelt_admin_key() -> Challenge {
        Challenge::new(
            "The admin key is taken from the header `Authorization: Api-Key <key>` only: send it so.",
        )
    }

    fn new(detail: &str) -> Challenge {
        let body = serde_json::json!({"detail": detail}).to_string().into_bytes();
        Challenge { body: body.into(), www_authenticate: WWW_AUTHENTICATE.into() }
    }

    /// The answer of the origin.
    pub(super) fn passed_on(body: &[u8], www_authenticate: Option<&str>) -> Challenge {
        let mut challenge = Challenge::new("Invalid credentials.");
        if body.len() <= MAX_CHALLENGE_LENGTH && serde_json::from_slice::<Value>(body).is_ok() {
            challenge.body = body.into();
        }
        if let Some(header) = www_authenticate.filter(|header| header.len() <= MAX_HEADER_LENGTH) {
            challenge.www_authenticate = header.into();
        }
        challenge
    }
}

impl AccessDecision {
    /// The answer to a caller without the permission; `None` for a caller that has it.
    pub fn refusal(&self) -> Option<Response<'static>> {
        match self {
            AccessDecision::Allowed => None,
            AccessDecision::Forbidden => {
                Some(Response::detail(403, "You do not have permission to perform this action."))
            }
            AccessDecision::NoEnvironment => {
                Some(Response::detail(404, "No Environment matches the given query."))
            }
            AccessDecision::Unauthenticated(challenge) => {
                let mut response = Response::json(challenge.body.to_vec());
                response.status = 401;
                Some(response.with("www-authenticate", challenge.www_authenticate.to_string()))
            }
        }
    }
}

/// The lifetime of a decision in milliseconds.
const DECISION_TTL_MS: u64 = 60_000;

/// The decisions about one credential in one environment.
#[derive(Clone, Debug, Default)]
pub struct AccessDecisions([Option<(AccessDecision, u64)>; PERMISSIONS.len()]);

impl AccessDecisions {
    /// Returns the decision about a permission until it expires. Times are in milliseconds.
    pub fn get(&self, permission: Permission, now: u64) -> Option<&AccessDecision> {
        let (decision, since) = self.0.get(permission as usize)?.as_ref()?;
        (now.saturating_sub(*since) < DECISION_TTL_MS).then_some(decision)
    }

    /// The size in memory, in bytes.
    pub fn memory_length(&self) -> usize {
        let challenge = |(decision, _): &(AccessDecision, u64)| match decision {
            AccessDecision::Unauthenticated(challenge) => {
                challenge.body.len() + challenge.www_authenticate.len()
            }
            _ => 0,
        };
        size_of::<AccessDecisions>() + self.0.iter().flatten().map(challenge).sum::<usize>()
    }

    /// Stores a decision that was made at `now`.
    pub fn record(&mut self, decided: Vec<(Permission, AccessDecision)>, now: u64) {
        for (permission, decision) in decided {
            if let Some(slot) = self.0.get_mut(permission as usize) {
                *slot = Some((decision, now));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions_are_cached_for_a_minute() {
        let mut decisions = AccessDecisions::default();
        decisions.record(vec![(Permission::Admin, AccessDecision::Allowed)], 1000);
        assert_eq!(decisions.get(Permission::Admin, 60_999), Some(&AccessDecision::Allowed));
        assert_eq!(decisions.get(Permission::Admin, 61_000), None);
        assert_eq!(decisions.get(Permission::ViewIdentities, 1000), None);
    }

    #[test]
    fn cached_challenges_count_towards_the_size() {
        let mut decisions = AccessDecisions::default();
        let empty = decisions.memory_length();
        let challenge = Challenge { body: [b' '; 1000].into(), www_authenticate: "x".repeat(200).into() };
        let decision = AccessDecision::Unauthenticated(challenge);
        decisions.record(PERMISSIONS.map(|permission| (permission, decision.clone())).into(), 0);
        assert_eq!(decisions.memory_length(), empty + 5 * 1200);
    }
}
