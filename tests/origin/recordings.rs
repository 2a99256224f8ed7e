//! The recordings of a real Flagsmith, answered in order with ids, keys and UUIDs of this deployment. Each answer's
//! status and body must be the recorded ones, but for the rows that are listed here with the reason.

use crate::support::binding::{Binding, kind_of};
use crate::support::deployment::{Deployment, KEY};
use crate::support::references::check_references;
use crate::support::{exchanges, recorded_document};
use flagsmith_edge_worker::document::Environment;
use flagsmith_edge_worker::document::ruleset::Engine;
use serde_json::Value;

/// The number of recorded exchanges that are answered as recorded.
const AGREEING: usize = 666;

/// Parts of names or paths whose rows are not sent, and the reason.
const NOT_SENT: &[(&str, &str)] = &[
    ("/auth/", "there are no users"),
    ("/users/", "there are no users"),
    ("/api/v1/flags/", "the edge worker answers the SDK API"),
    ("/api/v1/identities/", "the edge worker answers the SDK API"),
    ("/api/v1/environment-document/", "the edge worker answers the SDK API"),
    ("/versions/", "there is no feature versioning"),
    ("/enable-v2-versioning/", "there is no feature versioning"),
    ("v2-", "the environment has feature versioning"),
    ("/webhooks/", "there are no webhooks"),
    ("/usage-data/", "there are no statistics"),
    ("/metrics/", "there are no statistics"),
    ("/trait-keys/", "the origin has no index of trait keys"),
    ("/delete-traits/", "the origin has no index of trait keys"),
];

/// The recorded documents that are compared with those of the last state.
const DOCUMENTS: [&str; 3] = ["A", "B", "C"];

/// Names of rows that are answered otherwise, and the reason.
const DIFFERENT: &[(&str, &str)] = &[
    ("edge:create-second-project-free-plan-denied", "no plan limits the number of projects"),
    (
        "identity-fs-all",
        "Flagsmith had switched the flag on with a request that it refused, and dropped the weights of a PATCH",
    ),
    ("options-admin", "the answer to OPTIONS describes no fields"),
    ("audit-log", "the plan of the recording hides the audit rows"),
    ("authorize:edge:token:view", "requests of the SDK API create identities at the edge only"),
    ("authorize:edge:edge-api-key:view", "requests of the SDK API create identities at the edge only"),
];

/// A user of the recordings without the rights of an administrator.
const OTHER_USER: &str = "Token 0000000000000000000000000000000000000005";

#[test]
fn recorded_requests_are_answered_as_recorded() {
    let Some(exchanges) = exchanges() else { return };
    let mut deployment = Deployment::new();
    let mut binding = Binding::default();
    let (mut agreeing, mut different, mut not_sent) = (0, Vec::new(), Vec::new());
    for exchange in &exchanges {
        let name = exchange["name"].as_str().unwrap();
        let (request, want) = (&exchange["request"], &exchange["response"]);
        if let Some(reason) = reason_not_to_send(name, request) {
            not_sent.push(reason);
            continue;
        }
        let target = request["path"].as_str().unwrap();
        let kind = kind_of(target);
        let before = deployment.state.clone();
        let method = request["method"].as_str().unwrap();
        let headers = headers(request, &binding);
        let body = body(request, kind, &binding);
        let answer = deployment.send(method, &binding.target(target), &headers, body.as_bytes());
        let mut differences = Vec::new();
        if want["status"] != answer.status {
            differences
                .push(format!("status {} wanted, got {}: {}", want["status"], answer.status, answer.body));
        } else if method != "HEAD" && want["body"] != "<any>" {
            differences = binding.differences(&want["body"], &answer.body, kind);
        }
        match differences.first() {
            None => agreeing += 1,
            Some(first) => different.push((name, format!("{method} {target}: {first}"))),
        }
        if answer.status >= 400 {
            assert!(answer.changes.is_empty() && deployment.state == before, "{name} is refused and changes");
        }
        if answer.changes.is_empty() {
            assert!(deployment.state == before, "{name} changes more than it writes");
        } else {
            assert!(deployment.reloaded() == deployment.state, "{name} changes more than it writes");
            check_references(&deployment.state);
        }
        for client_key in answer.environments() {
            let Some(document) = deployment.document(client_key) else { continue };
            let parsed = Environment::parse(document.to_string().as_bytes(), Engine::default());
            assert!(parsed.is_ok(), "{name}: {document}");
        }
    }
    for (name, difference) in &different {
        println!("{name} {}", difference.chars().take(400).collect::<String>());
    }
    println!("{agreeing} agree, {} differ, {} not sent", different.len(), not_sent.len());
    compare_documents(&mut deployment, &mut binding);
    for (_, reason) in NOT_SENT {
        assert!(not_sent.contains(reason), "no row is left out because {reason}");
    }
    let names: Vec<&str> = different.iter().map(|(name, _)| *name).collect();
    let listed: Vec<&str> = DIFFERENT.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, listed);
    assert_eq!(agreeing, AGREEING);
}

/// Compares the documents of the recorded environments, which no later row changes.
fn compare_documents(deployment: &mut Deployment, binding: &mut Binding) {
    for name in DOCUMENTS {
        let recorded = recorded_document(name);
        let client_key = binding.text(recorded["api_key"].as_str().unwrap());
        let document = deployment.document(&client_key).unwrap();
        let differences = binding.differences(&recorded, &document, "environment");
        assert!(differences.is_empty(), "{name}: {differences:?}");
    }
}

fn reason_not_to_send(name: &str, request: &Value) -> Option<&'static str> {
    let authorization = authorization(request);
    if authorization == OTHER_USER {
        return Some("there are no users");
    }
    let path = request["path"].as_str().unwrap_or_default();
    let listed = NOT_SENT.iter().find(|(part, _)| name.starts_with(part) || path.contains(part));
    listed.map(|(_, reason)| *reason)
}

fn authorization(request: &Value) -> &str {
    request["headers"]["Authorization"].as_str().unwrap_or_default()
}

fn is_administrator(authorization: &str) -> bool {
    authorization.to_lowercase().starts_with("token 0") && authorization.ends_with("abc")
}

/// The headers of a request. The deployment's key stands for the recorded administrator.
fn headers(request: &Value, binding: &Binding) -> Vec<(String, String)> {
    let headers = request["headers"].as_object().unwrap();
    let header = |(name, value): (&String, &Value)| {
        let value = value.as_str().unwrap();
        let is_administrator = name == "Authorization" && is_administrator(value);
        let value = match value.split_once(' ') {
            Some((scheme, _)) if is_administrator => format!("{scheme} {KEY}"),
            _ => binding.text(value),
        };
        (name.clone(), value)
    };
    headers.iter().map(header).collect()
}

fn body(request: &Value, kind: &str, binding: &Binding) -> String {
    let body = request["body"].as_str().unwrap_or_default();
    if request["headers"].to_string().contains("urlencoded") {
        let form = binding.target(&format!("?{body}"));
        return form.trim_start_matches('?').to_owned();
    }
    match serde_json::from_str::<Value>(body) {
        Ok(json) => binding.body(&json, kind).to_string(),
        Err(_) => binding.text(body),
    }
}
