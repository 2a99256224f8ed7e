//! Every case of Flagsmith's engine test data, and our own cases in the same form: `context` gives exactly `result`.
//!
//! Flagsmith's are read from `ENGINE_TEST_DATA` (default `../shared/engine-test-data`) where that folder is there.

use std::path::{Path, PathBuf};

use flagsmith_edge_worker::document::context::Context;
use flagsmith_edge_worker::document::ruleset::Engine;
use flagsmith_edge_worker::evaluate::evaluate_context;
use serde_json::Value;

#[test]
fn our_cases() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/engine");
    assert!(run(&folder, Engine::V10) > 0, "no case in {}", folder.display());
}

#[test]
fn our_cases_of_engine_11() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/engine-11");
    assert!(run(&folder, Engine::V11) > 0, "no case in {}", folder.display());
}

#[test]
fn engine_test_data() {
    let folder =
        std::env::var_os("ENGINE_TEST_DATA").map_or("../shared/engine-test-data".into(), PathBuf::from);
    if folder.is_dir() {
        let count = run(&folder, Engine::V10);
        println!("{count} cases of {}", folder.display());
        assert!(count >= 100, "only {count} cases in {}", folder.display());
    } else {
        println!("NOT RUN: there is no folder {}; set ENGINE_TEST_DATA", folder.display());
    }
}

/// Runs every case in a folder and reports all failures together. Gives the number of cases.
fn run(folder: &Path, engine: Engine) -> usize {
    let mut failures = Vec::new();
    let mut count = 0;
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        let case: Value = serde_json::from_str(&without_comments(&text)).unwrap();
        let context = Context::parse(case["context"].to_string().as_bytes(), engine).unwrap();
        let result = evaluate_context(&context);
        count += 1;
        if !same(&result, &case["result"]) {
            failures.push(format!("{}\n  expected {}\n  got      {result}", path.display(), case["result"]));
        }
    }
    assert!(failures.is_empty(), "{} of {count} failed:\n{}", failures.len(), failures.join("\n"));
    count
}

/// The files may have comment lines.
fn without_comments(text: &str) -> String {
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Equal, with numbers compared by value.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}
