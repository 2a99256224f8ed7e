//! The budget of an evaluation: the total work of all conditions is bounded, and counted in steps.

mod support;

use flagsmith_edge_worker::admin::explanation::explain;
use flagsmith_edge_worker::document::StoredOverrides;
use flagsmith_edge_worker::document::budget::MAX_STEPS;
use flagsmith_edge_worker::document::ruleset::Engine;
use flagsmith_edge_worker::document::{Environment, Identifier};
use flagsmith_edge_worker::evaluate::{EvaluatedIdentity, evaluate};
use flagsmith_edge_worker::identity::{Identity, Traits};
use serde_json::{Value, json};
use support::budget::{check_cases, context, outcome};
use support::{ENGINE_TEST_DATA, engine_case, fixtures, outside};

#[test]
fn conditions_beyond_the_budget_do_not_match() {
    check_cases();
}

#[test]
fn operators_over_whole_texts_cost_steps() {
    let text = "x".repeat(160);
    for (property, operator, operand, steps) in [
        ("long", "CONTAINS", "y", 10),
        ("long", "NOT_CONTAINS", "x", 10),
        ("long", "CONTAINS", "rc:semver", 10),
        ("long", "EQUAL", "1.0.0:semver", 10),
        ("long", "IN", "a,b", 10),
        ("long", "PERCENTAGE_SPLIT", "50", 10),
        ("long", "MODULO", "2|0", 10),
        ("digits", "MODULO", "2|0", 10),
        ("digits", "PERCENTAGE_SPLIT", "50", 10),
        ("long", "EQUAL", "x", 0),
        ("long", "IS_SET", "", 0),
        ("short", "CONTAINS", "y", 0),
        ("$.identity.traits['long','short']", "IS_SET", "", 13),
    ] {
        let traits = json!({"long": text, "digits": "9".repeat(160), "short": "abc"});
        let context = context(&traits, &[vec![(property, operator, operand)]]);
        assert_eq!(outcome(&context, Engine::V10).steps, steps, "{property} {operator} {operand}");
    }
}

#[test]
fn circular_flags_share_the_budget() {
    let names: Vec<_> = (0..60).map(|number| format!("f{number}")).collect();
    let feature = |name: &String| json!({"key": name, "name": name, "enabled": true, "value": 1});
    let read = |name: &String| json!({"property": format!("$.flags.{name}.value"), "operator": "EQUAL", "value": "2"});
    let filler: Vec<_> = (0..2_000)
        .map(|number| json!({"property": "plan", "operator": "EQUAL", "value": number.to_string()}))
        .collect();
    let segment = |(number, name): (usize, &String)| {
        let others = [1, 2].map(|distance| read(&names[(number + distance) % names.len()]));
        let conditions: Vec<_> = filler.iter().cloned().chain(others).collect();
        let rules = json!([{"type": "ANY", "conditions": conditions}]);
        (name.clone(), json!({"key": name, "name": name, "rules": rules, "overrides": [feature(name)]}))
    };
    let context = json!({
        "environment": {"key": "env", "name": "env"},
        "identity": {"identifier": "ada", "traits": {"plan": "pro"}},
        "features": names.iter().map(|name| (name.clone(), feature(name))).collect::<serde_json::Map<_, _>>(),
        "segments": names.iter().enumerate().map(segment).collect::<serde_json::Map<_, _>>(),
    });
    let outcome = outcome(&context, Engine::V11);
    assert_eq!((outcome.exhausted.is_some(), outcome.steps), (true, MAX_STEPS));
}

#[test]
fn real_documents_take_a_small_part_of_the_budget() {
    let mut documents: Vec<_> =
        ["production", "staging"].map(|name| fixtures("environments").join(format!("{name}.json"))).into();
    if let Some(folder) = outside("BENCH_DOCUMENTS", "../shared/bench") {
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        documents.extend(files.filter(|path| path.extension().is_some_and(|extension| extension == "json")));
    }
    for path in documents {
        let document = std::fs::read(&path).unwrap();
        for engine in [Engine::V10, Engine::V11] {
            let environment = Environment::parse(&document, engine).unwrap();
            let traits: Traits = (0..34)
                .map(|number| {
                    let value = json!(["1.2.3", "x".repeat(200), 12, true])[number % 4].clone();
                    (format!("trait_{number}").into(), serde_json::from_value(value).unwrap())
                })
                .collect();
            let identifier = Identifier::normalize("5d4e1f2a-7a33-4c0e-9d65-0c2b6c0f8d11@example.com");
            let key = environment.identity_key(&identifier, None);
            let identity =
                EvaluatedIdentity::new(&environment, &identifier, &key, &traits, StoredOverrides::none());
            let evaluation = evaluate(&environment.ruleset, Some(identity));
            let bound = MAX_STEPS / 20;
            assert!(evaluation.steps < bound, "{}: {} steps", path.display(), evaluation.steps);
        }
    }
}

#[test]
fn engine_cases_take_a_small_part_of_the_budget() {
    let folders = [fixtures("engine"), fixtures("engine-11")];
    let shared = outside("ENGINE_TEST_DATA", "../shared/engine-test-data");
    let mut counts = Vec::new();
    for folder in folders.into_iter().chain(shared) {
        let mut count = 0;
        for file in std::fs::read_dir(folder).unwrap() {
            let case = engine_case(&file.unwrap().path());
            let steps = outcome(&case["context"], Engine::V11).steps;
            assert!(steps < MAX_STEPS / 20, "{steps} steps");
            count += 1;
        }
        counts.push(count);
    }
    assert_eq!(counts[..2], [84, 16]);
    assert!(counts[2..].iter().all(|count| *count >= ENGINE_TEST_DATA), "{counts:?}");
}

#[test]
fn an_explanation_names_the_condition_that_spent_the_budget() {
    let condition = |property: &str, operator: &str, value: &str| json!({"property_": property, "operator": operator, "value": value});
    let segment = |id: u64, conditions: Value| json!({"id": id, "name": format!("s{id}"), "rules": [{"type": "ALL", "conditions": [], "rules": [{"type": "ANY", "conditions": conditions, "rules": []}]}], "feature_states": []});
    let document = json!({
        "api_key": "env", "name": "Production",
        "project": {"segments": [
            segment(1, json!([condition("plan", "EQUAL", "pro"), condition("plan", "REGEX", "p.o")])),
            segment(2, json!([condition("text", "REGEX", "(a+)+b")])),
            segment(3, json!([condition("plan", "REGEX", "pro"), condition("plan", "EQUAL", "pro")])),
        ]},
    });
    let environment = Environment::parse(document.to_string().as_bytes(), Engine::V10).unwrap();
    let traits = serde_json::from_value(json!({"plan": "pro", "text": "a".repeat(2_000)})).unwrap();
    let explained = explain(
        &environment,
        &Identifier::normalize("ada"),
        &Identity { exists: true, traits, ..Identity::default() },
    );
    let of = |segment: usize| {
        let segment = &explained["segments"][segment];
        let conditions = segment["rules"][0]["rules"][0]["conditions"].as_array().unwrap();
        let verdicts: Vec<_> = conditions
            .iter()
            .map(|condition| (condition["holds"] == true, condition["exhausted"] == true))
            .collect();
        (segment["matches"] == true, segment["exhausted"] == true, verdicts)
    };
    // Conditions that the evaluation did not reach are evaluated with a separate budget.
    assert_eq!(of(0), (true, false, vec![(true, false), (true, false)]));
    assert_eq!(of(1), (false, true, vec![(false, true)]));
    assert_eq!(of(2), (true, false, vec![(false, true), (true, false)]));
    assert_eq!(
        environment.exhaustion(1),
        "the conditions of segment 2 need more than the 1000000 steps of an evaluation; those that need more do not hold"
    );
}
