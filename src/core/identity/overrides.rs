//! The effect of commands on an identity's overrides: at most one for a feature (contract §D).

use super::change::{Change, CommandError};
use super::state::Identity;
use crate::document::FeatureState;

/// The maximum length of an identity's overrides, in bytes of JSON. A row can have 2 MB; Flagsmith's own store accepts
/// 400 kB for an identity.
pub const MAX_OVERRIDES_LENGTH: usize = 1024 * 1024;

impl Identity {
    /// Adds an override of a feature that has none.
    pub(super) fn create_override(
        &mut self,
        state: FeatureState,
        change: &mut Change,
    ) -> Result<(), CommandError> {
        if self.position_of(state.feature.id).is_some() {
            return Err(CommandError::OverrideExists);
        }
        self.put_override(state, false, change)
    }

    /// Replaces the override with this UUID. Its UUID and its feature stay.
    pub(super) fn update_override(
        &mut self,
        mut state: FeatureState,
        keep_multivariate: bool,
        change: &mut Change,
    ) -> Result<(), CommandError> {
        let named = |known: &&FeatureState| known.featurestate_uuid == state.featurestate_uuid;
        let known = self.overrides.iter().find(named).ok_or(CommandError::Missing)?;
        if state.feature.id != known.feature.id {
            // These values are options of another feature.
            state.multivariate_feature_state_values.clear();
        }
        state.feature = known.feature.clone();
        self.put_override(state, keep_multivariate, change)
    }

    /// Sets the override of a feature. An existing override keeps its UUID and, if `keep_multivariate` is true, its
    /// multivariate values.
    pub(super) fn put_override(
        &mut self,
        mut state: FeatureState,
        keep_multivariate: bool,
        change: &mut Change,
    ) -> Result<(), CommandError> {
        let position = self.position_of(state.feature.id);
        let known = position.and_then(|position| self.overrides.get(position));
        if let Some(known) = known {
            state.featurestate_uuid = known.featurestate_uuid.clone();
            state.django_id = known.django_id;
            if keep_multivariate {
                state.multivariate_feature_state_values = known.multivariate_feature_state_values.clone();
            }
            if known.is_same(&state) {
                return Ok(());
            }
        }
        let others = self.overrides.iter().enumerate().filter(|(index, _)| Some(*index) != position);
        let length = others.map(|(_, known)| known.length()).sum::<usize>() + state.length();
        if length > MAX_OVERRIDES_LENGTH {
            return Err(CommandError::TooManyOverrides);
        }
        change.overrides_set.push(state.feature.id);
        match position.and_then(|position| self.overrides.get_mut(position)) {
            Some(slot) => *slot = state,
            None => self.overrides.push(state),
        }
        Ok(())
    }

    /// Removes the override with this UUID.
    pub(super) fn delete_override(&mut self, uuid: &str, change: &mut Change) -> Result<(), CommandError> {
        let named = |known: &&FeatureState| &*known.featurestate_uuid == uuid;
        let feature = self.overrides.iter().find(named).map(|known| known.feature.id);
        self.delete_override_of(feature.ok_or(CommandError::Missing)?, change);
        Ok(())
    }

    /// Removes the override of a feature, if there is one.
    pub(super) fn delete_override_of(&mut self, feature: i64, change: &mut Change) {
        if let Some(position) = self.position_of(feature) {
            self.overrides.remove(position);
            change.overrides_deleted.push(feature);
        }
    }

    /// Replaces all overrides. Of several for one feature the first is kept.
    pub(super) fn replace_overrides(
        &mut self,
        sent: Vec<FeatureState>,
        change: &mut Change,
    ) -> Result<(), CommandError> {
        let mut states: Vec<FeatureState> = Vec::with_capacity(sent.len());
        for state in sent {
            if !states.iter().any(|known| known.feature.id == state.feature.id) {
                states.push(state);
            }
        }
        if states.iter().map(FeatureState::length).sum::<usize>() > MAX_OVERRIDES_LENGTH {
            return Err(CommandError::TooManyOverrides);
        }
        if states.len() == self.overrides.len()
            && states.iter().zip(&self.overrides).all(|(state, known)| state.is_same(known))
        {
            return Ok(());
        }
        change.overrides_deleted.extend(self.overrides.iter().map(|state| state.feature.id));
        change.overrides_set.extend(states.iter().map(|state| state.feature.id));
        self.overrides = states;
        Ok(())
    }

    fn position_of(&self, feature: i64) -> Option<usize> {
        self.overrides.iter().position(|state| state.feature.id == feature)
    }
}
