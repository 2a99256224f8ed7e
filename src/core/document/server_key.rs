//! Server keys. Each opens one environment, and is identified by its SHA-256 only (contract §E).

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::environment_key::ClientKey;
use super::fault::Fault;
use super::timestamp::Timestamp;

/// Hex SHA-256 of a server key.
pub type ServerKeyHash = String;

/// The identifier of a server key; the key itself is stored and logged nowhere.
pub fn hash_of_server_key(key: &str) -> ServerKeyHash {
    hex(&Sha256::digest(key))
}

/// Bytes as lower-case hex digits.
pub fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

/// The stored entry of a server key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerKey {
    /// The client key of its environment. It is unchecked, since an entry may have been written into KV by hand.
    #[serde(rename = "environment")]
    pub client_key: ClientKey,
    /// True if the key is active.
    pub active: bool,
    /// The end of its validity, in a form that [`Timestamp::from_iso`] reads; null for no end.
    #[serde(default, deserialize_with = "date")]
    pub expires_at: Option<String>,
    /// The time of the request that the origin answered with this entry, in milliseconds. `None` for an entry that was
    /// put into KV by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_at: Option<u64>,
}

/// A text, or the JSON of another value.
fn date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    })
}

impl ServerKey {
    /// An active key of an environment that never expires.
    pub fn active(client_key: ClientKey) -> ServerKey {
        ServerKey { client_key, active: true, expires_at: None, known_at: None }
    }

    /// True if both have the same contents, apart from `known_at`.
    pub fn has_same_contents(&self, other: &ServerKey) -> bool {
        let ServerKey { client_key, active, expires_at, known_at: _ } = self;
        (client_key, *active, expires_at) == (&other.client_key, other.active, &other.expires_at)
    }

    /// True if the key may be used now. An unreadable date counts as past.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        let expired = |date: &String| Timestamp::from_iso(date).is_none_or(|end| end <= now);
        self.active && !self.expires_at.as_ref().is_some_and(expired)
    }

    /// The fault for which the key is refused forever, if there is one.
    pub fn fault(&self) -> Option<Fault> {
        let expiry = self.expires_at.as_deref()?;
        Timestamp::from_iso(expiry).is_none().then(|| Fault::of("expires_at", "is no date"))
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
            (true, Some("2026-11-22T12:00:01.1234567Z"), true),
            (true, Some("2026-11-22"), false),
            (true, Some("2099-12-31"), true),
            (true, Some("0001-01-01T00:00:00Z"), false),
            (true, Some("9999-12-31T23:59:59.9999999-05:00"), true),
            (true, Some("some day"), false),
        ] {
            let expires_at = expires_at.map(Into::into);
            let key = ServerKey { active, expires_at, ..ServerKey::active(ClientKey::unchecked("e")) };
            assert_eq!(key.is_valid(now), valid, "{key:?}");
            assert_eq!(key.fault().is_some(), key.expires_at.as_deref() == Some("some day"), "{key:?}");
        }
    }

    #[test]
    fn server_keys_of_an_earlier_version_round_trip() {
        let stored = r#"{"environment":"e","active":true,"expires_at":null}"#;
        let key: ServerKey = serde_json::from_str(stored).unwrap();
        assert_eq!(key, ServerKey::active(ClientKey::unchecked("e")));
        assert_eq!(serde_json::to_string(&key).unwrap(), stored);
        assert!(key.has_same_contents(&ServerKey { known_at: Some(1), ..key.clone() }));
        assert!(!key.has_same_contents(&ServerKey { active: false, ..key.clone() }));
    }

    #[test]
    fn an_expiry_of_any_json_type_decides_validity() {
        let now = Timestamp::from_iso("2026-11-22T12:00:00Z").unwrap();
        for (expires_at, valid, is_faulty) in [
            ("null", true, false),
            ("4102358400", true, false),
            ("4102358400000", true, false),
            ("1000000000.5", false, false),
            ("true", false, true),
            ("[]", false, true),
            ("\"\"", false, true),
        ] {
            let entry = format!(r#"{{"environment":"e","active":true,"expires_at":{expires_at}}}"#);
            let key: ServerKey = serde_json::from_str(&entry).unwrap();
            assert_eq!((key.is_valid(now), key.fault().is_some()), (valid, is_faulty), "{entry}");
            let again = serde_json::from_str(&serde_json::to_string(&key).unwrap());
            assert_eq!(again.ok(), Some(key), "{entry}");
        }
        let key: ServerKey = serde_json::from_str(r#"{"environment":"e","active":true}"#).unwrap();
        assert_eq!(key.expires_at, None);
    }
}
