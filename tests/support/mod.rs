//! The shared parts of the tests over files: fixtures, the recordings of a real Flagsmith, and the comparison of
//! answers.

#![allow(dead_code, reason = "each test crate uses its part")]

pub mod admin;
pub mod budget;
pub mod exchange;
pub mod worker;

use std::path::{Path, PathBuf};

use flagsmith_edge_worker::document::context::EvaluationContext;
use flagsmith_edge_worker::document::ruleset::Engine;
use flagsmith_edge_worker::evaluate::evaluate_context;
use serde_json::Value;

/// A folder of this project's fixtures.
pub fn fixtures(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(folder)
}

/// A folder outside the project: `$variable`, else `default`. Reports an absent folder.
pub fn outside(variable: &str, default: &str) -> Option<PathBuf> {
    let folder = std::env::var_os(variable).map_or(default.into(), PathBuf::from);
    if !folder.is_dir() {
        println!("NOT RUN: there is no folder {}; set {variable}", folder.display());
        return None;
    }
    Some(folder)
}

/// The minimum number of cases in Flagsmith's engine test data. A newer checkout has more.
pub const ENGINE_TEST_DATA: usize = 128;

/// A case of the engine test data. The files may have comment lines.
pub fn engine_case(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap();
    let lines: Vec<_> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    serde_json::from_str(&lines.join("\n")).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The result for a case's context, if it differs from the case's own.
pub fn difference(case: &Value, engine: Engine) -> Option<Value> {
    let context = EvaluationContext::parse(case["context"].to_string().as_bytes(), engine).unwrap();
    let result = evaluate_context(&context);
    (!same(&result, &case["result"])).then_some(result)
}

/// True if both are equal, with numbers compared by value.
pub fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        // Integers are compared exactly, beyond the precision of floats.
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => a == b,
            _ => a.as_f64() == b.as_f64(),
        },
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}
