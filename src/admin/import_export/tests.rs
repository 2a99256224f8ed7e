use std::time::Instant;

use super::*;
use crate::document::ruleset::Engine;
use crate::document::{ClientKey, Identifier};
use crate::identity::directory::{DirectoryQuery, PageKey};
use crate::identity::{CommandRequest, ExecutionContext, Identity};

fn environment() -> Environment {
    let document = json!({"api_key": "k", "project": {}, "feature_states": [
        {"feature": {"id": 7, "name": "f"}, "enabled": true, "feature_state_value": "x"},
        {"feature": {"id": 8, "name": "g"}, "enabled": true, "feature_state_value": "y"},
    ]});
    Environment::parse(document.to_string().as_bytes(), Engine::V10).unwrap()
}

/// The import that a line describes.
fn imported(lines: &[Option<ImportLine>], index: usize) -> &Import {
    &lines[index].as_ref().unwrap().import
}

#[test]
fn an_export_imports_unchanged() {
    let line = json!({
        "composite_key": "k_ada", "environment_api_key": "k", "identifier": "ada",
        "identity_uuid": "00000000-0000-4000-8000-000000000001", "created_date": "2020-01-01T00:00:00+00:00",
        "identity_traits": [
            {"trait_key": "b", "trait_value": true}, {"trait_key": "f", "trait_value": 1.5},
            {"trait_key": "i", "trait_value": 9_007_199_254_740_993_i64}, {"trait_key": "t", "trait_value": "ü"},
        ],
        "identity_features": [{
            "feature": {"id": 7, "name": "f", "type": "STANDARD"}, "enabled": false,
            "feature_state_value": null, "django_id": 3, "featurestate_uuid": "00000000-0000-4000-8000-000000000002",
            "multivariate_feature_state_values": [{
                "id": null, "mv_fs_value_uuid": "m", "percentage_allocation": 10.5,
                "multivariate_feature_option": {"id": 1, "value": 3, "key": "key"},
            }],
        }],
        "django_id": 9_007_199_254_740_993_i64, "dashboard_alias": "an alias",
    });
    let read = read_import(&environment(), line.to_string().as_bytes()).unwrap();
    let [Some(read)] = read.as_slice() else { panic!("{read:?}") };
    let (identifier, command) = read.clone().into_command();
    let request = CommandRequest::new(&ClientKey::unchecked("k"), identifier, command);
    let mut identity = Identity::default();
    identity.apply(request, ExecutionContext { now: 5, random: &|| [1; 16] }).unwrap();
    assert_eq!(render(&ClientKey::unchecked("k"), &Identifier::normalize("ada"), &identity), line);
}

#[test]
fn a_django_id_is_a_whole_number() {
    let read = |json: &str| {
        let line = format!(r#"{{"identifier": "a", "django_id": {json}}}"#);
        read_import(&environment(), line.as_bytes()).map(|read| imported(&read, 0).django_id)
    };
    for (json, expected) in [("null", None), ("12", Some(12)), ("\"12\"", Some(12)), ("12.0", Some(12))] {
        assert_eq!(read(json), Ok(expected), "{json}");
    }
    for json in ["1.5", "\"x\"", "true", "[]", "99999999999999999999"] {
        let wrong = json!({"data": [{"django_id": ["A valid integer is required."]}]});
        assert_eq!(read(json), Err(wrong), "{json}");
    }
}

#[test]
fn features_are_matched_by_id_else_by_name() {
    let id_of = |id: i64, name: &str| {
        let line = json!({"identifier": "a", "identity_features": [
            {"feature": {"id": id, "name": name}, "enabled": true, "featurestate_uuid": "00000000-0000-4000-8000-000000000002"},
        ]});
        let read = read_import(&environment(), line.to_string().as_bytes()).unwrap();
        imported(&read, 0).overrides.first().unwrap().feature.id
    };
    assert_eq!((id_of(7, "renamed"), id_of(1, "f"), id_of(1, "gone")), (7, 7, 1));
    // In this environment the imported number belongs to another feature, so the name decides.
    assert_eq!((id_of(8, "f"), id_of(7, "g")), (7, 8));
}

#[test]
fn many_features_of_another_origin_are_matched_in_about_one_pass_over_the_document() {
    let name = |number: usize| format!("feature_{number}");
    let feature = |number: usize| json!({"feature": {"id": number, "name": name(number)}, "enabled": true, "feature_state_value": "x".repeat(2_000)});
    let features: Vec<_> = (0..1_000).map(feature).collect();
    let document = json!({"api_key": "k", "project": {}, "feature_states": features});
    let text = document.to_string();
    // Compared with one parse of the document. A parse for each feature would take a thousand times as long, also on a
    // busy machine.
    let began = Instant::now();
    let environment = Environment::parse(text.as_bytes(), Engine::V10).unwrap();
    let one_parse = began.elapsed();
    // Half of the features do not exist in this environment.
    let of = |number: usize| {
        json!({"feature": {"id": number + 5_000, "name": name(number)}, "enabled": true,
            "featurestate_uuid": "00000000-0000-4000-8000-000000000002"})
    };
    let states: Vec<_> = (500..1_500).map(of).collect();
    let line = json!({"identifier": "a", "identity_features": states}).to_string();
    let began = Instant::now();
    let read = read_import(&environment, line.as_bytes()).unwrap();
    let elapsed = began.elapsed();
    assert!(elapsed < 20 * one_parse, "{elapsed:?} of {one_parse:?}");
    let ids: Vec<_> = imported(&read, 0).overrides.iter().map(|state| state.feature.id).collect();
    assert_eq!(ids, (500..1_000).chain(6_000..6_500).collect::<Vec<i64>>());
}

#[test]
fn an_import_is_valid_as_a_whole_or_refused() {
    for wrong in [
        json!({"identity_uuid": "../x"}),
        json!({"created_date": "yesterday"}),
        json!({"identity_features": [{"feature": {"id": 7, "name": "f"}, "enabled": true}]}),
        json!({"identity_features": [{"feature": {"id": 7, "name": "f"}, "feature_state_value": []}]}),
    ] {
        let mut line = wrong.clone();
        line["identifier"] = "a".into();
        assert!(read_import(&environment(), line.to_string().as_bytes()).is_err(), "{wrong}");
    }
    let body = "{\"identifier\": \"a\"}\n\n{\"identifier\": 1, \"identity_traits\": [{}]}\nno json\n";
    let report = read_import(&environment(), body.as_bytes()).unwrap_err();
    let [first, second, third] = report["data"].as_array().unwrap().as_slice() else { panic!("{report}") };
    assert_eq!(*first, json!({}));
    assert_eq!(second["identity_traits"][0]["trait_key"], json!(["This field is required."]));
    assert!(third["detail"].is_string());
    let many = "{\"identifier\": \"a\"}\n".repeat(101);
    assert!(read_import(&environment(), many.as_bytes()).unwrap_err()["detail"].is_string());
}

#[test]
fn imports_accept_json_media_types_only() {
    for (media_type, expected) in [
        ("application/json", true),
        ("Application/X-NDJSON; charset=utf-8", true),
        ("text/plain", false),
        ("application/x-www-form-urlencoded", false),
        ("", false),
    ] {
        assert_eq!(is_supported(media_type), expected, "{media_type}");
    }
}

#[test]
fn multivariate_options_keep_their_value_at_another_origin() {
    let option = |id, value| {
        json!({"id": id, "mv_fs_value_uuid": format!("m{id}"), "percentage_allocation": 50.0,
            "multivariate_feature_option": {"id": id, "value": value}})
    };
    let document = json!({"api_key": "k", "project": {}, "feature_states": [{
        "feature": {"id": 7, "name": "f", "type": "MULTIVARIATE"}, "enabled": true,
        "multivariate_feature_state_values": [option(1, "red"), option(2, "blue"), option(3, "red")],
    }]});
    let environment = Environment::parse(document.to_string().as_bytes(), Engine::V10).unwrap();
    let ids = |feature: i64, values: &[Value]| {
        let line = json!({"identifier": "a", "identity_features": [{
            "feature": {"id": feature, "name": "f", "type": "MULTIVARIATE"}, "enabled": true,
            "featurestate_uuid": "00000000-0000-4000-8000-000000000002", "multivariate_feature_state_values": values,
        }]});
        let read = read_import(&environment, line.to_string().as_bytes()).unwrap();
        let state = imported(&read, 0).overrides.first().unwrap().clone();
        let values = state.multivariate_feature_state_values.iter();
        values.map(|value| value.multivariate_feature_option.id.unwrap()).collect::<Vec<_>>()
    };
    // The first import is from the same origin. In the second, the numbers belong to other options of this environment,
    // so the values decide. An unknown number stays.
    assert_eq!(ids(7, &[option(3, "red"), option(2, "blue")]), [3, 2]);
    assert_eq!(ids(70, &[option(1, "blue"), option(2, "red"), option(9, "green")]), [2, 1, 9]);
}

#[test]
fn a_uuid_belongs_to_one_identity() {
    let line =
        |identifier: &str, uuid: &str| json!({"identifier": identifier, "identity_uuid": uuid}).to_string();
    let read = |lines: &[String]| read_import(&environment(), lines.join("\n").as_bytes()).unwrap();
    let entry = |identifier: &str, uuid: &str| Entry {
        identifier: Identifier::verbatim(identifier),
        uuid: uuid.into(),
        alias: None,
        has_django_id: false,
    };
    let taken = json!({"identity_uuid": ["Another identity of this environment has this UUID."]});
    let lines = [line("a", "aa"), line("b", "bb"), line("c", "aa"), line("a", "aa")];
    assert_eq!(check_uuids(&mut read(&lines), &[]), Err(json!({"data": [{}, {}, taken, {}]})));
    let lines = [line("a", "aa"), line("b", "bb")];
    assert_eq!(check_uuids(&mut read(&lines), &[entry("z", "bb")]), Err(json!({"data": [{}, taken]})));
    // The directory's entries are the same identities.
    assert_eq!(check_uuids(&mut read(&lines), &[entry("a", "aa"), entry("b", "bb")]), Ok(()));
    // Capitals and small letters are the same UUID.
    let lines = [line("a", "AA"), line("b", "aa"), line("c", "Bb")];
    assert_eq!(check_uuids(&mut read(&lines), &[entry("z", "bb")]), Err(json!({"data": [{}, taken, taken]})));
}

#[test]
fn imported_texts_are_bounded() {
    let line = |value: &str, option: &str| {
        json!({"identifier": "a", "identity_features": [{
            "feature": {"id": 7, "name": "f"}, "feature_state_value": value,
            "featurestate_uuid": "00000000-0000-4000-8000-000000000002",
            "multivariate_feature_state_values": [
                {"percentage_allocation": 1, "multivariate_feature_option": {"value": option}}],
        }]})
        .to_string()
    };
    let (longest, longer) = ("\"".repeat(20_000), "\"".repeat(20_001));
    assert!(read_import(&environment(), line(&longest, &longest).as_bytes()).is_ok());
    for line in [line(&longer, ""), line("", &longer), line("\0", "")] {
        let report = read_import(&environment(), line.as_bytes()).unwrap_err();
        assert!(report["data"][0]["identity_features"][0]["string_value"].is_array(), "{report}");
    }
    let repair = |identifier: &str| read_repair(json!({"identifiers": [identifier]}).to_string().as_bytes());
    assert!(repair(&"ü".repeat(2000)).is_ok());
    assert!(repair(&"ü".repeat(2001)).unwrap_err()["identifiers"][0].is_array());
}

#[test]
fn an_alias_that_lower_case_made_longer_is_imported() {
    let dotted = "i\u{307}";
    for (alias, stored) in [
        ("İ".repeat(100), Some(dotted.repeat(100))),
        (dotted.repeat(100), Some(dotted.repeat(100))),
        ("A".repeat(100), Some("a".repeat(100))),
        (dotted.repeat(50) + &"a".repeat(50), Some(dotted.repeat(50) + &"a".repeat(50))),
        // No earlier version can have stored these.
        ("a".repeat(101), None),
        (dotted.repeat(101), None),
        (dotted.repeat(50) + &"a".repeat(51), None),
    ] {
        let line = json!({"identifier": "ada", "dashboard_alias": alias}).to_string();
        let read = read_import(&environment(), line.as_bytes());
        let got = match &read {
            Ok(lines) => imported(lines, 0).dashboard_alias.as_deref(),
            Err(report) => {
                let problem = "Ensure this field has no more than 100 characters.";
                let named = json!({"data": [{"dashboard_alias": [problem]}]});
                assert!(*report == named || alias.chars().count() > 200, "{report}");
                None
            }
        };
        assert_eq!(got, stored.as_deref(), "{alias}");
    }
}

#[test]
fn an_export_is_json_lines_on_request() {
    for (accept, expected) in [
        ("application/x-ndjson", true),
        ("text/html, Application/X-NDJSON;q=0.9", true),
        ("application/json", false),
        ("*/*", false),
        ("", false),
    ] {
        assert_eq!(wants_lines(accept), expected, "{accept}");
    }
    let identity = Identity { exists: true, ..Identity::default() };
    let names = ["a\nb", "c"];
    let entries = names.map(|name| Entry {
        identifier: Identifier::verbatim(name),
        uuid: "0".into(),
        alias: None,
        has_django_id: false,
    });
    let mut page = ExportPage::default();
    for name in names {
        page.add(&ClientKey::unchecked("k"), &Identifier::verbatim(name), &identity);
    }
    let query = DirectoryQuery::search("", 2);
    let next = PageKey { alias: None, identifier: Identifier::verbatim("c") };
    let lines = page.finish(&query, &entries, Some(&next), true);
    assert!(lines.headers().any(|header| header == ("content-type", "application/x-ndjson")));
    let [first, second] =
        names.map(|name| render(&ClientKey::unchecked("k"), &Identifier::verbatim(name), &identity));
    let last = json!({"last_evaluated_key": next.encode()});
    assert_eq!(str::from_utf8(&lines.body), Ok(&*format!("{first}\n{second}\n{last}\n")));
    let body: Value = serde_json::from_slice(&page.finish(&query, &entries, None, false).body).unwrap();
    assert_eq!(body, json!({"identities": [first, second], "last_evaluated_key": null}));
}
