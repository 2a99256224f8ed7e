//! The worker's own admin key. It is recognized in every spelling and is never sent to the origin.
//!
//! Only `Authorization: Api-Key <key>` grants anything. Under another keyword, or in a cookie, the key would be
//! forwarded as a credential of the origin. So every header is searched for it before a request is forwarded.

use std::borrow::Cow;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use sha2::{Digest, Sha256};

use crate::api::query;
use crate::document::hex;

/// The spelling of the admin key in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// `Authorization: Api-Key <key>`.
    ApiKey,
    /// Any other spelling; it grants nothing.
    Other,
}

/// True if `sha256` is the hash of `secret`, in hex. The comparison takes the same time for any two hashes.
pub fn is_admin_key(secret: &str, sha256: &str) -> bool {
    let (hash, expected) = (hex(&Sha256::digest(secret)), sha256.trim().to_ascii_lowercase());
    let pairs = hash.bytes().zip(expected.bytes());
    // An empty secret is never a key.
    !secret.is_empty()
        && hash.len() == expected.len()
        && pairs.fold(0, |all, (one, other)| all | (one ^ other)) == 0
}

/// True if a header's value contains the admin key. It may be the whole value, follow a keyword, or be a parameter, a
/// cookie, or the user or password of `Basic`.
pub fn has_admin_key(value: &str, sha256: &str) -> bool {
    // Decoded as one parameter: an ampersand does not end it.
    let decoded = query::last(&format!("value={}", value.replace('&', "%26")), "value").map(Cow::into_owned);
    let basic = value.trim().split_once(char::is_whitespace).and_then(|(keyword, rest)| {
        let decoded = || BASE64_STANDARD.decode(rest.trim()).ok();
        keyword.eq_ignore_ascii_case("basic").then(decoded).flatten()
    });
    let basic = basic.and_then(|basic| String::from_utf8(basic).ok());
    let texts = [Some(value), decoded.as_deref(), basic.as_deref()];
    texts.into_iter().flatten().flat_map(candidates).any(|secret| is_admin_key(secret, sha256))
}

/// Returns the parts of a text that may be a key. Their total length is a small multiple of the text's.
fn candidates(text: &str) -> impl Iterator<Item = &str> {
    let text = text.trim();
    let behind_keyword = text.split_once(char::is_whitespace).map(|(_, rest)| rest);
    let words = text.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';'));
    let sides = |word, separator| {
        let sides = str::split_once(word, separator).map(<[&str; 2]>::from);
        sides.into_iter().flatten()
    };
    let parts =
        words.flat_map(move |word| [word].into_iter().chain(sides(word, '=')).chain(sides(word, ':')));
    let all = [text].into_iter().chain(behind_keyword).chain(parts);
    all.map(|secret| secret.trim_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\'')))
}

/// Returns a header's value without the admin key; `None` if no part of it may be forwarded. The name is in lower case.
pub fn without_admin_key(name: &str, value: String, sha256: &str) -> Option<String> {
    if !has_admin_key(&value, sha256) {
        return Some(value);
    }
    if name != "cookie" {
        return None;
    }
    let cookies = value.split(';').map(str::trim).filter(|cookie| !has_admin_key(cookie, sha256));
    Some(cookies.collect::<Vec<_>>().join("; ")).filter(|cookies| !cookies.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "local.key=";

    fn sha256() -> String {
        hex(&Sha256::digest(KEY))
    }

    #[test]
    fn the_admin_key_is_recognized_by_its_hash() {
        for sha256 in [sha256(), sha256().to_uppercase(), format!(" {} ", sha256())] {
            assert!(is_admin_key(KEY, &sha256), "{sha256}");
        }
        for (secret, sha256) in [
            ("local.key", sha256()),
            ("", hex(&Sha256::digest(""))),
            (KEY, sha256()[1..].to_owned()),
            (KEY, format!("{}0", sha256())),
            (KEY, String::new()),
        ] {
            assert!(!is_admin_key(secret, &sha256), "{secret} {sha256}");
        }
    }

    #[test]
    fn the_admin_key_is_recognized_in_every_spelling_of_the_header() {
        for value in [
            "local.key=",
            " local.key= ",
            "Api-Key local.key=",
            "Api-Key\tlocal.key=",
            "Api-Key  local.key= ",
            "Token local.key=",
            "Bearer local.key=",
            "JWT \"local.key=\"",
            "Token token=\"local.key=\", realm=\"api\"",
            "Api-Key:local.key=",
            "ApiKey=local.key=",
            "Api-Key other.key, Token local.key=",
            "Basic local.key=",
            "Basic bG9jYWwua2V5PTo=",
            "basic\tYWRhOmxvY2FsLmtleT0=",
            "local.key%3D",
            "jwt=local.key=",
            "a=b; jwt=local.key%3D; c=d",
            "a=1&b; jwt=local.key%3D",
            "jwt=\"local.key=\"",
            "local.key=; a=b",
        ] {
            assert!(has_admin_key(value, &sha256()), "{value}");
        }
        for value in [
            "",
            "Api-Key",
            "Api-Key local.key",
            "Token local.key=s",
            "jwt=local.keys=",
            "Basic YWRhOmxvY2FsLmtleQ==",
            "a; b, c=d:e",
        ] {
            assert!(!has_admin_key(value, &sha256()), "{value}");
        }
    }

    #[test]
    fn the_admin_key_is_removed_from_a_forwarded_header() {
        for (name, value, expected) in [
            ("authorization", "Token x", Some("Token x")),
            ("authorization", "Token local.key=", None),
            ("x-api-key", "local.key=", None),
            ("cookie", "a=1;  jwt=x", Some("a=1;  jwt=x")),
            ("cookie", "a=1; jwt=local.key=; csrftoken=2", Some("a=1; csrftoken=2")),
            ("cookie", "jwt=local.key=; jwt=local.key=", None),
        ] {
            let without = without_admin_key(name, value.to_owned(), &sha256());
            assert_eq!(without.as_deref(), expected, "{name}: {value}");
        }
    }
}
