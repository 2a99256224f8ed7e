//! The existence of an identity, its details and its sequence number.

use super::change::{Change, CommandError, ExecutionContext};
use super::directory::embed_shard;
use super::state::{Details, Identity, Inherited};
use super::uuid::uuid;
use crate::document::{Identifier, Timestamp};

impl Identity {
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
                uuid: embed_shard(uuid((context.random)()), identifier).into(),
                created_date: created_date.unwrap_or_default().into(),
                dashboard_alias: alias,
            });
            change.details = true;
        }
    }

    /// Sets the alias.
    pub(super) fn set_alias(&mut self, alias: Box<str>, change: &mut Change) -> Result<(), CommandError> {
        let details = self.details.as_mut().ok_or(CommandError::Missing)?;
        change.details = details.dashboard_alias.as_ref() != Some(&alias);
        details.dashboard_alias = Some(alias);
        Ok(())
    }

    /// Deletes the identity. Its sequence number stays.
    pub(super) fn delete(&mut self, change: &mut Change) {
        change.overrides_deleted = self.overrides.iter().map(|state| state.feature.id).collect();
        change.django_id = self.django_id.is_some();
        change.erased = true;
        change.inherited = self.inherited != Inherited::default();
        *self = Identity { sequence: self.sequence, ..Identity::default() };
    }

    /// Increases the sequence number. It also grows when an identity is deleted and created again.
    pub(super) fn count(&mut self, change: &Change, now: u64) {
        if change.concerns_entry() || change.concerns_overrides() {
            self.sequence = now.max(self.sequence + 1);
        }
    }
}
