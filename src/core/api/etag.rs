//! Entity tags, by which clients revalidate stored answers (RFC 9110 §8.8.3, §13.1.2).
//!
//! A tag is a hash of all inputs of an answer, so it is known before the evaluation. It includes the query, so the tag
//! of one answer matches no other request. Only a 200 has a tag, so a request with a matching tag would be answered
//! with 200. `*` matches every existing answer. If the answer might be 404, [`is_any`] makes the caller compute it
//! first.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::subject::Subject;
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

/// The tag of the environment document with this version of the overrides that were made through the worker.
pub fn of_document(environment: &Environment, key: KeyKind, overrides_version: u64) -> String {
    format!("\"{}{}d{overrides_version:x}\"", environment.version, kind(key))
}

/// The tag of an answer with reasons, from the tag without reasons.
pub fn with_reasons(mut tag: String) -> String {
    tag.pop();
    tag.push_str("r\"");
    tag
}

/// The entity tag of an answer about an identity. `asked` has every part of the request that affects the answer. The
/// tag contains the identity and `asked` as hashes only.
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
        // Every change of an override changes its JSON.
        serde_json::to_string(state).unwrap_or_default().hash(&mut hasher);
    }
    format!("\"{}{}i{:016x}\"", environment.version, kind(key), hasher.finish())
}

/// The entity tag of all flags for OpenFeature, of an identity or of the environment. The tag covers all traits that were
/// sent, since they may change the answer.
pub fn of_ofrep(
    environment: &Environment,
    key: KeyKind,
    subject: Option<&Subject>,
    stored: &Identity,
) -> String {
    let asked = subject.map(|subject| (&subject.identifier, &subject.transient, subject.overridden));
    let mut tag = of_identity(environment, key, &asked, stored);
    tag.pop();
    tag.push_str("o\"");
    tag
}

/// True if an `If-None-Match` header contains the tag. The comparison is weak, since compression by a proxy weakens a
/// tag.
pub fn matches(if_none_match: &str, tag: &str) -> bool {
    let listed = |listed: &str| listed.trim().trim_start_matches("W/") == tag;
    is_any(if_none_match) || if_none_match.split(',').any(listed)
}

/// True if an `If-None-Match` header is `*`, which matches every tag.
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
