//! Master API keys in requests: `Authorization: Api-Key <key>` or `Authorization: Token <key>`.

use flagsmith_edge_core::document::{Timestamp, hex};
use sha2::{Digest, Sha256};

use crate::changes::{Changes, Transaction};
use crate::refusal::Refusal;
use crate::rows::MasterApiKey;
use crate::state::{Row, State};

const NOT_PROVIDED: Refusal = Refusal::Unauthorized("Authentication credentials were not provided.");

/// The sender of a request, known by its master API key.
#[derive(Clone, Copy)]
pub struct Caller {
    /// The only organisation that the key reaches; `None` if it reaches all.
    organisation: Option<i64>,
    /// True if the key was sent as a `Token`, which is the scheme of Flagsmith's users.
    pub is_user: bool,
}

impl Caller {
    /// True if the key reaches an organisation.
    pub fn reaches(self, organisation: i64) -> bool {
        self.organisation.is_none_or(|own| own == organisation)
    }

    /// True if the key reaches all organisations.
    pub fn reaches_all(self) -> bool {
        self.organisation.is_none()
    }
}

/// Finds the key of an `Authorization` header.
pub fn authenticate(state: &State, header: Option<&str>, now: u64) -> Result<Caller, Refusal> {
    let header = header.unwrap_or_default();
    let mut words = header.split_ascii_whitespace();
    let scheme = words.next().unwrap_or_default();
    let (key, has_more) = (words.next(), words.next().is_some());
    if scheme.eq_ignore_ascii_case("token") {
        let key = key.ok_or(Refusal::Unauthorized("Invalid token header. No credentials provided."))?;
        if has_more {
            return Err(Refusal::Unauthorized(
                "Invalid token header. Token string should not contain spaces.",
            ));
        }
        let organisation = find(state, key, now).ok_or(Refusal::Unauthorized("Invalid token."))?;
        return Ok(Caller { organisation, is_user: true });
    }
    match key {
        Some(key) if scheme == "Api-Key" => {
            let unknown = Refusal::Unauthorized("Valid Master API Key not found.");
            let organisation = find(state, key, now).filter(|_| !has_more).ok_or(unknown)?;
            Ok(Caller { organisation, is_user: false })
        }
        _ => Err(NOT_PROVIDED),
    }
}

/// The organisation of a key that is neither revoked nor expired.
fn find(state: &State, key: &str, now: u64) -> Option<Option<i64>> {
    let (prefix, _) = key.split_once('.')?;
    let hash = hash(key);
    let mut rows = state.master_api_keys.values();
    let row = rows.find(|row| row.prefix == prefix && row.hash == hash)?;
    (!row.revoked && !has_expired(row, now)).then_some(row.organisation)
}

/// True if a key's time is over.
pub fn has_expired(key: &MasterApiKey, now: u64) -> bool {
    let Some(expiry_date) = &key.expiry_date else { return false };
    match (Timestamp::from_iso(expiry_date), Timestamp::from_milliseconds(now)) {
        (Some(expiry_date), Some(now)) => expiry_date <= now,
        _ => true,
    }
}

/// The hash under which a key is stored.
pub fn hash(key: &str) -> String {
    hex(&Sha256::digest(key.as_bytes()))
}

/// The effect of a new setting of the deployment's key.
#[derive(Debug)]
pub struct DeploymentKeyChange {
    /// The rows to write.
    pub changes: Changes,
    /// True if the key has the form `prefix.secret`. Otherwise the deployment has no key of its own.
    pub is_valid: bool,
}

/// Sets the deployment's own key, which reaches all organisations. An earlier key ends, also if the new one is invalid.
pub fn set_deployment_key(state: &mut State, key: &str, now: u64) -> DeploymentKeyChange {
    let prefix = key.split_once('.').filter(|(prefix, secret)| !prefix.is_empty() && !secret.is_empty());
    let prefix = prefix.map(|(prefix, _)| prefix);
    let hash = hash(key);
    let mut transaction = Transaction::new(state);
    let is_kept = |row: &MasterApiKey| row.organisation.is_some() || (prefix.is_some() && row.hash == hash);
    transaction.delete::<MasterApiKey>(|row| !is_kept(row));
    let created = Timestamp::from_milliseconds(now).map(Timestamp::iso).unwrap_or_default();
    let has_key = transaction.master_api_keys.values().any(|row| row.organisation.is_none());
    if let Some(prefix) = prefix.filter(|_| !has_key) {
        let id = transaction.next_id(MasterApiKey::KIND);
        transaction.put(MasterApiKey {
            id,
            organisation: None,
            prefix: prefix.to_owned(),
            hash,
            name: "deployment".to_owned(),
            created: created.clone(),
            revoked: false,
            expiry_date: None,
        });
    }
    // The key is needed in a full state, too.
    let changes = transaction.commit_without_limit(&created);
    DeploymentKeyChange { changes, is_valid: prefix.is_some() }
}
