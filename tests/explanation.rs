//! Explanations of an identity's evaluation: the SDKs' answer, with all candidates, segments and conditions.

mod support;

use flagsmith_edge_worker::admin::explanation::explain;
use flagsmith_edge_worker::document::ruleset::Engine;
use flagsmith_edge_worker::document::{Environment, Identifier};
use flagsmith_edge_worker::identity::{Identity, Traits};
use serde_json::{Value, json};
use support::fixtures;

const GRACE: &str = "grace@example.com";

fn shop() -> Environment {
    let document = std::fs::read(fixtures("environments/production.json")).unwrap();
    Environment::parse(&document, Engine::V10).unwrap()
}

fn identity(traits: Value, overrides: Value) -> Identity {
    let traits: Traits = serde_json::from_value(traits).unwrap();
    Identity {
        exists: true,
        traits,
        overrides: serde_json::from_value(overrides).unwrap(),
        ..Identity::default()
    }
}

fn named<'v>(list: &'v Value, at: &str, name: &str) -> &'v Value {
    list.as_array().unwrap().iter().find(|item| item.pointer(at).is_some_and(|found| found == name)).unwrap()
}

#[test]
fn explained_flags_equal_the_sdks_and_list_all_candidates() {
    let environment = shop();
    let ada = identity(json!({"loyalty_points": 1200, "country": "BE"}), json!([]));
    let explained = explain(&environment, &Identifier::normalize("ada@example.com"), &ada);
    assert_eq!(explained["key"], "pfbeAebLHX5eBgzX56vopS_ada@example.com");
    assert_eq!(
        explained["traits"],
        json!([{"trait_key": "country", "trait_value": "BE"}, {"trait_key": "loyalty_points", "trait_value": 1200}])
    );
    let flag = named(&explained["flags"], "/feature/name", "free_shipping_threshold");
    assert_eq!(
        *flag,
        json!({
            "feature": {"id": 9002, "name": "free_shipping_threshold", "type": "STANDARD"},
            "enabled": true, "feature_state_value": 25, "variant": null,
            "reason": "TARGETING_MATCH; segment=loyalty_members",
            "shown_to_client_keys": true, "shown_to_server_keys": true,
            "candidates": [
                {"source": "segment", "segment": "big_baskets", "priority": 0.0, "applies": false, "enabled": true,
                 "feature_state_value": 0, "multivariate": false, "wins": false},
                {"source": "segment", "segment": "loyalty_members", "priority": 1.0, "applies": true, "enabled": true,
                 "feature_state_value": 25, "multivariate": false, "wins": true},
                {"source": "segment", "segment": "benelux", "priority": 2.0, "applies": true, "enabled": true,
                 "feature_state_value": 35, "multivariate": false, "wins": false},
                {"source": "environment", "applies": true, "enabled": true, "feature_state_value": 50, "multivariate": false, "wins": false},
            ],
            "split": null,
        })
    );
    let hidden = named(&explained["flags"], "/feature/name", "fraud_score_limit");
    assert_eq!([&hidden["shown_to_client_keys"], &hidden["shown_to_server_keys"]], [false, true]);
}

#[test]
fn each_condition_shows_its_actual_value() {
    let environment = shop();
    let ada = identity(json!({"loyalty_points": "0999", "app_version": "3.1.9"}), json!([]));
    let explained = explain(&environment, &Identifier::normalize("ada@meadow.example"), &ada);
    let segment = |name: &str| named(&explained["segments"], "/name", name).clone();
    assert_eq!(
        segment("loyalty_members"),
        json!({"id": 301, "name": "loyalty_members", "matches": false, "exhausted": false, "rules": [{
            "type": "ALL", "holds": false, "conditions": [], "rules": [{
                "type": "ALL", "holds": false, "rules": [], "conditions": [{
                    // A numeric text is a number.
                    "property": "loyalty_points", "operator": "GREATER_THAN_INCLUSIVE", "value": "1000",
                    "met": "999", "percentage": null, "holds": false, "exhausted": false,
                }],
            }],
        }]})
    );
    let outdated = segment("outdated_app");
    assert_eq!(outdated["matches"], true);
    let conditions = outdated.pointer("/rules/0/rules/0/conditions").unwrap();
    assert_eq!(conditions[0]["value"], Value::Null);
    assert_eq!([&conditions[1]["met"], &conditions[1]["holds"]], [&json!("3.1.9"), &json!(true)]);
    assert_eq!(segment("big_baskets").pointer("/rules/0/rules/0/conditions/0/met"), Some(&Value::Null));
    let staff = segment("staff").pointer("/rules/0/rules/0/conditions/0").unwrap().clone();
    assert_eq!(
        [&staff["property"], &staff["met"], &staff["holds"]],
        [&json!("$.identity.identifier"), &json!("ada@meadow.example"), &json!(true)]
    );
}

#[test]
fn long_actual_values_are_shortened() {
    let environment = shop();
    for (version, met) in [("ü".repeat(200), "ü".repeat(200)), ("ü".repeat(201), "ü".repeat(200) + "…")]
    {
        let ada = identity(json!({"app_version": version}), json!([]));
        let explained = explain(&environment, &Identifier::normalize("ada"), &ada);
        let outdated = named(&explained["segments"], "/name", "outdated_app");
        assert_eq!(outdated.pointer("/rules/0/rules/0/conditions/1/met"), Some(&json!(met)));
        assert_eq!(explained["traits"][0]["trait_value"], version);
    }
}

/// Contract §C.3 has the hashes of `["10", "env_user"]` and `["1", "2"]`.
#[test]
fn buckets_equal_those_of_the_reference() {
    let condition = |value: &str| json!({"operator": "PERCENTAGE_SPLIT", "value": value, "property_": null});
    let segment = |limit: &str| {
        json!({
            "id": 10, "name": "s", "feature_states": [],
            "rules": [{"type": "ALL", "conditions": [condition(limit)], "rules": []}],
        })
    };
    let option = |id: i64, weight: f64| json!({"id": id, "percentage_allocation": weight, "multivariate_feature_option": {"value": id, "key": "x"}});
    let mut document = json!({
        "api_key": "env", "project": {},
        "feature_states": [{
            "feature": {"id": 1, "name": "f", "type": "MULTIVARIATE"}, "enabled": true, "feature_state_value": "control",
            "django_id": 10, "multivariate_feature_state_values": [option(1, 22.8), option(2, 0.1), option(3, 50.0)],
        }],
    });
    let environment = Environment::parse(document.to_string().as_bytes(), Engine::V10).unwrap();
    let explained = explain(&environment, &Identifier::normalize("user"), &Identity::default());
    assert_eq!(explained["identity_uuid"], Value::Null);
    let flag = &explained["flags"][0];
    assert_eq!([&flag["reason"], &flag["feature_state_value"]], [&json!("SPLIT; weight=0.1"), &json!(2)]);
    let split = &flag["split"];
    assert_eq!(split["percentage"], 22.8245649129826);
    assert_eq!(split["hashed"], json!(["10", "env_user"]));
    let hits: Vec<_> = split["variants"].as_array().unwrap().iter().map(|variant| &variant["hit"]).collect();
    assert_eq!(hits, [false, true, false]);
    assert_eq!(
        [&split["variants"][1]["from"], &split["variants"][2]["from"]],
        [&json!(22.8), &json!(22.8 + 0.1)]
    );
    for (limit, holds) in [("22.9", true), ("22.8", false)] {
        document["project"]["segments"] = json!([segment(limit)]);
        let environment = Environment::parse(document.to_string().as_bytes(), Engine::V10).unwrap();
        let explained = explain(&environment, &Identifier::normalize("user"), &Identity::default());
        let segment = &explained["segments"][0];
        let condition = &segment["rules"][0]["conditions"][0];
        assert_eq!(condition["percentage"], 22.8245649129826);
        assert_eq!([&condition["holds"], &segment["matches"]], [holds, holds]);
    }
}

#[test]
fn both_kinds_of_overrides_are_distinguished() {
    let environment = shop();
    let made_here = json!([{
        "feature": {"id": 9001, "name": "checkout_redesign"}, "enabled": false, "feature_state_value": "here",
        "featurestate_uuid": "11111111-2222-4333-8444-555555555555",
    }]);
    let explained = explain(&environment, &Identifier::normalize(GRACE), &identity(json!({}), made_here));
    let flag = named(&explained["flags"], "/feature/name", "checkout_redesign");
    let candidates = flag["candidates"].as_array().unwrap();
    let seen: Vec<_> = candidates.iter().map(|one| [&one["source"], &one["wins"]]).collect();
    let expected = [
        [json!("identity"), json!(true)],
        [json!("document"), json!(false)],
        [json!("segment"), json!(false)],
        [json!("segment"), json!(false)],
        [json!("environment"), json!(false)],
    ];
    assert_eq!(seen, expected.each_ref().map(|pair| pair.each_ref()));
    assert_eq!([&flag["enabled"], &flag["feature_state_value"]], [&json!(false), &json!("here")]);
    let banner = named(&explained["flags"], "/feature/name", "hero_banner");
    assert_eq!(banner["candidates"][0]["source"], "document");
    assert_eq!(banner["candidates"][0]["wins"], true);
    assert_eq!(banner["variant"], "winter_sale");
}

/// For any identity and either engine: exactly one candidate wins, and it applies.
#[test]
fn exactly_one_candidate_wins() {
    let document = std::fs::read(fixtures("environments/production.json")).unwrap();
    let mut seen = 0;
    for engine in [Engine::V10, Engine::V11] {
        let environment = Environment::parse(&document, engine).unwrap();
        for (identifier, traits) in [
            (GRACE, json!({})),
            ("joan@example.com", json!({"orders": 9, "country": "NL"})),
            ("x@meadow.example", json!({"basket_total": 151, "loyalty_points": 1000})),
            ("", json!({"app_version": "1.0.0"})),
        ] {
            let explained =
                explain(&environment, &Identifier::normalize(identifier), &identity(traits, json!([])));
            for flag in explained["flags"].as_array().unwrap() {
                let winners: Vec<_> =
                    flag["candidates"].as_array().unwrap().iter().filter(|one| one["wins"] == true).collect();
                assert_eq!(winners.len(), 1, "{flag}");
                assert_eq!(winners[0]["applies"], true, "{flag}");
                assert_eq!(winners[0]["enabled"], flag["enabled"]);
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 2 * 4 * 8);
}
