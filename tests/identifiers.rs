//! Identifiers: every spelling reaches the same identity on every route (contract §A.2, §A.3).

mod support;

use std::collections::HashMap;

use flagsmith_edge_worker::admin::edge_identities::{self, Action, TargetIdentity};
use flagsmith_edge_worker::admin::identity_insight::read_identifier;
use flagsmith_edge_worker::admin::import_export;
use flagsmith_edge_worker::api::Request;
use flagsmith_edge_worker::document::ruleset::Engine;
use flagsmith_edge_worker::document::{Environment, Identifier};
use flagsmith_edge_worker::identity::Command;
use serde_json::{Value, json};
use support::admin::endpoint;
use support::fixtures;
use support::worker::Worker;

const KEY: &str = "k";
/// `ada` with white space at its ends: Unicode's, and the separators that only Python counts as white space.
const SPELLINGS: [&str; 6] =
    [" ada", "ada ", "\t\n ada\r", "\u{a0}ada\u{2028}", "\u{1c}ada\u{1f}", "\u{3000}ada\u{85}"];

fn document(overridden: &[(&str, &str)]) -> Value {
    let state = |value: &str| {
        json!({"feature": {"id": 7, "name": "f"}, "enabled": true, "feature_state_value": value,
            "featurestate_uuid": "00000000-0000-4000-8000-000000000001"})
    };
    let overrides = overridden
        .iter()
        .map(|(identifier, value)| json!({"identifier": identifier, "identity_features": [state(value)]}));
    json!({"api_key": KEY, "project": {}, "feature_states": [state("default")],
        "identity_overrides": overrides.collect::<Vec<_>>()})
}

fn worker(overridden: &[(&str, &str)]) -> Worker {
    Worker::with_document(document(overridden).to_string().as_bytes()).unwrap()
}

fn send(worker: &mut Worker, method: &str, target: &str, body: &Value) -> (u16, Value) {
    let headers = HashMap::from([
        ("x-environment-key".to_owned(), KEY.to_owned()),
        ("content-type".to_owned(), "application/json".to_owned()),
    ]);
    let body = if method == "GET" { String::new() } else { body.to_string() };
    let answer = worker.answer(method, target, &headers, body.as_bytes());
    (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn get(worker: &mut Worker, identifier: &str) -> (u16, Value) {
    send(worker, "GET", &format!("/api/v1/identities/?identifier={}", encoded(identifier)), &Value::Null)
}

#[test]
fn a_get_and_a_post_trim_the_same_identifier() {
    for spelling in SPELLINGS {
        let mut worker = worker(&[]);
        let body = json!({"identifier": spelling, "traits": [{"trait_key": "n", "trait_value": 1}]});
        let (status, posted) = send(&mut worker, "POST", "/api/v1/identities/", &body);
        assert_eq!((status, &posted["identifier"]), (200, &json!("ada")), "{spelling:?}");
        for spelling in SPELLINGS.into_iter().chain(["ada"]) {
            assert_eq!(get(&mut worker, spelling), (200, posted.clone()), "{spelling:?}");
        }
        assert_eq!(worker.identifiers(), ["ada"]);
    }
}

#[test]
fn every_route_reaches_the_same_identity() {
    let item = |key: &str, identifier: &str| json!({"identity": {"identifier": identifier}, "trait_key": key, "trait_value": 1});
    for spelling in SPELLINGS {
        let mut worker = worker(&[]);
        let upload = |key: &str| json!({"data": [{"identifier": spelling, "traits": [{"trait_key": key, "trait_value": 1}]}]});
        for (method, target, body) in [
            ("POST", "/api/v1/traits/", item("a", spelling)),
            ("PUT", "/api/v1/traits/bulk/", json!([item("b", spelling)])),
            (
                "POST",
                "/api/v1/traits/increment-value/",
                json!({"identifier": spelling, "trait_key": "c", "increment_by": 1}),
            ),
            ("PUT", "/api/v1/bulk-identities/", upload("d")),
        ] {
            let (status, answer) = send(&mut worker, method, target, &body);
            assert!(status < 300, "{target}: {answer}");
        }
        let (_, answer) = get(&mut worker, spelling);
        let keys: Vec<_> =
            answer["traits"].as_array().unwrap().iter().map(|pair| &pair["trait_key"]).collect();
        assert_eq!(keys, ["a", "b", "c", "d"], "{spelling:?}");
        let transient = format!("/api/v1/identities/?transient=1&identifier={}", encoded(spelling));
        assert_eq!(send(&mut worker, "GET", &transient, &Value::Null).1["identifier"], "ada");
        assert_eq!(worker.identifiers(), ["ada"]);
    }
}

#[test]
fn admin_requests_and_imports_reach_the_same_identity() {
    let environment = Environment::parse(document(&[]).to_string().as_bytes(), Engine::V10).unwrap();
    let header = |name: &str| (name == "content-type").then(|| "application/json".to_owned());
    let ada = Identifier::verbatim("ada");
    let named = |method: &'static str, path: &str, body: Value| {
        let body = body.to_string().into_bytes();
        let request = Request { body: &body, random: &|| [7; 16], ..Request::of_headers(method, &header) };
        let (_, endpoint) = endpoint(&format!("/api/v1/environments/{KEY}/{path}"));
        match edge_identities::read(&environment, endpoint, &request) {
            Ok(Action::Execute(TargetIdentity::Identifier(identifier), ..)) => identifier,
            other => panic!("{other:?}"),
        }
    };
    for spelling in SPELLINGS {
        assert_eq!(named("POST", "edge-identities/", json!({"identifier": spelling})), ada);
        let by_identifier = json!({"identifier": spelling, "feature": 7});
        assert_eq!(named("PUT", "edge-identities-featurestates", by_identifier.clone()), ada);
        assert_eq!(named("DELETE", "edge-identities-featurestates", by_identifier), ada);
        assert_eq!(read_identifier(&format!("identifier={}", encoded(spelling))), Ok(ada.clone()));
        let line = json!({"identifier": spelling}).to_string();
        let lines = import_export::read_import(&environment, line.as_bytes()).unwrap();
        let (identifier, command) = lines.into_iter().next().flatten().unwrap().into_command();
        assert_eq!(identifier, ada);
        assert!(matches!(command, Command::ImportMissing(_)), "{command:?}");
        // A repair keeps the stored spelling.
        let body = json!({"identifiers": [spelling]}).to_string();
        assert_eq!(import_export::read_repair(body.as_bytes()), Ok(vec![Identifier::verbatim(spelling)]));
    }
}

#[test]
fn a_blank_identifier_is_answered_and_not_stored() {
    let mut worker = worker(&[(" ", "of the blank")]);
    for blank in [" ", "\u{a0}\t", "\u{1c}"] {
        let (status, answer) = get(&mut worker, blank);
        assert_eq!((status, &answer["identifier"]), (200, &json!(blank)));
        assert_eq!(answer["flags"][0]["feature_state_value"], "default");
    }
    for target in ["/api/v1/identities/", "/api/v1/identities/?identifier="] {
        assert_eq!(send(&mut worker, "GET", target, &Value::Null).0, 400, "{target}");
    }
    assert_eq!(worker.identifiers(), [""; 0]);
}

#[test]
fn an_override_of_another_spelling_applies_if_there_is_no_exact_one() {
    for (overridden, expected) in [
        (&[("ada ", "untrimmed")][..], "untrimmed"),
        (&[("ada ", "untrimmed"), ("ada", "trimmed")][..], "trimmed"),
        (&[("ada", "trimmed"), (" ada", "untrimmed")][..], "trimmed"),
        (&[("grace", "another")][..], "default"),
    ] {
        let mut worker = worker(overridden);
        for spelling in ["ada", "ada "] {
            let (_, answer) = get(&mut worker, spelling);
            assert_eq!(answer["flags"][0]["feature_state_value"], expected, "{overridden:?}");
        }
    }
}

#[test]
fn lines_with_blank_identifiers_are_skipped() {
    let path = fixtures("environments/production.json");
    let environment = Environment::parse(&std::fs::read(path).unwrap(), Engine::V10).unwrap();
    let read = |lines: &[Value]| {
        let body = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        import_export::read_import(&environment, body.as_bytes())
    };
    let lines = read(&[
        json!({"identifier": " ", "identity_traits": []}),
        json!({"identifier": "ada"}),
        json!({"identifier": "\u{a0}"}),
    ]);
    let identifiers: Vec<_> = lines
        .unwrap()
        .into_iter()
        .map(|line| line.map(|line| (line.identifier, line.only_missing)))
        .collect();
    assert_eq!(identifiers, [None, Some((Identifier::verbatim("ada"), false)), None]);
    // A line without an identifier is invalid.
    for line in [json!({}), json!({"identifier": ""}), json!({"identifier": null}), json!({"identifier": []})]
    {
        let report = read(&[json!({"identifier": " "}), line]).unwrap_err();
        assert!(report["data"][1]["identifier"].is_array(), "{report}");
    }
}
