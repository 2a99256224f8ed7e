//! The execution of commands.

use super::change::{Change, CommandError, ExecutionContext};
use super::command::Command;
use super::message::CommandRequest;
use super::state::Identity;

/// The maximum number of traits for a comparison of every sent trait with every stored one.
const FEW: usize = 32;

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
        let mut alias_of_new = None;
        match request.command {
            Command::Read => return Ok(change),
            Command::Create => {}
            Command::SetTraits(traits) => self.set_traits(traits, &mut change)?,
            Command::ReplaceTraits(traits) => self.replace_traits(traits, &mut change)?,
            Command::Increment(key, by) => self.increment(key, by, &mut change)?,
            Command::CreateNew(_) if self.exists => return Err(CommandError::Exists),
            Command::CreateNew(alias) => alias_of_new = alias,
            Command::Import(import) => return self.import(&request.identifier, *import, context),
            Command::ImportMissing(import) => {
                return self.import_missing(&request.identifier, *import, context);
            }
            Command::PutOverride(state, keep) => self.put_override(state, keep, &mut change)?,
            Command::SetAlias(alias) => self.existing()?.set_alias(alias, &mut change)?,
            Command::CreateOverride(state) => self.existing()?.create_override(state, &mut change)?,
            Command::UpdateOverride(state, keep) => {
                self.existing()?.update_override(state, keep, &mut change)?;
            }
            Command::DeleteOverride(uuid) => self.existing()?.delete_override(&uuid, &mut change)?,
            Command::DeleteOverrideOf(feature) => self.existing()?.delete_override_of(feature, &mut change),
            Command::ReplaceOverrides(states) => self.existing()?.replace_overrides(states, &mut change)?,
            Command::Resync => {
                self.existing()?;
                change.resync = true;
            }
            Command::Delete => self.existing()?.delete(&mut change),
        }
        self.disinherit(&mut change);
        if !change.erased {
            self.ensure_exists(&request.identifier, alias_of_new, context, &mut change);
        }
        self.count(&change, context.now);
        Ok(change)
    }

    /// The identity, for a command that does not create it.
    fn existing(&mut self) -> Result<&mut Identity, CommandError> {
        if self.exists { Ok(self) } else { Err(CommandError::Missing) }
    }

    /// True if a command has exactly the stored traits of the identity, as most requests of SDKs do. Such a command
    /// changes nothing. With many traits the comparison is skipped, and the result is false.
    pub fn is_as_sent(&self, command: &Command) -> bool {
        let Command::SetTraits(sent) = command else { return false };
        sent.len() <= FEW
            && sent.iter().all(|(key, value)| self.traits.get(key) == value.as_ref())
            && self.traits.keys().all(|key| sent.iter().any(|(sent, _)| sent == key))
    }
}

#[cfg(test)]
mod tests;
