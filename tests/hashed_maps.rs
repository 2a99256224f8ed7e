//! No map with std's hasher has keys of a client's choice.
//!
//! The seed of that hasher is no secret on wasm32, so a client could choose keys that collide. Such keys are sorted, or
//! hashed with a secret seed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The files with hashed maps and sets, and the origin of their keys.
const HASHED: &[(&str, &str)] = &[
    (
        "core/cache.rs",
        "names that clients choose: hashed with a secret seed (`edge/platform/secret_hash.rs`)",
    ),
    ("core/api/analytics.rs", "an environment's features"),
    ("core/document/builder.rs", "names in a document"),
    ("core/document/condition.rs", "the operands of a document's conditions"),
    ("core/document/environment.rs", "the identifiers of a document's overrides"),
    ("core/document/feature_definition.rs", "a document's features"),
    ("core/document/identity_overrides.rs", "the identifiers and features of a document's overrides"),
    ("core/document/schema.rs", "a document's segments"),
    ("core/evaluate/flag_dependencies.rs", "positions and names of an environment's features"),
    ("edge/cache/key_states.rs", "the keys of published environments"),
    ("publish/discovery/inventory.rs", "the origin's lists"),
    ("publish/discovery/registry.rs", "the origin's lists"),
    ("publish/notifications/outbox.rs", "the keys of published environments"),
];

#[test]
fn hashed_maps_have_no_keys_of_a_clients_choice() {
    let mut found = BTreeMap::new();
    add_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut found);
    let listed: Vec<_> = HASHED.iter().map(|(file, _)| *file).collect();
    let new: Vec<_> = found.iter().filter(|(file, _)| !listed.contains(&file.as_str())).collect();
    assert!(new.is_empty(), "sort these maps, or list the origin of their keys: {new:?}");
    let gone: Vec<_> = listed.iter().filter(|file| !found.contains_key(**file)).collect();
    assert!(gone.is_empty(), "listed, but without such a map: {gone:?}");
}

/// Adds the files with hashed maps outside of their tests, and the first line with one.
fn add_folder(folder: &Path, prefix: &str, found: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let file = format!("{prefix}{name}");
        if path.is_dir() {
            add_folder(&path, &format!("{file}/"), found);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            let is_hashed = |line: &&str| {
                let names = ["HashMap", "HashSet", "IndexMap", "IndexSet"];
                !line.trim_start().starts_with("//") && names.iter().any(|name| line.contains(name))
            };
            if let Some(line) = code.lines().find(is_hashed) {
                found.insert(file, line.trim().to_owned());
            }
        }
    }
}
