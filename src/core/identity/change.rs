//! The effect of a command on an identity, or the reason for refusing the command.

use serde::{Deserialize, Serialize};

/// The rows that a command changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// True if the identity is new.
    pub created: bool,
    /// True if the details changed.
    pub details: bool,
    /// True if the number in a Flagsmith's database changed.
    pub django_id: bool,
    /// Keys of traits with a new value.
    pub set: Vec<Box<str>>,
    /// Keys of deleted traits.
    pub deleted: Vec<Box<str>>,
    /// Features whose overrides are deleted, before any is set.
    pub overrides_deleted: Vec<i64>,
    /// Features whose overrides are new or changed.
    pub overrides_set: Vec<i64>,
    /// True if the identity was deleted.
    pub erased: bool,
    /// True if the directory's copy must be sent again without a change.
    pub resync: bool,
    /// True if the state inherited from other spellings of the identifier changed.
    pub inherited: bool,
}

impl Change {
    /// True if the directory's entry changes.
    pub fn concerns_entry(&self) -> bool {
        self.created || self.details || self.django_id || self.erased || self.resync
    }

    /// True if the directory's overrides change.
    pub fn concerns_overrides(&self) -> bool {
        !self.overrides_set.is_empty() || !self.overrides_deleted.is_empty() || self.resync
    }
}

/// The reason for which a command was refused. A refused command changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandError {
    /// An increment of a trait that is no whole number.
    NotAnInteger,
    /// An increment beyond 64 bits.
    OutOfRange,
    /// More traits than [`super::MAX_TRAITS_LENGTH`].
    TooLarge,
    /// More overrides than [`super::MAX_OVERRIDES_LENGTH`].
    TooManyOverrides,
    /// More overrides than [`super::directory::MAX_ENVIRONMENT_OVERRIDES_LENGTH`].
    EnvironmentFull,
    /// The identity or the override does not exist.
    Missing,
    /// The identity exists already.
    Exists,
    /// The feature has an override already.
    OverrideExists,
    /// The object did not answer.
    Unavailable,
}

/// The time and the randomness of a command's execution.
#[derive(Clone, Copy)]
pub struct ExecutionContext<'a> {
    /// The time in milliseconds since 1970.
    pub now: u64,
    /// Sixteen random bytes.
    pub random: &'a dyn Fn() -> [u8; 16],
}
