//! Stored overrides together with those of the document: the SDKs' answers, and their local evaluation.

mod support;

use std::collections::HashMap;

use flagsmith_edge_worker::document::ruleset::Engine;
use flagsmith_edge_worker::document::{Environment, FeatureState, StoredOverrides};
use flagsmith_edge_worker::evaluate::{EvaluatedIdentity, evaluate};
use flagsmith_edge_worker::identity::{Command, CommandError, Traits};
use serde_json::{Value, json};
use support::exchange::Answer;
use support::fixtures;
use support::worker::Worker;

const KEY: &str = "pfbeAebLHX5eBgzX56vopS";
const SERVER_KEY: &str = "ser.bRnD8QEc9hVGyxfLqGiKuJ";
/// An identity with overrides in the document: `hero_banner` has another variant, `checkout_redesign` is on.
const GRACE: &str = "grace@example.com";

fn shop() -> Worker {
    Worker::with_documents(&fixtures("environments"))
}

fn state(id: i64, name: &str, enabled: bool, value: Value) -> FeatureState {
    let state = json!({
        "feature": {"id": id, "name": name, "type": "STANDARD"}, "enabled": enabled, "feature_state_value": value,
        "featurestate_uuid": "11111111-2222-4333-8444-555555555555",
    });
    serde_json::from_value(state).unwrap()
}

/// `hero_banner` with one of its options for all.
fn banner(option: i64, value: &str, key: &str) -> FeatureState {
    let mut state = state(9003, "hero_banner", true, json!("A meadow in bloom"));
    let option = json!({
        "mv_fs_value_uuid": "99999999-2222-4333-8444-555555555555", "percentage_allocation": 100.0,
        "multivariate_feature_option": {"id": option, "value": value, "key": key},
    });
    state.multivariate_feature_state_values = vec![serde_json::from_value(option).unwrap()];
    state
}

fn get(worker: &mut Worker, target: &str, key: &str, headers: &[(&str, &str)]) -> Answer {
    let mut all = HashMap::from([("x-environment-key".to_owned(), key.to_owned())]);
    all.extend(headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    worker.answer("GET", target, &all, b"")
}

fn header(answer: &Answer, name: &str) -> String {
    let found = answer.headers.iter().find(|(known, _)| known == name);
    found.unwrap_or_else(|| panic!("no {name}")).1.clone()
}

/// The flags of an identity, by name.
fn flags(worker: &mut Worker, identifier: &str) -> HashMap<String, Value> {
    let answer = get(worker, &format!("/api/v1/identities/?identifier={identifier}"), SERVER_KEY, &[]);
    assert_eq!(answer.status, 200);
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    let flags = body["flags"].as_array().unwrap().clone();
    flags.into_iter().map(|flag| (flag["feature"]["name"].as_str().unwrap().to_owned(), flag)).collect()
}

fn document(worker: &mut Worker) -> (Value, Answer) {
    let answer = get(worker, "/api/v1/environment-document/", SERVER_KEY, &[]);
    assert_eq!(answer.status, 200);
    (serde_json::from_slice(&answer.body).unwrap(), answer)
}

#[test]
fn a_stored_override_wins_until_it_is_deleted() {
    let mut worker = shop();
    let before = flags(&mut worker, GRACE);
    assert_eq!(before["hero_banner"]["variant"], "winter_sale");
    assert_eq!(before["checkout_redesign"]["enabled"], true);
    worker.execute(KEY, GRACE, Command::PutOverride(banner(811, "Harvest week", "harvest"), false)).unwrap();
    let after = flags(&mut worker, GRACE);
    assert_eq!(after["hero_banner"]["feature_state_value"], "Harvest week");
    assert_eq!(after["hero_banner"]["variant"], "harvest");
    // The answer for one feature.
    assert_eq!(after["checkout_redesign"], before["checkout_redesign"]);
    worker.execute(KEY, GRACE, Command::DeleteOverrideOf(9003)).unwrap();
    assert_eq!(flags(&mut worker, GRACE), before);
    // An override of a feature that the environment does not have under this id is skipped.
    worker
        .execute(KEY, GRACE, Command::PutOverride(state(1, "hero_banner", false, json!("x")), false))
        .unwrap();
    assert_eq!(flags(&mut worker, GRACE), before);
}

#[test]
fn one_feature_has_the_same_answer_as_in_the_list() {
    let mut worker = shop();
    let threshold = state(9002, "free_shipping_threshold", true, json!(7));
    worker.execute(KEY, "ada", Command::PutOverride(threshold, false)).unwrap();
    let target = "/api/v1/identities/?identifier=ada&feature=free_shipping_threshold";
    let one: Value = serde_json::from_slice(&get(&mut worker, target, KEY, &[]).body).unwrap();
    assert_eq!(one["feature_state_value"], 7);
    assert_eq!(one, flags(&mut worker, "ada")["free_shipping_threshold"]);
    // Transient requests leave overrides out.
    let target = "/api/v1/identities/?identifier=ada&feature=free_shipping_threshold&transient=true";
    let transient: Value = serde_json::from_slice(&get(&mut worker, target, KEY, &[]).body).unwrap();
    assert_eq!(transient["feature_state_value"], 50);
}

#[test]
fn the_document_has_both_kinds_of_overrides_and_evaluates_equally() {
    let mut worker = shop();
    let (published, _) = document(&mut worker);
    worker.execute(KEY, GRACE, Command::PutOverride(banner(811, "Harvest week", "harvest"), false)).unwrap();
    let threshold = state(9002, "free_shipping_threshold", false, json!("a \"text\""));
    worker.execute(KEY, "new", Command::PutOverride(threshold, false)).unwrap();
    let (served, answer) = document(&mut worker);
    let identities = served["identity_overrides"].as_array().unwrap();
    assert_eq!(identities.len(), published["identity_overrides"].as_array().unwrap().len() + 1);
    let of =
        |identifier: &str| identities.iter().find(|identity| identity["identifier"] == identifier).unwrap();
    let features = |identity: &Value| -> Vec<i64> {
        let states = identity["identity_features"].as_array().unwrap();
        states.iter().map(|state| state["feature"]["id"].as_i64().unwrap()).collect()
    };
    assert_eq!(features(of(GRACE)), [9001, 9003]);
    assert_eq!(of(GRACE)["dashboard_alias"], "grace (press)");
    assert_eq!(features(of("new")), [9002]);
    // The members that Rust's SDK requires.
    for field in ["environment_api_key", "created_date", "identity_uuid"] {
        assert!(of("new")[field].as_str().is_some_and(|text| !text.is_empty()), "{field}");
    }
    let mut others = (served.clone(), published);
    others.0["identity_overrides"] = Value::Null;
    others.1["identity_overrides"] = Value::Null;
    assert_eq!(others.0, others.1);
    // Local evaluation of the document agrees with the answers here.
    let mut local = Worker::with_document(&answer.body).unwrap();
    for identifier in [GRACE, "new", "joan@example.com", "nobody"] {
        let target = format!("/api/v1/identities/?identifier={identifier}");
        let locally = get(&mut local, &target, Worker::SERVER_KEY, &[]);
        let here = get(&mut worker, &target, SERVER_KEY, &[]);
        assert_eq!(String::from_utf8(locally.body), String::from_utf8(here.body), "{identifier}");
    }
}

/// `hero_banner` split between values that an administrator set, without ids of an origin.
fn split(uuids: &[&str]) -> FeatureState {
    let mut state = state(9003, "hero_banner", true, json!("control"));
    let value = |(index, uuid): (usize, &&str)| {
        json!({
            "mv_fs_value_uuid": uuid, "percentage_allocation": 60.0 / uuids.len() as f64,
            "multivariate_feature_option": {"value": index, "key": index.to_string()},
        })
    };
    let values = uuids.iter().enumerate().map(value).collect();
    state.multivariate_feature_state_values = serde_json::from_value(values).unwrap();
    state
}

fn served_values(worker: &mut Worker, identifier: &str) -> Vec<Value> {
    let (served, _) = document(worker);
    let identities = served["identity_overrides"].as_array().unwrap();
    let identity = identities.iter().find(|identity| identity["identifier"] == identifier).unwrap();
    let states = identity["identity_features"].as_array().unwrap();
    let state = states.iter().find(|state| state["feature"]["id"] == 9003).unwrap();
    state["multivariate_feature_state_values"].as_array().unwrap().clone()
}

/// The range of ids that all SDKs read. .NET's reads signed 32 bits and no null, Rust's unsigned 32 bits, and Ruby's
/// requires the member. Flagsmith's database counts from 1.
#[test]
fn stored_multivariate_values_are_served_with_ids() {
    let uuids = [
        "ffffffff-ffff-4fff-bfff-ffffffffffff",
        "ffffffff-ffff-4fff-bfff-fffffffffffe",
        "00000000-0000-4000-8000-000000000001",
        "7b9c2dfe-4d2a-4b3c-9c26-6d1b7c2f0a11",
        "no uuid",
        "nor this",
    ];
    let mut worker = shop();
    worker.execute(KEY, "new", Command::PutOverride(split(&uuids), false)).unwrap();
    worker.execute(KEY, GRACE, Command::PutOverride(split(&uuids), false)).unwrap();
    let values = served_values(&mut worker, "new");
    let id = |value: &Value| value["id"].as_i64().unwrap();
    for value in &values {
        assert!((1 << 30..1 << 31).contains(&id(value)), "{value}");
        assert_eq!(value["multivariate_feature_option"]["id"], value["id"]);
    }
    // The order is that of the UUIDs; invalid ones are last, and all ids differ.
    let mut by_number = values.clone();
    by_number.sort_by_key(id);
    by_number.dedup_by_key(|value| id(value));
    let order: Vec<_> = by_number.iter().map(|value| value["mv_fs_value_uuid"].as_str().unwrap()).collect();
    assert_eq!(order, [uuids[2], uuids[3], uuids[1], uuids[0], uuids[4], uuids[5]]);
    // The same for every identity and at every rendering.
    assert_eq!(served_values(&mut worker, GRACE), values);
    assert_eq!(served_values(&mut worker, "new"), values);
}

#[test]
fn ids_of_the_origin_are_served_unchanged() {
    let uuids = ["7b9c2dfe-4d2a-4b3c-9c26-6d1b7c2f0a11", "00000000-0000-4000-8000-000000000001"];
    let mut state = split(&uuids);
    state.multivariate_feature_state_values[0].id = Some(12);
    state.multivariate_feature_state_values[0].multivariate_feature_option.id = Some(34);
    let mut worker = shop();
    worker.execute(KEY, "new", Command::PutOverride(state, false)).unwrap();
    let values = served_values(&mut worker, "new");
    assert_eq!((&values[0]["id"], &values[0]["multivariate_feature_option"]["id"]), (&json!(12), &json!(34)));
    assert_eq!(values[1]["id"], 1 << 30);
}

#[test]
fn local_evaluation_by_id_gives_the_answered_variants() {
    let uuids = [
        "c0000000-0000-4000-8000-000000000001",
        "40000000-0000-4000-8000-000000000001",
        "c0000000-0000-4000-8000-000000000000",
    ];
    let mut worker = shop();
    let identifiers: Vec<String> = (0..300).map(|number| format!("user-{number}")).collect();
    for identifier in &identifiers {
        worker.execute(KEY, identifier, Command::PutOverride(split(&uuids), false)).unwrap();
    }
    let (_, answer) = document(&mut worker);
    let mut local = Worker::with_document(&answer.body).unwrap();
    let mut seen = std::collections::HashSet::new();
    for identifier in &identifiers {
        let target = format!("/api/v1/identities/?identifier={identifier}");
        let here = get(&mut worker, &target, SERVER_KEY, &[]);
        assert_eq!(get(&mut local, &target, Worker::SERVER_KEY, &[]).body, here.body, "{identifier}");
        seen.insert(flags(&mut worker, identifier)["hero_banner"]["variant"].to_string());
    }
    assert_eq!(seen.len(), 4, "{seen:?}");
}

/// Documents of Flagsmith's own Edge API have overrides without ids.
#[test]
fn published_overrides_without_ids_are_served_with_ids() {
    let published = json!({
        "id": 1, "api_key": "k", "project": {}, "feature_states": [{"feature": {"id": 1, "name": "f"}, "enabled": true}],
        "identity_overrides": [
            {"identifier": "a", "identity_features": [{
                "feature": {"id": 1, "name": "f", "type": "MULTIVARIATE"}, "enabled": true, "feature_segment": null,
                "feature_state_value": "x", "featurestate_uuid": "11111111-2222-4333-8444-555555555555", "django_id": null,
                "multivariate_feature_state_values": [{
                    "id": null, "mv_fs_value_uuid": "80000000-0000-4000-8000-000000000000", "percentage_allocation": 100,
                    "multivariate_feature_option": {"id": 7, "value": "y", "key": null},
                }],
            }]},
            {"identifier": "b", "identity_features": []},
        ],
    });
    let mut worker = Worker::with_document(published.to_string().as_bytes()).unwrap();
    let served = get(&mut worker, "/api/v1/environment-document/", Worker::SERVER_KEY, &[]).body;
    let mut expected = published;
    expected["identity_overrides"][0]["identity_features"][0]["multivariate_feature_state_values"][0]["id"] =
        json!((1 << 30) + (1 << 28));
    assert!(
        support::same(&serde_json::from_slice(&served).unwrap(), &expected),
        "{}",
        String::from_utf8_lossy(&served)
    );
}

#[test]
fn a_stored_override_invalidates_cached_documents() {
    let mut worker = shop();
    let mut seen = Vec::new();
    for enabled in [true, false, true] {
        let (_, answer) = document(&mut worker);
        let (tag, date) = (header(&answer, "etag"), header(&answer, "last-modified"));
        let target = "/api/v1/environment-document/";
        for kept in [[("if-none-match", tag.as_str())], [("if-modified-since", date.as_str())]] {
            assert_eq!(get(&mut worker, target, SERVER_KEY, &kept).status, 304, "{kept:?}");
        }
        // All within one second.
        let state = state(9007, "support_chat", enabled, Value::Null);
        worker.execute(KEY, "ada", Command::PutOverride(state, false)).unwrap();
        for kept in [[("if-none-match", tag.as_str())], [("if-modified-since", date.as_str())]] {
            assert_eq!(get(&mut worker, target, SERVER_KEY, &kept).status, 200, "{kept:?}");
        }
        assert!(!seen.contains(&(tag.clone(), date.clone())));
        seen.push((tag, date));
    }
    // The identity's own answer, too.
    let target = "/api/v1/identities/?identifier=ada";
    let tag = header(&get(&mut worker, target, KEY, &[]), "etag");
    assert_eq!(get(&mut worker, target, KEY, &[("if-none-match", &tag)]).status, 304);
    worker.execute(KEY, "ada", Command::DeleteOverrideOf(9007)).unwrap();
    assert_eq!(get(&mut worker, target, KEY, &[("if-none-match", &tag)]).status, 200);
}

/// With flag-engine 11 conditions read other flags, and so their overrides.
#[test]
fn conditions_read_stored_overrides() {
    let reads = |value: &str| json!({"property": "$.flags.basis.value", "operator": "EQUAL", "value": value});
    let document = json!({
        "api_key": "k", "feature_states": [
            {"feature": {"id": 1, "name": "basis"}, "enabled": true, "feature_state_value": "plain"},
            {"feature": {"id": 2, "name": "dependent"}, "enabled": true, "feature_state_value": "off"},
        ],
        "project": {"segments": [{
            "id": 5, "name": "s", "rules": [{"type": "ALL", "conditions": [reads("vip")]}],
            "feature_states": [{"feature": {"id": 2, "name": "dependent"}, "enabled": true, "feature_state_value": "on"}],
        }]},
    });
    let environment = Environment::parse(document.to_string().as_bytes(), Engine::V11).unwrap();
    let value = |overrides: &[FeatureState]| {
        let stored = StoredOverrides::new(&environment, overrides);
        let traits = Traits::new();
        let identity = EvaluatedIdentity {
            identifier: "a",
            key: "k_a",
            traits: &traits,
            overrides: &[],
            stored: &stored,
        };
        let decisions = evaluate(&environment.ruleset, Some(identity)).decisions;
        decisions
            .iter()
            .map(|decision| {
                let flag = stored.outcome(decision.state, decision.variant());
                let flag =
                    flag.unwrap_or_else(|| environment.flags.outcome(decision.state, decision.variant()));
                serde_json::from_slice::<Value>(flag).unwrap()["feature_state_value"].clone()
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(value(&[]), ["plain", "off"]);
    assert_eq!(value(&[state(1, "basis", true, json!("vip"))]), ["vip", "on"]);
    let both = [state(1, "basis", true, json!("vip")), state(2, "dependent", true, json!("own"))];
    assert_eq!(value(&both), ["vip", "own"]);
}

fn upload(worker: &mut Worker, method: &str, key: &str, body: &Value) -> (u16, Value) {
    let headers = HashMap::from([
        ("x-environment-key".to_owned(), key.to_owned()),
        ("content-type".to_owned(), "application/json".to_owned()),
    ]);
    let answer = worker.answer(method, "/api/v1/bulk-identities/", &headers, body.to_string().as_bytes());
    (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
}

fn traits(worker: &mut Worker, identifier: &str) -> Value {
    let answer = get(worker, &format!("/api/v1/identities/?identifier={identifier}"), KEY, &[]);
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    let traits = body["traits"].as_array().unwrap().iter();
    traits.map(|item| (item["trait_key"].as_str().unwrap().to_owned(), item["trait_value"].clone())).collect()
}

fn item(identifier: &str, traits: &[(&str, Value)]) -> Value {
    let pair = |(key, value): &(&str, Value)| json!({"trait_key": key, "trait_value": value});
    json!({"identifier": identifier, "traits": traits.iter().map(pair).collect::<Vec<_>>()})
}

#[test]
fn uploads_replace_or_merge() {
    let mut worker = shop();
    let first = json!({"data": [item("a", &[("x", json!(1)), ("y", json!("2"))]), item("b", &[])]});
    assert_eq!(upload(&mut worker, "POST", KEY, &first), (202, Value::Null));
    worker
        .execute(KEY, "a", Command::PutOverride(state(9007, "support_chat", true, json!("vip")), false))
        .unwrap();
    let merge = json!({"data": [item("a", &[("x", Value::Null), ("z", json!(true))])]});
    assert_eq!(upload(&mut worker, "PUT", KEY, &merge), (202, Value::Null));
    assert_eq!(traits(&mut worker, "a"), json!({"y": "2", "z": true}));
    let replace = json!({"data": [item("a", &[("w", json!(1.5)), ("y", Value::Null)])]});
    assert_eq!(upload(&mut worker, "POST", KEY, &replace), (202, Value::Null));
    assert_eq!(traits(&mut worker, "a"), json!({"w": 1.5}));
    // Overrides stay.
    assert_eq!(flags(&mut worker, "a")["support_chat"]["feature_state_value"], "vip");
    // Several items for one identity are applied in order, so the later ones win.
    let twice = json!({"data": [item("c", &[("x", json!(1)), ("y", json!(1))]), item("c", &[("x", Value::Null), ("z", json!(2))])]});
    assert_eq!(upload(&mut worker, "PUT", KEY, &twice).0, 202);
    assert_eq!(traits(&mut worker, "c"), json!({"y": 1, "z": 2}));
    assert_eq!(upload(&mut worker, "POST", KEY, &twice).0, 202);
    assert_eq!(traits(&mut worker, "c"), json!({"z": 2}));
}

#[test]
fn an_invalid_upload_writes_nothing() {
    let mut worker = shop();
    let data =
        json!({"data": [item("a", &[("x", json!(1))]), {"traits": [{"trait_key": "", "trait_value": 1}]}]});
    let expected = json!({"data": [{}, {
        "identifier": ["This field is required."],
        "traits": [{"trait_key": ["This field may not be blank."]}],
    }]});
    assert_eq!(upload(&mut worker, "POST", KEY, &data), (400, expected));
    assert_eq!(worker.execute(KEY, "a", Command::SetAlias("x".into())), Err(CommandError::Missing));
    let many: Vec<_> = (0..101).map(|number| item(&number.to_string(), &[])).collect();
    let problem = json!({"detail": "Number of identities must not be more than 100"});
    assert_eq!(upload(&mut worker, "PUT", KEY, &json!({"data": many})), (400, problem));
    for (body, expected) in [
        (json!({}), json!({"data": ["This field is required."]})),
        (json!({"data": null}), json!({"data": ["This field may not be null."]})),
        (
            json!({"data": {}}),
            json!({"data": {"non_field_errors": ["Expected a list of items but got type \"dict\"."]}}),
        ),
        (json!([]), json!({"non_field_errors": ["Invalid data. Expected a dictionary, but got list."]})),
    ] {
        assert_eq!(upload(&mut worker, "POST", KEY, &body), (400, expected), "{body}");
    }
    // A refusal is reported for its identity; the others are written.
    let long: Vec<_> = (0..1100).map(|number| (format!("key-{number}"), json!("x".repeat(2000)))).collect();
    let long: Vec<_> = long.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
    let data = json!({"data": [item("b", &[("x", json!(1))]), item("large", &long)]});
    let (status, report) = upload(&mut worker, "POST", KEY, &data);
    assert_eq!((status, &report["data"][0]), (400, &json!({})));
    assert!(report["data"][1]["traits"].is_array(), "{report}");
    assert_eq!(traits(&mut worker, "b"), json!({"x": 1}));
}

#[test]
fn uploads_accept_the_same_keys_as_traits() {
    let document = |client_traits: bool, persist: bool| {
        json!({
            "api_key": "k", "allow_client_traits": client_traits, "feature_states": [],
            "project": {"organisation": {"persist_trait_data": persist}},
        })
    };
    let data = json!({"data": [item("a", &[("x", json!(1))])]});
    let refused = json!({"non_field_errors": ["Setting traits not allowed with client key."]});
    let forbidden = json!({"detail": "Organisation is not authorised to store traits."});
    for (client_traits, persist, key, expected) in [
        (true, true, "k", (202, Value::Null)),
        (false, true, "k", (400, refused)),
        (false, true, Worker::SERVER_KEY, (202, Value::Null)),
        (true, false, Worker::SERVER_KEY, (403, forbidden)),
    ] {
        let mut worker =
            Worker::with_document(document(client_traits, persist).to_string().as_bytes()).unwrap();
        for method in ["POST", "PUT"] {
            assert_eq!(
                upload(&mut worker, method, key, &data),
                expected,
                "{method} {client_traits} {persist}"
            );
        }
    }
}
