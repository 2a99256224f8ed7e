//! The form of environment keys.
//!
//! Flagsmith's client keys have 22 letters and digits, and its server keys have the same behind `ser.`. A request that
//! creates an environment may choose the client key.
//!
//! Keys become parts of paths, KV keys and object names. So a text with other characters is not a key, neither in a
//! request nor in a document.

/// The start of every server key.
const SERVER_PREFIX: &str = "ser.";

/// The maximum length of a key in characters.
const MAX_LENGTH: usize = 128;

/// A description of the form of a client key, for error texts.
pub const CLIENT_KEY_FORM: &str = "1 to 128 letters, digits, hyphens, underscores and dots, and begins neither with a dot nor as a server key does";

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
    use super::*;

    #[test]
    fn keys_are_client_keys_server_keys_or_invalid() {
        let longest = "x".repeat(128);
        for client_key in ["k", "Gj9irrd2esRERD3aQLjn7j", "acme_eu", "a-b.c", "_a", "ser", "7", &longest] {
            assert!(is_client_key(client_key) && !is_server_key(client_key), "{client_key}");
        }
        for server_key in ["ser.RinJix79z8EkGD9kzHM5Ux", "ser.a_b-c.d", "ser.."] {
            assert!(is_server_key(server_key) && !is_client_key(server_key), "{server_key}");
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
        }
    }
}
