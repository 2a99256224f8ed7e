//! Documents with duplicates. Each answer equals that of Flagsmith's Python SDK for the same document (`flagsmith`
//! 6.3.0, `flagsmith-flag-engine` 10.2.0 and 11.1.1). One identity has one answer.

mod support;

use std::collections::HashMap;

use flagsmith_edge_worker::admin::explanation::explain;
use flagsmith_edge_worker::document::ruleset::Engine;
use flagsmith_edge_worker::document::{Environment, FeatureKey, FeatureState, Identifier};
use flagsmith_edge_worker::identity::{Command, Identity, Import};
use serde_json::{Value, json};
use support::worker::Worker;

fn state(id: i64, name: &str, value: &str) -> Value {
    json!({
        "feature": {"id": id, "name": name, "type": "STANDARD"}, "enabled": true, "feature_state_value": value,
        "featurestate_uuid": format!("00000000-0000-4000-8000-{id:012}"), "multivariate_feature_state_values": [],
    })
}

fn in_segment(id: i64, value: &str, priority: i64) -> Value {
    let mut state = state(id, "f", value);
    state["feature_segment"] = json!({"priority": priority});
    state
}

/// A segment that every identity matches.
fn segment(id: &Value, name: &str, states: &[Value]) -> Value {
    let condition = json!({"operator": "EQUAL", "property_": "$.environment.name", "value": "n"});
    json!({"id": id, "name": name, "rules": [{"type": "ALL", "conditions": [condition]}], "feature_states": states})
}

fn entry(identifier: &str, states: &[Value]) -> Value {
    json!({"identifier": identifier, "identity_uuid": format!("uuid of {}", states.len()), "identity_features": states})
}

fn document(segments: &[Value], identity_overrides: &[Value]) -> Value {
    json!({
        "id": 1, "api_key": "k", "name": "n", "project": {"segments": segments},
        "feature_states": [state(1, "f", "default"), state(2, "g", "default of g")],
        "identity_overrides": identity_overrides,
    })
}

fn get(worker: &mut Worker, target: &str) -> Value {
    let headers = HashMap::from([("x-environment-key".to_owned(), Worker::SERVER_KEY.to_owned())]);
    serde_json::from_slice(&worker.answer("GET", target, &headers, b"").body).unwrap()
}

/// The values of `f` and `g` for an identity.
fn values(worker: &mut Worker, identifier: &str) -> [Value; 2] {
    let answer = get(worker, &format!("/api/v1/identities/?identifier={identifier}"));
    [0, 1].map(|index| answer["flags"][index]["feature_state_value"].clone())
}

fn worker(document: &Value) -> Worker {
    Worker::with_document(document.to_string().as_bytes()).unwrap()
}

fn environment(document: &Value) -> Environment {
    Environment::parse(document.to_string().as_bytes(), Engine::V10).unwrap()
}

#[test]
fn the_first_of_two_overrides_of_one_identity_and_feature_is_answered() {
    for (name, overrides, expected) in [
        (
            "two entries of one identifier",
            vec![
                entry("ada", &[state(1, "f", "first")]),
                entry("ada", &[state(1, "f", "second"), state(2, "g", "of the second")]),
            ],
            ["first", "of the second"],
        ),
        (
            "two states in one entry",
            vec![entry("ada", &[state(1, "f", "first"), state(1, "f", "second")])],
            ["first", "default of g"],
        ),
        (
            "a number twice, once under a name that no feature has",
            vec![entry("ada", &[state(1, "gone", "first"), state(1, "f", "second")])],
            ["second", "default of g"],
        ),
        (
            "a name twice, once under the number of a deleted feature",
            vec![entry("ada", &[state(9, "f", "first"), state(1, "f", "second")])],
            ["first", "default of g"],
        ),
        (
            "an empty entry before another",
            vec![entry("ada", &[]), entry("ada", &[state(1, "f", "first")])],
            ["first", "default of g"],
        ),
    ] {
        let document = document(&[], &overrides);
        assert_eq!(values(&mut worker(&document), "ada"), expected, "{name}");
        // The explanation has the same state as the only one that applies.
        let explained = explain(&environment(&document), &Identifier::normalize("ada"), &Identity::default());
        for (flag, expected) in explained["flags"].as_array().unwrap().iter().zip(expected) {
            assert_eq!(flag["feature_state_value"], expected, "{name}");
            let candidates = flag["candidates"].as_array().unwrap();
            let won: Vec<_> = candidates.iter().filter(|candidate| candidate["wins"] == true).collect();
            assert_eq!((won.len(), &won[0]["feature_state_value"]), (1, &json!(expected)), "{name}");
            let published = candidates.iter().filter(|candidate| candidate["source"] == "document");
            assert_eq!(published.count(), usize::from(won[0]["source"] == "document"), "{name}");
        }
    }
}

/// The Python SDK groups identities by their overrides, and uses the group that is named first: in this document
/// `ada`'s second entry. Served with one entry for each identity, every SDK comes to the worker's answer.
#[test]
fn the_served_document_has_one_entry_for_an_identity_and_one_state_for_a_feature() {
    let document = document(
        &[],
        &[
            entry("bob", &[state(1, "f", "B")]),
            entry("ada", &[state(1, "f", "A"), state(1, "f", "twice")]),
            entry("ada", &[state(1, "f", "B"), state(2, "g", "G"), state(3, "deleted", "x")]),
        ],
    );
    let mut worker = worker(&document);
    assert_eq!(values(&mut worker, "ada"), ["A", "G"]);
    let served = get(&mut worker, "/api/v1/environment-document/");
    let expected = json!([
        {"identifier": "bob", "identity_uuid": "uuid of 1", "identity_features": [state(1, "f", "B")]},
        {
            "identifier": "ada", "identity_uuid": "uuid of 2",
            "identity_features": [state(1, "f", "A"), state(2, "g", "G"), state(3, "deleted", "x")],
        },
    ]);
    assert_eq!(served["identity_overrides"], expected);
    let mut rest = (served, document);
    rest.0["identity_overrides"] = Value::Null;
    rest.1["identity_overrides"] = Value::Null;
    assert_eq!(rest.0, rest.1);
}

#[test]
fn a_document_without_duplicates_is_served_byte_for_byte() {
    let overrides =
        [entry("bob", &[state(1, "f", "B")]), entry("ada", &[state(1, "f", "A"), state(2, "g", "G")])];
    let text = format!("  {}\n", document(&[], &overrides));
    let environment = Environment::parse(text.as_bytes(), Engine::V10).unwrap();
    assert_eq!(environment.document(), text.as_bytes());
}

#[test]
fn a_stored_override_wins_over_every_duplicate_in_the_document() {
    // A leftover of a deleted feature with the same name and another id.
    let overrides = [
        entry("ada", &[state(9, "f", "leftover"), state(1, "f", "published")]),
        entry("ada", &[state(1, "f", "published again")]),
    ];
    let mut worker = worker(&document(&[], &overrides));
    // The former name of a renamed feature: overrides are matched by id here and by name in SDKs.
    let made_here: FeatureState = serde_json::from_value(state(1, "f before", "made here")).unwrap();
    worker.execute("k", "ada", Command::PutOverride(made_here, false)).unwrap();
    assert_eq!(values(&mut worker, "ada"), ["made here", "default of g"]);
    let served = get(&mut worker, "/api/v1/environment-document/");
    let [only] = served["identity_overrides"].as_array().unwrap().as_slice() else { panic!("{served}") };
    let [state] = only["identity_features"].as_array().unwrap().as_slice() else { panic!("{only}") };
    assert_eq!(
        (&state["feature"]["name"], &state["feature_state_value"]),
        (&json!("f"), &json!("made here"))
    );
    let mut local = Worker::with_document(served.to_string().as_bytes()).unwrap();
    assert_eq!(values(&mut local, "ada"), ["made here", "default of g"]);
}

#[test]
fn the_first_of_two_imported_overrides_of_one_feature_stays() {
    let mut worker = worker(&document(&[], &[]));
    let read = |value: &str| serde_json::from_value::<FeatureState>(state(1, "f", value)).unwrap();
    let import = Import { overrides: vec![read("first"), read("second")], ..Import::default() };
    let change = worker.execute("k", "ada", Command::Import(Box::new(import))).unwrap();
    assert_eq!(change.overrides_set, [1]);
    assert_eq!(values(&mut worker, "ada"), ["first", "default of g"]);
}

#[test]
fn the_later_of_two_defaults_of_a_feature_is_answered() {
    let mut document = document(&[], &[]);
    let mut later = state(1, "f", "later");
    later["multivariate_feature_state_values"] = json!([{"id": 1, "percentage_allocation": 0, "multivariate_feature_option": {"id": 5, "value": "v"}}]);
    document["feature_states"].as_array_mut().unwrap().push(later);
    assert_eq!(values(&mut worker(&document), "ada"), ["later", "default of g"]);
    let flags = get(&mut worker(&document), "/api/v1/flags/");
    assert_eq!((flags.as_array().unwrap().len(), &flags[0]["feature_state_value"]), (2, &json!("later")));
    // The Admin API offers the later one for overrides, too.
    let environment = environment(&document);
    for key in [FeatureKey::Id(1), FeatureKey::Name("f".into())] {
        assert_eq!(environment.feature_definition(&key).unwrap().options.len(), 1);
    }
    assert_eq!(environment.feature_definitions().len(), 2);
}

#[test]
fn the_later_of_two_segments_with_one_id_replaces_the_earlier() {
    let of = |id: Value, name: &str, value: &str| segment(&id, name, &[in_segment(1, value, 1)]);
    for (segments, names, expected) in [
        (vec![of(json!(1), "a", "a"), of(json!(2), "b", "b"), of(json!(1), "c", "c")], vec!["c", "b"], "c"),
        (vec![of(json!(1), "a", "a"), segment(&json!("1"), "b", &[])], vec!["b"], "default"),
    ] {
        let document = document(&segments, &[]);
        assert_eq!(values(&mut worker(&document), "ada")[0], expected);
        let explained = explain(&environment(&document), &Identifier::normalize("ada"), &Identity::default());
        let listed = explained["segments"].as_array().unwrap();
        assert_eq!(listed.iter().map(|segment| &segment["name"]).collect::<Vec<_>>(), names);
        for segment in listed {
            assert_eq!(segment["rules"][0]["conditions"][0]["property"], "$.environment.name");
        }
    }
}

#[test]
fn duplicate_segment_overrides_are_decided_by_priority_then_order() {
    for (priorities, expected) in [([1, 1, 2], "0"), ([2, 1, 1], "1"), ([3, 2, 1], "2")] {
        let mut states = Vec::new();
        for (index, priority) in priorities.into_iter().enumerate() {
            states.push(in_segment(1, &index.to_string(), priority));
        }
        let document = document(&[segment(&json!(1), "s", &states)], &[]);
        assert_eq!(values(&mut worker(&document), "ada")[0], expected, "{priorities:?}");
    }
}

#[test]
fn the_first_of_two_multivariate_values_with_one_id_is_tried_first() {
    let mut document = document(&[], &[]);
    let option = |value: &str| json!({"id": 3, "percentage_allocation": 100, "multivariate_feature_option": {"value": value}});
    document["feature_states"][0]["multivariate_feature_state_values"] = json!([option("x"), option("y")]);
    assert_eq!(values(&mut worker(&document), "ada")[0], "x");
}
