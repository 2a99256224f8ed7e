//! Generated requests: no panic, no 5xx, nothing changed by a refusal, and nothing reachable by another
//! organisation's key.

use crate::support::deployment::{Answer, Deployment, KEY};
use crate::support::endpoints::endpoints;
use crate::support::references::check_references;
use flagsmith_edge_worker::document::Environment;
use flagsmith_edge_worker::document::ruleset::Engine;
use proptest::prelude::*;
use serde_json::{Value, json};

const METHODS: &[&str] = &["GET", "POST", "PUT", "PATCH", "DELETE"];

/// Requests without a body that are refused for a reason of their own.
const REFUSED: &[(&str, &str)] = &[
    ("GET environments/", "a project is required"),
    ("GET environments/{key}/my-permissions/", "a master key is no user"),
    ("GET features/feature-segments/", "an environment and a feature are required"),
    ("GET features/featurestates/", "an environment is required"),
];

/// A deployment with a row of each kind in one organisation, and another organisation's key.
pub struct Example {
    pub deployment: Deployment,
    client_key: String,
    uuid: String,
    prefix: String,
    other_key: String,
}

impl Example {
    /// The example, made through the API.
    pub fn new() -> Example {
        let mut deployment = Deployment::new();
        let mut post = |path: &str, body: Value| {
            let answer = send(&mut deployment, KEY, "POST", path, body.to_string().as_bytes());
            assert_eq!(answer.status, 201, "{path}: {}", answer.body);
            answer.body
        };
        post("organisations/", json!({"name": "Ours"}));
        post("organisations/", json!({"name": "Theirs"}));
        let own = post("organisations/1/master-api-keys/", json!({"name": "own"}));
        let other = post("organisations/2/master-api-keys/", json!({"name": "other"}));
        post("projects/", json!({"name": "Secret project", "organisation": 1}));
        let environment = post("environments/", json!({"name": "Secret environment", "project": 1}));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let client_key = text(&environment["api_key"]);
        let in_environment = |path: &str| format!("environments/{client_key}/{path}");
        post(&in_environment("api-keys/"), json!({"name": "Secret key"}));
        let options = json!([{"string_value": "Secret option", "default_percentage_allocation": 50}]);
        let feature =
            json!({"name": "Secret feature", "type": "MULTIVARIATE", "multivariate_options": options});
        post("projects/1/features/", feature);
        let condition = json!({"operator": "EQUAL", "property": "Secret", "value": "1"});
        let rules = json!([{"type": "ALL", "conditions": [condition]}]);
        post("projects/1/segments/", json!({"name": "Secret segment", "rules": rules}));
        let value = json!({"type": "unicode", "string_value": "Secret value"});
        let state = json!({"feature_segment": {"segment": 1}, "enabled": true, "feature_state_value": value});
        post(&in_environment("features/1/create-segment-override/"), state);
        post(&in_environment("identities/"), json!({"identifier": "Secret identity"}));
        post(&in_environment("identities/1/traits/"), json!({"trait_key": "Secret", "string_value": "1"}));
        post(&in_environment("identities/1/featurestates/"), json!({"feature": 1, "enabled": true}));
        // Without a default state, and without overrides.
        post("projects/1/features/", json!({"name": "Secret second feature"}));
        post(&in_environment("identities/"), json!({"identifier": "Secret second identity"}));
        let state = format!("environments/{client_key}/featurestates/4/");
        assert_eq!(send(&mut deployment, KEY, "DELETE", &state, b"").status, 204);
        let gone = json!({"name": "Secret deleted environment", "project": 1, "api_key": "SecretDeletedKey"});
        let gone = send(&mut deployment, KEY, "POST", "environments/", gone.to_string().as_bytes());
        assert_eq!(gone.status, 201, "{}", gone.body);
        let gone = "environments/SecretDeletedKey/";
        assert_eq!(send(&mut deployment, KEY, "DELETE", gone, b"").status, 204);
        Example {
            client_key,
            uuid: text(&environment["uuid"]),
            prefix: text(&own["prefix"]),
            other_key: text(&other["key"]),
            deployment,
        }
    }

    fn path(&self, path: &str) -> String {
        let path = path.replace("{key}", &self.client_key).replace("{uuid}", &self.uuid);
        path.replace("{prefix}", &self.prefix)
    }
}

fn send(deployment: &mut Deployment, key: &str, method: &str, path: &str, body: &[u8]) -> Answer {
    let headers =
        [("authorization", format!("Api-Key {key}")), ("content-type", "application/json".to_owned())];
    let headers = headers.map(|(name, value)| (name.to_owned(), value));
    let target = match path.strip_prefix("../") {
        Some(path) => format!("/api/{path}"),
        None => format!("/api/v1/{path}"),
    };
    deployment.send(method, &target, &headers, body)
}

#[test]
fn rows_of_another_organisation_are_out_of_reach() {
    let mut example = Example::new();
    let key = example.other_key.clone();
    for (path, body) in endpoints() {
        for method in METHODS {
            let path = example.path(path);
            let before = example.deployment.state.clone();
            let answer = send(&mut example.deployment, &key, method, &path, body.to_string().as_bytes());
            assert!(answer.status < 500, "{method} {path}: {}", answer.body);
            assert!(!answer.body.to_string().contains("Secret"), "{method} {path}: {}", answer.body);
            assert!(answer.changes.is_empty(), "{method} {path}: {}", answer.body);
            assert!(example.deployment.state == before);
        }
    }
}

#[test]
fn every_path_is_served() {
    let mut example = Example::new();
    for (path, _) in endpoints() {
        let path = example.path(path);
        let answer = send(&mut example.deployment, "no.key", "GET", &path, b"");
        assert_eq!(answer.status, 401, "{path}: {}", answer.body);
    }
}

#[test]
fn valid_bodies_are_accepted_by_all_endpoints() {
    let example = Example::new();
    let mut refused = Vec::new();
    let mut accepted = 0;
    for (path, body) in endpoints() {
        for method in METHODS {
            let mut deployment = example.deployment.clone();
            let answer = send(&mut deployment, KEY, method, &example.path(path), body.to_string().as_bytes());
            match answer.status {
                405 => {}
                200..300 => accepted += 1,
                status => refused.push((format!("{method} {path}"), status, answer.body)),
            }
            check_references(&deployment.state);
        }
    }
    let names: Vec<&str> = refused.iter().map(|(name, ..)| name.as_str()).collect();
    let expected: Vec<&str> = REFUSED.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, expected, "{refused:?}");
    assert!(accepted > 90, "only {accepted} requests were accepted");
}

#[test]
fn paths_about_people_answer_with_the_reason() {
    let mut deployment = Deployment::new();
    for path in ["auth/login/", "users/", "organisations/1/users/", "organisations/1/roles/"] {
        let answer = send(&mut deployment, KEY, "POST", path, b"{}");
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.body["detail"].as_str().unwrap().contains("no users"), "{path}: {}", answer.body);
    }
}

#[test]
fn a_body_beyond_ten_mebibytes_is_refused() {
    let mut deployment = Deployment::new();
    for (length, status) in [(10 * 1024 * 1024, 400), (10 * 1024 * 1024 + 1, 413)] {
        let answer = send(&mut deployment, KEY, "POST", "organisations/", &vec![b' '; length]);
        assert_eq!(answer.status, status);
    }
}

#[test]
fn json_under_the_media_type_of_forms_is_read_as_json() {
    let mut example = Example::new();
    let headers = [
        ("authorization".to_owned(), format!("Token {KEY}")),
        ("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned()),
    ];
    let mut send =
        |body: &str| example.deployment.send("POST", "/api/v1/environments/", &headers, body.as_bytes()).body;
    assert_eq!(send(r#"{"name": "json", "project": 1}"#)["allow_client_traits"], true);
    // A box of a form that is not checked is absent.
    assert_eq!(send("name=form&project=1")["allow_client_traits"], false);
}

#[test]
fn answers_to_head_have_no_body() {
    let mut example = Example::new();
    for (path, status) in [("projects/1/", 200), ("projects/9/", 404), ("nowhere/", 404)] {
        let answer = send(&mut example.deployment, KEY, "HEAD", path, b"");
        assert_eq!((answer.status, answer.body), (status, Value::Null), "{path}");
    }
}

#[test]
fn a_feature_name_must_match_the_pattern_of_its_project() {
    let mut example = Example::new();
    let mut send = |method: &str, path: &str, body: Value| {
        send(&mut example.deployment, KEY, method, path, body.to_string().as_bytes())
    };
    assert_eq!(send("PATCH", "projects/1/", json!({"feature_name_regex": "("})).status, 400);
    assert_eq!(send("PATCH", "projects/1/", json!({"feature_name_regex": "^[a-z_]+$"})).status, 200);
    let refused = send("POST", "projects/1/features/", json!({"name": "Not-This"}));
    assert_eq!(refused.body, json!({"name": ["Feature name must match regex: ^[a-z_]+$"]}));
    assert_eq!(send("POST", "projects/1/features/", json!({"name": "but_this"})).status, 201);
}

#[test]
fn a_deeply_nested_body_is_refused() {
    let mut example = Example::new();
    for (open, close) in [("[", "]"), ("{\"rules\":[", "]}")] {
        let rules = format!("{}{}", open.repeat(10_000), close.repeat(10_000));
        let body = format!("{{\"name\": \"x\", \"rules\": {rules}}}");
        let answer = send(&mut example.deployment, KEY, "POST", "projects/1/segments/", body.as_bytes());
        assert_eq!(answer.status, 400);
    }
}

/// A valid body with some members replaced or removed, or any JSON value.
fn changed(body: Value) -> impl Strategy<Value = Value> {
    let change = (field(), prop::option::of(any_json()));
    let changed = prop::collection::vec(change, 0..4).prop_map(move |changes| {
        let mut body = body.clone();
        let Some(members) = body.as_object_mut() else { return body };
        for (name, value) in changes {
            match value {
                Some(value) => drop(members.insert(name, value)),
                None => drop(members.remove(&name)),
            }
        }
        body
    });
    prop_oneof![4 => changed, 1 => any_json()]
}

/// A path and a body for it.
fn any_request() -> impl Strategy<Value = (&'static str, Value)> {
    prop::sample::select(endpoints()).prop_flat_map(|(path, body)| (Just(path), changed(body)))
}

/// A JSON value of any kind.
fn any_json() -> impl Strategy<Value = Value> {
    let numbers = prop_oneof![
        Just(json!(0)),
        Just(json!(1)),
        Just(json!(-1)),
        Just(json!(1e300)),
        any::<i64>().prop_map(|n| json!(n))
    ];
    let texts = prop_oneof![
        Just(String::new()),
        Just("\0".to_owned()),
        Just("ALL".to_owned()),
        Just("EQUAL".to_owned()),
        Just("x".repeat(20_001)),
        ".{0,8}"
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        numbers,
        texts.prop_map(Value::String)
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec((field(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// A name that some body has.
fn field() -> impl Strategy<Value = String> {
    let names = [
        "name",
        "type",
        "value",
        "enabled",
        "feature",
        "segment",
        "environment",
        "project",
        "organisation",
        "rules",
        "conditions",
        "operator",
        "property",
        "priority",
        "id",
        "identifier",
        "identity",
        "trait_key",
        "value_type",
        "string_value",
        "integer_value",
        "boolean_value",
        "float_value",
        "feature_state_value",
        "feature_segment",
        "multivariate_options",
        "multivariate_feature_state_values",
        "multivariate_feature_option",
        "percentage_allocation",
        "default_percentage_allocation",
        "initial_value",
        "description",
        "expires_at",
        "expiry_date",
        "is_admin",
        "tags",
        "source_identity_id",
        "hide_disabled_flags",
        "delete",
    ];
    prop::sample::select(names.to_vec()).prop_map(str::to_owned)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_body_gets_an_answer(
        requests in prop::collection::vec(
            (prop::sample::select(METHODS), any_request(), prop::bool::weighted(0.1)),
            1..40,
        )
    ) {
        let mut example = Example::new();
        for (method, (path, body), is_cut) in requests {
            let path = example.path(path);
            let body = body.to_string();
            let body = if is_cut { &body.as_bytes()[..body.len() / 2] } else { body.as_bytes() };
            let before = example.deployment.state.clone();
            let answer = send(&mut example.deployment, KEY, method, &path, body);
            prop_assert!(answer.status < 500, "{method} {path}: {}", answer.body);
            if answer.status >= 400 {
                prop_assert!(answer.changes.is_empty(), "{method} {path}");
                prop_assert!(example.deployment.state == before, "{method} {path}");
            }
            for client_key in answer.environments() {
                let Some(document) = example.deployment.document(client_key) else { continue };
                let parsed = Environment::parse(document.to_string().as_bytes(), Engine::default());
                prop_assert!(parsed.is_ok(), "{method} {path}: {document}");
            }
            prop_assert!(example.deployment.reloaded() == example.deployment.state, "{method} {path}");
            check_references(&example.deployment.state);
        }
    }
}
