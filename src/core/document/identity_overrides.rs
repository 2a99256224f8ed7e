//! The identity overrides of a document: one entry for each identity, and one state for each feature.
//!
//! An origin's list can contain an identity or a feature twice. The first one counts, as in Flagsmith's SDKs. Those
//! SDKs group identities by their overrides, so duplicates would mislead them. A document with duplicates is therefore
//! normalized before it is served to SDKs.
//!
//! Overrides that Flagsmith's own Edge API made have multivariate values without numbers. Some SDKs cannot read those,
//! so numbers are added.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::feature_state::FeatureState;
use super::json::{Json, Members};
use super::ruleset::{Ruleset, StateIndex};
use super::schema;

/// The document's overrides for one identity.
#[derive(Debug, Default)]
pub struct IdentityOverrides {
    /// The states that replace the features' defaults; at most one for each feature.
    pub states: Vec<StateIndex>,
    /// The identity's number in the origin's database.
    pub django_id: Option<i64>,
}

impl IdentityOverrides {
    /// Keeps only the first state of each feature. Returns true if there were others.
    pub(super) fn keep_first_states(&mut self, ruleset: &Ruleset) -> bool {
        let feature = |index: &StateIndex| ruleset.states.get(*index).map(|state| state.feature);
        let count = self.states.len();
        // The sort is stable, so the first of several states stays first.
        self.states.sort_by_key(feature);
        self.states.dedup_by_key(|index| feature(index));
        self.states.len() < count
    }
}

/// An entry into which later entries of its identifier are merged.
struct Merged<'a> {
    fields: Members<'a>,
    features: HashSet<String>,
    states: Vec<Cow<'a, str>>,
}

/// True if an identifier has two entries, or a multivariate value has no number.
pub(super) fn is_irregular(identities: &[schema::IdentityOverride<'_>]) -> bool {
    let mut identifiers = HashSet::with_capacity(identities.len());
    let lacks_numbers = |state: &schema::FeatureState<'_>| {
        state.multivariate_feature_state_values.iter().any(|value| value.id.is_none())
    };
    identities.iter().any(|identity| {
        !identifiers.insert(&*identity.identifier) || identity.identity_features.iter().any(lacks_numbers)
    })
}

/// Returns the list of identity overrides as normalized JSON. Later entries of an identifier are merged into the first.
/// Each feature keeps its first state, and each multivariate value gets a number. SDKs identify features by name.
pub fn normalized(identities: &[Json<'_>]) -> String {
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
                entry.states.push(numbered(state));
            }
        }
    }
    let entries: Vec<String> =
        entries.iter().map(|entry| with_states(&entry.fields, &entry.states)).collect();
    format!("[{}]", entries.join(","))
}

/// Returns the JSON of a state with a number for each multivariate value and option.
fn numbered(state: Json<'_>) -> Cow<'_, str> {
    let read = serde_json::from_str::<FeatureState>(state.source()).ok();
    let lacks =
        |state: &FeatureState| state.multivariate_feature_state_values.iter().any(|value| value.id.is_none());
    let (Some(read), Some(members)) = (read.filter(lacks), state.object()) else {
        return state.source().into();
    };
    let values = read.numbered().multivariate_feature_state_values;
    let values = serde_json::to_string(&values).unwrap_or_default();
    with_member(&members, "multivariate_feature_state_values", &values).into()
}

/// Returns the JSON of an entry with other states.
pub fn with_states<S: AsRef<str>>(fields: &Members<'_>, states: &[S]) -> String {
    let states: Vec<&str> = states.iter().map(AsRef::as_ref).collect();
    with_member(fields, "identity_features", &format!("[{}]", states.join(",")))
}

/// Returns the JSON of an object with another value for one member, which comes last.
fn with_member(members: &Members<'_>, changed: &str, json: &str) -> String {
    let mut object = String::from("{");
    for (name, value) in members.iter().filter(|(name, _)| *name != changed) {
        object.extend([&serde_json::Value::from(name).to_string(), ":", value.source(), ","]);
    }
    object.extend([&serde_json::Value::from(changed).to_string(), ":", json, "}"]);
    object
}
