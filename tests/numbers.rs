//! Numbers: imports accept the same numbers as SDK and admin requests, and keep them exactly. Every route refuses all
//! others.

mod support;

use std::collections::HashMap;

use flagsmith_edge_worker::admin::edge_identities::{self, Action};
use flagsmith_edge_worker::admin::import_export;
use flagsmith_edge_worker::api::Request;
use flagsmith_edge_worker::document::ruleset::Engine;
use flagsmith_edge_worker::document::{ClientKey, Environment, Identifier};
use flagsmith_edge_worker::identity::{Command, CommandRequest, ExecutionContext, Identity};
use serde_json::{Value, json};
use support::admin::endpoint;
use support::worker::Worker;

const KEY: &str = "k";
/// JSON texts and their stored form; `None` for refused ones.
const TRAITS: [(&str, Option<&str>); 24] = [
    ("9007199254740993", Some("9007199254740993")),
    ("-9007199254740993", Some("-9007199254740993")),
    ("9223372036854775807", Some("9223372036854775807")),
    ("-9223372036854775808", Some("-9223372036854775808")),
    ("9223372036854775808", None),
    ("-9223372036854775809", None),
    ("123456789012345678901234567890", None),
    ("-0", Some("0")),
    ("0.0", Some("0.0")),
    ("-0.0", Some("-0.0")),
    ("100.0", Some("100.0")),
    ("1E2", Some("100.0")),
    ("1e308", Some("1e+308")),
    ("1e400", None),
    ("-1e400", None),
    ("5e-324", Some("5e-324")),
    ("1e-400", Some("0.0")),
    ("0.1000000000000000055511151231257827", Some("0.1")),
    ("\"\\u2028\"", Some("\"\u{2028}\"")),
    ("\"\\ud83d\\ude00\"", Some("\"😀\"")),
    ("\"\\ud800\"", None),
    ("\"\\u0000\"", None),
    ("\"\"", Some("\"\"")),
    ("true", Some("true")),
];

fn document() -> Value {
    json!({"api_key": KEY, "project": {}, "feature_states": [
        {"feature": {"id": 7, "name": "f"}, "enabled": true, "feature_state_value": "x"}]})
}

fn environment() -> Environment {
    Environment::parse(document().to_string().as_bytes(), Engine::V10).unwrap()
}

/// The exported line of an identity after these commands.
fn exported(commands: Vec<Command>) -> String {
    let mut identity = Identity::default();
    for command in commands {
        identity
            .apply(
                CommandRequest::new(&ClientKey::unchecked(KEY), Identifier::normalize("ada"), command),
                ExecutionContext { now: 1, random: &|| [7; 16] },
            )
            .unwrap();
    }
    import_export::render(&ClientKey::unchecked(KEY), &Identifier::normalize("ada"), &identity).to_string()
}

fn import(line: &str) -> Option<Command> {
    let lines = import_export::read_import(&environment(), line.as_bytes()).ok()?;
    Some(lines.into_iter().next()??.into_command().1)
}

fn import_trait(value: &str) -> Option<Command> {
    import(&format!(
        r#"{{"identifier":"ada","identity_traits":[{{"trait_key":"t","trait_value":{value}}}]}}"#
    ))
}

#[test]
fn imports_accept_exactly_the_traits_that_sdks_may_send() {
    let headers = HashMap::from([
        ("x-environment-key".to_owned(), KEY.to_owned()),
        ("content-type".to_owned(), "application/json".to_owned()),
    ]);
    for (value, stored) in TRAITS {
        let mut worker = Worker::with_document(document().to_string().as_bytes()).unwrap();
        let body = format!(r#"{{"identifier":"ada","traits":[{{"trait_key":"t","trait_value":{value}}}]}}"#);
        let answer = worker.answer("POST", "/api/v1/identities/", &headers, body.as_bytes());
        assert_eq!(answer.status, if stored.is_some() { 200 } else { 400 }, "{value}");
        let command = import_trait(value);
        assert_eq!(command.is_some(), stored.is_some(), "{value}");
        let (Some(command), Some(stored)) = (command, stored) else { continue };
        let expected = format!(r#""trait_value":{stored}}}"#);
        let answer = String::from_utf8(answer.body).unwrap();
        assert!(answer.contains(&expected), "{answer}");
        let line = exported(vec![command]);
        assert!(line.contains(&expected), "{line}");
        // An export, its import, and another export.
        assert_eq!(exported(vec![import(&line).unwrap()]), line);
    }
}

#[test]
fn zeros_with_different_signs_are_different_values() {
    for (before, after) in [("0.0", "-0.0"), ("-0.0", "0.0")] {
        let line = exported(vec![import_trait(before).unwrap(), import_trait(after).unwrap()]);
        assert!(line.contains(&format!(r#""trait_value":{after}}}"#)), "{line}");
        let line = exported(vec![import_override(before).unwrap(), import_override(after).unwrap()]);
        assert!(line.contains(&format!(r#""feature_state_value":{after},"#)), "{line}");
    }
}

fn import_override(value: &str) -> Option<Command> {
    import(&format!(
        r#"{{"identifier":"ada","identity_features":[{{"feature":{{"id":7,"name":"f","type":"STANDARD"}},"enabled":true,
        "feature_state_value":{value},"featurestate_uuid":"00000000-0000-4000-8000-000000000001",
        "multivariate_feature_state_values":[{{"percentage_allocation":1,"multivariate_feature_option":{{"id":1,"value":{value}}}}}]}}]}}"#
    ).replace('\n', ""))
}

#[test]
fn imports_accept_the_overrides_that_admins_may_make() {
    let environment = environment();
    for value in [
        "0",
        "-0",
        "9007199254740993",
        "9223372036854775807",
        "-9223372036854775808",
        "\"x\"",
        "null",
        "false",
    ] {
        let body = format!(r#"{{"feature":7,"enabled":true,"feature_state_value":{value}}}"#);
        let header = |name: &str| (name == "content-type").then(|| "application/json".to_owned());
        let request =
            Request { body: body.as_bytes(), random: &|| [7; 16], ..Request::of_headers("POST", &header) };
        let path = format!("/api/v1/environments/{KEY}/edge-identities/u/edge-featurestates/");
        let action = edge_identities::read(&environment, endpoint(&path).1, &request);
        let Ok(Action::Execute(_, command, _)) = action else { panic!("{value}: {action:?}") };
        let line = exported(vec![Command::Create, command]);
        assert_eq!(exported(vec![import(&line).unwrap()]), line);
    }
    // An import keeps whole numbers of 64 bits, and refuses numbers that would change.
    for (value, stored) in [
        ("-0", Some("0")),
        ("18446744073709551615", Some("18446744073709551615")),
        ("100.0", Some("100.0")),
        ("18446744073709551616", None),
        ("-9223372036854775809", None),
        ("1e400", None),
    ] {
        let Some(command) = import_override(value) else {
            assert_eq!(stored, None, "{value}");
            continue;
        };
        let line = exported(vec![command]);
        let stored = stored.unwrap_or_else(|| panic!("{value} is taken"));
        assert!(line.contains(&format!(r#""feature_state_value":{stored},"#)), "{line}");
        assert!(line.contains(&format!(r#""value":{stored},"#)), "{line}");
    }
}
