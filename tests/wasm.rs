//! Our engine cases on the worker's own target: numbers, hashes and patterns have the same results there.

#![cfg(target_arch = "wasm32")]

mod support;

use flagsmith_edge_worker::document::ruleset::Engine;
use include_dir::{Dir, include_dir};
use wasm_bindgen_test::wasm_bindgen_test;

use support::difference;

static ENGINE_10: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/fixtures/engine");
static ENGINE_11: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/fixtures/engine-11");

#[wasm_bindgen_test]
fn our_cases_give_their_results() {
    assert_eq!(run(&ENGINE_10, Engine::V10), 84);
}

#[wasm_bindgen_test]
fn our_engine_11_cases_give_their_results() {
    assert_eq!(run(&ENGINE_11, Engine::V11), 16);
}

#[wasm_bindgen_test]
fn budgets_have_the_same_results_on_wasm() {
    support::budget::check_cases();
}

fn run(folder: &Dir<'_>, engine: Engine) -> usize {
    let mut failures = Vec::new();
    for file in folder.files() {
        let case = serde_json::from_slice(file.contents()).unwrap();
        if let Some(result) = difference(&case, engine) {
            failures.push(format!("{}\n  got {result}", file.path().display()));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    folder.files().count()
}
