//! Environment keys: who asks, for which environment (contract §A.0).

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::error::Error;
use crate::document::{KeyKind, Timestamp};

/// The key of a request's `X-Environment-Key`.
#[derive(Clone, PartialEq, Eq)]
pub enum EnvironmentKey {
    /// A client key names its environment.
    Client(String),
    /// A server key is looked up by its SHA-256; in clear it goes nowhere.
    Server(ServerKeyHash),
}

/// Hex SHA-256 of a server key.
pub type ServerKeyHash = String;

/// The start of every server key.
const SERVER_PREFIX: &str = "ser.";

/// Keys longer than this are nobody's; Flagsmith's have 22 characters, and 26 with the prefix.
const MAX_KEY_LENGTH: usize = 128;

impl EnvironmentKey {
    /// Reads the header's value.
    pub fn parse(header: Option<String>) -> Result<EnvironmentKey, Error> {
        let key = header.map(|key| key.trim().to_owned()).filter(|key| !key.is_empty());
        let key = key.ok_or(Error::KeyMissing)?;
        if key.len() > MAX_KEY_LENGTH {
            return Err(Error::KeyUnknown);
        }
        Ok(if key.starts_with(SERVER_PREFIX) {
            let hash = Sha256::digest(&key);
            EnvironmentKey::Server(hash.iter().map(|byte| format!("{byte:02x}")).collect())
        } else {
            EnvironmentKey::Client(key)
        })
    }

    /// Which kind of key it is.
    pub fn kind(&self) -> KeyKind {
        match self {
            EnvironmentKey::Client(_) => KeyKind::Client,
            EnvironmentKey::Server(_) => KeyKind::Server,
        }
    }
}

/// What is known of a server key.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ServerKey {
    /// The client key of its environment.
    pub environment: String,
    /// Whether it is switched on.
    pub active: bool,
    /// ISO 8601; until when it is good, for ever if null.
    pub expires_at: Option<String>,
}

impl ServerKey {
    /// Whether it may be used at this moment. A date that cannot be read has passed.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        let expired = |date: &String| Timestamp::from_iso(date).is_none_or(|end| end <= now);
        self.active && !self.expires_at.as_ref().is_some_and(expired)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_kinds_apart_and_keeps_no_server_key() {
        let key =
            EnvironmentKey::parse(Some(" ser.abc ".to_owned())).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(key.kind(), KeyKind::Server);
        assert!(matches!(key, EnvironmentKey::Server(hash) if hash.len() == 64 && !hash.contains("abc")));
        assert!(matches!(EnvironmentKey::parse(Some("ser".into())), Ok(EnvironmentKey::Client(_))));
        for missing in [None, Some(String::new()), Some("  ".to_owned())] {
            assert!(matches!(EnvironmentKey::parse(missing), Err(Error::KeyMissing)));
        }
        assert!(matches!(EnvironmentKey::parse(Some("x".repeat(129))), Err(Error::KeyUnknown)));
    }

    #[test]
    fn inactive_and_expired_keys_are_not_valid() {
        let now = Timestamp::from_iso("2026-11-22T12:00:00Z").unwrap();
        for (active, expires_at, valid) in [
            (true, None, true),
            (false, None, false),
            (true, Some("2026-11-22T12:00:00Z"), false),
            (true, Some("2026-11-22T12:00:01+00:00"), true),
            (true, Some("some day"), false),
        ] {
            let key = ServerKey { environment: "e".into(), active, expires_at: expires_at.map(Into::into) };
            assert_eq!(key.is_valid(now), valid, "{active} {expires_at:?}");
        }
    }
}
