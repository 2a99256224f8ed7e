//! The effect of an environment's and its organisation's settings on answers, and the precedence of a document's
//! states.

mod support;

use std::collections::HashMap;

use serde_json::{Value, json};
use support::worker::Worker;

fn worker(change: impl FnOnce(&mut Value)) -> Worker {
    let mut document = json!({
        "api_key": "k",
        "name": "Production",
        "use_identity_composite_key_for_hashing": true,
        "project": {"organisation": {"id": 1, "name": "o"}, "segments": []},
        "feature_states": [],
    });
    change(&mut document);
    Worker::with_document(document.to_string().as_bytes()).unwrap()
}

fn ask(worker: &mut Worker, method: &str, target: &str, body: &Value) -> (u16, Value) {
    let headers = [("x-environment-key", "k"), ("content-type", "application/json")];
    let headers: HashMap<_, _> = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let answer = worker.answer(method, target, &headers, body.to_string().as_bytes());
    (answer.status, serde_json::from_slice(&answer.body).unwrap())
}

fn post(worker: &mut Worker, body: &Value) -> Value {
    let (status, answer) = ask(worker, "POST", "/api/v1/identities/", body);
    assert_eq!(status, 200, "{answer}");
    answer
}

/// The value of an identity's only flag.
fn value(worker: &mut Worker, body: &Value) -> Value {
    post(worker, body)["flags"][0]["feature_state_value"].clone()
}

fn state(value: &str) -> Value {
    json!({"feature": {"id": 1, "name": "f", "type": "MULTIVARIATE"}, "enabled": true, "feature_state_value": value})
}

#[test]
fn a_stopped_organisation_is_not_served() {
    let mut worker =
        worker(|document| document["project"]["organisation"]["stop_serving_flags"] = json!(true));
    for (method, target) in [
        ("GET", "/api/v1/flags/"),
        ("GET", "/api/v1/identities/?identifier=a"),
        ("POST", "/api/v1/identities/"),
        ("POST", "/api/v1/traits/"),
        ("POST", "/api/v1/analytics/flags/"),
        // Before the method is checked.
        ("DELETE", "/api/v1/flags/"),
    ] {
        let refused = (403, json!({"detail": "Organisation is disabled from serving flags."}));
        assert_eq!(ask(&mut worker, method, target, &json!({})), refused, "{method} {target}");
    }
}

#[test]
fn traits_are_not_stored_if_the_organisation_forbids_it() {
    let mut worker =
        worker(|document| document["project"]["organisation"]["persist_trait_data"] = json!(false));
    let traits = json!([{"trait_key": "a", "trait_value": 1}, {"trait_key": "gone", "trait_value": null}]);
    let answer = post(&mut worker, &json!({"identifier": "i", "traits": traits}));
    assert_eq!(answer["traits"], json!([{"trait_key": "a", "trait_value": 1, "transient": true}]));
    assert_eq!(post(&mut worker, &json!({"identifier": "i"}))["traits"], json!([]));
    for (method, target) in [
        ("POST", "/api/v1/traits/"),
        ("PUT", "/api/v1/traits/bulk/"),
        ("POST", "/api/v1/traits/increment-value/"),
    ] {
        let refused = (403, json!({"detail": "Organisation is not authorised to store traits."}));
        assert_eq!(ask(&mut worker, method, target, &json!({})), refused, "{target}");
    }
}

#[test]
fn buckets_are_hashed_from_the_identitys_key() {
    // The first half of the buckets: for `3` either the number is in it or the composite key, not both.
    let split = |composite: bool, number: Value| {
        worker(|document| {
            let mut state = state("control");
            state["django_id"] = json!(7);
            state["multivariate_feature_state_values"] = json!([{"id": 1, "percentage_allocation": 50, "multivariate_feature_option": {"value": "hit"}}]);
            document["feature_states"] = json!([state]);
            document["use_identity_composite_key_for_hashing"] = json!(composite);
            let numbered = |id: i64| json!({"identifier": format!("i{id}"), "django_id": number, "identity_features": []});
            document["identity_overrides"] = (0..40).map(numbered).collect();
        })
    };
    let values = |mut worker: Worker| -> Vec<Value> {
        (0..40).map(|id| value(&mut worker, &json!({"identifier": format!("i{id}")}))).collect()
    };
    let composite = values(split(true, json!(5)));
    assert_eq!(composite, values(split(false, Value::Null)), "without a number the composite key counts");
    assert_eq!(composite, values(split(true, Value::Null)), "where composite keys count, numbers do not");
    assert!(composite.contains(&json!("hit")) && composite.contains(&json!("control")));
    let numbered = values(split(false, json!(5)));
    // All have the same id, so they are all in the same bucket.
    assert!(numbered.iter().all(|value| *value == numbered[0]), "{numbered:?}");
}

#[test]
fn multivariate_values_are_walked_by_id_or_by_uuid() {
    let variant = |id: Value, uuid: &str, value: &str| json!({"id": id, "mv_fs_value_uuid": uuid, "percentage_allocation": 100, "multivariate_feature_option": {"value": value}});
    // Each has a share of 100 %, so the first in order wins.
    for (ids, expected) in [
        ([json!(9), json!(2)], "second"),
        ([json!(2), json!(9)], "first"),
        ([json!(null), json!(null)], "second"),
    ] {
        let mut worker = worker(|document| {
            let mut state = state("control");
            let [a, b] = ids.clone();
            state["multivariate_feature_state_values"] = json!([
                variant(a, "ffffffff-0000-4000-8000-000000000000", "first"),
                variant(b, "00000000-0000-4000-8000-00000000000a", "second"),
            ]);
            document["feature_states"] = json!([state]);
        });
        assert_eq!(value(&mut worker, &json!({"identifier": "a"})), expected, "{ids:?}");
    }
}

#[test]
fn feature_states_are_hashed_by_id_else_by_uuid() {
    let values = |number: Value, uuid: &str| -> Vec<Value> {
        let mut worker = worker(|document| {
            let mut state = state("control");
            state["django_id"] = number;
            state["featurestate_uuid"] = json!(uuid);
            state["multivariate_feature_state_values"] = json!([{"id": 1, "percentage_allocation": 50, "multivariate_feature_option": {"value": "hit"}}]);
            document["feature_states"] = json!([state]);
        });
        (0..40).map(|id| value(&mut worker, &json!({"identifier": format!("i{id}")}))).collect()
    };
    let (one, other) = ("0b9c2dfe-4d2a-4b3c-9c26-6d1b7c2f0a11", "5790f82e-c1d3-4cff-aa3a-f4d46b0a18e8");
    assert_eq!(values(json!(7), one), values(json!(7), other));
    assert_ne!(values(json!(null), one), values(json!(null), other));
    assert_ne!(values(json!(7), one), values(json!(8), one));
}

#[test]
fn the_lowest_priority_wins_and_none_is_the_highest() {
    let segment = |id: i64, priority: Option<Value>| {
        let mut state = state(&format!("segment {id}"));
        if let Some(priority) = priority {
            state["feature_segment"] = json!({"priority": priority});
        }
        let condition =
            json!({"operator": "EQUAL", "property_": "$.environment.name", "value": "Production"});
        json!({"id": id, "name": "s", "rules": [{"type": "ALL", "conditions": [condition]}], "feature_states": [state]})
    };
    for (priorities, expected) in [
        ([Some(json!(1)), Some(json!(0)), Some(json!(2))], "segment 1"),
        ([None, Some(json!(5)), None], "segment 1"),
        ([Some(json!(null)), None, Some(json!(7))], "segment 2"),
        // The first of equals.
        ([Some(json!(3)), Some(json!(3)), None], "segment 0"),
        ([None, None, None], "segment 0"),
    ] {
        let mut worker = worker(|document| {
            document["feature_states"] = json!([state("default")]);
            let segments = priorities.clone().into_iter().enumerate();
            document["project"]["segments"] =
                segments.map(|(id, priority)| segment(id as i64, priority)).collect();
        });
        assert_eq!(value(&mut worker, &json!({"identifier": "a"})), expected, "{priorities:?}");
    }
}

#[test]
fn an_override_applies_to_exactly_its_identifier() {
    let mut worker = worker(|document| {
        document["feature_states"] = json!([state("default")]);
        document["identity_overrides"] =
            json!([{"identifier": "007", "identity_features": [state("licensed")]}]);
    });
    for (identifier, expected) in [("007", "licensed"), ("7", "default"), ("07", "default")] {
        assert_eq!(value(&mut worker, &json!({"identifier": identifier})), expected, "{identifier}");
    }
    // Anonymous identities have no overrides, and neither has a transient GET.
    let (_, answer) =
        ask(&mut worker, "GET", "/api/v1/identities/?identifier=007&transient=true", &json!({}));
    assert_eq!(answer["flags"][0]["feature_state_value"], "default");
}

#[test]
fn an_environment_without_a_name_leaves_it_unset() {
    let is_set = |name: Value| {
        let mut worker = worker(|document| {
            document["name"] = name;
            document["feature_states"] = json!([state("default")]);
            let condition = json!({"operator": "IS_SET", "property_": "$.environment.name", "value": null});
            document["project"]["segments"] = json!([{
                "id": 1, "name": "s", "rules": [{"type": "ALL", "conditions": [condition]}], "feature_states": [state("named")],
            }]);
        });
        value(&mut worker, &json!({"identifier": "a"}))
    };
    assert_eq!([is_set(json!("x")), is_set(json!("")), is_set(json!(null))], ["named", "named", "default"]);
}

#[test]
fn requests_beyond_the_limits_are_refused() {
    let mut worker = worker(|_| {});
    let many = vec![json!(1); 32_001];
    let report = json!({"non_field_errors": ["Ensure this field has no more than 32000 elements."]});
    let (status, answer) =
        ask(&mut worker, "POST", "/api/v1/identities/", &json!({"identifier": "a", "traits": many}));
    assert_eq!((status, answer), (400, json!({"traits": report})));
    let one = |number: usize| json!({"identity": {"identifier": number}, "trait_key": "a", "trait_value": 1});
    let bulk = |count: usize| (0..count).map(one).collect::<Value>();
    assert_eq!(ask(&mut worker, "PUT", "/api/v1/traits/bulk/", &bulk(100)).0, 200);
    let refused = (400, json!({"detail": "Number of identities must not be more than 100"}));
    assert_eq!(ask(&mut worker, "PUT", "/api/v1/traits/bulk/", &bulk(101)), refused);
}

#[test]
fn numbers_keep_their_type_and_every_digit() {
    let mut worker = worker(|_| {});
    let sent = r#"[{"trait_key":"a","trait_value":1},{"trait_key":"b","trait_value":1.0},{"trait_key":"c","trait_value":9007199254740993},{"trait_key":"d","trait_value":-9223372036854775808},{"trait_key":"e","trait_value":"1.0"}]"#;
    let headers = [("x-environment-key", "k"), ("content-type", "application/json")];
    let headers: HashMap<_, _> = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let body = format!(r#"{{"identifier":"i","traits":{sent}}}"#);
    let answer = worker.answer("POST", "/api/v1/identities/", &headers, body.as_bytes());
    let expected = format!(r#"{{"identifier":"i","traits":{sent},"flags":[]}}"#);
    assert_eq!(std::str::from_utf8(&answer.body), Ok(expected.as_str()));
}
