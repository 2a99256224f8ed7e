//! The commands on an identity, and the changes that they make.

use serde::{Deserialize, Serialize};

use super::{CommandRequest, Details, Identity, Import, Inherited, TraitValue, directory, uuid};
use crate::document::{FeatureState, Identifier, Timestamp};

/// A command on an identity, executed in one turn of its object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Reads the identity without creating it.
    Read,
    /// Creates the identity if it is missing.
    Create,
    /// Creates the identity if it is missing, and changes its traits (contract §A.3). First the traits that are null
    /// are deleted, then the others are set in order. Of several values for one key the last stays.
    SetTraits(Vec<(Box<str>, Option<TraitValue>)>),
    /// Replaces all traits: sets the given ones in the same way, and deletes the others (contract §A.7).
    ReplaceTraits(Vec<(Box<str>, Option<TraitValue>)>),
    /// Adds to a whole-number trait; a missing trait counts from 0. Creates the identity if it is missing.
    Increment(Box<str>, i64),
    /// Creates a new identity, with or without an alias. Refused if the identity exists.
    #[serde(rename = "found")]
    CreateNew(Option<Box<str>>),
    /// Sets the alias.
    SetAlias(Box<str>),
    /// Adds an override of a feature that has none.
    CreateOverride(FeatureState),
    /// Replaces the override with this UUID. If the flag is true, its multivariate values stay.
    UpdateOverride(FeatureState, bool),
    /// Creates the identity if it is missing, and sets its override of a feature. If the flag is true, the multivariate
    /// values of an existing override stay.
    PutOverride(FeatureState, bool),
    /// Removes the override with this UUID.
    DeleteOverride(Box<str>),
    /// Removes the override of a feature, if there is one.
    DeleteOverrideOf(i64),
    /// Replaces all overrides.
    ReplaceOverrides(Vec<FeatureState>),
    /// Replaces the identity with an imported one.
    Import(Box<Import>),
    /// Adds the traits and overrides of another spelling of the identifier, if the identity lacks them.
    ImportMissing(Box<Import>),
    /// Sends the directory entry and the overrides again.
    #[serde(rename = "tell")]
    Resync,
    /// Deletes the identity.
    #[serde(rename = "erase")]
    Delete,
}

impl Command {
    /// True if the command may change the identity's overrides, or the directory's copy of them.
    pub fn concerns_overrides(&self) -> bool {
        self.adds_overrides()
            || matches!(
                self,
                Command::DeleteOverride(_)
                    | Command::DeleteOverrideOf(_)
                    | Command::ReplaceOverrides(_)
                    | Command::Import(_)
                    | Command::ImportMissing(_)
                    | Command::Resync
                    | Command::Delete
            )
    }

    /// True if the command adds overrides.
    pub fn adds_overrides(&self) -> bool {
        match self {
            Command::CreateOverride(_) | Command::UpdateOverride(..) | Command::PutOverride(..) => true,
            Command::ReplaceOverrides(states) => !states.is_empty(),
            Command::Import(import) | Command::ImportMissing(import) => !import.overrides.is_empty(),
            _ => false,
        }
    }
}

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

impl Identity {
    /// Executes a command. A refused command leaves the identity unchanged.
    pub fn apply(
        &mut self,
        request: CommandRequest,
        context: ExecutionContext<'_>,
    ) -> Result<Change, CommandError> {
        if request.uuid.is_some_and(|uuid| self.uuid() != Some(&uuid)) {
            return Err(CommandError::Missing);
        }
        let mut change = Change::default();
        let founded = match request.command {
            Command::Read => return Ok(change),
            Command::Create => None,
            Command::SetTraits(traits) => {
                self.set_traits(traits, &mut change)?;
                None
            }
            Command::ReplaceTraits(traits) => {
                self.replace_traits(traits, &mut change)?;
                None
            }
            Command::Increment(key, by) => {
                self.increment(key, by, &mut change)?;
                None
            }
            Command::CreateNew(_) if self.exists => return Err(CommandError::Exists),
            Command::CreateNew(alias) => alias,
            Command::Import(import) => return self.import(&request.identifier, *import, context),
            Command::ImportMissing(import) => {
                return self.import_missing(&request.identifier, *import, context);
            }
            Command::PutOverride(state, keep) => {
                self.put_override(state, keep, &mut change)?;
                None
            }
            command => {
                if !self.exists {
                    return Err(CommandError::Missing);
                }
                self.apply_to_existing(command, &mut change)?;
                None
            }
        };
        self.disinherit(&mut change);
        if !change.erased {
            self.ensure_exists(&request.identifier, founded, context, &mut change);
        }
        self.count(&change, context.now);
        Ok(change)
    }

    /// Executes a command that needs an existing identity.
    fn apply_to_existing(&mut self, command: Command, change: &mut Change) -> Result<(), CommandError> {
        match command {
            Command::SetAlias(alias) => {
                let details = self.details.as_mut().ok_or(CommandError::Missing)?;
                change.details = details.dashboard_alias.as_ref() != Some(&alias);
                details.dashboard_alias = Some(alias);
            }
            Command::CreateOverride(state) => self.create_override(state, change)?,
            Command::UpdateOverride(state, keep) => self.update_override(state, keep, change)?,
            Command::DeleteOverride(uuid) => self.delete_override(&uuid, change)?,
            Command::DeleteOverrideOf(feature) => self.delete_override_of(feature, change),
            Command::ReplaceOverrides(states) => self.replace_overrides(states, change)?,
            Command::Resync => change.resync = true,
            Command::Delete => {
                change.overrides_deleted = self.overrides.iter().map(|state| state.feature.id).collect();
                change.django_id = self.django_id.is_some();
                change.erased = true;
                change.inherited = self.inherited != Inherited::default();
                *self = Identity { sequence: self.sequence, ..Identity::default() };
            }
            // These need no existing identity.
            Command::Read
            | Command::Create
            | Command::SetTraits(_)
            | Command::ReplaceTraits(_)
            | Command::Increment(..)
            | Command::CreateNew(_)
            | Command::PutOverride(..)
            | Command::Import(_)
            | Command::ImportMissing(_) => {}
        }
        Ok(())
    }

    /// Makes the identity exist, with its details. Identities from versions without details get them with the first
    /// command that may write.
    pub(super) fn ensure_exists(
        &mut self,
        identifier: &Identifier,
        alias: Option<Box<str>>,
        context: ExecutionContext<'_>,
        change: &mut Change,
    ) {
        change.created = !self.exists;
        self.exists = true;
        if self.details.is_none() {
            let created_date = Timestamp::from_milliseconds(context.now).map(Timestamp::iso);
            self.details = Some(Details {
                uuid: directory::embed_shard(uuid((context.random)()), identifier).into(),
                created_date: created_date.unwrap_or_default().into(),
                dashboard_alias: alias,
            });
            change.details = true;
        }
    }

    /// Increases the sequence number. It also grows when an identity is deleted and created again.
    pub(super) fn count(&mut self, change: &Change, now: u64) {
        if change.concerns_entry() || change.concerns_overrides() {
            self.sequence = now.max(self.sequence + 1);
        }
    }
}

#[cfg(test)]
mod tests;
