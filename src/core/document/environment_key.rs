//! The form of environment keys.
//!
//! Flagsmith's client keys have 22 letters and digits, and its server keys have the same behind `ser.`. A request that
//! creates an environment may choose the client key.
//!
//! Keys become parts of paths, KV keys and object names. So a text with other characters is not a key, neither in a
//! request nor in a document.

use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Serialize};

/// The start of every server key.
const SERVER_PREFIX: &str = "ser.";

/// The maximum length of a key in characters.
const MAX_LENGTH: usize = 128;

/// A description of the form of a client key, for error texts.
pub const CLIENT_KEY_FORM: &str = "1 to 128 letters, digits, hyphens, underscores and dots, and begins neither with a dot nor with the prefix of server keys";

/// The client key of an environment.
///
/// Reading JSON does not check the form, so that everything stored by an earlier version stays readable. The default is
/// empty, and the key of no environment.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientKey(Box<str>);

impl ClientKey {
    /// Returns the key that a text is; `None` if it has another form.
    pub fn parse(text: &str) -> Option<ClientKey> {
        is_client_key(text).then(|| ClientKey::unchecked(text))
    }

    /// Takes a text for a key without a check: one that was checked before it was stored or sent.
    pub fn unchecked(text: &str) -> ClientKey {
        ClientKey(text.into())
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for ClientKey {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// True if a text has the form of a client key.
pub fn is_client_key(text: &str) -> bool {
    !text.starts_with('.') && !text.starts_with(SERVER_PREFIX) && is_word(text)
}

/// True if a text has the form of a server key.
pub fn is_server_key(text: &str) -> bool {
    text.strip_prefix(SERVER_PREFIX).is_some_and(|rest| !rest.is_empty()) && is_word(text)
}

fn is_word(text: &str) -> bool {
    let may_have = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=MAX_LENGTH).contains(&text.len()) && text.bytes().all(may_have)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn keys_are_client_keys_server_keys_or_invalid() {
        let longest = "x".repeat(128);
        for client_key in ["k", "Gj9irrd2esRERD3aQLjn7j", "acme_eu", "a-b.c", "_a", "ser", "7", &longest] {
            assert!(is_client_key(client_key) && !is_server_key(client_key), "{client_key}");
            assert_eq!(ClientKey::parse(client_key).as_deref(), Some(client_key));
        }
        for server_key in ["ser.RinJix79z8EkGD9kzHM5Ux", "ser.a_b-c.d", "ser.."] {
            assert!(is_server_key(server_key) && !is_client_key(server_key), "{server_key}");
            assert_eq!(ClientKey::parse(server_key), None, "{server_key}");
        }
        let too_long = "x".repeat(129);
        for none in [
            "",
            "ser.",
            ".",
            "..",
            ".k",
            "k:1-a",
            "a b",
            "a/b",
            "../x",
            "a%2fb",
            "a?b",
            "a#b",
            "a\\b",
            "k\n",
            "k\0",
            "schlüssel",
            "ſer",
            "ser.ü",
            "ser.a:b",
            "SER./",
            &too_long,
        ] {
            assert!(!is_client_key(none) && !is_server_key(none), "{none}");
            assert_eq!(ClientKey::parse(none), None, "{none}");
        }
    }

    #[test]
    fn a_client_key_is_a_plain_text_in_json_and_read_back_whatever_its_form() {
        for text in ["Gj9irrd2esRERD3aQLjn7j", "acme_eu", "", "my shop", "ser.a", "ü\"\\"] {
            let json = serde_json::to_string(text).unwrap();
            let client_key: ClientKey = serde_json::from_str(&json).unwrap();
            assert_eq!((client_key.as_str(), serde_json::to_string(&client_key).unwrap()), (text, json));
        }
        let by_client_key = HashMap::from([(ClientKey::unchecked("k"), 1)]);
        assert_eq!(serde_json::to_string(&by_client_key).unwrap(), r#"{"k":1}"#);
    }
}
