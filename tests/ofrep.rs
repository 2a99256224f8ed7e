//! OpenFeature's Remote Evaluation Protocol: requests and whole answers, without the platform.

mod support;

use std::collections::HashMap;

use flagsmith_edge_worker::api::{Dependency, Error};
use flagsmith_edge_worker::document::json::MAX_DEPTH;
use flagsmith_edge_worker::document::ruleset::Engine;
use flagsmith_edge_worker::identity::{Command, TraitValue};
use serde_json::{Value, json};
use support::exchange::Answer;
use support::worker::Worker;

const KEY: &str = "k";
const BULK: &str = "/ofrep/v1/evaluate/flags";

#[test]
fn every_value_keeps_its_type() {
    let mut worker = worker();
    for (name, value) in [
        ("text", json!("blue")),
        ("empty", json!("")),
        ("integer", json!(50)),
        ("float", json!(0.82)),
        ("yes", json!(true)),
        ("no", json!(false)),
        ("none", json!(true)),
    ] {
        let id = feature_id(name);
        let metadata = json!({"enabled": true, "featureId": id, "source": "environment"});
        let flag =
            json!({"key": name, "value": value, "reason": "STATIC", "variant": null, "metadata": metadata});
        assert_eq!(one(&mut worker, name, &json!({})), flag);
        assert_eq!(in_bulk(&mut worker, &json!({}), name), Some(flag));
    }
}

#[test]
fn a_disabled_flag_has_no_value() {
    let metadata = json!({"enabled": false, "featureId": feature_id("off"), "source": "environment"});
    let flag = json!({"key": "off", "reason": "DISABLED", "variant": null, "metadata": metadata});
    let mut worker = worker();
    assert_eq!(one(&mut worker, "off", &json!({})), flag);
    assert_eq!(in_bulk(&mut worker, &json!({"targetingKey": "ada"}), "off"), Some(flag));
}

#[test]
fn the_reason_and_the_metadata_have_the_cause_of_the_value() {
    let mut worker = worker();
    let mut check = |context: Value, name: &str, expected: Value| {
        let flag = one(&mut worker, name, &context);
        let facts = json!([
            flag["value"],
            flag["reason"],
            flag["variant"],
            flag["metadata"]["source"],
            flag["metadata"]["segment"],
            flag["metadata"]["weight"]
        ]);
        assert_eq!(facts, expected, "{name} for {context}");
    };
    check(
        json!({"plan": "gold"}),
        "text",
        json!(["red", "TARGETING_MATCH", null, "segment", "gold \"members\"", null]),
    );
    let flat = json!({"targetingKey": "ada", "plan": "gold"});
    check(flat, "text", json!(["red", "TARGETING_MATCH", null, "segment", "gold \"members\"", null]));
    let nested = json!({"targetingKey": "ada", "traits": {"plan": "gold"}, "plan": "free"});
    check(nested, "text", json!(["red", "TARGETING_MATCH", null, "segment", "gold \"members\"", null]));
    let overridden = json!({"targetingKey": "grace", "plan": "gold"});
    check(overridden, "text", json!(["green", "TARGETING_MATCH", null, "identity", null, null]));
    check(json!({}), "split", json!(["a", "STATIC", "control", "environment", null, null]));
    let is_split = |flag: &Value| flag["reason"] == "SPLIT";
    let flags: Vec<_> = (0..100)
        .map(|number| {
            let context = json!({"targetingKey": format!("user-{number}")});
            one(&mut worker, "split", &context)
        })
        .collect();
    let split = flags.iter().find(|flag| is_split(flag)).unwrap();
    let metadata =
        json!({"enabled": true, "featureId": feature_id("split"), "source": "environment", "weight": 33.5});
    assert_eq!(
        split,
        &json!({"key": "split", "value": "b", "reason": "SPLIT", "variant": "beta", "metadata": metadata})
    );
    let count = flags.iter().filter(|flag| is_split(flag)).count();
    assert!((15..55).contains(&count), "{count}");
    assert!(flags.iter().any(|flag| flag["reason"] == "STATIC" && flag["variant"] == "control"));
}

#[test]
fn flags_in_a_circle_have_an_unknown_reason() {
    let rule = |feature: &str| {
        json!([{"type": "ALL", "rules": [], "conditions": [
            {"property_": format!("$.flags.{feature}.enabled"), "operator": "EQUAL", "value": "true"}]}])
    };
    let segment = |id: i64, reads: &str, sets: i64, name: &str| {
        json!({"id": id, "name": name, "rules": rule(reads),
            "feature_states": [{"feature": {"id": sets, "name": name}, "enabled": true}]})
    };
    let state = |id: i64, name: &str| json!({"feature": {"id": id, "name": name}, "enabled": true});
    let document = json!({"api_key": KEY, "feature_states": [state(1, "x"), state(2, "y")],
        "project": {"segments": [segment(1, "y", 1, "x"), segment(2, "x", 2, "y")]}});
    let mut worker = Worker::with_document_for(document.to_string().as_bytes(), Engine::V11).unwrap();
    let flag = one(&mut worker, "x", &json!({"targetingKey": "ada"}));
    assert_eq!(json!([flag["reason"], flag["metadata"]["code"]]), json!(["UNKNOWN", "CIRCULAR_DEPENDENCY"]));
    assert_eq!(in_bulk(&mut worker, &json!({"targetingKey": "ada"}), "x"), Some(flag));
}

#[test]
fn flags_equal_those_of_a_transient_post() {
    let mut worker = worker();
    let stored = Command::SetTraits(vec![("plan".into(), Some(TraitValue::Text("gold".into())))]);
    worker.execute(KEY, "ada", stored).unwrap();
    worker.execute(KEY, "ada", put_override("own")).unwrap();
    for (identifier, traits) in [
        ("ada", json!({})),
        ("ada", json!({"plan": "free"})),
        ("grace", json!({"plan": "gold"})),
        ("new", json!({"plan": "gold"})),
        ("", json!({"plan": "gold"})),
    ] {
        let mut context = traits.clone();
        context["targetingKey"] = identifier.into();
        let ours = bulk(&mut worker, &json!({"context": context}));
        let list: Vec<_> = traits
            .as_object()
            .unwrap()
            .iter()
            .map(|(key, value)| json!({"trait_key": key, "trait_value": value}))
            .collect();
        let body = json!({"identifier": identifier, "traits": list, "transient": true});
        let theirs =
            post(&mut worker, "/api/v1/identities/", &[("x-environment-key", KEY)], &body.to_string());
        let theirs = parsed(&theirs)["flags"].clone();
        let expected: Vec<_> = theirs
            .as_array()
            .unwrap()
            .iter()
            .map(|flag| {
                let value = match &flag["feature_state_value"] {
                    _ if flag["enabled"] == false => Value::Null,
                    Value::Null => true.into(),
                    value => value.clone(),
                };
                json!([flag["feature"]["name"], flag["feature"]["id"], flag["enabled"], value])
            })
            .collect();
        let got: Vec<_> = ours["flags"]
            .as_array()
            .unwrap()
            .iter()
            .map(|flag| {
                json!([
                    flag["key"],
                    flag["metadata"]["featureId"],
                    flag["metadata"]["enabled"],
                    flag["value"]
                ])
            })
            .collect();
        assert_eq!(got, expected, "{identifier} {traits}");
    }
}

#[test]
fn all_flags_equal_the_single_ones() {
    let mut worker = worker();
    worker.execute(KEY, "ada", put_override("own")).unwrap();
    let users = (0..20).map(|number| json!({"targetingKey": format!("user-{number}")}));
    let contexts = [
        json!({}),
        json!({"plan": "gold"}),
        json!({"targetingKey": "ada"}),
        json!({"targetingKey": "grace"}),
    ];
    for context in contexts.into_iter().chain(users) {
        let answer = bulk(&mut worker, &json!({"context": context}));
        let flags = answer["flags"].as_array().unwrap();
        assert_eq!(flags.len(), NAMES.len() - 1);
        for flag in flags {
            let name = flag["key"].as_str().unwrap();
            let sent = name.replace('%', "%25").replace('?', "%3F");
            assert_eq!(one(&mut worker, &sent, &context), *flag, "{context}");
        }
    }
}

#[test]
fn a_bulk_answer_names_its_environment_and_version() {
    let answer = bulk(&mut worker(), &json!({"context": {}}));
    assert_eq!(answer["metadata"], json!({"environment": KEY, "version": "2026-11-22T15:52:01Z"}));
    assert!(answer.get("eventStreams").is_none());
    let document = json!({"api_key": KEY, "project": {}});
    let answer = bulk(&mut Worker::with_document(document.to_string().as_bytes()).unwrap(), &json!({}));
    assert_eq!(answer["flags"], json!([]));
    assert_eq!(answer["metadata"]["version"].as_str().map(str::len), Some(16));
}

#[test]
fn nothing_is_stored_and_no_object_is_called_without_need() {
    let mut worker = worker();
    for (context, executed) in [
        (json!({}), 0),
        (json!({"plan": "gold"}), 0),
        (json!({"targetingKey": ""}), 0),
        (json!({"targetingKey": "ada", "plan": "gold"}), 1),
    ] {
        for target in [BULK.to_owned(), format!("{BULK}/text")] {
            worker.executed.set(0);
            let answer = post(&mut worker, &target, &api_key(), &json!({"context": context}).to_string());
            assert_eq!((answer.status, worker.executed.get()), (200, executed), "{target} {context}");
        }
    }
    worker.executed.set(0);
    let answer =
        post(&mut worker, &format!("{BULK}/missing"), &api_key(), r#"{"context": {"targetingKey": "ada"}}"#);
    assert_eq!((answer.status, worker.executed.get()), (404, 0));
    assert_eq!(worker.identifiers(), Vec::<String>::new());
}

#[test]
fn traits_are_stored_if_the_setting_is_true() {
    let mut worker = worker();
    worker.persists_ofrep_traits = true;
    let context =
        json!({"targetingKey": "ada", "plan": "gold", "seen": null, "list": [1], "traits": {"visits": 3}});
    bulk(&mut worker, &json!({"context": context}));
    assert_eq!(stored(&mut worker, "ada"), json!({"plan": "gold", "visits": 3}));
    one(&mut worker, "text", &json!({"targetingKey": "ada", "plan": "free"}));
    assert_eq!(stored(&mut worker, "ada"), json!({"plan": "free", "visits": 3}));
    bulk(&mut worker, &json!({"context": {"plan": "gold"}}));
    assert_eq!(worker.identifiers(), ["ada"]);
    // As in POST /identities/, for an organisation that stores no traits, and for a client key that may send none.
    let mut none =
        Worker::with_document(document(json!({"persist_trait_data": false}), true).to_string().as_bytes())
            .unwrap();
    none.persists_ofrep_traits = true;
    let flag = one(&mut none, "text", &json!({"targetingKey": "ada", "plan": "gold"}));
    assert_eq!((&flag["value"], stored(&mut none, "ada")), (&json!("red"), json!({})));
    let mut none = Worker::with_document(document(json!({}), false).to_string().as_bytes()).unwrap();
    none.persists_ofrep_traits = true;
    let context = json!({"context": {"targetingKey": "ada", "plan": "gold"}}).to_string();
    for (key, value) in [(KEY, "blue"), (Worker::SERVER_KEY, "red")] {
        let answer = post(&mut none, &format!("{BULK}/text"), &[("x-api-key", key)], &context);
        assert_eq!(parsed(&answer)["value"], value, "{key}");
    }
}

#[test]
fn client_keys_see_no_features_for_servers() {
    let mut worker = worker();
    for (key, status, shown) in [(KEY, 404, false), (Worker::SERVER_KEY, 200, true)] {
        let headers = [("x-api-key", key)];
        let answer = post(&mut worker, &format!("{BULK}/secret"), &headers, "{}");
        assert_eq!(answer.status, status, "{key}");
        let answer = parsed(&post(&mut worker, BULK, &headers, "{}"));
        assert_eq!(
            answer["flags"].as_array().unwrap().iter().any(|flag| flag["key"] == "secret"),
            shown,
            "{key}"
        );
    }
}

#[test]
fn hidden_disabled_flags_are_missing() {
    let mut document = document(json!({}), true);
    document["hide_disabled_flags"] = true.into();
    let mut worker = Worker::with_document(document.to_string().as_bytes()).unwrap();
    assert_eq!(in_bulk(&mut worker, &json!({}), "off"), None);
    let answer = post(&mut worker, &format!("{BULK}/off"), &api_key(), "{}");
    assert_eq!((answer.status, &parsed(&answer)["errorCode"]), (404, &json!("FLAG_NOT_FOUND")));
}

#[test]
fn flag_keys_may_be_encoded_or_not() {
    let mut worker = worker();
    for (sent, name) in [
        ("a/b", "a/b"),
        ("a%2Fb", "a/b"),
        ("a%2fb/", "a/b"),
        ("why%3F", "why?"),
        ("why?no", "why?no"),
        ("why%3Fno", "why?no"),
        ("100%25", "100%"),
        ("100%", "100%"),
        ("%2F", "%2F"),
        ("%F0%9F%9A%80%20%C3%BC", "🚀 ü"),
        ("a+b", "a+b"),
        ("text/", "text"),
        ("text?flagConfigEtag=x", "text"),
    ] {
        for prefix in ["", "/api/v1"] {
            let answer = post(&mut worker, &format!("{prefix}{BULK}/{sent}"), &api_key(), "{}");
            let flag = parsed(&answer);
            assert_eq!((answer.status, &flag["key"]), (200, &json!(name)), "{sent}");
        }
    }
    for (sent, name) in [("A%2FB", "A/B"), ("b+a", "b+a"), ("%ff", "%ff"), ("a%2Fb%00", "a/b\0")] {
        let answer = post(&mut worker, &format!("{BULK}/{sent}"), &api_key(), "{}");
        let details = "The environment has no such flag, or hides it from this key.";
        let expected = json!({"key": name, "errorCode": "FLAG_NOT_FOUND", "errorDetails": details});
        assert_eq!((answer.status, parsed(&answer)), (404, expected), "{sent}");
    }
}

#[test]
fn keys_are_read_from_three_headers_and_errors_have_the_protocols_form() {
    let mut worker = worker();
    let bearer = format!("Bearer {}", Worker::SERVER_KEY);
    for headers in [
        [("x-api-key", KEY)],
        [("x-environment-key", KEY)],
        [("authorization", "Bearer k")],
        [("authorization", &bearer)],
    ] {
        assert_eq!(post(&mut worker, BULK, &headers, "{}").status, 200, "{headers:?}");
    }
    for (headers, status) in [
        (vec![], 401),
        (vec![("authorization", "Basic k")], 401),
        (vec![("x-api-key", "unknown")], 403),
        (vec![("authorization", "Bearer ser.unknown")], 403),
        (vec![("x-api-key", "no key")], 403),
    ] {
        for (target, key) in [(BULK.to_owned(), Value::Null), (format!("{BULK}/a%2Fb"), json!("a/b"))] {
            let answer = post(&mut worker, &target, &headers, "{}");
            let body = parsed(&answer);
            assert_eq!(
                (answer.status, &body["errorCode"], &body["key"]),
                (status, &json!("GENERAL"), &key),
                "{headers:?}"
            );
            assert!(body["errorDetails"].is_string());
            assert_eq!(answer.header("www-authenticate"), (status == 401).then_some("Bearer"));
            assert_eq!(answer.header("vary"), Some("X-Environment-Key, X-API-Key, Authorization"));
        }
    }
}

#[test]
fn a_passing_fault_is_503_in_the_protocols_form() {
    let mut worker = worker();
    let body = r#"{"context": {"targetingKey": "ada"}}"#;
    let check = |worker: &mut Worker| {
        for (target, key) in [(BULK.to_owned(), Value::Null), (format!("{BULK}/text"), json!("text"))] {
            let answer = post(worker, &target, &api_key(), body);
            let parsed = parsed(&answer);
            assert_eq!((answer.status, &parsed["errorCode"], &parsed["key"]), (503, &json!("GENERAL"), &key));
            assert!(answer.header("retry-after").is_some() && parsed["errorDetails"].is_string());
        }
    };
    worker.faults.unavailable = Some(Dependency::Identity);
    check(&mut worker);
    assert_eq!(post(&mut worker, BULK, &api_key(), "{}").status, 200);
    worker.faults.unavailable = None;
    worker.faults.is_full = true;
    check(&mut worker);
    worker.faults.is_full = false;
    for error in [Error::Unavailable(Dependency::Environment), Error::Unreadable] {
        worker.faults.unloadable = Some(error);
        check(&mut worker);
    }
    worker.faults.unloadable = None;
    worker.faults.stale_environment = Some(5);
    assert_eq!(post(&mut worker, BULK, &api_key(), "{}").header("x-edge-stale-seconds"), Some("5"));
}

#[test]
fn a_stopped_environment_and_other_methods_are_refused() {
    let mut stopped =
        Worker::with_document(document(json!({"stop_serving_flags": true}), true).to_string().as_bytes())
            .unwrap();
    let answer = post(&mut stopped, BULK, &api_key(), "{}");
    assert_eq!((answer.status, &parsed(&answer)["errorCode"]), (403, &json!("GENERAL")));
    for method in ["GET", "PUT", "DELETE"] {
        for target in [BULK.to_owned(), format!("{BULK}/text")] {
            let answer = ask(&mut worker(), method, &target, &api_key(), "");
            assert_eq!((answer.status, answer.header("allow")), (405, Some("POST, OPTIONS")), "{method}");
            assert_eq!(parsed(&answer)["errorDetails"], format!("Method \"{method}\" not allowed."));
        }
    }
    let requested = [("access-control-request-headers", "if-none-match, x-api-key, authorization")];
    let answer = ask(&mut worker(), "OPTIONS", BULK, &requested, "");
    let granted = answer.header("access-control-allow-headers").unwrap();
    assert!(
        ["if-none-match", "x-api-key", "authorization"].iter().all(|name| granted.contains(name)),
        "{granted}"
    );
}

#[test]
fn bad_bodies_are_400() {
    let mut worker = worker();
    let deep = |depth: usize| {
        // The body and its context are two levels.
        format!(
            r#"{{"context": {{"targetingKey": "ada", "x": {}{}}}}}"#,
            "[".repeat(depth),
            "]".repeat(depth)
        )
    };
    let long = json!({"context": {"targetingKey": "x".repeat(2001)}}).to_string();
    for (body, code) in [
        ("{", "PARSE_ERROR"),
        ("{\"context\": {\"a\": NaN}}", "PARSE_ERROR"),
        (&deep(MAX_DEPTH - 1), "PARSE_ERROR"),
        ("[]", "INVALID_CONTEXT"),
        ("null", "INVALID_CONTEXT"),
        (r#"{"context": 7}"#, "INVALID_CONTEXT"),
        (r#"{"context": {"targetingKey": false}}"#, "INVALID_CONTEXT"),
        (&long, "INVALID_CONTEXT"),
    ] {
        for (target, key) in [(BULK.to_owned(), Value::Null), (format!("{BULK}/text"), json!("text"))] {
            let answer = post(&mut worker, &target, &api_key(), body);
            let parsed = parsed(&answer);
            assert_eq!((answer.status, &parsed["errorCode"], &parsed["key"]), (400, &json!(code), &key));
            assert!(parsed["errorDetails"].is_string());
        }
    }
    for body in ["", "{}", &deep(MAX_DEPTH - 2)] {
        assert_eq!(post(&mut worker, BULK, &api_key(), body).status, 200);
    }
    let headers = [("x-api-key", KEY), ("content-type", "text/plain")];
    let answer = post(&mut worker, BULK, &headers, "{}");
    assert_eq!((answer.status, &parsed(&answer)["errorCode"]), (415, &json!("GENERAL")));
    let headers = [("x-api-key", KEY), ("content-type", "application/json; charset=utf-8")];
    assert_eq!(post(&mut worker, BULK, &headers, "{}").status, 200);
}

#[test]
fn a_large_context_is_answered() {
    let members = (0..68_000).map(|number| format!("\"k{number}\":{number}"));
    let members = members.collect::<Vec<_>>().join(",");
    let body = format!(r#"{{"context":{{"targetingKey":"ada","plan":"gold",{members}}}}}"#);
    assert!((900_000..1_048_576).contains(&body.len()), "{}", body.len());
    let mut worker = worker();
    let answer = post(&mut worker, &format!("{BULK}/text"), &api_key(), &body);
    assert_eq!((answer.status, &parsed(&answer)["value"]), (200, &json!("red")));
}

#[test]
fn the_etag_depends_on_the_identity_its_traits_and_the_key() {
    let mut worker = worker();
    let contexts = [
        json!({}),
        json!({"plan": "gold"}),
        json!({"plan": "free"}),
        json!({"targetingKey": "ada"}),
        json!({"targetingKey": "ada", "plan": "gold"}),
        json!({"targetingKey": "grace", "plan": "gold"}),
    ];
    let mut tags = Vec::new();
    for context in &contexts {
        for key in [KEY, Worker::SERVER_KEY] {
            let body = json!({"context": context}).to_string();
            let answer = post(&mut worker, BULK, &[("x-api-key", key)], &body);
            let tag = answer.header("etag").unwrap().to_owned();
            assert!(!tags.contains(&tag), "{context}");
            let headers = [("x-api-key", key), ("if-none-match", tag.as_str())];
            let again = post(&mut worker, BULK, &headers, &body);
            assert_eq!((again.status, again.body.len(), again.header("etag")), (304, 0, Some(tag.as_str())));
            // Members that are no traits change nothing.
            let mut more = context.clone();
            more["list"] = json!([1]);
            assert_eq!(post(&mut worker, BULK, &headers, &json!({"context": more}).to_string()).status, 304);
            tags.push(tag);
        }
    }
    // Stored traits and overrides, too.
    let body = r#"{"context": {"targetingKey": "ada"}}"#;
    for command in [
        Command::SetTraits(vec![("plan".into(), Some(TraitValue::Text("gold".into())))]),
        put_override("own"),
    ] {
        let tag = post(&mut worker, BULK, &api_key(), body).header("etag").unwrap().to_owned();
        worker.execute(KEY, "ada", command).unwrap();
        let headers = [("x-api-key", KEY), ("if-none-match", tag.as_str())];
        assert_eq!(post(&mut worker, BULK, &headers, body).status, 200);
    }
    let answer = post(&mut worker, &format!("{BULK}/text"), &api_key(), body);
    assert_eq!((answer.header("etag"), answer.header("cache-control")), (None, Some("no-store")));
    let exposed = answer.header("access-control-expose-headers").unwrap();
    assert!(exposed.split(", ").any(|name| name == "etag"));
}

#[test]
fn the_hint_of_an_event_reaches_the_stores() {
    let mut worker = worker();
    let query = "?flagConfigEtag=%22v2%22&flagConfigLastModified=1771622898";
    for target in [format!("{BULK}{query}"), format!("{BULK}/text{query}")] {
        assert_eq!(post(&mut worker, &target, &api_key(), "{}").status, 200);
        let hint = worker.hint.take().unwrap();
        assert_eq!(hint.etag.as_deref(), Some("v2"));
        assert_eq!(hint.last_modified.map(|time| time.seconds()), Some(1_771_622_898));
    }
    post(&mut worker, BULK, &api_key(), "{}");
    assert_eq!(worker.hint.take(), None);
    let headers = [("x-environment-key", KEY)];
    ask(&mut worker, "GET", &format!("/api/v1/flags/{query}"), &headers, "");
    assert_eq!(worker.hint.take(), None);
}

const NAMES: [&str; 17] = [
    "text", "empty", "integer", "float", "yes", "no", "none", "off", "split", "secret", "a/b", "why?",
    "why?no", "100%", "%2F", "🚀 ü", "a+b",
];

fn feature_id(name: &str) -> usize {
    100 + NAMES.iter().position(|known| *known == name).unwrap()
}

fn worker() -> Worker {
    Worker::with_document(document(json!({}), true).to_string().as_bytes()).unwrap()
}

fn document(organisation: Value, allow_client_traits: bool) -> Value {
    let feature = |name: &str| {
        let kind = if name == "split" { "MULTIVARIATE" } else { "STANDARD" };
        json!({"id": feature_id(name), "name": name, "type": kind})
    };
    let state = |name: &str, value: Value| json!({"feature": feature(name), "enabled": true, "feature_state_value": value});
    let states = NAMES.map(|name| {
        let value = match name {
            "text" => json!("blue"),
            "empty" => json!(""),
            "integer" => json!(50),
            "float" => json!(0.82),
            "yes" => json!(true),
            "no" => json!(false),
            "none" => Value::Null,
            _ => json!("a"),
        };
        let mut state = state(name, value);
        if name == "off" {
            state["enabled"] = false.into();
        }
        if name == "split" {
            let option = json!({"id": 1, "value": "b", "key": "beta"});
            state["multivariate_feature_state_values"] =
                json!([{"id": 1, "percentage_allocation": 33.5, "multivariate_feature_option": option}]);
        }
        state
    });
    let conditions = json!([{"property_": "plan", "operator": "EQUAL", "value": "gold"}]);
    let segment = json!({"id": 1, "name": "gold \"members\"",
        "rules": [{"type": "ALL", "rules": [], "conditions": conditions}],
        "feature_states": [state("text", json!("red"))]});
    json!({
        "api_key": KEY,
        "updated_at": "2026-11-22T15:52:01Z",
        "allow_client_traits": allow_client_traits,
        "feature_states": states,
        "project": {"organisation": organisation, "segments": [segment],
            "server_key_only_feature_ids": [feature_id("secret")]},
        "identity_overrides": [{"identifier": "grace", "identity_features": [state("text", json!("green"))]}],
    })
}

fn put_override(value: &str) -> Command {
    let feature = json!({"id": feature_id("text"), "name": "text", "type": "STANDARD"});
    let state =
        json!({"feature": feature, "enabled": true, "feature_state_value": value, "featurestate_uuid": "u"});
    Command::PutOverride(serde_json::from_value(state).unwrap(), false)
}

fn api_key() -> [(&'static str, &'static str); 1] {
    [("x-api-key", KEY)]
}

fn post(worker: &mut Worker, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    ask(worker, "POST", target, headers, body)
}

fn ask(worker: &mut Worker, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut all = HashMap::from([("content-type".to_owned(), "application/json".to_owned())]);
    all.extend(headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    worker.answer(method, target, &all, body.as_bytes())
}

fn parsed(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
}

fn one(worker: &mut Worker, name: &str, context: &Value) -> Value {
    let answer =
        post(worker, &format!("{BULK}/{name}"), &api_key(), &json!({"context": context}).to_string());
    assert_eq!(answer.status, 200, "{name}");
    parsed(&answer)
}

fn bulk(worker: &mut Worker, body: &Value) -> Value {
    let answer = post(worker, BULK, &api_key(), &body.to_string());
    assert_eq!(answer.status, 200, "{body}");
    parsed(&answer)
}

fn in_bulk(worker: &mut Worker, context: &Value, name: &str) -> Option<Value> {
    let answer = bulk(worker, &json!({"context": context}));
    answer["flags"].as_array().unwrap().iter().find(|flag| flag["key"] == name).cloned()
}

fn stored(worker: &mut Worker, identifier: &str) -> Value {
    let target = format!("/api/v1/identities/?identifier={identifier}");
    let answer = parsed(&ask(worker, "GET", &target, &[("x-environment-key", KEY)], ""));
    let traits = answer["traits"].as_array().unwrap().iter();
    traits.map(|row| (row["trait_key"].as_str().unwrap().to_owned(), row["trait_value"].clone())).collect()
}
