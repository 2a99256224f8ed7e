//! Environment keys, which select the environment of a request (contract §A.0).

use super::error::Error;
use crate::document::{ClientKey, KeyKind, ServerKeyHash, hash_of_server_key, is_server_key};

/// The key of a request's `X-Environment-Key`.
#[derive(Clone, PartialEq, Eq)]
pub enum EnvironmentKey {
    /// A client key, which is the name of its environment.
    Client(ClientKey),
    /// A server key, identified by its SHA-256 only.
    Server(ServerKeyHash),
}

impl EnvironmentKey {
    /// Reads the header's value. A text that does not have the form of a key is refused at once as unknown.
    pub fn parse(header: Option<String>) -> Result<EnvironmentKey, Error> {
        let key = header.as_deref().map(str::trim).filter(|key| !key.is_empty());
        let key = key.ok_or(Error::KeyMissing)?;
        if is_server_key(key) {
            return Ok(EnvironmentKey::Server(hash_of_server_key(key)));
        }
        ClientKey::parse(key).map(EnvironmentKey::Client).ok_or(Error::KeyUnknown)
    }

    /// The kind of key.
    pub fn kind(&self) -> KeyKind {
        match self {
            EnvironmentKey::Client(_) => KeyKind::Client,
            EnvironmentKey::Server(_) => KeyKind::Server,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_kinds_are_distinguished_and_server_keys_are_hashed() {
        let key =
            EnvironmentKey::parse(Some(" ser.abc ".to_owned())).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(key.kind(), KeyKind::Server);
        assert!(matches!(key, EnvironmentKey::Server(hash) if hash.len() == 64 && !hash.contains("abc")));
        assert!(matches!(EnvironmentKey::parse(Some("ser".into())), Ok(EnvironmentKey::Client(_))));
        for missing in [None, Some(String::new()), Some("  ".to_owned())] {
            assert!(matches!(EnvironmentKey::parse(missing), Err(Error::KeyMissing)));
        }
        for no_key in ["k:1-0a", "ser.k:1", "a b", "ser.", &"x".repeat(129)] {
            assert!(
                matches!(EnvironmentKey::parse(Some(no_key.to_owned())), Err(Error::KeyUnknown)),
                "{no_key}"
            );
        }
    }
}
