//! The references between rows: each names a row of the same project, and nothing exists twice.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use flagsmith_edge_origin::State;
use serde_json::Value;

/// All rows by kind and id.
struct Rows(BTreeMap<(&'static str, i64), Value>);

impl Rows {
    fn of_kind(&self, kind: &'static str) -> impl Iterator<Item = &Value> {
        self.0.range((kind, i64::MIN)..=(kind, i64::MAX)).map(|(_, row)| row)
    }

    /// The row that a member refers to; `None` if the member is null.
    #[track_caller]
    fn optional(&self, row: &Value, member: &str, kind: &'static str) -> Option<&Value> {
        if row[member].is_null() {
            return None;
        }
        let id = row[member].as_i64().unwrap();
        Some(self.0.get(&(kind, id)).unwrap_or_else(|| panic!("{kind} {id} does not exist: {row}")))
    }

    #[track_caller]
    fn one(&self, row: &Value, member: &str, kind: &'static str) -> &Value {
        self.optional(row, member, kind).unwrap_or_else(|| panic!("{member} is null: {row}"))
    }

    #[track_caller]
    fn check_unique<K: Ord + Debug>(&self, kind: &'static str, key: impl Fn(&Value) -> Option<K>) {
        let mut found = BTreeSet::new();
        for key in self.of_kind(kind).filter_map(key) {
            let text = format!("{key:?}");
            assert!(found.insert(key), "two rows of {kind} with {text}");
        }
    }
}

/// The values of some members, as a text to compare.
fn members(names: &'static [&str]) -> impl Fn(&Value) -> Option<String> {
    move |row| Some(names.iter().map(|name| row[*name].to_string()).collect::<Vec<_>>().join(" "))
}

/// Panics if a row refers to a row that does not exist or is elsewhere, or if unique members occur twice.
#[track_caller]
pub fn check_references(state: &State) {
    let rows = Rows(state.rows().map(|(kind, id, row)| ((kind, id), row)).collect());
    for ((kind, id), row) in rows.0.iter().filter(|((kind, _), _)| *kind != "sequences") {
        assert_eq!(row["id"], *id, "{kind}: {row}");
        let last = rows.0.get(&("sequences", 0)).map_or(&Value::Null, |sequences| &sequences[*kind]);
        assert!(last.as_i64() >= Some(*id), "the last id of {kind} is {last}, but there is {id}");
    }
    for row in rows.of_kind("master_api_key") {
        rows.optional(row, "organisation", "organisation");
    }
    for row in rows.of_kind("project") {
        rows.one(row, "organisation", "organisation");
    }
    for kind in ["environment", "feature"] {
        for row in rows.of_kind(kind) {
            rows.one(row, "project", "project");
        }
    }
    for kind in ["server_key", "identity"] {
        for row in rows.of_kind(kind) {
            rows.one(row, "environment", "environment");
        }
    }
    for row in rows.of_kind("trait") {
        rows.one(row, "identity", "identity");
    }
    for row in rows.of_kind("multivariate_option") {
        rows.one(row, "feature", "feature");
    }
    for row in rows.of_kind("segment") {
        rows.one(row, "project", "project");
        if let Some(feature) = rows.optional(row, "feature", "feature") {
            assert_eq!(feature["project"], row["project"], "{row}");
        }
    }
    for row in rows.of_kind("feature_segment") {
        let project = &rows.one(row, "environment", "environment")["project"];
        assert_eq!(rows.one(row, "feature", "feature")["project"], *project, "{row}");
        assert_eq!(rows.one(row, "segment", "segment")["project"], *project, "{row}");
    }
    for row in rows.of_kind("feature_state") {
        check_state(&rows, row);
    }
    rows.check_unique("environment", members(&["api_key"]));
    rows.check_unique("environment", members(&["project", "name"]));
    rows.check_unique("server_key", members(&["key"]));
    rows.check_unique("feature", members(&["project", "name"]));
    rows.check_unique("identity", members(&["environment", "identifier"]));
    rows.check_unique("trait", members(&["identity", "trait_key"]));
    rows.check_unique("feature_segment", members(&["environment", "feature", "priority"]));
    rows.check_unique("feature_state", members(&["environment", "feature", "feature_segment", "identity"]));
}

#[track_caller]
fn check_state(rows: &Rows, row: &Value) {
    let project = &rows.one(row, "environment", "environment")["project"];
    assert_eq!(rows.one(row, "feature", "feature")["project"], *project, "{row}");
    if let Some(feature_segment) = rows.optional(row, "feature_segment", "feature_segment") {
        assert_eq!(
            (&feature_segment["feature"], &feature_segment["environment"]),
            (&row["feature"], &row["environment"]),
            "{row}"
        );
        assert!(row["identity"].is_null(), "{row}");
    }
    if let Some(identity) = rows.optional(row, "identity", "identity") {
        assert_eq!(identity["environment"], row["environment"], "{row}");
    }
    let values = row["multivariate_feature_state_values"].as_array();
    let multivariate_values = values.map(Vec::as_slice).unwrap_or_default();
    for multivariate_value in multivariate_values {
        assert_eq!(
            rows.one(multivariate_value, "option", "multivariate_option")["feature"],
            row["feature"],
            "{row}"
        );
    }
    let options: BTreeSet<i64> =
        multivariate_values.iter().map(|value| value["option"].as_i64().unwrap()).collect();
    assert_eq!(options.len(), multivariate_values.len(), "two values of one option: {row}");
    let sum: f64 =
        multivariate_values.iter().map(|value| value["percentage_allocation"].as_f64().unwrap()).sum();
    assert!(sum <= 100.0, "{sum} % in all: {row}");
}
