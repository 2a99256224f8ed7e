//! Edge-identities exchanges replayed in order on an empty store: our own, those of a real Flagsmith (`RECORDINGS`),
//! and the known differences. The end-to-end tests replay the same files over HTTP.

mod support;

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Value, json};
use support::admin::Admin;
use support::exchange::{Answer, Exchange, read};
use support::{fixtures, outside};

/// The values of a recording's placeholders that have occurred.
type Bindings = HashMap<String, String>;

#[test]
fn our_edge_identities_exchanges_are_answered_as_written() {
    let mut admin = Admin::with_documents(&fixtures("environments"), &["production", "staging"]);
    let exchanges = read(&fixtures("admin/edge_identities.jsonl"));
    assert_eq!(exchanges.len(), 49);
    replay(&mut admin, exchanges, &mut Bindings::new());
}

#[test]
fn flagsmiths_edge_identities_are_answered_as_recorded() {
    let Some(folder) = outside("RECORDINGS", "../shared/recordings") else { return };
    let mut admin = Admin::with_recordings(&folder);
    let mut bindings = Bindings::new();
    let exchanges = read(&folder.join("edge-identities.jsonl"));
    assert_eq!(exchanges.len(), 150);
    replay(&mut admin, exchanges, &mut bindings);
    let differing = read(&folder.join("edge-identities-differences.jsonl"));
    assert_eq!(differing.len(), 24);
    let mut failures = Vec::new();
    for exchange in differing.iter().filter(|exchange| exchange.request["method"] != "OPTIONS") {
        let answer = send(&mut admin, exchange, &bindings);
        let (status, body) = ours(&exchange.name);
        let body = substituted(&body.to_string(), &bindings);
        let mut expected = Exchange { response: json!({"status": status, "headers": {}}), ..clone(exchange) };
        expected.response["body"] = serde_json::from_str(&body).unwrap();
        let differences = expected.differences(&answer, Path::new(""));
        if !differences.is_empty() {
            failures.push(format!("{}: {}", exchange.name, differences.join("\n    ")));
        }
    }
    assert!(failures.is_empty(), "{}:\n{}", failures.len(), failures.join("\n"));
}

/// Sends requests in order and reports all differing answers together.
fn replay(admin: &mut Admin, exchanges: Vec<Exchange>, bindings: &mut Bindings) {
    let mut failures = Vec::new();
    for mut exchange in exchanges {
        // Preflights are answered before anything is loaded.
        if exchange.request["method"] == "OPTIONS" {
            continue;
        }
        let answer = send(admin, &exchange, bindings);
        bind(&mut exchange.response["body"], &body_of(&answer), bindings);
        let anyhow = exchange.response["body"]["results_are_in_any_order"] == true;
        if anyhow {
            exchange.response["body"].as_object_mut().unwrap().remove("results_are_in_any_order");
            sort_results(&mut exchange.response["body"]);
        }
        let answer = if anyhow { sorted(answer) } else { answer };
        let differences = exchange.differences(&answer, Path::new(""));
        if !differences.is_empty() {
            failures.push(format!("{}: {}", exchange.name, differences.join("\n    ")));
        }
    }
    assert!(failures.is_empty(), "{}:\n{}", failures.len(), failures.join("\n"));
}

/// The answers that differ from Flagsmith's.
fn ours(name: &str) -> (u16, Value) {
    let identity = |uuid: &str, identifier: &str, alias: Option<&str>| json!({"identity_uuid": format!("<<{uuid}>>"), "identifier": identifier, "dashboard_alias": alias});
    let aliased = json!({
        "results": [identity("uuid-416", "aliased-user", Some("my alias"))], "last_evaluated_key": null,
    });
    let state = |value: Value, feature: i64, uuid: &str| {
        json!({
            "feature_state_value": value, "feature": feature, "multivariate_feature_state_values": [],
            "enabled": true, "featurestate_uuid": "<any>", "identity_uuid": format!("<<{uuid}>>"),
        })
    };
    let wrong = |field: &str, problem: &str| (400, json!({field: [problem]}));
    let missing = || (404, json!({"detail": "Not found."}));
    let no_feature = || wrong("feature", "There is no such feature in this environment.");
    match name.strip_prefix("edge:").unwrap() {
        "list-bad-lek" | "list-bad-lek-b64" => {
            wrong("last_evaluated_key", "This is no key of a page of this list.")
        }
        name if name.starts_with("search:dashboard_alias:") => (200, aliased),
        "get-wrong-env" | "update-traits-wrong-env" | "fs-wrong-env" | "delete-wrong-env" => missing(),
        "get-no-slash" => (200, identity("uuid-405", "edge-user-01", Some("patched"))),
        "fs-create-by-name" => (201, state(json!(99), 67, "uuid-405")),
        "fs-create-no-feature" => wrong("feature", "This field is required."),
        "fs-create-unknown-feature"
        | "fs-create-unknown-feature-name"
        | "with-identifier-put-unknown-feature" => no_feature(),
        "with-identifier-get" => (405, json!({"detail": "Method \"GET\" not allowed."})),
        "with-identifier-trailing-slash"
        | "with-identifier-single-environments-path"
        | "with-identifier-single-environments-path-slash" => (200, state(Value::Null, 66, "uuid-429")),
        "identity-overrides-slash" => (200, json!({"results": "<any>"})),
        "list-unknown-env" => (404, json!({"detail": "No Environment matches the given query."})),
        "list-non-dynamo-project" => (200, json!({"results": [], "last_evaluated_key": null})),
        "list-non-dynamo-project-no-auth" => {
            (401, json!({"detail": "Authentication credentials were not provided."}))
        }
        name => panic!("{name} is not known to differ"),
    }
}

fn send(admin: &mut Admin, exchange: &Exchange, bindings: &Bindings) -> Answer {
    let request = &exchange.request;
    let mut headers = HashMap::new();
    for (name, value) in request["headers"].as_object().into_iter().flatten() {
        headers.insert(name.to_lowercase(), value.as_str().unwrap().to_owned());
    }
    let path = substituted(request["path"].as_str().unwrap(), bindings);
    let body = substituted(&String::from_utf8(exchange.body()).unwrap(), bindings);
    let method = request["method"].as_str().unwrap();
    let mut answer = admin.answer(method, &path, &headers, body.as_bytes());
    if method == "HEAD" {
        answer.body.clear();
    }
    answer
}

/// Replaces placeholders by their values. A new placeholder gets the answered value.
fn bind(expected: &mut Value, got: &Value, bindings: &mut Bindings) {
    match expected {
        Value::String(text) if text.starts_with("<<") => {
            if let Some(value) = got.as_str() {
                bindings.entry(text.clone()).or_insert_with(|| value.to_owned());
            }
            *text = bindings.get(text).cloned().unwrap_or_default();
        }
        Value::Array(items) => {
            items.iter_mut().enumerate().for_each(|(index, item)| bind(item, &got[index], bindings));
        }
        Value::Object(members) => {
            members.iter_mut().for_each(|(name, item)| bind(item, &got[name.as_str()], bindings));
        }
        _ => {}
    }
}

fn substituted(text: &str, bindings: &Bindings) -> String {
    bindings.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
}

fn body_of(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

fn sorted(answer: Answer) -> Answer {
    let mut body = body_of(&answer);
    sort_results(&mut body);
    Answer { body: body.to_string().into_bytes(), ..answer }
}

fn sort_results(body: &mut Value) {
    body["results"].as_array_mut().unwrap().sort_by_key(|result| {
        let state = &result["feature_state"];
        (result["identifier"].to_string(), state["feature"].to_string())
    });
}

fn clone(exchange: &Exchange) -> Exchange {
    Exchange {
        name: exchange.name.clone(),
        environment: None,
        request: exchange.request.clone(),
        response: Value::Null,
    }
}
