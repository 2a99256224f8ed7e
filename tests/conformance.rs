//! Every case of Flagsmith's engine test data, and our own cases in the same form: `context` gives exactly `result`.
//!
//! Flagsmith's are read from `ENGINE_TEST_DATA` (default `../shared/engine-test-data`) where that folder is there.

mod support;

use std::path::Path;

use flagsmith_edge_worker::document::ruleset::Engine;
use serde_json::Value;

use support::{fixtures, outside};

#[test]
fn our_cases_give_their_results() {
    let folder = fixtures("engine");
    assert!(run(&folder, Engine::V10) > 0, "no case in {}", folder.display());
}

#[test]
fn our_engine_11_cases_give_their_results() {
    let folder = fixtures("engine-11");
    assert!(run(&folder, Engine::V11) > 0, "no case in {}", folder.display());
}

#[test]
fn flagsmiths_engine_test_data_gives_its_results() {
    let Some(folder) = outside("ENGINE_TEST_DATA", "../shared/engine-test-data") else { return };
    let count = run(&folder, Engine::V10);
    println!("{count} cases of {}", folder.display());
    assert!(count >= 100, "only {count} cases in {}", folder.display());
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
        count += 1;
        if let Some(result) = support::difference(&case, engine) {
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
