//! Contexts with conditions that need more work than the budget, and their outcomes, which are the same on every
//! target.

use flagsmith_edge_worker::document::StoredOverrides;
use flagsmith_edge_worker::document::budget::MAX_STEPS;
use flagsmith_edge_worker::document::context::EvaluationContext;
use flagsmith_edge_worker::document::ruleset::{Engine, SegmentIndex};
use flagsmith_edge_worker::evaluate::{EvaluatedIdentity, Evaluation, evaluate};
use flagsmith_edge_worker::identity::Traits;
use serde_json::{Value, json};

/// The outcome of a context's evaluation.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    /// The segments that match.
    pub segments: Vec<SegmentIndex>,
    pub exhausted: Option<SegmentIndex>,
    pub steps: usize,
}

/// Evaluates a context.
pub fn outcome(context: &Value, engine: Engine) -> Outcome {
    let context = EvaluationContext::parse(context.to_string().as_bytes(), engine).unwrap();
    let identity = context.identity.as_ref();
    let traits: Traits = identity
        .map(|identity| serde_json::from_value(Value::Object(identity.traits.clone())).unwrap_or_default())
        .unwrap_or_default();
    let identity = identity.map(|identity| EvaluatedIdentity {
        identifier: &identity.identifier,
        key: &identity.key,
        traits: &traits,
        overrides: &[],
        stored: StoredOverrides::none(),
    });
    let Evaluation { segments, exhausted, steps, .. } = evaluate(&context.ruleset, identity);
    Outcome { segments, exhausted, steps }
}

/// A context of one identity and these segments. Each has one rule that needs all of its conditions.
pub fn context(traits: &Value, segments: &[Vec<(&str, &str, &str)>]) -> Value {
    let segment = |(number, conditions): (usize, &Vec<(&str, &str, &str)>)| {
        let condition = |(property, operator, value): &(&str, &str, &str)| json!({"property": property, "operator": operator, "value": value});
        let conditions: Vec<_> = conditions.iter().map(condition).collect();
        let name = format!("segment {number:03}");
        (
            name.clone(),
            json!({"key": name, "name": name, "rules": [{"type": "ALL", "conditions": conditions}]}),
        )
    };
    let segments: serde_json::Map<_, _> = segments.iter().enumerate().map(segment).collect();
    json!({
        "environment": {"key": "env", "name": "Production"},
        "identity": {"identifier": "ada", "traits": traits},
        "features": {"f": {"key": "1", "name": "f", "enabled": true, "value": null}},
        "segments": segments,
    })
}

/// A path without a result. In each of its six steps it visits every node 12 times as often.
pub fn explosive_path() -> String {
    let union = format!("[{}]", ["*"; 12].join(","));
    format!("$.*{}.zz", union.repeat(6))
}

/// Cases: a name, a context and its outcome.
pub fn cases() -> Vec<(&'static str, Value, Outcome)> {
    let path = explosive_path();
    let traits = json!({"plan": "pro", "text": "a".repeat(2_000), "digits": "9".repeat(2_000)});
    let cheap = vec![("plan", "EQUAL", "pro")];
    let mut with_path = vec![cheap.clone(); 21];
    with_path[3] = vec![(&*path, "IS_NOT_SET", "")];
    with_path[4] = vec![("plan", "REGEX", "pro")];
    let mut patterns = vec![vec![("text", "REGEX", "(a+)+b")]; 200];
    patterns[0] = vec![("plan", "REGEX", "pro")];
    let operands: Vec<String> = (0..200).map(|number| format!("(a+)+b{number}")).collect();
    for (segment, operand) in patterns.iter_mut().skip(1).zip(&operands) {
        segment[0].2 = operand;
    }
    patterns.push(cheap.clone());
    let filters = vec![
        vec![("$..[?count($..[?count($..[?count($..*) > 0]) > 0]) > 0].zz", "IS_SET", "")],
        vec![("$.segments.*.rules[0].type", "EQUAL", "ALL")],
        cheap.clone(),
    ];
    let all_but = |missing: &[usize], count: usize| (0..count).filter(|id| !missing.contains(id)).collect();
    let spent = |segments, exhausted| Outcome { segments, exhausted: Some(exhausted), steps: MAX_STEPS };
    vec![
        ("wildcards", context(&traits, &with_path), spent(all_but(&[3, 4], 21), 3)),
        ("patterns", context(&traits, &patterns), spent(vec![0, 200], 1)),
        ("filters", context(&traits, &filters), spent(vec![2], 0)),
    ]
}

/// Asserts the outcome of every case, twice.
pub fn check_cases() {
    for (name, context, expected) in cases() {
        for _ in 0..2 {
            assert_eq!(outcome(&context, Engine::V10), expected, "{name}");
        }
    }
}
