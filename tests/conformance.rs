//! Flagsmith's engine test data and our own cases in the same form: evaluating `context` gives exactly `result`.
//!
//! Flagsmith's cases are read from `ENGINE_TEST_DATA` (default `../shared/engine-test-data`), if that folder exists.

mod support;

use std::path::Path;

use flagsmith_edge_worker::document::ruleset::Engine;

use support::{ENGINE_TEST_DATA, engine_case, fixtures, outside};

#[test]
fn our_cases_give_their_results() {
    let folder = fixtures("engine");
    assert_eq!(run(&folder, Engine::V10), 84, "the cases in {}", folder.display());
}

#[test]
fn our_engine_11_cases_give_their_results() {
    let folder = fixtures("engine-11");
    assert_eq!(run(&folder, Engine::V11), 16, "the cases in {}", folder.display());
}

#[test]
fn flagsmiths_engine_test_data_gives_its_results() {
    let Some(folder) = outside("ENGINE_TEST_DATA", "../shared/engine-test-data") else { return };
    let count = run(&folder, Engine::V10);
    println!("{count} cases of {}", folder.display());
    assert!(count >= ENGINE_TEST_DATA, "only {count} cases in {}", folder.display());
}

/// Runs every case in a folder and reports all failures together. Returns the number of cases.
fn run(folder: &Path, engine: Engine) -> usize {
    let mut failures = Vec::new();
    let mut count = 0;
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        let case = engine_case(&path);
        count += 1;
        if let Some(result) = support::difference(&case, engine) {
            failures.push(format!("{}\n  expected {}\n  got      {result}", path.display(), case["result"]));
        }
    }
    assert!(failures.is_empty(), "{} of {count} failed:\n{}", failures.len(), failures.join("\n"));
    count
}
