//! The JSON of rows that earlier versions stored: it is read, and written again without a difference.
//!
//! A version that adds a member keeps these texts, and says what the member is without a value.

use std::collections::BTreeSet;

use flagsmith_edge_origin::State;
use serde_json::json;

use crate::faults::Example;
use crate::support::deployment::Deployment;
use crate::support::references::check_references;

/// Rows of version 0.2.0: the kind, and the text. Each member has a value in some row, and null in another if it may be null.
const ROWS: &[(&str, &str)] = &[
    (
        "sequences",
        concat!(
            r#"{"audit":14,"condition":1,"environment":2,"feature":2,"feature_segment":1,"feature_state":4,"#,
            r#""identity":1,"master_api_key":2,"multivariate_feature_state_value":3,"multivariate_option":3,"#,
            r#""organisation":2,"project":2,"rule":2,"segment":2,"server_key":2,"trait":4}"#,
        ),
    ),
    (
        "organisation",
        concat!(
            r#"{"id":1,"uuid":"4385df64-9fcc-4646-a360-ed051fc65da4","name":"Shop","#,
            r#""created_date":"2027-01-15T08:00:01Z","webhook_notification_email":"ops@example.com","#,
            r#""persist_trait_data":true,"block_access_to_admin":false,"#,
            r#""restrict_project_create_to_admin":false,"force_2fa":false}"#,
        ),
    ),
    (
        "organisation",
        concat!(
            r#"{"id":2,"uuid":"b1f7a9c2-5a34-4f0e-9c0b-7f0d1f3f0b84","name":"Lab","#,
            r#""created_date":"2027-01-15T08:00:02Z","webhook_notification_email":null,"#,
            r#""persist_trait_data":false,"block_access_to_admin":true,"#,
            r#""restrict_project_create_to_admin":true,"force_2fa":true}"#,
        ),
    ),
    (
        "master_api_key",
        concat!(
            r#"{"id":1,"organisation":null,"prefix":"deployed","#,
            r#""hash":"31739916eb43da7594799f0c6b7237e13c79232c5cc2affa36244b8e3b536680","name":"deployment","#,
            r#""created":"2027-01-15T08:00:00Z","revoked":false,"expiry_date":null}"#,
        ),
    ),
    (
        "master_api_key",
        concat!(
            r#"{"id":2,"organisation":1,"prefix":"PAsUYMd4","#,
            r#""hash":"9893b58e75ed8a883fa827599596c30ea4c08e2ec8e11c5555aeb62afe45fc85","name":"own","#,
            r#""created":"2027-01-15T08:00:09Z","revoked":true,"expiry_date":"2099-12-31T23:59:59Z"}"#,
        ),
    ),
    (
        "project",
        concat!(
            r#"{"id":1,"uuid":"9624b94f-c0ad-44df-bb1d-d060ff2fd1e0","name":"Web","organisation":1,"#,
            r#""hide_disabled_flags":false,"prevent_flag_defaults":false,"enable_realtime_updates":true,"#,
            r#""only_allow_lower_case_feature_names":true,"feature_name_regex":"[a-z_]+","#,
            r#""stale_flags_limit_days":30,"minimum_change_request_approvals":2,"enforce_feature_owners":false}"#,
        ),
    ),
    (
        "project",
        concat!(
            r#"{"id":2,"uuid":"3f6f3f52-0d53-4f3b-a6a1-9d6f0c1be095","name":"App","organisation":2,"#,
            r#""hide_disabled_flags":true,"prevent_flag_defaults":true,"enable_realtime_updates":false,"#,
            r#""only_allow_lower_case_feature_names":false,"feature_name_regex":null,"#,
            r#""stale_flags_limit_days":7,"minimum_change_request_approvals":null,"enforce_feature_owners":true}"#,
        ),
    ),
    (
        "environment",
        concat!(
            r#"{"id":1,"uuid":"817fa187-adef-4a1c-a10e-11a14b07e063","name":"Development","#,
            r#""api_key":"hqMWt35SeGGrbsmdiAmZnG","description":"for ü\n","project":1,"#,
            r#""minimum_change_request_approvals":1,"allow_client_traits":false,"banner_text":"Careful","#,
            r##""banner_colour":"#ff0000","hide_disabled_flags":true,"##,
            r#""use_identity_composite_key_for_hashing":true,"hide_sensitive_data":true,"#,
            r#""use_identity_overrides_in_local_eval":true,"updated_at":"2027-01-15T08:00:15.123000Z"}"#,
        ),
    ),
    (
        "environment",
        concat!(
            r#"{"id":2,"uuid":"6a275e6e-dd12-4902-acaf-59fe6eca1b1e","name":"Production","#,
            r#""api_key":"Tmcresqy6N6QTVVP3Pjbxj","description":null,"project":1,"#,
            r#""minimum_change_request_approvals":null,"allow_client_traits":true,"banner_text":null,"#,
            r#""banner_colour":null,"hide_disabled_flags":null,"use_identity_composite_key_for_hashing":true,"#,
            r#""hide_sensitive_data":false,"use_identity_overrides_in_local_eval":true,"#,
            r#""updated_at":"2027-01-15T08:00:12Z"}"#,
        ),
    ),
    ("deleted_environment", r#"{"id":1,"api_key":"Gj9irrd2esRERD3aQLjn7j","organisation":2}"#),
    (
        "server_key",
        concat!(
            r#"{"id":1,"environment":1,"key":"ser.KeNebjgDzwY5rFFi3tDD6Y","name":"Server","active":true,"#,
            r#""created_at":"2027-01-15T08:00:10Z","expires_at":"2099-12-31T23:59:59Z"}"#,
        ),
    ),
    (
        "server_key",
        concat!(
            r#"{"id":2,"environment":1,"key":"ser.chosen-key","name":"Other","active":false,"#,
            r#""created_at":"2027-01-15T08:00:11Z","expires_at":null}"#,
        ),
    ),
    (
        "feature",
        concat!(
            r#"{"id":1,"uuid":"292967d1-4430-4478-a2ab-9b110b39425c","name":"banner","type":"MULTIVARIATE","#,
            r#""project":1,"default_enabled":true,"initial_value":"old","description":"A banner","#,
            r#""is_archived":false,"is_server_key_only":true,"created_date":"2027-01-15T08:00:05Z"}"#,
        ),
    ),
    (
        "feature",
        concat!(
            r#"{"id":2,"uuid":"0c8b7a4e-6a0f-4ab8-8f34-6f0f6d3b4a51","name":"sale","type":"STANDARD","#,
            r#""project":1,"default_enabled":false,"initial_value":null,"description":null,"#,
            r#""is_archived":true,"is_server_key_only":false,"created_date":"2027-01-15T08:00:06Z"}"#,
        ),
    ),
    (
        "multivariate_option",
        concat!(
            r#"{"id":1,"uuid":"9ff68e8e-5db0-4db1-a57a-bd7a51c110c8","feature":1,"key":"new","#,
            r#""value":{"type":"unicode","string_value":"new","integer_value":null,"boolean_value":null},"#,
            r#""default_percentage_allocation":30.5}"#,
        ),
    ),
    (
        "multivariate_option",
        concat!(
            r#"{"id":2,"uuid":"5b0d1c3e-9d0c-4a7e-8d39-2f0a1f4b7c62","feature":1,"key":null,"#,
            r#""value":{"type":"int","string_value":"kept","integer_value":-7,"boolean_value":null},"#,
            r#""default_percentage_allocation":0.0}"#,
        ),
    ),
    (
        "multivariate_option",
        concat!(
            r#"{"id":3,"uuid":"d1b1a7f0-31f8-4d2f-9a53-5b6a3f2c8e73","feature":1,"key":null,"#,
            r#""value":{"type":"bool","string_value":null,"integer_value":null,"boolean_value":false},"#,
            r#""default_percentage_allocation":0.0}"#,
        ),
    ),
    (
        "feature_state",
        concat!(
            r#"{"id":1,"uuid":"facc3ec4-7936-4459-85f3-4a8885b1db52","environment":1,"feature":1,"#,
            r#""feature_segment":null,"identity":null,"enabled":true,"#,
            r#""value":{"type":"unicode","string_value":"old","integer_value":null,"boolean_value":null},"#,
            r#""multivariate_feature_state_values":[{"id":1,"uuid":"8e9ea14c-b3d4-46b6-b7aa-8a6550943d20","#,
            r#""option":1,"percentage_allocation":30.5}],"#,
            r#""created_at":"2027-01-15T08:00:05Z","updated_at":"2027-01-15T08:00:15Z"}"#,
        ),
    ),
    // A state without multivariate values has no list.
    (
        "feature_state",
        concat!(
            r#"{"id":2,"uuid":"b277cdd6-93a4-4a72-9a8e-f8c070ed7117","environment":1,"feature":1,"#,
            r#""feature_segment":1,"identity":null,"enabled":false,"#,
            r#""value":{"type":"int","string_value":null,"integer_value":7,"boolean_value":null},"#,
            r#""created_at":"2027-01-15T08:00:13Z","updated_at":"2027-01-15T08:00:13Z"}"#,
        ),
    ),
    (
        "feature_state",
        concat!(
            r#"{"id":3,"uuid":"67e8587e-02fe-4c09-a194-cd8a6666e4ca","environment":1,"feature":1,"#,
            r#""feature_segment":null,"identity":1,"enabled":true,"#,
            r#""value":{"type":"bool","string_value":null,"integer_value":null,"boolean_value":true},"#,
            r#""created_at":"2027-01-15T08:00:15Z","updated_at":"2027-01-15T08:00:15Z"}"#,
        ),
    ),
    (
        "segment",
        concat!(
            r#"{"id":1,"uuid":"7f06587f-4d5d-4d0c-b66c-069a1cd0264f","name":"gold","description":"d","#,
            r#""project":1,"feature":1,"rules":[{"id":1,"type":"ALL","rules":[{"id":2,"type":"ANY","rules":[],"#,
            r#""conditions":[{"id":1,"operator":"EQUAL","property":"plan","value":"gold","description":"c"},"#,
            r#"{"id":2,"operator":"PERCENTAGE_SPLIT","property":null,"value":"10","description":null}]}],"#,
            r#""conditions":[]}],"created_at":"2027-01-15T08:00:12Z","updated_at":"2027-01-15T08:00:12Z"}"#,
        ),
    ),
    (
        "segment",
        concat!(
            r#"{"id":2,"uuid":"463d5809-f763-4d77-bf7e-c8c7f69b10ef","name":"all","description":null,"#,
            r#""project":1,"feature":null,"rules":[],"#,
            r#""created_at":"2027-01-15T08:00:06Z","updated_at":"2027-01-15T08:00:06Z"}"#,
        ),
    ),
    (
        "feature_segment",
        concat!(
            r#"{"id":1,"uuid":"e3b2ee6e-a646-4c3d-b868-8d4f35d411ef","feature":1,"segment":1,"#,
            r#""environment":1,"priority":0}"#,
        ),
    ),
    (
        "identity",
        concat!(
            r#"{"id":1,"uuid":"9ce5bca3-e06d-4068-b2e9-42945e821e96","environment":1,"identifier":"ada","#,
            r#""created_date":"2027-01-15T08:00:14Z"}"#,
        ),
    ),
    (
        "trait",
        concat!(
            r#"{"id":1,"identity":1,"trait_key":"plan","value_type":"unicode","integer_value":null,"#,
            r#""string_value":"gold","boolean_value":null,"float_value":null,"created_date":"2027-01-15T08:00:16Z"}"#,
        ),
    ),
    (
        "trait",
        concat!(
            r#"{"id":2,"identity":1,"trait_key":"age","value_type":"int","integer_value":36,"#,
            r#""string_value":null,"boolean_value":null,"float_value":null,"created_date":"2027-01-15T08:00:17Z"}"#,
        ),
    ),
    (
        "trait",
        concat!(
            r#"{"id":3,"identity":1,"trait_key":"beta","value_type":"bool","integer_value":null,"#,
            r#""string_value":null,"boolean_value":true,"float_value":null,"created_date":"2027-01-15T08:00:18Z"}"#,
        ),
    ),
    (
        "trait",
        concat!(
            r#"{"id":4,"identity":1,"trait_key":"score","value_type":"float","integer_value":null,"#,
            r#""string_value":null,"boolean_value":null,"float_value":1.5,"created_date":"2027-01-15T08:00:19Z"}"#,
        ),
    ),
    (
        "audit",
        concat!(
            r#"{"id":13,"created_date":"2027-01-15T08:00:13Z","#,
            r#""log":"Override of banner for segment gold created","organisation":1,"project":1,"#,
            r#""environment":1,"related_object_id":2,"related_object_type":"FEATURE_STATE"}"#,
        ),
    ),
    (
        "audit",
        concat!(
            r#"{"id":14,"created_date":"2027-01-15T08:00:01Z","log":"Organisation Shop created","#,
            r#""organisation":1,"project":null,"environment":null,"related_object_id":1,"#,
            r#""related_object_type":"ORGANISATION"}"#,
        ),
    ),
    // With the kind `deleted_environment`, which is younger.
    (
        "sequences",
        concat!(
            r#"{"audit":14,"condition":2,"deleted_environment":1,"environment":2,"feature":2,"#,
            r#""feature_segment":1,"feature_state":4,"identity":1,"master_api_key":2,"#,
            r#""multivariate_feature_state_value":3,"multivariate_option":3,"organisation":2,"project":2,"#,
            r#""rule":2,"segment":2,"server_key":2,"trait":4}"#,
        ),
    ),
];

fn load(kind: &str, json: &str) -> Result<State, String> {
    let mut state = State::default();
    state.load_row(kind, json).map(|()| state).map_err(|error| error.to_string())
}

#[test]
fn rows_are_stored_as_before() {
    for (kind, text) in ROWS {
        let state = load(kind, text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let written: Vec<_> = state.rows().map(|(kind, _, row)| (kind, row.to_string())).collect();
        assert_eq!(written, [(*kind, (*text).to_owned())]);
    }
    let kinds: BTreeSet<&str> = ROWS.iter().map(|(kind, _)| *kind).collect();
    let stored: BTreeSet<&str> = Example::new().deployment.rows.keys().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, stored, "each kind has a row");
}

#[test]
fn an_origin_answers_from_rows_that_were_stored_before() {
    let mut deployment = Deployment::of_rows(ROWS);
    check_references(&deployment.state);
    let document = deployment.document("hqMWt35SeGGrbsmdiAmZnG").unwrap();
    let state = &document["feature_states"][0];
    assert_eq!((&state["enabled"], &state["feature_state_value"]), (&json!(true), &json!("old")));
    let multivariate_value = &state["multivariate_feature_state_values"][0];
    assert_eq!(multivariate_value["percentage_allocation"], 30.5);
    assert_eq!(multivariate_value["multivariate_feature_option"]["value"], "new");
    let segment = &document["project"]["segments"][0];
    assert_eq!(segment["rules"][0]["rules"][0]["conditions"][0]["property_"], "plan");
    assert_eq!(segment["feature_states"][0]["feature_state_value"], 7);
    assert_eq!(document["identity_overrides"][0]["identity_features"][0]["feature_state_value"], true);
}

#[test]
fn the_error_of_an_unreadable_row_quotes_none_of_its_values() {
    let row = r#"{"id":7,"environment":"secret","key":"ser.secret","name":"secret"}"#;
    let cut = r#"{"id":7,"environment":1,"key":"ser.sec"#;
    let many_lines = "{\n  \"id\": 7,\n  \"environment\": \"secret\"\n}";
    let sequences = r#"{"secret":"secret"}"#;
    for (kind, json, expected) in [
        ("server_key", row, "a row of server_key (id 7) cannot be read at line 1, column 30"),
        ("server_key", cut, "a row of server_key cannot be read at line 1, column 38"),
        ("server_key", many_lines, "a row of server_key (id 7) cannot be read at line 3, column 25"),
        ("server_key", r#""secret""#, "a row of server_key cannot be read at line 1, column 8"),
        ("server_key", r#"{"id":7}"#, "a row of server_key (id 7) cannot be read at line 1, column 8"),
        ("server_key", r#"{"id":"secret"}"#, "a row of server_key cannot be read at line 1, column 14"),
        ("sequences", sequences, "a row of sequences cannot be read at line 1, column 18"),
        ("later_kind", row, "a row of later_kind (id 7) has an unknown kind"),
    ] {
        assert_eq!(load(kind, json), Err(expected.to_owned()), "{json}");
    }
}
