//! Environments that hash identities by the numbers of their origin's database
//! (`use_identity_composite_key_for_hashing` false). Identities with a known number have the origin's buckets.
//! Percentages are vectors of contract §C.3.

mod support;

use std::collections::HashMap;

use flagsmith_edge_worker::admin::edge_identities::{Reply, answer};
use flagsmith_edge_worker::admin::explanation::explain;
use flagsmith_edge_worker::document::ruleset::Engine;
use flagsmith_edge_worker::document::{Environment, Identifier};
use flagsmith_edge_worker::identity::directory::DirectoryOverride;
use flagsmith_edge_worker::identity::{Command, Identity, Import};
use serde_json::{Value, json};
use support::exchange::Answer;
use support::worker::Worker;

/// The percentage of the state or segment 1 and the identity with the number 2. It is 91.908 for `k_bob`, and 69.534
/// for 4.
const OF_ONE_AND_TWO: f64 = 26.59531906381276;

/// A feature that gives `hit` to the first `share` percent, and a segment of that percentage that sets another feature.
fn document(composite: bool, share: f64, identity_overrides: &Value) -> Value {
    let rule = |operator: &str, property: Value, value: String| json!([{"type": "ALL", "conditions": [{"operator": operator, "property_": property, "value": value}]}]);
    let state = |id: i64, name: &str, value: &str| {
        json!({
            "feature": {"id": id, "name": name, "type": "STANDARD"}, "enabled": true, "feature_state_value": value,
            "django_id": id,
        })
    };
    let mut split = state(1, "split", "control");
    split["multivariate_feature_state_values"] = json!([{"id": 1, "percentage_allocation": share, "multivariate_feature_option": {"id": 1, "value": "hit"}}]);
    json!({
        "id": 1, "api_key": "k", "name": "n", "use_identity_composite_key_for_hashing": composite,
        "feature_states": [split, state(2, "rollout", "out"), state(3, "key", "other")],
        "identity_overrides": identity_overrides,
        "project": {"segments": [
            {"id": 1, "name": "some", "rules": rule("PERCENTAGE_SPLIT", Value::Null, share.to_string()), "feature_states": [state(2, "rollout", "in")]},
            {"id": 2, "name": "by key", "rules": rule("EQUAL", json!("$.identity.key"), "2".to_owned()), "feature_states": [state(3, "key", "2")]},
        ]},
    })
}

fn worker(document: &Value) -> Worker {
    Worker::with_document(document.to_string().as_bytes()).unwrap()
}

fn import(worker: &mut Worker, identifier: &str, django_id: Option<i64>) {
    let traits = vec![("plan".into(), Some(serde_json::from_value(json!("pro")).unwrap()))];
    let import = Import { django_id, traits, ..Import::default() };
    worker.execute("k", identifier, Command::Import(Box::new(import))).unwrap();
}

fn ask(worker: &mut Worker, method: &str, target: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    let mut all = HashMap::from([("x-environment-key".to_owned(), "k".to_owned())]);
    all.insert("content-type".to_owned(), "application/json".to_owned());
    all.extend(headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    worker.answer(method, target, &all, body.to_string().as_bytes())
}

fn values_of(answer: &Answer) -> [String; 3] {
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    [0, 1, 2].map(|index| body["flags"][index]["feature_state_value"].as_str().unwrap().to_owned())
}

/// The answers of GET for `split`, `rollout` and `key`.
fn values(worker: &mut Worker, identifier: &str) -> [String; 3] {
    let target = format!("/api/v1/identities/?identifier={identifier}");
    values_of(&ask(worker, "GET", &target, &[], &Value::Null))
}

#[test]
fn an_imported_number_is_hashed_where_the_setting_is_off() {
    for (composite, share, expected) in [
        (false, OF_ONE_AND_TWO + 0.01, ["hit", "in", "2"]),
        (false, OF_ONE_AND_TWO - 0.01, ["control", "out", "2"]),
        (true, OF_ONE_AND_TWO + 0.01, ["control", "out", "other"]),
        // The composite key's own bucket.
        (true, 91.91, ["hit", "in", "other"]),
        (true, 91.9, ["control", "out", "other"]),
    ] {
        let mut worker = worker(&document(composite, share, &json!([])));
        import(&mut worker, "bob", Some(2));
        assert_eq!(values(&mut worker, "bob"), expected, "{composite} {share}");
    }
    // Without a number the composite key is hashed.
    for (share, expected) in [(91.91, ["hit", "in", "other"]), (91.9, ["control", "out", "other"])] {
        let mut worker = worker(&document(false, share, &json!([])));
        import(&mut worker, "bob", None);
        assert_eq!(values(&mut worker, "bob"), expected, "{share}");
    }
}

#[test]
fn a_stored_number_wins_over_the_one_in_the_document() {
    let entry =
        |django_id: Value| json!([{"identifier": "bob", "django_id": django_id, "identity_features": []}]);
    let share = OF_ONE_AND_TWO + 0.01;
    for (published, stored, expected) in [
        (json!(2), None, ["hit", "in", "2"]),
        (json!(null), None, ["control", "out", "other"]),
        (json!(3), Some(2), ["hit", "in", "2"]),
        (json!(2), Some(4), ["control", "out", "other"]),
    ] {
        let mut worker = worker(&document(false, share, &entry(published.clone())));
        import(&mut worker, "bob", stored);
        assert_eq!(values(&mut worker, "bob"), expected, "{published} {stored:?}");
    }
}

#[test]
fn a_transient_identity_that_exists_is_hashed_by_its_number() {
    let mut worker = worker(&document(false, OF_ONE_AND_TWO + 0.01, &json!([])));
    import(&mut worker, "bob", Some(2));
    let body = json!({"identifier": "bob", "transient": true});
    let posted = ask(&mut worker, "POST", "/api/v1/identities/", &[], &body);
    let target = "/api/v1/identities/?identifier=bob&transient=true";
    let got = ask(&mut worker, "GET", target, &[], &Value::Null);
    for answer in [&posted, &got] {
        assert_eq!(values_of(answer), ["hit", "in", "2"]);
    }
    // A GET reads only the number of the identity.
    let traits = |answer: &Answer| serde_json::from_slice::<Value>(&answer.body).unwrap()["traits"].clone();
    assert_eq!(traits(&got), json!([]));
    assert_eq!(traits(&posted)[0]["trait_key"], "plan");
    // No identity is created.
    ask(&mut worker, "GET", "/api/v1/identities/?identifier=new&transient=true", &[], &Value::Null);
    assert!(worker.execute("k", "new", Command::SetAlias("x".into())).is_err());
}

#[test]
fn an_entity_tag_changes_with_the_number() {
    let mut worker = worker(&document(false, OF_ONE_AND_TWO + 0.01, &json!([])));
    let target = "/api/v1/identities/?identifier=bob";
    import(&mut worker, "bob", None);
    let answer = ask(&mut worker, "GET", target, &[], &Value::Null);
    let (_, tag) = answer.headers.into_iter().find(|(name, _)| name == "etag").unwrap();
    let kept = [("if-none-match", tag.as_str())];
    assert_eq!(ask(&mut worker, "GET", target, &kept, &Value::Null).status, 304);
    import(&mut worker, "bob", Some(2));
    assert_eq!(ask(&mut worker, "GET", target, &kept, &Value::Null).status, 200);
}

/// An identity with this number, with an override that is split like the feature.
fn overridden(document: &Value, django_id: Option<i64>) -> Identity {
    serde_json::from_value(json!({
        "exists": true, "traits": {}, "django_id": django_id,
        "details": {"uuid": "u", "created_date": "2026-01-01T00:00:00+00:00", "dashboard_alias": null},
        "overrides": [document["feature_states"][0]],
    }))
    .unwrap()
}

#[test]
fn the_admin_api_shows_the_value_served_to_the_identity() {
    let document = document(false, OF_ONE_AND_TWO + 0.01, &json!([]));
    let environment = Environment::parse(document.to_string().as_bytes(), Engine::V10).unwrap();
    for (django_id, expected) in [(Some(2), "hit"), (None, "control")] {
        let identity = overridden(&document, django_id);
        let body = |response: flagsmith_edge_worker::api::Response<'_>| -> Value {
            serde_json::from_slice(&response.body).unwrap()
        };
        for reply in [Reply::FeatureStates(None), Reply::AllFeatureStates] {
            let answer = body(answer::reply(&environment, &Identifier::normalize("bob"), &identity, &reply));
            assert_eq!(answer[0]["feature_state_value"], expected, "{reply:?}");
        }
        let known = DirectoryOverride {
            identifier: Identifier::normalize("bob"),
            uuid: "u".into(),
            created_date: Box::default(),
            django_id,
            state: identity.overrides.first().unwrap().clone(),
        };
        let answer = body(answer::overrides(&environment, vec![known]));
        assert_eq!(answer["results"][0]["feature_state"]["feature_state_value"], expected);
    }
}

#[test]
fn an_explanation_shows_the_bucket_of_the_number() {
    let document = document(false, OF_ONE_AND_TWO + 0.01, &json!([]));
    let environment = Environment::parse(document.to_string().as_bytes(), Engine::V10).unwrap();
    let explained = explain(&environment, &Identifier::normalize("bob"), &overridden(&document, Some(2)));
    assert_eq!(explained["key"], "2");
    let split = &explained["flags"][0]["split"];
    assert_eq!((&split["hashed"], &split["percentage"]), (&json!(["1", "2"]), &json!(OF_ONE_AND_TWO)));
    let condition = &explained["segments"][0]["rules"][0]["conditions"][0];
    assert_eq!((&condition["percentage"], &condition["holds"]), (&json!(OF_ONE_AND_TWO), &json!(true)));
}
