//! Entity tags: whether what a client keeps is still what it would get (RFC 9110 §8.8.3, §13.1.2).
//!
//! A tag is made of what an answer depends on, so it is known before anything is evaluated. It also names what was asked:
//! the tag of one answer matches no other request. Only a 200 has a tag, so a request whose tag matches would be answered
//! with 200. `*` matches whatever is there, and proves nothing: where there may be nothing, [`is_any`] has the answer made
//! first.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::document::ruleset::FeatureIndex;
use crate::document::{Environment, KeyKind};
use crate::identity::Identity;

/// The tag of all flags without an identity.
pub fn of_flags(environment: &Environment, key: KeyKind) -> String {
    format!("\"{}{}\"", environment.version, kind(key))
}

/// The tag of one flag without an identity.
pub fn of_flag(environment: &Environment, key: KeyKind, feature: FeatureIndex) -> String {
    format!("\"{}{}f{feature:x}\"", environment.version, kind(key))
}

/// The tag of the environment document, which has the overrides that were made here in this version too.
pub fn of_document(environment: &Environment, key: KeyKind, overrides_version: u64) -> String {
    format!("\"{}{}d{overrides_version:x}\"", environment.version, kind(key))
}

/// The tag of an answer that gives reasons, by the tag of the one that does not.
pub fn with_reasons(mut tag: String) -> String {
    tag.pop();
    tag.push_str("r\"");
    tag
}

/// The entity tag of an answer about an identity. `asked` holds every part of the request that the answer depends on.
/// The tag contains the identity and `asked` as hashes only.
pub fn of_identity(
    environment: &Environment,
    key: KeyKind,
    asked: &impl Hash,
    identity: &Identity,
) -> String {
    let mut hasher = DefaultHasher::new();
    asked.hash(&mut hasher);
    identity.traits.hash(&mut hasher);
    identity.django_id.hash(&mut hasher);
    for state in &identity.overrides {
        // Whatever changes an override changes its text.
        serde_json::to_string(state).unwrap_or_default().hash(&mut hasher);
    }
    format!("\"{}{}i{:016x}\"", environment.version, kind(key), hasher.finish())
}

/// True if an `If-None-Match` header names the tag. The comparison is weak, since compression on the way weakens a tag.
pub fn matches(if_none_match: &str, tag: &str) -> bool {
    let listed = |listed: &str| listed.trim().trim_start_matches("W/") == tag;
    is_any(if_none_match) || if_none_match.split(',').any(listed)
}

/// True if an `If-None-Match` names every tag there is.
pub fn is_any(if_none_match: &str) -> bool {
    if_none_match.trim() == "*"
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
    fn reasons_change_the_etag() {
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
