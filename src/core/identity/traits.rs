//! The effect of commands on an identity's traits.

use std::collections::BTreeMap;

use super::change::{Change, CommandError};
use super::state::Identity;
use super::trait_value::TraitValue;

/// The maximum length of an identity's traits, in bytes of keys and texts. It is twice the length of one request, and
/// small enough for an object that shares its memory with others.
pub const MAX_TRAITS_LENGTH: usize = 2 * 1024 * 1024;

impl Identity {
    /// The length of all traits together, in bytes of keys and texts.
    pub fn traits_length(&self) -> usize {
        self.traits.iter().map(|(key, value)| length(key, value)).sum()
    }

    /// Deletes the traits that are given as null, then sets the others in order.
    pub(super) fn set_traits(
        &mut self,
        traits: Vec<(Box<str>, Option<TraitValue>)>,
        change: &mut Change,
    ) -> Result<(), CommandError> {
        // SDKs usually send the traits that are stored already.
        if traits.iter().all(|(key, value)| self.traits.get(key) == value.as_ref()) {
            return Ok(());
        }
        let (deletions, sets): (Vec<_>, Vec<_>) = traits.into_iter().partition(|(_, value)| value.is_none());
        // The final value for each key, so that a trait that ends with its old value is not written.
        let mut last = BTreeMap::new();
        last.extend(deletions.into_iter().chain(sets));
        let kept = self.traits.iter().filter(|(key, _)| !last.contains_key(*key));
        let set = last.iter().filter_map(|(key, value)| Some((key, value.as_ref()?)));
        if kept.chain(set).map(|(key, value)| length(key, value)).sum::<usize>() > MAX_TRAITS_LENGTH {
            return Err(CommandError::TooLarge);
        }
        for (key, value) in last {
            match value {
                Some(value) if self.traits.get(&key) != Some(&value) => {
                    self.traits.insert(key.clone(), value);
                    change.set.push(key);
                }
                None if self.traits.remove(&key).is_some() => change.deleted.push(key),
                Some(_) | None => {}
            }
        }
        Ok(())
    }

    /// Replaces all traits; nulls are left out.
    pub(super) fn replace_traits(
        &mut self,
        mut traits: Vec<(Box<str>, Option<TraitValue>)>,
        change: &mut Change,
    ) -> Result<(), CommandError> {
        traits.extend(self.traits.keys().map(|key| (key.clone(), None)));
        self.set_traits(traits, change)
    }

    /// Adds to a whole-number trait; a missing trait counts from 0.
    pub(super) fn increment(
        &mut self,
        key: Box<str>,
        by: i64,
        change: &mut Change,
    ) -> Result<(), CommandError> {
        let value = match self.traits.get(&key) {
            None => 0,
            Some(TraitValue::Integer(value)) => *value,
            Some(_) => return Err(CommandError::NotAnInteger),
        };
        let value = value.checked_add(by).ok_or(CommandError::OutOfRange)?;
        self.set_traits(vec![(key, Some(TraitValue::Integer(value)))], change)
    }
}

/// The length of a trait, which counts towards [`MAX_TRAITS_LENGTH`].
pub(super) fn length(key: &str, value: &TraitValue) -> usize {
    key.len() + if let TraitValue::Text(text) = value { text.len() } else { size_of::<TraitValue>() }
}
