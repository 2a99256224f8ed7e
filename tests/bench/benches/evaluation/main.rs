//! `make bench`: evaluation and compilation compared with their peers, and each figure with its target.
//!
//! The peer is the crate `flagsmith-flag-engine`, through its public API and without rendering. The worker's time is
//! from an identity to the finished body. Compared figures are measured in one run.

mod memory;
mod targets;

use std::hint::black_box;
use std::path::{Path, PathBuf};

use criterion::{Criterion, Throughput};
use flagsmith_edge_worker::document::Environment;
use flagsmith_edge_worker::document::ruleset::Engine;
use flagsmith_edge_worker::identity::TraitValue;
use flagsmith_edge_worker_bench::{IDENTITIES, PROFILES, answer, asked, identifier, traits};
use flagsmith_flag_engine::engine::get_evaluation_result;
use flagsmith_flag_engine::engine_eval::{
    EngineEvaluationContext, add_identity_to_context, environment_to_context,
};
use flagsmith_flag_engine::environments::builders::build_environment_struct;
use flagsmith_flag_engine::identities::Trait;
use flagsmith_flag_engine::types::{FlagsmithValue, FlagsmithValueType};
use serde_json::Value;

fn main() {
    let folder = std::env::var_os("BENCH_DOCUMENTS").map_or("../../../shared/bench".into(), PathBuf::from);
    if !folder.is_dir() {
        println!("NOT RUN: there is no folder {}; set BENCH_DOCUMENTS", folder.display());
        return;
    }
    let mut criterion = Criterion::default().configure_from_args().without_plots();
    for (file, name) in PROFILES {
        let bytes = std::fs::read(folder.join(file)).expect("a profile can be read");
        evaluate(&mut criterion, name, &bytes);
        compile(&mut criterion, name, &bytes);
        load(&mut criterion, name, &bytes);
    }
    sweep(&mut criterion, &folder);
    criterion.final_summary();
    let wasm = std::fs::read(target_folder().join("wasm/figures.json")).unwrap_or_default();
    let wasm = serde_json::from_slice(&wasm).unwrap_or_default();
    targets::report(&target_folder().join("criterion"), &folder, &wasm);
}

/// Measures from an identity to the finished body, and the peer's evaluation of the same identity.
fn evaluate(criterion: &mut Criterion, name: &str, bytes: &[u8]) {
    let environment = Environment::parse(bytes, Engine::V10).expect("a profile compiles");
    let identities: Vec<_> = (0..IDENTITIES).map(|number| asked(&environment, number)).collect();
    let mut group = criterion.benchmark_group(format!("evaluate/{name}"));
    let mut turn = 0;
    group.bench_function("ours", |bencher| {
        bencher.iter(|| {
            turn = (turn + 1) % IDENTITIES;
            answer(&environment, &identities[turn])
        });
    });
    let context = peer_context(bytes);
    let identities: Vec<_> =
        (0..IDENTITIES).map(|number| (identifier(number), peer_traits(number))).collect();
    group.bench_function("peer", |bencher| {
        bencher.iter(|| {
            turn = (turn + 1) % IDENTITIES;
            let (identifier, traits) = &identities[turn];
            get_evaluation_result(&add_identity_to_context(black_box(&context), identifier, traits))
        });
    });
    group.finish();
}

/// Measures from a document's bytes to its compiled form, and a plain parse of the same bytes.
fn compile(criterion: &mut Criterion, name: &str, bytes: &[u8]) {
    let mut group = criterion.benchmark_group(format!("compile/{name}"));
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group
        .bench_function("ours", |bencher| bencher.iter(|| Environment::parse(black_box(bytes), Engine::V10)));
    group
        .bench_function("peer", |bencher| bencher.iter(|| serde_json::from_slice::<Value>(black_box(bytes))));
    group.finish();
}

/// Measures from an image and the document's bytes to the compiled form.
fn load(criterion: &mut Criterion, name: &str, bytes: &[u8]) {
    let image = Environment::parse(bytes, Engine::V10).expect("a profile compiles").to_image(bytes);
    let mut group = criterion.benchmark_group(format!("load/{name}"));
    group.bench_function("ours", |bencher| {
        bencher.iter(|| Environment::from_image(black_box(&image), bytes, Engine::V10))
    });
    group.finish();
}

/// Measures parts of the large document: a quarter, a half, and all of its features, segments and overrides.
fn sweep(criterion: &mut Criterion, folder: &Path) {
    let bytes = std::fs::read(folder.join("large-1000x500.json")).expect("the large profile can be read");
    let whole: Value = serde_json::from_slice(&bytes).expect("the large profile is JSON");
    for percent in targets::SWEEP {
        let mut part = whole.clone();
        for list in ["/feature_states", "/project/segments", "/identity_overrides"] {
            let list = part.pointer_mut(list).and_then(Value::as_array_mut).expect("a list");
            list.truncate(list.len() * percent / 100);
        }
        let part = part.to_string().into_bytes();
        let environment = Environment::parse(&part, Engine::V10).expect("a part compiles");
        let identity = asked(&environment, 1);
        let mut group = criterion.benchmark_group(format!("sweep/{percent}"));
        group.bench_function("evaluate", |bencher| bencher.iter(|| answer(&environment, &identity)));
        group.bench_function("compile", |bencher| {
            bencher.iter(|| Environment::parse(black_box(&part), Engine::V10))
        });
        group.finish();
    }
}

fn peer_context(bytes: &[u8]) -> EngineEvaluationContext {
    environment_to_context(build_environment_struct(
        serde_json::from_slice(bytes).expect("a profile is JSON"),
    ))
}

fn peer_traits(number: usize) -> Vec<Trait> {
    let value = |value: TraitValue| match value {
        TraitValue::Text(text) => {
            FlagsmithValue { value: text.into(), value_type: FlagsmithValueType::String }
        }
        other => FlagsmithValue {
            value: other.python_text().into_owned(),
            value_type: FlagsmithValueType::Integer,
        },
    };
    let one = |(trait_key, trait_value)| Trait { trait_key, trait_value: value(trait_value) };
    traits(number).into_iter().map(one).collect()
}

/// The folders of criterion's estimates and of `wasm.mjs`'s figures.
fn target_folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or("target".into(), PathBuf::from)
}
