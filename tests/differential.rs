//! Compares this engine with Flagsmith's own on random contexts: `make differential` writes the cases and runs this
//! test.
//!
//! `DIFFERENTIAL_CASES` names a file of cases by flag-engine 10, `DIFFERENTIAL_CASES_11` one by flag-engine 11. Each
//! line is a JSON object `{"context", "result"}` (tests/differential/generate.py).

use flagsmith_edge_worker::document::ruleset::Engine;
use serde_json::{Map, Value, json};

mod support;

/// The number of differences that are shown; the others are counted.
const SHOWN: usize = 10;

#[test]
fn results_equal_those_of_flag_engine_10() {
    run("DIFFERENTIAL_CASES", Engine::V10);
}

#[test]
fn results_equal_those_of_flag_engine_11() {
    run("DIFFERENTIAL_CASES_11", Engine::V11);
}

fn run(variable: &str, engine: Engine) {
    let Some(path) = std::env::var_os(variable) else {
        println!("NOT RUN: {variable} names no file of cases; `make differential` does");
        return;
    };
    let text = std::fs::read_to_string(&path).unwrap();
    let mut differences = Vec::new();
    let mut count = 0;
    for line in text.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        count += 1;
        if let Some(result) = support::difference(&case, engine) {
            differences.push(format!("case {count}: {:#}", essence(&case, &result)));
        }
    }
    assert!(count > 0, "no case in {}", path.display());
    println!("{count} cases of {variable}, {} differences", differences.len());
    let shown = differences.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("\n");
    assert!(differences.is_empty(), "{} of {count} differ; the first are\n{shown}", differences.len());
}

/// The segments and features with different results, and the whole environment and identity.
fn essence(case: &Value, result: &Value) -> Value {
    let expected = &case["result"];
    let segments = differing(names(&expected["segments"]), names(&result["segments"]));
    let flags = differing(expected["flags"].as_object().cloned(), result["flags"].as_object().cloned());
    json!({
        "environment": case["context"]["environment"],
        "identity": case["context"]["identity"],
        "segments": part(&case["context"]["segments"], &segments),
        "features": part(&case["context"]["features"], &flags),
        "matching segments": {"expected": expected["segments"].as_array().map(Vec::len), "only here or only there": segments},
        "flags": {"expected": part(&expected["flags"], &flags), "got": part(&result["flags"], &flags)},
    })
}

/// Results of segments by name.
fn names(segments: &Value) -> Option<Map<String, Value>> {
    let by_name = |segment: &Value| Some((segment["name"].as_str()?.to_owned(), segment.clone()));
    Some(segments.as_array()?.iter().filter_map(by_name).collect())
}

/// The keys with different values in two objects.
fn differing(a: Option<Map<String, Value>>, b: Option<Map<String, Value>>) -> Vec<String> {
    let (a, b) = (a.unwrap_or_default(), b.unwrap_or_default());
    let differs = |key: &&String| match (a.get(*key), b.get(*key)) {
        (Some(a), Some(b)) => !support::same(a, b),
        _ => true,
    };
    let added = b.keys().filter(|key| !a.contains_key(*key));
    a.keys().chain(added).filter(differs).cloned().collect()
}

/// The members with these names.
fn part(object: &Value, names: &[String]) -> Value {
    names.iter().map(|name| (name.clone(), object[name].clone())).collect::<Map<_, _>>().into()
}
