//! What can be done to an identity, and what that changes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Identity, TraitValue};

/// One turn's worth of work on an identity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Looks, and creates nothing.
    Read,
    /// Creates the identity where it is missing.
    Create,
    /// Creates the identity where it is missing, then deletes the traits that are given as null, then sets the
    /// others in order, so that the last of several for one key stays (contract §A.3).
    SetTraits(Vec<(Box<str>, Option<TraitValue>)>),
    /// Adds to a whole-number trait, from 0 where it is missing; creates the identity too.
    Increment(Box<str>, i64),
}

/// What a command changed, in terms of rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The identity is new.
    pub created: bool,
    /// Keys of traits with a new value.
    pub set: Vec<Box<str>>,
    /// Keys of traits that are gone.
    pub deleted: Vec<Box<str>>,
}

/// Why a command was not carried out; then nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// An increment of what is no whole number.
    NotAnInteger,
    /// An increment past 64 bits.
    OutOfRange,
    /// More traits than [`MAX_TRAITS_LENGTH`].
    TooLarge,
}

/// The most that the traits of one identity may come to, in bytes of keys and texts: twice what one request can
/// bring, and little enough for an object that shares its memory with others.
pub const MAX_TRAITS_LENGTH: usize = 2 * 1024 * 1024;

impl Identity {
    /// Carries out a command. One that is refused leaves the identity as it was.
    pub fn apply(&mut self, command: Command) -> Result<Change, Refusal> {
        let mut change = Change::default();
        match command {
            Command::Read => return Ok(change),
            Command::Create => {}
            Command::SetTraits(traits) => self.set_traits(traits, &mut change)?,
            Command::Increment(key, by) => {
                let value = match self.traits.get(&key) {
                    None => 0,
                    Some(TraitValue::Integer(value)) => *value,
                    Some(_) => return Err(Refusal::NotAnInteger),
                };
                let value = value.checked_add(by).ok_or(Refusal::OutOfRange)?;
                self.set_traits(vec![(key, Some(TraitValue::Integer(value)))], &mut change)?;
            }
        }
        change.created = !self.exists;
        self.exists = true;
        Ok(change)
    }

    fn set_traits(
        &mut self,
        traits: Vec<(Box<str>, Option<TraitValue>)>,
        change: &mut Change,
    ) -> Result<(), Refusal> {
        let (deletions, sets): (Vec<_>, Vec<_>) = traits.into_iter().partition(|(_, value)| value.is_none());
        // What is left for each key, so that a trait that ends as it was is not written.
        let last: BTreeMap<_, _> = deletions.into_iter().chain(sets).collect();
        let kept = self.traits.iter().filter(|(key, _)| !last.contains_key(*key));
        let set = last.iter().filter_map(|(key, value)| Some((key, value.as_ref()?)));
        if kept.chain(set).map(|(key, value)| length(key, value)).sum::<usize>() > MAX_TRAITS_LENGTH {
            return Err(Refusal::TooLarge);
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
}

/// A trait's share of [`MAX_TRAITS_LENGTH`].
fn length(key: &str, value: &TraitValue) -> usize {
    key.len() + if let TraitValue::Text(text) = value { text.len() } else { size_of::<TraitValue>() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> Option<TraitValue> {
        Some(TraitValue::Text(value.into()))
    }

    fn set(traits: &[(&str, Option<TraitValue>)]) -> Command {
        Command::SetTraits(traits.iter().map(|(key, value)| ((*key).into(), value.clone())).collect())
    }

    #[test]
    fn reading_creates_nothing() {
        let mut identity = Identity::default();
        assert_eq!(identity.apply(Command::Read), Ok(Change::default()));
        assert!(!identity.exists);
        assert!(identity.apply(Command::Create).unwrap().created);
        assert_eq!(identity.apply(Command::Create), Ok(Change::default()));
    }

    #[test]
    fn deletions_come_first_and_the_last_set_wins() {
        let mut identity = Identity::default();
        identity.apply(set(&[("d", text("old")), ("e", text("kept"))])).unwrap();
        let change =
            identity.apply(set(&[("d", text("x")), ("d", None), ("d", text("y")), ("gone", None)])).unwrap();
        assert_eq!(identity.traits.get("d"), text("y").as_ref());
        assert_eq!((change.deleted.as_slice(), change.set.as_slice()), (&[][..], &["d".into()][..]));
        let change =
            identity.apply(set(&[("d", None), ("d", text("x")), ("d", text("y")), ("e", None)])).unwrap();
        assert_eq!((change.deleted.as_slice(), change.set.as_slice()), (&["e".into()][..], &[][..]));
        assert!(!change.created);
    }

    #[test]
    fn what_is_unchanged_is_not_written() {
        let mut identity = Identity::default();
        identity.apply(set(&[("n", Some(TraitValue::Integer(1)))])).unwrap();
        assert_eq!(identity.apply(set(&[("n", Some(TraitValue::Integer(1)))])), Ok(Change::default()));
        // The type is part of the value.
        assert_eq!(identity.apply(set(&[("n", Some(TraitValue::Float(1.0)))])).unwrap().set, ["n".into()]);
    }

    #[test]
    fn an_identity_is_bounded() {
        let mut identity = Identity::default();
        let long = text(&"x".repeat(MAX_TRAITS_LENGTH / 2 - 10));
        identity.apply(set(&[("a", long.clone()), ("b", long.clone())])).unwrap();
        let full = identity.clone();
        assert_eq!(
            identity.apply(set(&[("a", None), ("c", long.clone()), ("d", long.clone())])),
            Err(Refusal::TooLarge)
        );
        assert_eq!(identity, full);
        // What is replaced or deleted makes room.
        identity.apply(set(&[("a", None), ("c", long)])).unwrap();
        assert_eq!(identity.traits.keys().map(|key| &**key).collect::<Vec<_>>(), ["b", "c"]);
    }

    #[test]
    fn increments_whole_numbers_only() {
        let mut identity = Identity::default();
        identity.apply(Command::Increment("n".into(), 3)).unwrap();
        identity.apply(Command::Increment("n".into(), -1)).unwrap();
        assert_eq!(identity.traits.get("n"), Some(&TraitValue::Integer(2)));
        assert_eq!(identity.apply(Command::Increment("n".into(), i64::MAX)), Err(Refusal::OutOfRange));
        identity.apply(set(&[("s", text("x"))])).unwrap();
        assert_eq!(identity.apply(Command::Increment("s".into(), 1)), Err(Refusal::NotAnInteger));
        assert_eq!(identity.traits.len(), 2);
    }
}
