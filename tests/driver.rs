//! The driver of SDK requests where a store is stale, full or unavailable, and where an answer was kept.

mod support;

use std::collections::HashMap;

use flagsmith_edge_worker::api::Dependency;
use flagsmith_edge_worker::identity::{Command, TraitValue};
use serde_json::{Value, json};
use support::exchange::Answer;
use support::worker::Worker;

const KEY: &str = "k";
const FLAGS: &str = "/api/v1/flags/";
const IDENTITIES: &str = "/api/v1/identities/?identifier=ada";
const DOCUMENT: &str = "/api/v1/environment-document/";
const STALE: &str = "x-edge-stale-seconds";

#[test]
fn a_stale_environment_is_answered_with_its_age() {
    let mut worker = worker();
    worker.faults.stale_environment = Some(5);
    for target in [FLAGS, IDENTITIES, DOCUMENT, "/api/v1/flags/?feature=no_such"] {
        assert_eq!(get(&mut worker, target).header(STALE), Some("5"), "{target}");
    }
    worker.faults.stale_environment = None;
    for target in [FLAGS, IDENTITIES, DOCUMENT] {
        assert_eq!(get(&mut worker, target).header(STALE), None, "{target}");
    }
}

#[test]
fn the_age_of_the_environment_is_preferred_over_that_of_its_overrides() {
    let mut worker = worker();
    for (environment, overrides, age) in [(None, Some(7), "7"), (Some(5), Some(7), "5")] {
        worker.faults.stale_environment = environment;
        worker.faults.stale_overrides = overrides;
        for changes in 0..2 {
            let answer = get(&mut worker, DOCUMENT);
            assert_eq!((answer.status, answer.header(STALE)), (200, Some(age)), "{changes} changes");
            add_override(&mut worker);
        }
    }
}

#[test]
fn a_kept_answer_is_sent_unless_the_environment_is_stale() {
    let kept = Answer { status: 200, headers: Vec::new(), body: b"kept".to_vec() };
    let mut worker = worker();
    worker.kept = Some(kept);
    for target in [FLAGS, DOCUMENT] {
        assert_eq!(get(&mut worker, target).body, b"kept", "{target}");
    }
    assert_ne!(get(&mut worker, IDENTITIES).body, b"kept");
    worker.faults.stale_environment = Some(5);
    for target in [FLAGS, DOCUMENT] {
        assert_ne!(get(&mut worker, target).body, b"kept", "{target}");
    }
    // The kept document has no overrides that were made here.
    worker.faults.stale_environment = None;
    add_override(&mut worker);
    assert_ne!(get(&mut worker, DOCUMENT).body, b"kept");
}

#[test]
fn without_memory_the_answer_is_503_and_the_spent_budget_is_reported() {
    let mut worker = worker();
    assert_eq!(get(&mut worker, IDENTITIES).status, 200);
    assert!(worker.exhausted.take().is_some());
    worker.faults.is_full = true;
    let answer = get(&mut worker, IDENTITIES);
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    assert!(worker.exhausted.take().is_some());
}

#[test]
fn an_unavailable_store_fails_the_requests_that_need_it() {
    let mut worker = worker();
    worker.faults.unavailable = Some(Dependency::Identity);
    for (target, status) in [(IDENTITIES, 503), (DOCUMENT, 503), (FLAGS, 200)] {
        assert_eq!(get(&mut worker, target).status, status, "{target}");
    }
    let answer = worker.answer("POST", "/api/v1/analytics/flags/", &headers(), br#"{"f": 1}"#);
    assert_eq!((answer.status, answer.header("allow")), (503, Some("POST, OPTIONS")));
}

/// A worker with a segment that spends the budget of an evaluation.
fn worker() -> Worker {
    let condition = json!({"property_": "text", "operator": "REGEX", "value": "(a+)+b"});
    let rules = json!([{"type": "ALL", "rules": [], "conditions": [condition]}]);
    let segments = json!([{"id": 1, "name": "costly", "rules": rules, "feature_states": []}]);
    let feature = json!({"id": 7, "name": "f", "type": "STANDARD"});
    let document: Value = json!({
        "api_key": KEY,
        "project": {"id": 1, "segments": segments},
        "feature_states": [{"feature": feature, "enabled": true, "feature_state_value": "x"}],
    });
    let mut worker = Worker::with_document(document.to_string().as_bytes()).unwrap();
    let text = TraitValue::Text("a".repeat(2_000).into());
    worker.execute(KEY, "ada", Command::SetTraits(vec![("text".into(), Some(text))])).unwrap();
    worker
}

fn add_override(worker: &mut Worker) {
    let state = json!({
        "feature": {"id": 7, "name": "f", "type": "STANDARD"},
        "enabled": true, "feature_state_value": "y", "featurestate_uuid": "u",
    });
    let command = Command::PutOverride(serde_json::from_value(state).unwrap(), false);
    worker.execute(KEY, "ada", command).unwrap();
}

fn headers() -> HashMap<String, String> {
    let headers = [("content-type", "application/json"), ("x-environment-key", Worker::SERVER_KEY)];
    headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

fn get(worker: &mut Worker, target: &str) -> Answer {
    worker.answer("GET", target, &headers(), b"")
}
