//! The life of a master API key.

use crate::support::deployment::{Deployment, KEY};
use flagsmith_edge_origin::set_deployment_key;
use serde_json::{Value, json};

fn send(
    deployment: &mut Deployment,
    authorization: &str,
    method: &str,
    path: &str,
    body: Value,
) -> (u16, Value) {
    let headers = [("authorization", authorization), ("content-type", "application/json")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let answer = deployment.send(method, &format!("/api/v1/{path}"), &headers, body.to_string().as_bytes());
    (answer.status, answer.body)
}

fn deployment() -> Deployment {
    let mut deployment = Deployment::new();
    let created =
        send(&mut deployment, &format!("Token {KEY}"), "POST", "organisations/", json!({"name": "Shop"}));
    assert_eq!(created.0, 201);
    deployment
}

/// A new key of the organisation, and its prefix.
fn new_key(deployment: &mut Deployment, body: Value) -> (String, String) {
    let path = "organisations/1/master-api-keys/";
    let (status, created) = send(deployment, &format!("Token {KEY}"), "POST", path, body);
    assert_eq!(status, 201, "{created}");
    let text = |name: &str| created[name].as_str().unwrap().to_owned();
    (text("key"), text("prefix"))
}

#[test]
fn a_key_works_with_both_schemes_until_it_is_deleted() {
    let mut deployment = deployment();
    let (key, prefix) = new_key(&mut deployment, json!({"name": "ci"}));
    for scheme in ["Api-Key", "Token"] {
        let answer = send(&mut deployment, &format!("{scheme} {key}"), "GET", "projects/", Value::Null);
        assert_eq!(answer, (200, json!([])));
    }
    let path = format!("organisations/1/master-api-keys/{prefix}/");
    let authorization = format!("Api-Key {key}");
    assert_eq!(send(&mut deployment, &authorization, "DELETE", &path, Value::Null).0, 204);
    assert_eq!(send(&mut deployment, &authorization, "GET", "projects/", Value::Null).0, 401);
}

#[test]
fn a_key_is_stored_as_its_hash() {
    let mut deployment = deployment();
    let (key, prefix) = new_key(&mut deployment, json!({"name": "ci"}));
    let stored = format!("{:?}", deployment.reloaded());
    let (_, secret) = key.split_once('.').unwrap();
    assert!(stored.contains(&prefix) && !stored.contains(secret));
    let authorization = format!("Token {KEY}");
    let list =
        send(&mut deployment, &authorization, "GET", "organisations/1/master-api-keys/", Value::Null).1;
    assert_eq!(list["count"], 1);
    assert!(!list.to_string().contains(secret));
}

#[test]
fn an_expired_key_is_unknown() {
    let mut deployment = deployment();
    for (expiry_date, status) in [("2020-01-01T00:00:00Z", 401), ("2100-01-01T00:00:00Z", 200)] {
        let (key, _) = new_key(&mut deployment, json!({"name": "ci", "expiry_date": expiry_date}));
        let answer = send(&mut deployment, &format!("Api-Key {key}"), "GET", "projects/", Value::Null);
        assert_eq!(answer.0, status, "{expiry_date}");
    }
}

#[test]
fn only_the_deployments_key_creates_organisations() {
    let mut deployment = deployment();
    let (key, _) = new_key(&mut deployment, json!({"name": "ci"}));
    let answer =
        send(&mut deployment, &format!("Api-Key {key}"), "POST", "organisations/", json!({"name": "x"}));
    assert_eq!(answer.0, 403);
}

#[test]
fn the_keys_of_an_organisation_end_with_it() {
    let mut deployment = deployment();
    let (key, _) = new_key(&mut deployment, json!({"name": "ci"}));
    let authorization = format!("Api-Key {key}");
    assert_eq!(send(&mut deployment, &authorization, "DELETE", "organisations/1/", Value::Null).0, 204);
    assert_eq!(send(&mut deployment, &authorization, "GET", "projects/", Value::Null).0, 401);
}

#[test]
fn a_new_deployment_key_replaces_the_old_one() {
    let mut deployment = deployment();
    let organisations = |deployment: &mut Deployment, key: &str| {
        send(deployment, &format!("Token {key}"), "GET", "organisations/", Value::Null).0
    };
    assert_eq!(organisations(&mut deployment, KEY), 200);
    let changes = set_deployment_key(&mut deployment.state, "second.key", 0).changes;
    assert!(!changes.is_empty());
    assert_eq!(organisations(&mut deployment, KEY), 401);
    assert_eq!(organisations(&mut deployment, "second.key"), 200);
    assert!(set_deployment_key(&mut deployment.state, "second.key", 0).changes.is_empty());
}

#[test]
fn an_invalid_deployment_key_ends_the_earlier_one() {
    for invalid in ["", "without-a-dot", ".secret", "prefix.", "."] {
        let mut deployment = deployment();
        let (own, _) = new_key(&mut deployment, json!({"name": "ci"}));
        let change = set_deployment_key(&mut deployment.state, invalid, 0);
        assert!(!change.is_valid && !change.changes.is_empty(), "{invalid:?}");
        for (key, status) in [(KEY, 401), (invalid, 401), (own.as_str(), 200)] {
            let authorization = format!("Token {key}");
            let answer = send(&mut deployment, &authorization, "GET", "organisations/", Value::Null);
            assert_eq!(answer.0, status, "{key:?} after {invalid:?}");
        }
        let again = set_deployment_key(&mut deployment.state, invalid, 0);
        assert!(!again.is_valid && again.changes.is_empty(), "{invalid:?}");
        assert!(set_deployment_key(&mut deployment.state, KEY, 0).is_valid);
        let answer = send(&mut deployment, &format!("Token {KEY}"), "GET", "organisations/", Value::Null);
        assert_eq!(answer.0, 200);
    }
}
