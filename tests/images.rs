//! Images of compiled environments: equal answers, and refusal of damaged ones.

mod support;

use std::collections::HashMap;
use std::path::Path;

use flagsmith_edge_worker::admin::explanation::explain;
use flagsmith_edge_worker::document::ruleset::Engine;
use flagsmith_edge_worker::document::{Environment, Identifier, ImageFault, with_valid_checksum};
use flagsmith_edge_worker::identity::Identity;
use proptest::prelude::*;
use serde_json::{Value, json};
use support::worker::{Worker, from_image};
use support::{engine_case, fixtures};

const ENGINES: [Engine; 2] = [Engine::V10, Engine::V11];

/// The end of the header: magic, format and checksum.
const HEADER: usize = 20;

fn production() -> Vec<u8> {
    std::fs::read(fixtures("environments/production.json")).unwrap()
}

/// A document with a part of every kind, shorter than those of `fixtures`.
fn every_kind() -> Vec<u8> {
    let state = |id: i64, values: Value| {
        json!({
            "feature": {"id": id, "name": format!("f{id}"), "type": "MULTIVARIATE"}, "enabled": true, "django_id": id,
            "feature_state_value": "v", "feature_segment": {"priority": 1}, "metadata": {"m": 1},
            "multivariate_feature_state_values": values,
        })
    };
    let option = json!({"value": "w", "key": "b"});
    let value = json!([{"id": 1, "percentage_allocation": 50, "multivariate_feature_option": option}]);
    let condition = |property: &str, operator: &str, value: Value| json!({"property_": property, "operator": operator, "value": value});
    let conditions = [
        condition("a", "EQUAL", json!("1.2.3:semver")),
        condition("$.identity.identifier", "IN", json!(["a", "b"])),
        condition("", "PERCENTAGE_SPLIT", json!("50")),
        condition("$.features.*.name", "REGEX", json!("f(1|2)")),
        condition("$.flags.f2.enabled", "IS_SET", json!(null)),
    ];
    let rules = json!([{"type": "ANY", "conditions": conditions, "rules": [{"type": "NONE", "conditions": [condition("a", "MODULO", json!("2|1"))]}]}]);
    let document = json!({
        "id": 1, "api_key": "k", "name": 7, "updated_at": "2026-11-22T15:52:01Z",
        "feature_states": [state(1, value.clone()), state(2, json!([]))],
        "identity_overrides": [
            {"identifier": "b", "django_id": 7, "identity_features": [state(2, value)]},
            {"identifier": "a", "identity_features": [state(1, json!([]))]},
        ],
        "project": {"segments": [{"id": 3, "name": "s", "rules": rules, "feature_states": [state(1, json!([]))]}]},
    });
    document.to_string().into_bytes()
}

/// The environment document with the features and segments of a case for engines.
fn document_of(context: &Value) -> Value {
    let features = context["features"].as_object().cloned().unwrap_or_default();
    let id = |name: &Value| {
        features.values().position(|feature| feature["name"] == *name).unwrap_or(features.len())
    };
    // A flag of a document has no list and no object.
    let scalar = |value: &Value| match value {
        Value::Array(_) | Value::Object(_) => value.to_string().into(),
        value => value.clone(),
    };
    let state = |feature: &Value| {
        let mut variants = feature["variants"].as_array().cloned().unwrap_or_default();
        variants.sort_by_key(|variant| variant["priority"].as_i64());
        let value = |(id, variant): (usize, &Value)| {
            json!({
                "id": id, "percentage_allocation": variant["weight"],
                "multivariate_feature_option": {"value": scalar(&variant["value"]), "key": variant["key"]},
            })
        };
        let values: Vec<_> = variants.iter().enumerate().map(value).collect();
        json!({
            "feature": {"id": id(&feature["name"]), "name": feature["name"], "type": if values.is_empty() { "STANDARD" } else { "MULTIVARIATE" }},
            "enabled": feature["enabled"], "feature_state_value": scalar(&feature["value"]), "featurestate_uuid": feature["key"],
            "feature_segment": {"priority": feature["priority"]}, "metadata": feature["metadata"],
            "multivariate_feature_state_values": values,
        })
    };
    let states = |features: Vec<&Value>| features.into_iter().map(state).collect::<Vec<_>>();
    let segments = context["segments"].as_object().cloned().unwrap_or_default();
    let segments = segments.values().map(|segment| {
        let overrides = segment["overrides"].as_array();
        json!({
            "id": segment["key"], "name": segment["name"], "rules": segment["rules"],
            "feature_states": states(overrides.into_iter().flatten().collect()),
        })
    });
    json!({
        "id": 1, "api_key": "env", "name": context["environment"]["name"],
        "feature_states": states(features.values().collect()),
        "project": {"segments": segments.collect::<Vec<_>>()},
    })
}

/// Sends requests of each kind with both keys, and returns the answers.
fn answers(environment: Environment, identity: &Value) -> Vec<String> {
    let mut worker = Worker::with_environment(environment);
    let client_key = worker.client_keys().next().unwrap().to_string();
    let traits = identity["traits"].as_object().cloned().unwrap_or_default();
    let sent: Vec<_> =
        traits.iter().map(|(key, value)| json!({"trait_key": key, "trait_value": value})).collect();
    let sdk = json!({"identifier": identity["identifier"], "traits": sent}).to_string();
    let mut context = traits;
    context.insert("targetingKey".to_owned(), identity["identifier"].clone());
    let ofrep = json!({"context": context}).to_string();
    let mut answers = Vec::new();
    for key in [client_key.as_str(), Worker::SERVER_KEY] {
        for (method, target, body) in [
            ("GET", "/api/v1/flags/", ""),
            ("GET", "/api/v1/flags/?feature=f1", ""),
            ("GET", "/api/v1/environment-document/", ""),
            ("POST", "/api/v1/identities/", &sdk),
            ("GET", "/api/v1/identities/?identifier=a", ""),
            ("POST", "/ofrep/v1/evaluate/flags", &ofrep),
            ("POST", "/ofrep/v1/evaluate/flags/f1", &ofrep),
        ] {
            let headers =
                [("x-environment-key", key), ("x-api-key", key), ("content-type", "application/json")];
            let headers: HashMap<_, _> =
                headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
            let answer = worker.answer(method, target, &headers, body.as_bytes());
            assert!(answer.status < 500, "{target}");
            answers.push(format!("{answer:?}"));
        }
    }
    answers
}

fn explained(environment: &Environment) -> Value {
    explain(environment, &Identifier::normalize("a"), &Identity::default())
}

/// Compiles a document, and compares its answers with those from its image.
fn compare(document: &[u8], engine: Engine, identity: &Value, name: &str) {
    let compiled = Environment::parse(document, engine).unwrap_or_else(|fault| panic!("{name}: {fault}"));
    let image = compiled.to_image(document);
    let loaded = Environment::from_image(&image, document, engine).unwrap();
    assert!(loaded.to_image(document) == image, "{name}: the image of a loaded environment differs");
    assert_eq!(loaded.memory_length(), compiled.memory_length());
    assert_eq!(explained(&loaded), explained(&compiled), "{name}");
    assert_eq!(loaded.left_out, compiled.left_out, "{name}");
    assert_eq!(answers(loaded, identity), answers(compiled, identity), "{name}");
}

#[test]
fn the_cases_of_the_engines_have_equal_answers() {
    let mut count = 0;
    for folder in ["engine", "engine-11"] {
        for entry in std::fs::read_dir(fixtures(folder)).unwrap() {
            let path = entry.unwrap().path();
            let case = engine_case(&path);
            let document = document_of(&case["context"]).to_string();
            for engine in ENGINES {
                compare(
                    document.as_bytes(),
                    engine,
                    &case["context"]["identity"],
                    &path.display().to_string(),
                );
            }
            count += 1;
        }
    }
    assert!(count >= 100, "{count}");
}

#[test]
fn documents_have_equal_answers() {
    let identity =
        json!({"identifier": "b", "traits": {"a": "1.2.3", "country": "BE", "loyalty_points": 1200}});
    let staging = std::fs::read(fixtures("environments/staging.json")).unwrap();
    for (document, name) in [(production(), "production"), (staging, "staging"), (every_kind(), "every kind")]
    {
        for engine in ENGINES {
            compare(&document, engine, &identity, name);
        }
    }
}

#[test]
fn a_document_that_is_not_served_as_published_is_part_of_the_image() {
    let stored = json!({
        "environment_id": "12", "environment_api_key": "k", "name": "n", "project": {"id": 1},
        "webhook_config": {"secret": "hush"}, "feature_states": [],
    });
    let published = stored.to_string();
    compare(published.as_bytes(), Engine::V10, &json!({"identifier": "a"}), "stored form");
    let image = Environment::parse(published.as_bytes(), Engine::V10).unwrap().to_image(published.as_bytes());
    let loaded = Environment::from_image(&image, published.as_bytes(), Engine::V10).unwrap();
    let served: Value = serde_json::from_slice(loaded.document()).unwrap();
    assert_eq!(
        served,
        json!({"api_key": "k", "id": 12, "name": "n", "project": {"id": 1}, "feature_states": []})
    );
}

#[test]
fn an_image_of_something_else_is_refused_with_the_reason() {
    let document = production();
    let image = Environment::parse(&document, Engine::V10).unwrap().to_image(&document);
    let load = |image: &[u8]| Environment::from_image(image, &*document, Engine::V10).err();
    let changed = |at: usize, byte: u8| {
        let mut changed = image.clone();
        changed[at] = byte;
        changed
    };
    assert_eq!(load(&image), None);
    assert_eq!(load(&document), Some(ImageFault::NoImage));
    assert_eq!(load(b""), Some(ImageFault::NoImage));
    assert_eq!(load(&changed(8, 0xff)), Some(ImageFault::OtherFormat));
    assert_eq!(load(&changed(12, image[12] ^ 1)), Some(ImageFault::Damaged));
    assert_eq!(load(&changed(HEADER + 5, b'?')), Some(ImageFault::Damaged));
    assert_eq!(load(&with_valid_checksum(changed(HEADER + 5, b'?'))), Some(ImageFault::OtherBuild));
    assert_eq!(load(&with_valid_checksum(changed(HEADER, 99))), Some(ImageFault::OtherEngine));
    let longer = [&*image, b"x"].concat();
    assert_eq!(load(&longer), Some(ImageFault::Damaged));
    assert_eq!(load(&with_valid_checksum(longer)), Some(ImageFault::Invalid));
    let eleven = Environment::from_image(&image, &*document, Engine::V11).err();
    assert_eq!(eleven, Some(ImageFault::OtherEngine));
    let other = Environment::from_image(&image, &document[1..], Engine::V10).err();
    assert_eq!(other, Some(ImageFault::OtherDocument));
}

#[test]
fn a_truncated_image_is_refused_at_every_length() {
    let document = every_kind();
    let image = Environment::parse(&document, Engine::V11).unwrap().to_image(&document);
    for length in 0..image.len() {
        let cut = &image[..length];
        for cut in [cut.to_vec(), with_valid_checksum(cut.to_vec())] {
            assert!(Environment::from_image(&cut, &*document, Engine::V11).is_err(), "{length}");
        }
    }
}

/// With the checksum as it was, a changed byte is always found. With a new one, the rest is checked, or harmless.
#[test]
fn a_changed_byte_is_refused_or_answers_as_an_environment() {
    let document = every_kind();
    let image = Environment::parse(&document, Engine::V11).unwrap().to_image(&document);
    let identity = json!({"identifier": "b", "traits": {"a": "1.2.3"}});
    let mut loaded = 0;
    for at in 0..image.len() {
        for change in [1, 0xff] {
            let mut changed = image.clone();
            changed[at] ^= change;
            assert!(Environment::from_image(&changed, &*document, Engine::V11).is_err(), "{at} {change}");
            if let Ok(environment) =
                Environment::from_image(&with_valid_checksum(changed), &*document, Engine::V11)
            {
                loaded += 1;
                drop(explained(&environment));
                drop(answers(environment, &identity));
            }
        }
    }
    assert!(loaded > 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn several_changed_bytes_are_refused_or_answer_as_an_environment(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5)
    ) {
        let document = every_kind();
        let mut image = Environment::parse(&document, Engine::V11).unwrap().to_image(&document);
        for (at, byte) in changes {
            let at = at.index(image.len());
            image[at] = byte;
        }
        let loaded = Environment::from_image(&with_valid_checksum(image), &*document, Engine::V11);
        if let Ok(environment) = loaded {
            drop(explained(&environment));
            drop(answers(environment, &json!({"identifier": "b", "traits": {"a": "1.2.3"}})));
        }
    }
}

/// Spans, counts and indices that an image cannot have, each with a valid checksum.
#[test]
fn an_image_cannot_ask_for_more_than_its_length() {
    let document = every_kind();
    let image = Environment::parse(&document, Engine::V11).unwrap().to_image(&document);
    // Every aligned and unaligned number is replaced by the greatest one, so every count, index and span is.
    for at in HEADER..image.len() - 4 {
        for number in [u32::MAX, i32::MAX as u32, image.len() as u32] {
            let mut changed = image.clone();
            changed[at..at + 4].copy_from_slice(&number.to_le_bytes());
            drop(Environment::from_image(&with_valid_checksum(changed), &*document, Engine::V11));
        }
    }
}

/// Each folder entry is an image of production.json in an earlier format, or in the present one. A difference in the
/// present one means that the layout or the content of images has changed, and needs another format number. With
/// STORE_IMAGE set, the image of a new format is written.
#[test]
fn stored_images_are_read_or_refused() {
    let document = production();
    let compiled = Environment::parse(&document, Engine::V10).unwrap();
    let image = compiled.to_image(&document);
    let format = u32::from_le_bytes(image[8..12].try_into().unwrap());
    let path = fixtures("images").join(format!("{format}.image"));
    if std::env::var_os("STORE_IMAGE").is_some() && !path.exists() {
        std::fs::write(&path, &image).unwrap();
    }
    assert!(path.exists(), "the format is new: set STORE_IMAGE once to store its image");
    // The content begins with the client key. The version of the build and the fingerprints are before it.
    let content = |image: &[u8]| {
        let key = compiled.key().as_bytes();
        let at = image.windows(key.len()).position(|bytes| bytes == key).unwrap();
        image[at..].to_vec()
    };
    assert!(content(&std::fs::read(&path).unwrap()) == content(&image), "raise the format number");
    for entry in std::fs::read_dir(fixtures("images")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "image") {
            check_stored(&path, &document, &compiled);
        }
    }
}

fn check_stored(path: &Path, document: &[u8], compiled: &Environment) {
    match Environment::from_image(&std::fs::read(path).unwrap(), document, Engine::V10) {
        Ok(loaded) => {
            let identity = json!({"identifier": "a", "traits": {"country": "BE"}});
            assert_eq!(answers(loaded, &identity), answers(from_image(compiled), &identity));
        }
        Err(fault) => {
            let is_other = matches!(fault, ImageFault::OtherFormat | ImageFault::OtherBuild);
            assert!(is_other, "{}: {fault}", path.display());
        }
    }
}
