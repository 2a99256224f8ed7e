//! The JSON in the rows of the objects' databases: the present texts, which stay readable, and those of earlier
//! versions.

use std::fmt::Debug;

use flagsmith_edge_worker::document::{FeatureState, Identifier, ServerKey};
use flagsmith_edge_worker::identity::TraitValue;
use flagsmith_edge_worker::identity::directory::{DirectoryOverride, Entry};
use flagsmith_edge_worker::publish::{DiscoverySchedule, DocumentCredential, EnvironmentSummary, Publisher};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// An entry of the table `environment` of the registry.
type EnvironmentEntry = (EnvironmentSummary, DocumentCredential);

/// Checks that these texts are read, and written again without a difference.
fn check_present<T: DeserializeOwned + Serialize>(texts: &[&str]) {
    for text in texts {
        let value: T = serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(serde_json::to_string(&value).unwrap(), *text);
    }
}

/// Checks that the earlier text is read as the present one.
fn check_earlier<T: DeserializeOwned + PartialEq + Debug>(earlier: &str, present: &str) {
    let read = |text| serde_json::from_str::<T>(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(read(earlier), read(present));
}

/// Checks that none of these texts is read.
fn check_unreadable<T: DeserializeOwned + Debug>(texts: &[&str]) {
    for text in texts {
        let read = serde_json::from_str::<T>(text);
        assert!(read.is_err(), "{text} is read as {read:?}");
    }
}

/// A publisher that has a value for each member.
const PUBLISHER: &str = concat!(
    r#"{"credential":{"server_key":"5b5f11b8"},"#,
    r#""schedule":{"due_at":7,"again_at":8,"began_at":4,"succeeded_at":3,"fault":{"at":5,"cause":"it answered 502","count":2},"#,
    r#""past_fault":{"at":1,"cause":"it answered 403","count":1}},"#,
    r#""published":{"version":"1795951642536-8a6f36491d1d07a4","name":"Production","updated_at":1795951642524000,"#,
    r#""leaves_overrides_out":true,"hashes_django_ids":true,"content":"c5459cc0"},"#,
    r#""earlier":{"content":"d64e570c","since":6},"#,
    r#""changelog":[{"version":"1795951642536-8a6f36491d1d07a4","at":1795951642536,"length":9418}],"#,
    r#""store_fault":"KV: 429","stored":"1795951641216-4fa8c57554ed13f5","store_at":9,"store_faults":1,"#,
    r#""gone":true,"leftover":true,"last_notification":{"kind":"environment_webhook","at":1795951642000},"#,
    r#""origin_keys":{"eligible_at":10,"due_at":11,"listed_at":12,"active":[["5b5f11b8",null],["c5f1678d","2099-12-31T23:59:59Z"]],"#,
    r#""refused":[["d4e05afd",13]]}}"#,
);

/// The JSON that version 0.1.0 stored.
const EARLIER_PUBLISHER: &str = concat!(
    r#"{"credential":"token","schedule":{"due_at":1795955422536,"again_at":1795951648000,"began_at":1795951642532,"#,
    r#""succeeded_at":1795951642536,"fault":null,"past_fault":null},"#,
    r#""published":{"version":"1795951642536-8a6f36491d1d07a4","name":"Production","updated_at":1795951642524000,"#,
    r#""leaves_overrides_out":false,"content":"c5459cc0dfb4428a172a01211970d40a2fb736755c55b8ece839ee0b67b4ea1d"},"#,
    r#""earlier":null,"changelog":[{"version":"1795951642536-8a6f36491d1d07a4","at":1795951642536,"length":9418}],"#,
    r#""store_fault":null,"stored":"1795951642536-8a6f36491d1d07a4","store_at":1795951643540,"store_faults":0,"#,
    r#""gone":false,"leftover":false}"#,
);

/// The members that versions after 0.1.0 added, without a value.
const ADDED: [(&str, &str); 2] = [
    (r#","content""#, r#","hashes_django_ids":false,"content""#),
    (
        r#""leftover":false}"#,
        r#""leftover":false,"last_notification":null,"origin_keys":{"eligible_at":0,"due_at":0,"listed_at":null,"active":[],"refused":[]}}"#,
    ),
];

#[test]
fn publishers_are_stored_as_before() {
    let mut present = EARLIER_PUBLISHER.to_owned();
    for (before, after) in ADDED {
        present = present.replace(before, after);
    }
    check_present::<Publisher>(&[PUBLISHER, &present]);
    check_earlier::<Publisher>(EARLIER_PUBLISHER, &present);
    for kind in ["realtime", "environment_webhook", "organisation_webhook"] {
        check_present::<Publisher>(&[&PUBLISHER.replace("environment_webhook", kind)]);
    }
    let without = |part: &str| EARLIER_PUBLISHER.replacen(part, "", 1);
    check_unreadable::<Publisher>(&[
        "",
        "{}",
        "null",
        &without(
            r#""changelog":[{"version":"1795951642536-8a6f36491d1d07a4","at":1795951642536,"length":9418}],"#,
        ),
        &without(r#","leftover":false"#),
        &without(r#""began_at":1795951642532,"#),
        &without(r#""leaves_overrides_out":false,"#),
        &EARLIER_PUBLISHER.replace("\"token\"", "\"password\""),
        &EARLIER_PUBLISHER.replace("-8a6f36491d1d07a4", ""),
        &PUBLISHER.replace("environment_webhook", "telegram"),
    ]);
}

#[test]
fn schedules_of_discoveries_are_stored_as_before() {
    let present = concat!(
        r#"{"schedule":{"due_at":1795955493300,"again_at":null,"began_at":1795951641138,"succeeded_at":1795951641300,"#,
        r#""fault":null,"past_fault":null},"ended_at":1795951641300,"took":162}"#,
    );
    check_present::<DiscoverySchedule>(&[present]);
    check_earlier::<DiscoverySchedule>(
        &present.replace(r#","took":162"#, ""),
        &present.replace(r#""took":162"#, r#""took":0"#),
    );
    check_unreadable::<DiscoverySchedule>(&[
        "",
        "{}",
        r#"{"ended_at":1795951641300,"took":162}"#,
        &present.replace(r#""ended_at":1795951641300,"#, ""),
        &present.replace(":162", ":-1"),
    ]);
}

#[test]
fn entries_of_the_registry_are_stored_as_before() {
    check_present::<EnvironmentEntry>(&[
        r#"[{"project":1,"name":"Production"},"token"]"#,
        r#"[{"project":null,"name":"Staging"},{"server_key":"5b5f11b8a45e64d482f7480f4764067bfa6a7ee7e9c0a42311b479e4d4b41876"}]"#,
    ]);
    check_present::<ServerKey>(&[
        r#"{"environment":"NE2vvosoBQDNSjpPQU8wKN","active":false,"expires_at":null}"#,
        r#"{"environment":"NE2vvosoBQDNSjpPQU8wKN","active":true,"expires_at":"2099-12-31T23:59:59Z","known_at":1795951641300}"#,
    ]);
    check_unreadable::<EnvironmentEntry>(&[
        "",
        "[]",
        r#"[{"project":1,"name":"Production"}]"#,
        r#"[{"project":1},"token"]"#,
        r#"[{"project":1,"name":"Production"},"server_key"]"#,
        r#"[{"project":1,"name":"Production"},{"token":"5b5f11b8"}]"#,
    ]);
    check_unreadable::<ServerKey>(&["", "{}", r#"{"environment":"e"}"#, r#"{"active":true}"#]);
}

#[test]
fn traits_are_stored_as_before() {
    let present =
        ["true", "false", "0", "-9223372036854775808", "9223372036854775807", "100.0", "-0.0", "1e+300"];
    check_present::<TraitValue>(&present);
    check_earlier::<TraitValue>("1e300", "1e+300");
    check_present::<TraitValue>(&[r#""""#, r#""1200""#, r#""ü\u0000\"\n""#]);
    for (text, value) in [
        ("true", TraitValue::Bool(true)),
        ("1200", TraitValue::Integer(1200)),
        ("100.0", TraitValue::Float(100.0)),
        (r#""1200""#, TraitValue::Text("1200".into())),
    ] {
        assert_eq!(serde_json::from_str::<TraitValue>(text).unwrap(), value);
    }
    check_unreadable::<TraitValue>(&["", "null", "gold", "[]", "{}", "1 2"]);
}

const STATE: &str = concat!(
    r#"{"feature":{"id":9001,"name":"checkout_redesign","type":"STANDARD"},"enabled":true,"#,
    r#""feature_state_value":"for ada","django_id":null,"featurestate_uuid":"3cb50f8e-3dcf-4006-b4f6-63d984fded6c","#,
    r#""multivariate_feature_state_values":[]}"#,
);
const MULTIVARIATE_STATE: &str = concat!(
    r#"{"feature":{"id":9003,"name":"hero_banner","type":"MULTIVARIATE"},"enabled":false,"feature_state_value":null,"#,
    r#""django_id":52022,"featurestate_uuid":"48d9f610-9ffb-49c8-87a9-8ca4b5866753","multivariate_feature_state_values":["#,
    r#"{"id":null,"mv_fs_value_uuid":"3e222ec0-0243-45da-85d1-914007cd4427","percentage_allocation":100.0,"#,
    r#""multivariate_feature_option":{"id":811,"value":"Harvest week","key":"harvest"}},"#,
    r#"{"id":7,"mv_fs_value_uuid":"","percentage_allocation":0.5,"#,
    r#""multivariate_feature_option":{"id":null,"value":1.5,"key":null}}]}"#,
);

#[test]
fn overrides_are_stored_as_before() {
    check_present::<FeatureState>(&[STATE, MULTIVARIATE_STATE]);
    // Rows of the directory may have one more member.
    check_earlier::<FeatureState>(&STATE.replace("[]}", r#"[],"identity_django_id":12}"#), STATE);
    check_unreadable::<FeatureState>(&[
        "",
        "{}",
        r#"{"enabled":true}"#,
        &STATE.replace(r#""id":9001,"#, ""),
        &STATE.replace(r#""for ada""#, "[1]"),
        &MULTIVARIATE_STATE.replace(r#""percentage_allocation":0.5,"#, ""),
    ]);
}

/// The statements of the directory make these texts of columns.
#[test]
fn rows_of_the_directory_are_read() {
    let entry = |alias: Option<&str>| Entry {
        identifier: Identifier::verbatim("ada"),
        uuid: "de3e5754".into(),
        alias: alias.map(Into::into),
        has_django_id: false,
    };
    for (text, expected) in [
        (r#"{"identifier":"ada","uuid":"de3e5754","alias":null}"#, entry(None)),
        (r#"{"identifier":"ada","uuid":"de3e5754","alias":"a. l."}"#, entry(Some("a. l."))),
    ] {
        assert_eq!(serde_json::from_str::<Entry>(text).unwrap(), expected);
        // Pages are sent on in the same form.
        assert_eq!(serde_json::to_string(&expected).unwrap(), text);
    }
    check_unreadable::<Entry>(&["{}", r#"{"identifier":"ada","alias":null}"#]);
    for (id, django_id) in [("null", None), ("12", Some(12))] {
        let text = format!(
            r#"{{"identifier":"ada","uuid":"de3e5754","created_date":"2026-11-29","django_id":{id},"state":{STATE}}}"#
        );
        let expected = DirectoryOverride {
            identifier: Identifier::verbatim("ada"),
            uuid: "de3e5754".into(),
            created_date: "2026-11-29".into(),
            django_id,
            state: serde_json::from_str(STATE).unwrap(),
        };
        assert_eq!(serde_json::from_str::<DirectoryOverride>(&text).unwrap(), expected);
        check_unreadable::<DirectoryOverride>(&[
            &text.replace(r#""uuid":"de3e5754","#, ""),
            &text.replace(STATE, "null"),
        ]);
    }
}
