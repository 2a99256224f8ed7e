//! The identity overrides of a document: one entry for each identity, one state for each feature.
//!
//! An origin can list an identity or a feature twice. The first counts, as in Flagsmith's SDKs. Those SDKs group
//! identities by their overrides, so a document with duplicates is not served to them as it is: they would not all come
//! to the first.

use std::collections::{HashMap, HashSet};

use super::json::{Json, Members};
use super::ruleset::{Ruleset, StateId};

/// What the document sets for one identity.
#[derive(Debug, Default)]
pub struct IdentityOverrides {
    /// States that replace those of their features, at most one for a feature.
    pub states: Vec<StateId>,
    /// The identity's number in the origin's database.
    pub django_id: Option<i64>,
}

impl IdentityOverrides {
    /// Leaves the first state of each feature; returns true if there were others.
    pub(super) fn keep_first_states(&mut self, ruleset: &Ruleset) -> bool {
        let feature = |id: &StateId| ruleset.states.get(*id).map(|state| state.feature);
        let count = self.states.len();
        // Stable, so the first of several stays the first.
        self.states.sort_by_key(feature);
        self.states.dedup_by_key(|id| feature(id));
        self.states.len() < count
    }
}

/// An entry that takes in later entries of its identifier.
struct Merged<'a> {
    fields: Members<'a>,
    features: HashSet<String>,
    states: Vec<&'a str>,
}

/// The list of identity overrides as JSON text: later entries of an identifier merged into the first, and of the states
/// of one feature only the first. SDKs know features by name.
pub fn without_duplicates(identities: &[Json<'_>]) -> String {
    let mut entries: Vec<Merged<'_>> = Vec::with_capacity(identities.len());
    let mut places: HashMap<String, usize> = HashMap::with_capacity(identities.len());
    for fields in identities.iter().filter_map(|identity| identity.object()) {
        let identifier = fields.get("identifier").and_then(|identifier| identifier.text());
        let states = fields.get("identity_features").and_then(|states| states.list()).unwrap_or_default();
        let place = *places.entry(identifier.unwrap_or_default().into_owned()).or_insert(entries.len());
        if place == entries.len() {
            entries.push(Merged { fields, features: HashSet::new(), states: Vec::new() });
        }
        let Some(entry) = entries.get_mut(place) else { continue };
        for state in states {
            let feature =
                state.object().and_then(|state| state.get("feature")?.object()?.get("name")?.text());
            if entry.features.insert(feature.unwrap_or_default().into_owned()) {
                entry.states.push(state.source());
            }
        }
    }
    let entries: Vec<String> =
        entries.iter().map(|entry| with_states(&entry.fields, &entry.states)).collect();
    format!("[{}]", entries.join(","))
}

/// The JSON text of an entry with other states.
pub fn with_states<S: AsRef<str>>(fields: &Members<'_>, states: &[S]) -> String {
    let mut entry = String::from("{");
    for (name, value) in fields.iter().filter(|(name, _)| *name != "identity_features") {
        entry.extend([&serde_json::Value::from(name).to_string(), ":", value.source(), ","]);
    }
    entry.push_str(r#""identity_features":["#);
    for (index, state) in states.iter().enumerate() {
        entry.push_str(if index == 0 { "" } else { "," });
        entry.push_str(state.as_ref());
    }
    entry.push_str("]}");
    entry
}
