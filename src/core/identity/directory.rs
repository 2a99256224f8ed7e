//! The directory of an environment's identities, for lists, searches and lookups by UUID (contract §D).
//!
//! It has a fixed number of shards. The hash of the identifier selects the shard, which spreads the load of new
//! identities. A page queries all shards and merges their answers, so its cost does not grow with the number of
//! identities.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::document::{FeatureState, Identifier};

mod entry;
mod query;

pub use entry::Entry;
pub use query::{Column, DirectoryQuery, PageKey};

/// The number of shards of an environment. With another number, stored entries would not be found.
pub const SHARDS: u8 = 8;

/// The shard of an identifier.
pub fn shard_of(identifier: &Identifier) -> u8 {
    Sha256::digest(identifier.as_str()).first().copied().unwrap_or(0) % SHARDS
}

/// A UUID whose last digit contains the number of its shard. UUIDs from other sources do not contain it.
pub(super) fn embed_shard(mut uuid: String, identifier: &Identifier) -> String {
    let digit = uuid.pop().and_then(|digit| digit.to_digit(16)).unwrap_or(0) as u8;
    let signed = digit - digit % SHARDS + shard_of(identifier);
    uuid.extend(char::from_digit(u32::from(signed), 16));
    uuid
}

/// The shards to query for a UUID. The shard in its last digit comes first.
pub fn shards_for(uuid: &str) -> impl Iterator<Item = u8> {
    let first = uuid.chars().next_back().and_then(|digit| digit.to_digit(16)).unwrap_or(0) as u8 % SHARDS;
    std::iter::once(first).chain((0..SHARDS).filter(move |shard| *shard != first))
}

/// An override in the directory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DirectoryOverride {
    /// The identifier of its identity.
    pub identifier: Identifier,
    /// The identity's UUID in the Admin API.
    pub uuid: Box<str>,
    /// The creation time of the identity, ISO 8601.
    pub created_date: Box<str>,
    /// The identity's number in a Flagsmith's database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub django_id: Option<i64>,
    /// The state that it sets.
    pub state: FeatureState,
}

/// An update from an identity's object to the directory. Of several updates about one identity only the latest counts,
/// in whatever order they arrive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DirectoryUpdate {
    /// The new directory entry, or none for a deleted identity.
    Entry {
        /// The identifier of the identity.
        identifier: Identifier,
        /// The sequence number of the change.
        sequence: u64,
        /// The entry.
        entry: Option<Entry>,
    },
    /// The new list of the identity's overrides.
    Overrides {
        /// The identifier of the identity.
        identifier: Identifier,
        /// The sequence number of the change.
        sequence: u64,
        /// The UUID that names the identity in the Admin API.
        uuid: Box<str>,
        /// The creation time of the identity, ISO 8601.
        created_date: Box<str>,
        /// The identity's number in a Flagsmith's database.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        django_id: Option<i64>,
        /// All overrides.
        states: Vec<FeatureState>,
    },
}

/// A request to one of the directory's objects.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DirectoryRequest {
    /// Answered with nothing.
    #[serde(rename = "tell")]
    Update(DirectoryUpdate),
    /// Answered with a list of [`Entry`].
    Find(DirectoryQuery),
    /// Answered with a list of [`Entry`] for these UUIDs.
    Resolve(Vec<Box<str>>),
    /// Answered with the number of entries.
    Count,
    /// Answered with the number of entries whose identity has no number in a Flagsmith's database.
    CountWithoutDjangoId,
    /// Answered with a page of [`Overrides`].
    Overrides(OverridesQuery),
    /// Answered with the length of all overrides in bytes.
    OverridesLength,
}

/// A request for a page of an environment's overrides. Pages are needed since one call between objects is limited to 32
/// MiB.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverridesQuery {
    /// The feature; `None` for all features.
    pub feature: Option<i64>,
    /// The version that the caller has already.
    pub known: Option<u64>,
    /// The identifier after which the page begins.
    pub after: Option<Identifier>,
}

/// The overrides of an environment, or a page of them. All of an identity's are on one page.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Overrides {
    /// The number of changes so far.
    pub version: u64,
    /// The requested overrides, by identifier; none if they have not changed.
    pub overrides: Option<Vec<DirectoryOverride>>,
    /// The identifier after which the next page begins, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Identifier>,
}

/// The maximum length of all overrides of an environment in bytes. Beyond it new ones are refused. An isolate has 128
/// MiB, and building the document in one piece briefly takes about four times its length.
pub const MAX_ENVIRONMENT_OVERRIDES_LENGTH: u64 = 16 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_contain_their_shard() {
        let mut seen = std::collections::BTreeSet::new();
        for number in 0..100_u8 {
            let identifier = Identifier::normalize(format!("user-{number}"));
            let uuid = embed_shard(crate::identity::uuid([number; 16]), &identifier);
            assert_eq!(uuid.len(), 36);
            let shards: Vec<_> = shards_for(&uuid).collect();
            assert_eq!(shards.first(), Some(&shard_of(&identifier)));
            assert_eq!(shards.len(), usize::from(SHARDS));
            seen.insert(shard_of(&identifier));
        }
        assert_eq!(seen.len(), usize::from(SHARDS));
        assert_eq!(shards_for("").count(), usize::from(SHARDS));
    }
}
