//! Metadata of feature states, with which SDKs recognize experiments: in flags of identities, and nowhere else.

mod support;

use std::collections::HashMap;

use flagsmith_edge_worker::document::ruleset::Engine;
use flagsmith_edge_worker::document::{Environment, FeatureState};
use flagsmith_edge_worker::identity::Command;
use serde_json::{Value, json};
use support::worker::Worker;

const KEY: &str = "k";

/// An experiment's metadata, as Flagsmith writes it.
fn experiment(in_experiment: bool) -> Value {
    json!({"experiment": {"id": 7, "name": "Checkout \"B\" ü", "in_experiment": in_experiment}})
}

fn option(id: i64, weight: f64, key: &str) -> Value {
    json!({"id": id, "percentage_allocation": weight, "multivariate_feature_option": {"id": id, "value": key, "key": key}})
}

/// The experiment's feature, an ordinary one, and a rollout segment with everyone in the plan `paid`.
fn document() -> Value {
    let feature = json!({"id": 1, "name": "checkout", "type": "MULTIVARIATE"});
    let state = |django_id: i64, options: &[Value], metadata: Value| {
        json!({
            "feature": feature, "enabled": true, "feature_state_value": "old", "django_id": django_id,
            "multivariate_feature_state_values": options, "metadata": metadata,
        })
    };
    let rollout = state(11, &[option(5, 100.0, "new")], experiment(true));
    json!({
        "api_key": KEY, "updated_at": "2026-11-22T15:52:01Z",
        "feature_states": [
            state(10, &[option(5, 0.0, "new")], experiment(false)),
            {"feature": {"id": 2, "name": "plain"}, "enabled": true, "feature_state_value": 5},
        ],
        "project": {"segments": [{
            "id": 3, "name": "rollout", "feature_states": [rollout],
            "rules": [{"type": "ALL", "conditions": [{"property_": "plan", "operator": "EQUAL", "value": "paid"}]}],
        }]},
        "identity_overrides": [{"identifier": "picked", "identity_features": [state(12, &[], experiment(true))]}],
    })
}

/// The document without any metadata.
fn without_metadata() -> Value {
    let mut document = document();
    for states in
        ["/feature_states", "/project/segments/0/feature_states", "/identity_overrides/0/identity_features"]
    {
        for state in document.pointer_mut(states).unwrap().as_array_mut().unwrap() {
            state.as_object_mut().unwrap().remove("metadata");
        }
    }
    document
}

fn serve(document: &Value) -> Worker {
    Worker::with_document(document.to_string().as_bytes()).unwrap_or_else(|fault| panic!("{fault}"))
}

fn ask(worker: &mut Worker, method: &str, target: &str, body: &str) -> String {
    let headers = [("x-environment-key", Worker::SERVER_KEY), ("content-type", "application/json")];
    let headers: HashMap<_, _> = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let answer = worker.answer(method, target, &headers, body.as_bytes());
    assert_eq!(answer.status, 200, "{method} {target}");
    String::from_utf8(answer.body).unwrap()
}

fn get(worker: &mut Worker, target: &str) -> String {
    ask(worker, "GET", target, "")
}

const IDENTITIES: &str = "/api/v1/identities/?identifier=ada";
const PAYING: &str =
    r#"{"identifier":"ada","traits":[{"trait_key":"plan","trait_value":"paid","transient":true}]}"#;

#[test]
fn flags_of_identities_end_with_the_metadata_of_their_state() {
    let mut worker = serve(&document());
    let outside = r#"{"feature":{"id":1,"name":"checkout","type":"MULTIVARIATE"},"enabled":true,"feature_state_value":"old","variant":"control","metadata":{"experiment":{"id":7,"name":"Checkout \"B\" ü","in_experiment":false}}}"#;
    let inside = outside.replace("\"old\"", "\"new\"").replace("control", "new").replace("false}", "true}");
    let plain = r#"{"feature":{"id":2,"name":"plain","type":"STANDARD"},"enabled":true,"feature_state_value":5,"variant":null}"#;
    let all = |traits: &str, flag: &str| {
        format!(r#"{{"identifier":"ada","traits":[{traits}],"flags":[{flag},{plain}]}}"#)
    };
    assert_eq!(get(&mut worker, IDENTITIES), all("", outside));
    assert_eq!(get(&mut worker, &format!("{IDENTITIES}&feature=checkout")), outside);
    let traits = r#"{"trait_key":"plan","trait_value":"paid","transient":true}"#;
    assert_eq!(ask(&mut worker, "POST", "/api/v1/identities/", PAYING), all(traits, &inside));
}

#[test]
fn a_reason_follows_the_metadata() {
    let flag = get(&mut serve(&document()), &format!("{IDENTITIES}&feature=checkout&reasons=true"));
    assert!(flag.ends_with(r#""in_experiment":false}},"reason":"DEFAULT"}"#), "{flag}");
}

#[test]
fn identity_overrides_have_no_metadata() {
    let mut worker = serve(&document());
    let target = "/api/v1/identities/?identifier=picked&feature=checkout";
    let published: Value = serde_json::from_str(&get(&mut worker, target)).unwrap();
    assert_eq!((&published["feature_state_value"], published.get("metadata")), (&json!("old"), None));
    let state: FeatureState = serde_json::from_value(json!({
        "feature": {"id": 1, "name": "checkout", "type": "MULTIVARIATE"}, "enabled": true, "feature_state_value": "mine",
        "metadata": experiment(true),
    }))
    .unwrap();
    worker.execute(KEY, "ada", Command::PutOverride(state, false)).unwrap();
    let stored: Value =
        serde_json::from_str(&get(&mut worker, &format!("{IDENTITIES}&feature=checkout"))).unwrap();
    assert_eq!((&stored["feature_state_value"], stored.get("metadata")), (&json!("mine"), None));
}

/// All other answers are those of a document without metadata, but for the tags.
#[test]
fn all_other_answers_have_no_metadata() {
    let (mut with, mut without) = (serve(&document()), serve(&without_metadata()));
    for target in ["/api/v1/flags/", "/api/v1/flags/?feature=checkout", "/api/v1/flags/?reasons=true"] {
        assert_eq!(get(&mut with, target), get(&mut without, target), "{target}");
    }
    let context = r#"{"context":{"targetingKey":"ada","plan":"paid"}}"#;
    for target in ["/ofrep/v1/evaluate/flags", "/ofrep/v1/evaluate/flags/checkout"] {
        let answers = [&mut with, &mut without].map(|worker| ask(worker, "POST", target, context));
        assert_eq!(answers[0], answers[1], "{target}");
        assert!(answers[0].contains(r#""variant":"new""#), "{target}");
    }
}

#[test]
fn the_environment_document_keeps_the_metadata() {
    let document = document();
    let mut worker = serve(&document);
    assert_eq!(get(&mut worker, "/api/v1/environment-document/"), document.to_string());
    let state: FeatureState = serde_json::from_value(json!({
        "feature": {"id": 2, "name": "plain"}, "featurestate_uuid": "11111111-2222-4333-8444-555555555555",
    }))
    .unwrap();
    worker.execute(KEY, "ada", Command::PutOverride(state, false)).unwrap();
    let served: Value = serde_json::from_str(&get(&mut worker, "/api/v1/environment-document/")).unwrap();
    for states in ["feature_states", "project"] {
        assert_eq!(served[states], document[states], "{states}");
    }
}

/// The default state of a feature with this metadata as JSON text.
fn document_with(metadata: &str) -> String {
    let state = format!(
        r#"{{"feature":{{"id":1,"name":"f"}},"enabled":true,"feature_state_value":1,"metadata":{metadata}}}"#
    );
    let segment = format!(r#"{{"id":3,"name":"s","rules":[],"feature_states":[{state}]}}"#);
    format!(r#"{{"api_key":"k","feature_states":[{state}],"project":{{"segments":[{segment}]}}}}"#)
}

/// The flag of an identity, and the fields that were left out.
fn flag_with(metadata: &str) -> (String, Vec<String>) {
    let document = document_with(metadata);
    let environment = Environment::parse(document.as_bytes(), Engine::V10);
    let left_out = environment.unwrap_or_else(|fault| panic!("{metadata}: {fault}")).left_out;
    let mut worker = Worker::with_document(document.as_bytes()).unwrap();
    let flag = get(&mut worker, &format!("{IDENTITIES}&feature=f"));
    (flag, left_out.iter().map(ToString::to_string).collect())
}

const BARE: &str = r#"{"feature":{"id":1,"name":"f","type":"STANDARD"},"enabled":true,"feature_state_value":1,"variant":null}"#;

#[test]
fn metadata_keeps_its_text() {
    for metadata in [
        r#"{"experiment":{"id":12345678901234567890,"share":1.0,"x":-0.0,"y":1E+2},"more":[null,true,{}]}"#,
        "{ \"experiment\" : {\"name\": \"\\u00fc\\n\"} }",
        &format!(r#"{{"text":"{}"}}"#, "x".repeat(2000 - 11)),
    ] {
        let (flag, left_out) = flag_with(metadata);
        let expected = BARE.replace("null}", &format!("null,\"metadata\":{metadata}}}"));
        assert_eq!((flag, left_out), (expected, vec![]));
    }
}

#[test]
fn empty_metadata_is_left_out() {
    for metadata in ["{}", "{ }", "null"] {
        assert_eq!(flag_with(metadata), (BARE.to_owned(), vec![]), "{metadata}");
    }
}

#[test]
fn unreadable_metadata_is_left_out_and_reported() {
    let too_long = format!(r#"{{"text":"{}"}}"#, "x".repeat(2001 - 11));
    let too_deep = format!("{}1{}", "{\"a\":".repeat(130), "}".repeat(130));
    for metadata in ["[]", "\"text\"", "1", "true", r#"{"a":"\ud800"}"#, &too_long, &too_deep] {
        let (flag, left_out) = flag_with(metadata);
        assert_eq!(flag, BARE, "{metadata}");
        let problem = "metadata: is no object of at most 2000 bytes";
        let expected = [
            format!("feature_states[0].{problem}"),
            format!("project.segments[0].feature_states[0].{problem}"),
        ];
        assert_eq!(left_out, expected, "{metadata}");
    }
}
