//! The commands on an identity, and the changes that they make.

use serde::{Deserialize, Serialize};

use super::{CommandRequest, Details, Identity, Import, Inherited, TraitValue, directory, uuid};
use crate::document::{FeatureState, Identifier, Timestamp};

/// One turn's worth of work on an identity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Reads, and creates nothing.
    Read,
    /// Creates the identity where it is missing.
    Create,
    /// Creates the identity where it is missing, then deletes the traits that are given as null, then sets the
    /// others in order, so that the last of several for one key stays (contract §A.3).
    SetTraits(Vec<(Box<str>, Option<TraitValue>)>),
    /// The same, but traits that are not given are deleted too (contract §A.7).
    ReplaceTraits(Vec<(Box<str>, Option<TraitValue>)>),
    /// Adds to a whole-number trait, from 0 where it is missing; creates the identity too.
    Increment(Box<str>, i64),
    /// Creates an identity that is not there yet, with or without an alias.
    #[serde(rename = "found")]
    CreateNew(Option<Box<str>>),
    /// Sets the alias.
    SetAlias(Box<str>),
    /// Adds an override of a feature that has none.
    CreateOverride(FeatureState),
    /// Replaces the override of this name; whether its multivariate values stay.
    UpdateOverride(FeatureState, bool),
    /// Creates the identity where it is missing and sets its override of a feature; whether the multivariate values
    /// of one that is there stay.
    PutOverride(FeatureState, bool),
    /// Removes the override of this name.
    DeleteOverride(Box<str>),
    /// Removes the override of a feature, if there is one.
    DeleteOverrideOf(i64),
    /// Leaves these overrides and no others.
    ReplaceOverrides(Vec<FeatureState>),
    /// Replaces the identity with an imported one.
    Import(Box<Import>),
    /// Adds the traits and overrides of another spelling that the identity lacks.
    ImportMissing(Box<Import>),
    /// Sends the directory entry and the overrides again.
    #[serde(rename = "tell")]
    Resync,
    /// Ends the identity.
    #[serde(rename = "erase")]
    Delete,
}

impl Command {
    /// True if it may change the identity's overrides, or the directory's copy of them.
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

    /// True if it adds overrides.
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
    /// The identity is new.
    pub created: bool,
    /// Its details are others.
    pub details: bool,
    /// Its number in a Flagsmith's database is another.
    pub django_id: bool,
    /// Keys of traits with a new value.
    pub set: Vec<Box<str>>,
    /// Keys of deleted traits.
    pub deleted: Vec<Box<str>>,
    /// Features whose overrides are deleted, before any is set.
    pub overrides_deleted: Vec<i64>,
    /// Features whose overrides are new or others.
    pub overrides_set: Vec<i64>,
    /// The identity is no more.
    pub erased: bool,
    /// The directory's copy must be sent again, although nothing changed.
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

/// The reason that a command was refused; then nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandError {
    /// An increment of what is no whole number.
    NotAnInteger,
    /// An increment past 64 bits.
    OutOfRange,
    /// More traits than [`super::MAX_TRAITS_LENGTH`].
    TooLarge,
    /// More overrides than [`super::MAX_OVERRIDES_LENGTH`].
    TooManyOverrides,
    /// More overrides than [`super::directory::MAX_ENVIRONMENT_OVERRIDES_LENGTH`].
    EnvironmentFull,
    /// No such identity, or no such override.
    Missing,
    /// The identity is there already.
    Exists,
    /// The feature has an override already.
    OverrideExists,
    /// The object did not answer.
    Unavailable,
}

/// The time and the randomness of a command's execution.
#[derive(Clone, Copy)]
pub struct ExecutionContext<'a> {
    /// In milliseconds since 1970.
    pub now: u64,
    /// Sixteen random bytes.
    pub random: &'a dyn Fn() -> [u8; 16],
}

impl Identity {
    /// Carries out a command. One that is refused leaves the identity as it was.
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

    /// Carries out what there must be an identity for.
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
            // These do not need it.
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

    /// Makes sure that the identity exists, with its details: those that were stored before there were any get them
    /// with the first command that may write.
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

    /// Later than everything that was counted before, also after an end and a new beginning.
    pub(super) fn count(&mut self, change: &Change, now: u64) {
        if change.concerns_entry() || change.concerns_overrides() {
            self.sequence = now.max(self.sequence + 1);
        }
    }
}

#[cfg(test)]
mod tests;
