//! The environment document in every form that Flagsmith has published (contract §B), and the messages about bad ones.

use flagsmith_edge_worker::document::ruleset::Engine;
use flagsmith_edge_worker::document::{Environment, KeyKind};
use serde_json::{Value, json};

fn parse(document: &Value) -> Environment {
    Environment::parse(document.to_string().as_bytes(), Engine::V10)
        .unwrap_or_else(|fault| panic!("{fault}: {document}"))
}

fn flags(environment: &Environment, key: KeyKind) -> Value {
    serde_json::from_slice(environment.flags.list(key)).unwrap()
}

fn state(id: i64, enabled: bool) -> Value {
    json!({"feature": {"id": id, "name": format!("f{id}")}, "enabled": enabled})
}

#[test]
fn a_minimal_document_takes_the_defaults() {
    let environment = parse(&json!({"api_key": "k", "project": {}}));
    assert_eq!(environment.key().as_str(), "k");
    assert_eq!(flags(&environment, KeyKind::Client), json!([]));
    assert!(environment.allow_client_traits && environment.persist_trait_data);
    assert!(!environment.hide_sensitive_data && !environment.stop_serving_flags);
    assert!(environment.updated_at.is_none());
}

#[test]
fn null_fields_count_as_absent() {
    let environment = parse(&json!({
        "api_key": "k", "name": null, "updated_at": null, "allow_client_traits": null, "hide_sensitive_data": null,
        "hide_disabled_flags": null, "identity_overrides": null, "use_identity_composite_key_for_hashing": null,
        "project": {"segments": null, "organisation": null, "server_key_only_feature_ids": null, "hide_disabled_flags": null},
        "feature_states": [{
            "feature": {"id": 1, "name": "f", "type": null}, "enabled": true, "feature_state_value": null, "django_id": null,
            "featurestate_uuid": null, "feature_segment": null, "multivariate_feature_state_values": null,
        }],
    }));
    let expected = json!([{"feature": {"id": 1, "name": "f", "type": "STANDARD"}, "enabled": true, "feature_state_value": null}]);
    assert_eq!(flags(&environment, KeyKind::Client), expected);
}

#[test]
fn unknown_fields_are_ignored() {
    let mut state = state(1, true);
    state["id"] = json!(7);
    state["segment_id"] = json!(null);
    parse(
        &json!({"api_key": "k", "project": {"x": 1}, "feature_states": [state], "segment_overrides": [], "new": {"a": []}}),
    );
}

#[test]
fn the_stored_form_is_read_and_served_in_the_form_for_sdks() {
    let environment = parse(&json!({
        "environment_id": "12", "environment_api_key": "k", "document_key": "_META", "name": "Production",
        "project": {"id": 1, "name": "p"}, "feature_states": [], "onboarding_pending": null, "compressed": false,
        "webhook_config": {"url": "https://example.com", "secret": "hush"}, "segment_config": {"api_key": "hush"},
    }));
    let served: Value = serde_json::from_slice(environment.document()).unwrap();
    let expected = json!({"api_key": "k", "id": 12, "name": "Production", "project": {"id": 1, "name": "p"}, "feature_states": []});
    assert_eq!(served, expected);
}

#[test]
fn hide_disabled_flags_of_the_environment_overrides_the_projects() {
    for (environment, project, hidden) in [
        (json!(null), json!(true), true),
        (json!(null), json!(false), false),
        (json!(true), json!(false), true),
        (json!(false), json!(true), false),
    ] {
        let parsed = parse(&json!({
            "api_key": "k", "hide_disabled_flags": environment, "project": {"hide_disabled_flags": project},
            "feature_states": [state(1, true), state(2, false)],
        }));
        for key in [KeyKind::Client, KeyKind::Server] {
            let count = flags(&parsed, key).as_array().unwrap().len();
            assert_eq!(count, if hidden { 1 } else { 2 }, "{environment} {project}");
        }
    }
}

#[test]
fn features_for_server_keys_stay_hidden_from_client_keys() {
    let environment = parse(&json!({
        "api_key": "k", "project": {"server_key_only_feature_ids": [2]}, "hide_disabled_flags": true,
        "feature_states": [state(1, true), state(2, true)],
    }));
    assert_eq!(flags(&environment, KeyKind::Client).as_array().unwrap().len(), 1);
    assert_eq!(flags(&environment, KeyKind::Server).as_array().unwrap().len(), 2);
}

#[test]
fn times_are_read_with_an_offset_a_z_or_neither() {
    for (text, seconds) in [
        ("2026-11-22T15:52:01.900399+00:00", "1795362721.900399"),
        ("2026-11-22T15:52:01Z", "1795362721.0"),
        ("2023-07-14 16:12:00.000000", "1689351120.0"),
        ("2026-11-22T15:52:01.9003991Z", "1795362721.900399"),
        ("2026-11-22T15:52:01.900399123Z", "1795362721.900399"),
        ("0001-01-01T00:00:00Z", "-62135596800.0"),
        ("1795362721.900399", "1795362721.900399"),
    ] {
        let environment = parse(&json!({"api_key": "k", "project": {}, "updated_at": text}));
        assert_eq!(environment.left_out, [], "{text}");
        assert_eq!(
            environment.updated_at.map(|at| at.seconds.to_string()).as_deref(),
            Some(seconds),
            "{text}"
        );
    }
}

#[test]
fn invalid_unused_fields_are_ignored() {
    let document = |change: &dyn Fn(&mut Value)| {
        let mut document = json!({
            "api_key": "k", "name": "n", "updated_at": "2026-11-22T15:52:01Z", "feature_states": [state(1, true)],
            "project": {"segments": [{"id": 1, "name": "s", "rules": [{"type": "ALL", "rules": []}], "feature_states": [state(1, false)]}]},
            "identity_overrides": [{"identifier": "i", "identity_features": [state(1, false)]}],
        });
        change(&mut document);
        document
    };
    let plain = parse(&document(&|_| {}));
    for value in [json!(7), json!(1.5), json!(true), json!(["secret"]), json!({"secret": 1}), json!("secret")]
    {
        let set = |pointer: &'static str| {
            document(&|document| *document.pointer_mut(pointer).unwrap() = value.clone())
        };
        let add = |pointer: &'static str, name: &'static str| {
            document(&|document| document.pointer_mut(pointer).unwrap()[name] = value.clone())
        };
        let is_text = value.is_string();
        for (document, left_out) in [
            (set("/updated_at"), (!value.is_number()).then_some("updated_at: is no date")),
            (set("/name"), (!is_text).then_some("name: is no text")),
            (set("/project/segments/0/name"), (!is_text).then_some("project.segments[0].name: is no text")),
            (
                add("/feature_states/0/feature", "type"),
                (!is_text).then_some("feature_states[0].feature.type: is no text"),
            ),
            (add("", "environment_api_key"), None),
            (add("", "id"), None),
            (add("", "amplitude_config"), None),
            (add("", "webhook_config"), None),
            (add("", "segment_overrides"), None),
            (add("/project", "id"), None),
            (add("/project", "name"), None),
            (add("/project", "enable_realtime_updates"), None),
            (add("/project/segments/0/feature_states/0/feature", "type"), None),
            (add("/feature_states/0", "segment_id"), None),
            (add("/identity_overrides/0", "identity_uuid"), None),
            (add("/identity_overrides/0", "created_date"), None),
            (add("/identity_overrides/0", "dashboard_alias"), None),
            (add("/identity_overrides/0", "environment_api_key"), None),
            (add("/identity_overrides/0/identity_features/0/feature", "type"), None),
        ] {
            let environment = parse(&document);
            let found: Vec<_> = environment.left_out.iter().map(ToString::to_string).collect();
            assert_eq!(found, left_out.into_iter().collect::<Vec<_>>(), "{document}");
            for key in [KeyKind::Client, KeyKind::Server] {
                let ids = |flags: Value| flags[0]["feature"]["id"].clone();
                assert_eq!(ids(flags(&environment, key)), ids(flags(&plain, key)), "{document}");
            }
            // SDKs that evaluate locally get the published document.
            assert_eq!(serde_json::from_slice::<Value>(environment.document()).unwrap()["api_key"], "k");
        }
    }
    let undated = parse(&document(&|document| document["updated_at"] = json!("secret")));
    assert!(undated.updated_at.is_none());
    let many = parse(&document(&|document| {
        document["project"]["segments"] = (0..1_000).map(|id| json!({"id": id, "name": id})).collect();
    }));
    assert_eq!(many.left_out.len(), 10, "a line of the log has room for them");
}

#[test]
fn invalid_used_fields_are_refused() {
    for field in [
        "allow_client_traits",
        "hide_disabled_flags",
        "hide_sensitive_data",
        "use_identity_composite_key_for_hashing",
    ] {
        let document = json!({"api_key": "k", "project": {}, field: "true"});
        let fault = Environment::parse(document.to_string().as_bytes(), Engine::V10).unwrap_err();
        assert_eq!(fault.field, field);
    }
}

#[test]
fn a_fault_names_its_field_and_quotes_nothing() {
    let condition = json!({"property_": "x", "value": "secret"});
    let rules = json!([{"type": "ALL", "rules": [{"type": "SOME"}]}]);
    for (document, expected) in [
        (json!({"project": {}}), "api_key: is missing"),
        (json!({"api_key": "", "project": {}}), "api_key: is missing"),
        (json!({"api_key": "k"}), ".: missing field `project`"),
        (
            json!({"api_key": "k", "project": {}, "feature_states": "secret"}),
            "feature_states: has an unexpected",
        ),
        (
            json!({"api_key": "k", "project": {}, "feature_states": [{"enabled": true}]}),
            "feature_states[0]: missing field `feature`",
        ),
        (
            json!({"api_key": "k", "project": {"segments": [{"id": 1, "name": "s", "rules": rules}]}}),
            "project.segments[0].rules[0].rules[0].type: has an unexpected",
        ),
        (
            json!({"api_key": "k", "project": {"segments": [{"id": 1, "name": "s", "rules": [{"type": "ALL", "conditions": [condition]}]}]}}),
            "project.segments[0].rules[0].conditions[0]: missing field `operator`",
        ),
        (
            json!({"api_key": "k", "project": {}, "feature_states": [{
                "feature": {"id": 1, "name": "f"}, "enabled": true, "feature_state_value": {"secret": 1}}]}),
            "feature_states[0].feature_state_value: has an unexpected",
        ),
        (json!([]), ".: has an unexpected"),
    ] {
        let fault = Environment::parse(document.to_string().as_bytes(), Engine::V10).unwrap_err().to_string();
        assert!(fault.starts_with(expected), "{document}: {fault}");
        assert!(!fault.contains("secret"), "{fault}");
    }
    let half_a_pair = r#"{"api_key": "k", "project": {}, "feature_states": [
        {"feature": {"id": 1, "name": "f"}, "enabled": true, "feature_state_value": "\ud800"}]}"#;
    let deep = format!(
        r#"{{"api_key": "k", "project": {{"segments": [{{"id": 1, "name": "s", "rules": [{{"type": "ALL", "conditions": [
            {{"operator": "IN", "property_": "p", "value": [{}{}]}}]}}]}}]}}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    for (bytes, expected) in [
        (half_a_pair.as_bytes(), "has an unexpected"),
        (deep.as_bytes(), "has an unexpected"),
        (&b"{"[..], "is not JSON from line 1 column 1 on"),
        (b"{} x", "missing field `project`"),
        (b"", "is not JSON"),
    ] {
        let fault = Environment::parse(bytes, Engine::V10).unwrap_err();
        assert!(fault.problem.starts_with(expected), "{fault}");
    }
}

#[test]
fn a_compressed_document_equals_its_plain_form() {
    use base64::prelude::{BASE64_STANDARD, Engine as _};
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    let gzip = |part: &Value| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(part.to_string().as_bytes()).unwrap();
        BASE64_STANDARD.encode(encoder.finish().unwrap())
    };
    let (project, states) = (json!({"hide_disabled_flags": true}), json!([state(1, true), state(2, false)]));
    let plain = json!({"environment_api_key": "k", "project": project, "feature_states": states});
    let mut stored = plain.clone();
    stored["compressed"] = json!(true);
    stored["project"] = gzip(&project).into();
    stored["feature_states"] = gzip(&states).into();
    let (plain, inflated) = (parse(&plain), parse(&stored));
    assert_eq!(flags(&inflated, KeyKind::Client), flags(&plain, KeyKind::Client));
    assert_eq!(inflated.document(), plain.document());
    // A compressed document inside a compressed document is not inflated.
    stored["project"] = gzip(&json!("H4sIAAAAAAAA")).into();
    assert!(Environment::parse(stored.to_string().as_bytes(), Engine::V10).is_err());
}
