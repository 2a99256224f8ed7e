//! `?reasons=true` adds the reason of each flag to an answer, and changes nothing else.

mod support;

use std::collections::HashMap;

use flagsmith_edge_worker::document::FeatureState;
use flagsmith_edge_worker::document::ruleset::Engine;
use flagsmith_edge_worker::identity::Command;
use serde_json::{Map, Value, json};
use support::exchange::{Answer, read};
use support::fixtures;
use support::worker::Worker;

const KEY: &str = "k";

fn ask(worker: &mut Worker, method: &str, target: &str, body: &str) -> Answer {
    let headers = [("x-environment-key", KEY), ("content-type", "application/json")];
    let headers: HashMap<_, _> = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    worker.answer(method, target, &headers, body.as_bytes())
}

fn get(worker: &mut Worker, target: &str) -> Value {
    let answer = ask(worker, "GET", target, "");
    assert_eq!(answer.status, 200, "{target}");
    serde_json::from_slice(&answer.body).unwrap()
}

/// The reasons of flags by their features.
fn reasons(flags: &Value) -> Value {
    let pair = |flag: &Value| (flag["feature"]["name"].as_str().unwrap().to_owned(), flag["reason"].clone());
    Value::Object(flags.as_array().unwrap().iter().map(pair).collect())
}

fn option(id: i64, weight: f64) -> Value {
    json!({"id": id, "percentage_allocation": weight, "multivariate_feature_option": {"id": id, "value": id, "key": "x"}})
}

fn state(id: i64, name: &str, options: &[Value]) -> Value {
    json!({
        "feature": {"id": id, "name": name, "type": if options.is_empty() { "STANDARD" } else { "MULTIVARIATE" }},
        "enabled": true, "feature_state_value": name, "django_id": id, "multivariate_feature_state_values": options,
    })
}

/// A feature for each possible reason.
fn environment(engine: Engine) -> Worker {
    let segment = |id: i64, name: &str, condition: Value, states: Value| {
        json!({
            "id": id, "name": name, "feature_states": states,
            "rules": [{"type": "ALL", "conditions": [condition], "rules": []}],
        })
    };
    let paying = json!({"property_": "plan", "operator": "EQUAL", "value": "paid"});
    let reads = |flag: &str| json!({"property_": format!("$.flags.{flag}.enabled"), "operator": "EQUAL", "value": "true"});
    let document = json!({
        "api_key": KEY, "updated_at": "2026-11-22T15:52:01Z",
        "feature_states": [
            state(1, "plain", &[]), state(2, "targeted", &[]), state(3, "split", &[option(31, 54.5)]),
            state(4, "named", &[]), state(5, "named split", &[option(51, 0.0)]),
            state(6, "left", &[]), state(7, "right", &[]), state(8, "dependent", &[]),
        ],
        "identity_overrides": [{
            "identifier": "ada", "identity_uuid": "11111111-2222-4333-8444-555555555555",
            "identity_features": [state(4, "named", &[]), state(5, "named split", &[option(51, 100.0)])],
        }],
        "project": {"segments": [
            segment(1, "pays \"in full\" <b>", paying, json!([state(2, "targeted", &[])])),
            segment(2, "left of right", reads("right"), json!([state(6, "left", &[])])),
            segment(3, "right of left", reads("left"), json!([state(7, "right", &[])])),
            segment(4, "whoever has plain", reads("plain"), json!([state(8, "dependent", &[])])),
        ]},
    });
    Worker::with_document_for(document.to_string().as_bytes(), engine).unwrap()
}

const PAYING: &str = r#"{"identifier": "ada", "traits": [{"trait_key": "plan", "trait_value": "paid"}]}"#;

#[test]
fn each_flag_has_its_reason() {
    let mut worker = environment(Engine::V10);
    let split = get(&mut worker, "/api/v1/identities/?identifier=bob&reasons=true");
    let default = "DEFAULT";
    assert_eq!(
        reasons(&split["flags"]),
        json!({
            "plain": default, "targeted": default, "split": "SPLIT; weight=54.5", "named": default,
            "named split": default, "left": default, "right": default, "dependent": default,
        })
    );
    let posted = ask(&mut worker, "POST", "/api/v1/identities/?reasons=true", PAYING);
    let paying: Value = serde_json::from_slice(&posted.body).unwrap();
    let expected = json!({
        "plain": default, "targeted": "TARGETING_MATCH; segment=pays \"in full\" <b>", "split": "SPLIT; weight=54.5",
        "named": "TARGETING_MATCH; segment=identity_overrides", "named split": "SPLIT; weight=100",
        "left": default, "right": default, "dependent": default,
    });
    assert_eq!(reasons(&paying["flags"]), expected);
    assert_eq!(
        reasons(&get(&mut worker, "/api/v1/identities/?identifier=ada&reasons=true")["flags"]),
        expected
    );
    // Without stored traits and overrides, like the flags.
    let transient = get(&mut worker, "/api/v1/identities/?identifier=ada&transient=true&reasons=true");
    let transient = reasons(&transient["flags"]);
    assert_eq!([&transient["targeted"], &transient["named"]], [default, default]);
    let all = reasons(&get(&mut worker, "/api/v1/flags/?reasons=true"));
    assert!(all.as_object().unwrap().values().all(|reason| reason == default), "{all}");
}

#[test]
fn engine_11_has_more_reasons() {
    let mut worker = environment(Engine::V11);
    let flags = get(&mut worker, "/api/v1/identities/?identifier=bob&reasons=true");
    let circular = "ERROR; code=CIRCULAR_DEPENDENCY";
    assert_eq!(
        reasons(&flags["flags"]),
        json!({
            "plain": "STATIC", "targeted": "DEFAULT", "split": "SPLIT; weight=54.5", "named": "STATIC",
            "named split": "STATIC", "left": circular, "right": circular,
            "dependent": "TARGETING_MATCH; segment=whoever has plain",
        })
    );
    // Without an identity, no segments are evaluated, so none could have changed a flag.
    let all = reasons(&get(&mut worker, "/api/v1/flags/?reasons=true"));
    assert!(all.as_object().unwrap().values().all(|reason| reason == "STATIC"), "{all}");
}

#[test]
fn stored_overrides_have_the_same_reasons_as_the_documents() {
    let mut worker = environment(Engine::V10);
    let mut put = |state: Value| {
        let mut state: FeatureState = serde_json::from_value(state).unwrap();
        state.featurestate_uuid = "22222222-2222-4333-8444-555555555555".into();
        worker.execute(KEY, "bob", Command::PutOverride(state, false)).unwrap();
    };
    put(state(1, "plain", &[]));
    put(state(3, "split", &[option(31, 100.0)]));
    let flags = reasons(&get(&mut worker, "/api/v1/identities/?identifier=bob&reasons=true")["flags"]);
    assert_eq!(flags["plain"], "TARGETING_MATCH; segment=identity_overrides");
    assert_eq!(flags["split"], "SPLIT; weight=100");
}

#[test]
fn one_flag_has_the_same_reason_as_in_the_list() {
    let mut worker = environment(Engine::V11);
    for (target, flags) in [("/api/v1/flags/", ""), ("/api/v1/identities/?identifier=ada", "/flags")] {
        let with =
            |parameter: &str| format!("{target}{}{parameter}", if flags.is_empty() { "?" } else { "&" });
        let all = get(&mut worker, &with("reasons=true"));
        let all = all.pointer(flags).unwrap().as_array().unwrap();
        assert_eq!(all.len(), 8);
        for flag in all {
            let name = flag["feature"]["name"].as_str().unwrap().replace(' ', "%20");
            assert_eq!(get(&mut worker, &with(&format!("reasons=true&feature={name}"))), *flag);
        }
        assert_eq!(ask(&mut worker, "GET", &with("reasons=true&feature=nothing"), "").status, 404);
    }
}

/// Every exchange of ours is repeated with reasons: without them, the answers are equal.
#[test]
fn reasons_change_nothing_else_in_the_answer() {
    let mut compared = 0;
    let exchanges = read(&fixtures("exchanges/shop.jsonl"));
    let (mut plain, mut explained) = (shop(), shop());
    for mut exchange in exchanges.into_iter().filter(|exchange| exchange.request["method"] != "HEAD") {
        let path = exchange.request["path"].as_str().unwrap().to_owned();
        let separator = if path.contains('?') { '&' } else { '?' };
        let with = |reasons: &str| json!(format!("{path}{separator}reasons={reasons}"));
        exchange.request["path"] = with("false");
        let before = plain.exchange(&exchange);
        assert!(!before.body.windows(9).any(|part| part == b"\"reason\":"), "{path}");
        exchange.request["path"] = with("true");
        let after = explained.exchange(&exchange);
        assert_eq!(before.status, after.status, "{path}");
        let parse = |answer: &Answer| serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
        let (before, mut after) = (parse(&before), parse(&after));
        compared += without_reasons(&mut after);
        assert_eq!(before, after, "{path}");
    }
    assert_eq!(compared, 134);
}

fn shop() -> Worker {
    Worker::with_documents(&fixtures("environments"))
}

/// Removes the reasons, wherever they are, and counts them.
fn without_reasons(value: &mut Value) -> usize {
    let below = |members: &mut Map<String, Value>| members.values_mut().map(without_reasons).sum::<usize>();
    match value {
        Value::Array(items) => items.iter_mut().map(without_reasons).sum(),
        Value::Object(members) => {
            let own = members.contains_key("feature") && members.remove("reason").is_some();
            usize::from(own) + below(members)
        }
        _ => 0,
    }
}
