//! The shared parts of the tests: a deployment with its stored rows, an example project, and the binding of ids.

pub mod binding;
pub mod deployment;
pub mod endpoints;
pub mod listings;
pub mod project;
pub mod random;
pub mod references;
pub mod requests;

use std::path::PathBuf;

use serde_json::Value;

/// The recorded exchanges with Flagsmith's Admin API, in order. Reports an absent folder.
pub fn exchanges() -> Option<Vec<Value>> {
    let folder = folder();
    if !folder.is_dir() {
        println!("NOT RUN: there is no folder {}; set RECORDINGS", folder.display());
        return None;
    }
    let text = std::fs::read_to_string(folder.join("admin.jsonl")).unwrap();
    Some(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// A recorded environment document.
pub fn recorded_document(name: &str) -> Value {
    let path = folder().join(format!("documents/{name}.json"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The folder `$RECORDINGS`.
fn folder() -> PathBuf {
    std::env::var_os("RECORDINGS").map_or("../shared/recordings".into(), PathBuf::from)
}
