//! Entity tags: whether what a client keeps is still what it would get (RFC 9110 §8.8.3, §13.1.2).
//!
//! A tag is made of what an answer depends on, so it is known before anything is evaluated.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::document::{Environment, KeyKind};
use crate::identity::Identity;

/// The tag of an answer that depends on the environment and the kind of key alone.
pub fn of_environment(environment: &Environment, key: KeyKind) -> String {
    format!("\"{}{}\"", environment.version, kind(key))
}

/// The tag of the environment document, which has the overrides that were made here in this version too.
pub fn of_document(environment: &Environment, key: KeyKind, overrides_version: u64) -> String {
    match overrides_version {
        0 => of_environment(environment, key),
        version => format!("\"{}{}{version:x}\"", environment.version, kind(key)),
    }
}

/// The tag of an answer that gives reasons, by the tag of the one that does not.
pub fn with_reasons(mut tag: String) -> String {
    tag.pop();
    tag.push_str("r\"");
    tag
}

/// The tag of an answer that depends on an identity's stored state too.
pub fn of_identity(environment: &Environment, key: KeyKind, identity: &Identity) -> String {
    let mut hasher = DefaultHasher::new();
    identity.traits.hash(&mut hasher);
    for state in &identity.overrides {
        // Whatever changes an override changes its text.
        serde_json::to_string(state).unwrap_or_default().hash(&mut hasher);
    }
    format!("\"{}{}{:016x}\"", environment.version, kind(key), hasher.finish())
}

/// Whether an `If-None-Match` names the tag. Compared weakly: what compresses an answer on its way weakens its tag.
pub fn matches(if_none_match: &str, tag: &str) -> bool {
    let listed = |listed: &str| listed.trim().trim_start_matches("W/") == tag;
    if_none_match.trim() == "*" || if_none_match.split(',').any(listed)
}

fn kind(key: KeyKind) -> char {
    match key {
        KeyKind::Client => 'c',
        KeyKind::Server => 's',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_with_reasons_is_another() {
        assert_eq!(with_reasons("\"0c\"".to_owned()), "\"0cr\"");
    }

    #[test]
    fn tags_are_compared_weakly() {
        for (header, expected) in [
            ("\"a\"", true),
            ("W/\"a\"", true),
            ("\"b\", W/\"a\" ,\"c\"", true),
            ("*", true),
            ("\"b\"", false),
            ("a", false),
            ("", false),
        ] {
            assert_eq!(matches(header, "\"a\""), expected, "{header}");
        }
    }
}
