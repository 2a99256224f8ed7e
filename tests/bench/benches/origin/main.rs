//! `cargo bench --bench origin`: the embedded origin at 1,000 features, 500 segments and 20 environments.
//!
//! Reports the bytes of the rows, the memory of the state, and the times of typical requests, natively.

mod deployment;
#[path = "../evaluation/memory.rs"]
mod memory;

use criterion::{BatchSize, Criterion};
use deployment::Deployment;
use flagsmith_edge_origin::State;
use serde_json::{Value, json};

/// Segment overrides in each environment: none, some, and as many as Flagsmith allows.
const OVERRIDES: [usize; 3] = [0, 200, 2000];

fn main() {
    let mut criterion = Criterion::default().configure_from_args().without_plots().sample_size(20);
    for overrides in OVERRIDES {
        let mut deployment = Deployment::new(overrides);
        let rows = deployment.rows();
        let count = rows.len();
        let (state, held) = memory::held_by(|| load(rows.clone()));
        assert!(state == deployment.state, "the rows are not the state");
        drop(state);
        let megabytes = |bytes: usize| bytes as f64 / 1e6;
        println!(
            "{overrides} overrides: {count} rows, {:.1} MB of JSON, {:.1} MB in memory",
            megabytes(deployment.state.bytes()),
            megabytes(held)
        );
        requests(&mut criterion, &mut deployment, overrides);
        let mut group = criterion.benchmark_group(format!("origin/{overrides}"));
        group.bench_function("load", |bencher| {
            bencher.iter_batched(|| rows.clone(), load, BatchSize::PerIteration);
        });
        group.finish();
    }
    criterion.final_summary();
}

/// Measures requests that change one row, and those that read everything of an environment.
fn requests(criterion: &mut Criterion, deployment: &mut Deployment, overrides: usize) {
    let environment = format!("environments/{}", deployment.client_key);
    let listed = deployment.send("GET", &format!("{environment}/featurestates/"), &Value::Null).0;
    let listed: Value = serde_json::from_slice(&listed).expect("JSON");
    let state = format!("{environment}/featurestates/{}/", listed["results"][500]["id"]);
    let mut group = criterion.benchmark_group(format!("origin/{overrides}"));
    let mut number = 0;
    group.bench_function("change of a state", |bencher| {
        bencher.iter(|| {
            number += 1;
            deployment.send("PATCH", &state, &json!({"enabled": true, "feature_state_value": number}))
        });
    });
    group.bench_function("change of a segment", |bencher| {
        bencher.iter(|| {
            number += 1;
            deployment.send("PATCH", "projects/1/segments/250/", &json!({"description": number.to_string()}))
        });
    });
    for (name, path) in [
        ("document", format!("{environment}/document/")),
        ("features of a project", "projects/1/features/".to_owned()),
        ("flags of an identity", format!("{environment}/identities/1/featurestates/all/")),
    ] {
        group.bench_function(name, |bencher| bencher.iter(|| deployment.send("GET", &path, &Value::Null)));
    }
    group.bench_function("environment added and deleted", |bencher| {
        bencher.iter(|| {
            let added = deployment.send("POST", "environments/", &json!({"name": "New", "project": 1})).0;
            let added: Value = serde_json::from_slice(&added).expect("JSON");
            let path = format!("environments/{}/", added["api_key"].as_str().expect("a client key"));
            deployment.send("DELETE", &path, &Value::Null)
        });
    });
    group.finish();
}

/// The state of rows as a store has them.
fn load(rows: Vec<(&'static str, String)>) -> State {
    let mut state = State::default();
    for (kind, text) in rows {
        state.load_row(kind, &text).expect("a row that was written");
    }
    state
}
