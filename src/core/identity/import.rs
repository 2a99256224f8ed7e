//! Imports of identities, line by line (contract §D).
//!
//! An earlier version stored `ada ` beside `ada`. Both lines of its export now belong to `ada`. The line with the
//! identifier `ada` replaces the stored state. The line with `ada ` only adds what `ada` lacks. The contents of the
//! second line are also stored separately, as inherited traits and overrides, so the order of the lines makes no
//! difference.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::change::{Change, CommandError, ExecutionContext};
use super::overrides::MAX_OVERRIDES_LENGTH;
use super::state::{Identity, Inherited, Traits};
use super::trait_value::TraitValue;
use super::traits::{MAX_TRAITS_LENGTH, length};
use crate::document::{FeatureState, Identifier};

/// Traits as a command provides them; null deletes one.
type GivenTraits = Vec<(Box<str>, Option<TraitValue>)>;

/// An identity to import.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Import {
    /// The UUID at the source. If it is absent, the stored UUID stays, or a new one is generated.
    pub uuid: Option<Box<str>>,
    /// The creation date at the source, ISO 8601. If it is absent, the stored date stays, or the time of the import is
    /// used.
    pub created_date: Option<Box<str>>,
    /// The alias in lower case.
    pub dashboard_alias: Option<Box<str>>,
    /// All of its traits.
    pub traits: GivenTraits,
    /// All of its overrides.
    pub overrides: Vec<FeatureState>,
    /// The number in a Flagsmith's database. If it is absent, the identity keeps its stored number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub django_id: Option<i64>,
}

impl Identity {
    /// Replaces the identity's contents with the imported ones. Inherited traits and overrides that the import lacks
    /// are added.
    pub(super) fn import(
        &mut self,
        identifier: &Identifier,
        mut import: Import,
        context: ExecutionContext<'_>,
    ) -> Result<Change, CommandError> {
        let mut change = Change::default();
        let given = last_of_each(std::mem::take(&mut import.traits));
        let missing = self.inherited.missing_traits(&given);
        let mut overrides = std::mem::take(&mut import.overrides);
        overrides.extend(self.inherited.missing_overrides(&overrides));
        // Applied to a copy, since the overrides may be refused after the traits have been replaced.
        let mut imported = self.clone();
        imported.replace_traits(given.into_iter().map(present).chain(missing).collect(), &mut change)?;
        imported.replace_overrides(overrides, &mut change)?;
        imported.ensure_exists(identifier, None, context, &mut change);
        imported.django_id = import.django_id.or(self.django_id);
        change.django_id = imported.django_id != self.django_id;
        imported.set_details(import, &mut change);
        imported.count(&change, context.now);
        *self = imported;
        Ok(change)
    }

    /// Adds the traits and overrides that the identity lacks. An identity that does not exist becomes the imported
    /// one.
    pub(super) fn import_missing(
        &mut self,
        identifier: &Identifier,
        mut import: Import,
        context: ExecutionContext<'_>,
    ) -> Result<Change, CommandError> {
        let mut change = Change::default();
        let mut imported = self.clone();
        imported.inherited.add(std::mem::take(&mut import.traits), std::mem::take(&mut import.overrides));
        change.inherited = imported.inherited != self.inherited;
        let traits = imported.inherited.missing_traits(&imported.traits);
        imported.set_traits(traits, &mut change)?;
        let overrides = imported.inherited.missing_overrides(&imported.overrides);
        change.overrides_set.extend(overrides.iter().map(|state| state.feature.id));
        imported.overrides.extend(overrides);
        imported.ensure_exists(identifier, None, context, &mut change);
        imported.django_id = self.django_id.or(import.django_id);
        change.django_id = imported.django_id != self.django_id;
        if change.created {
            imported.set_details(import, &mut change);
        }
        imported.count(&change, context.now);
        *self = imported;
        Ok(change)
    }

    /// Removes deleted traits and overrides from the inherited ones, so that an import cannot bring them back.
    pub(super) fn disinherit(&mut self, change: &mut Change) {
        let Inherited { traits, overrides } = &mut self.inherited;
        let before = traits.len() + overrides.len();
        for key in &change.deleted {
            traits.remove(key);
        }
        let is_gone =
            |feature| change.overrides_deleted.contains(&feature) && !change.overrides_set.contains(&feature);
        overrides.retain(|state| !is_gone(state.feature.id));
        change.inherited |= traits.len() + overrides.len() != before;
    }

    fn set_details(&mut self, import: Import, change: &mut Change) {
        let Some(details) = &mut self.details else { return };
        let before = details.clone();
        details.uuid = import.uuid.unwrap_or_else(|| before.uuid.clone());
        details.created_date = import.created_date.unwrap_or_else(|| before.created_date.clone());
        details.dashboard_alias = import.dashboard_alias;
        change.details |= *details != before;
    }
}

impl Inherited {
    /// Adds the contents of a line. If several lines have the same trait or an override of the same feature, the first
    /// line counts. Contents that would exceed the limits of an identity are left out, since the identity could never
    /// have them.
    fn add(&mut self, traits: GivenTraits, overrides: Vec<FeatureState>) {
        let given = last_of_each(traits).into_iter().filter(|(key, _)| !self.traits.contains_key(key));
        let mut total = self.traits.iter().map(|(key, value)| length(key, value)).sum();
        let given = given.filter(|(key, value)| reserve(&mut total, length(key, value), MAX_TRAITS_LENGTH));
        let given: Vec<_> = given.collect();
        self.traits.extend(given);
        let mut total = self.overrides.iter().map(FeatureState::length).sum();
        for state in overrides {
            if self.overrides.iter().all(|known| known.feature.id != state.feature.id)
                && reserve(&mut total, state.length(), MAX_OVERRIDES_LENGTH)
            {
                self.overrides.push(state);
            }
        }
    }

    /// Returns the inherited traits that `others` lacks, by key. Traits that would exceed the limit on the total length
    /// are left out.
    fn missing_traits(&self, others: &Traits) -> GivenTraits {
        let mut total: usize = others.iter().map(|(key, value)| length(key, value)).sum();
        let missing = self.traits.iter().filter(|(key, _)| !others.contains_key(*key));
        let fitting =
            missing.filter(|(key, value)| reserve(&mut total, length(key, value), MAX_TRAITS_LENGTH));
        fitting.map(|(key, value)| present((key.clone(), value.clone()))).collect()
    }

    /// Returns the inherited overrides of features that `others` lacks. Overrides that would exceed the limit on the
    /// total length are left out.
    fn missing_overrides(&self, others: &[FeatureState]) -> Vec<FeatureState> {
        let mut total: usize = others.iter().map(FeatureState::length).sum();
        let features: BTreeSet<i64> = others.iter().map(|state| state.feature.id).collect();
        let missing = self.overrides.iter().filter(|state| !features.contains(&state.feature.id));
        let fitting = missing.filter(|state| reserve(&mut total, state.length(), MAX_OVERRIDES_LENGTH));
        fitting.cloned().collect()
    }
}

/// Adds a length to the total if the sum is within the limit. Returns true if it was added.
fn reserve(total: &mut usize, length: usize, max: usize) -> bool {
    let fits = *total + length <= max;
    *total += if fits { length } else { 0 };
    fits
}

/// Returns the last value of each key. Nulls are left out.
fn last_of_each(traits: GivenTraits) -> Traits {
    traits.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
}

fn present((key, value): (Box<str>, TraitValue)) -> (Box<str>, Option<TraitValue>) {
    (key, Some(value))
}
