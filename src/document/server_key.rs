//! Server keys: each opens one environment, and is known by its SHA-256 only (contract §E).

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::timestamp::Timestamp;

/// Hex SHA-256 of a server key.
pub type ServerKeyHash = String;

/// The name that a server key goes by; in clear it goes nowhere.
pub fn hash_of_server_key(key: &str) -> ServerKeyHash {
    hex(&Sha256::digest(key))
}

/// Bytes as lower-case hex digits.
pub fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

/// What is known of a server key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
