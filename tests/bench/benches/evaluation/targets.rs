//! The targets of the figures, one line each.

use std::path::Path;

use flagsmith_edge_worker::document::Environment;
use flagsmith_edge_worker::document::ruleset::Engine;
use flagsmith_edge_worker_bench::PROFILES;
use serde_json::Value;

use super::memory;

/// Percentages of the large document.
pub const SWEEP: [usize; 3] = [25, 50, 100];

/// The factor by which each profile must be faster than the peer.
const EVALUATION: [(&str, f64); 3] = [("small", 50.0), ("heavy", 100.0), ("large", 100.0)];
/// The factor by which an evaluation may be slower on wasm32 than natively.
const WASM: f64 = 3.0;
/// The factor by which compiling may be slower than a plain parse.
const COMPILATION: f64 = 3.0;
/// The maximum bytes of memory for each byte of the document.
const MEMORY: f64 = 4.0;
/// The maximum factor of time for a document of twice the size.
const DOUBLING: f64 = 2.5;

/// Prints every figure with its target.
///
/// `wasm`: nanoseconds of an evaluation on wasm32 by profile, from `wasm.mjs`.
pub fn report(criterion: &Path, documents: &Path, wasm: &Value) {
    println!("\n{:<44} {:>12} {:>12}  met", "figure", "measured", "target");
    for (name, target) in EVALUATION {
        let (ours, peer) = (
            median(criterion, &format!("evaluate_{name}/ours")),
            median(criterion, &format!("evaluate_{name}/peer")),
        );
        line(
            &format!("evaluate {name}, times faster than the peer"),
            peer / ours,
            target,
            peer / ours >= target,
        );
        println!(
            "{:<44} {:>9.2} µs {:>9.2} µs",
            format!("  ours and the peer, {name}"),
            ours / 1e3,
            peer / 1e3
        );
        let ratio = wasm[name].as_f64().unwrap_or(f64::NAN) / ours;
        line(&format!("evaluate {name} on wasm32, times native"), ratio, WASM, ratio <= WASM);
    }
    for (file, name) in PROFILES {
        let (ours, parse) = (
            median(criterion, &format!("compile_{name}/ours")),
            median(criterion, &format!("compile_{name}/peer")),
        );
        line(
            &format!("compile {name}, times a plain parse"),
            ours / parse,
            COMPILATION,
            ours / parse <= COMPILATION,
        );
        let bytes = std::fs::read(documents.join(file)).expect("a profile can be read");
        let (environment, held) = memory::held_by(|| Environment::parse(&bytes, Engine::V10));
        drop(environment);
        let ratio = held as f64 / bytes.len() as f64;
        line(&format!("memory {name}, times the document"), ratio, MEMORY, ratio <= MEMORY);
    }
    for what in ["evaluate", "compile"] {
        let times = SWEEP.map(|percent| median(criterion, &format!("sweep_{percent}/{what}")));
        for (percent, pair) in SWEEP[1..].iter().zip(times.windows(2)) {
            let ratio = pair[1] / pair[0];
            line(
                &format!("{what}, twice the document ({percent} %), times"),
                ratio,
                DOUBLING,
                ratio <= DOUBLING,
            );
        }
    }
}

fn line(figure: &str, measured: f64, target: f64, met: bool) {
    println!("{figure:<44} {measured:>12.2} {target:>12.2}  {}", if met { "yes" } else { "NO" });
}

/// A benchmark's median, in nanoseconds; NaN if it was filtered out.
fn median(criterion: &Path, benchmark: &str) -> f64 {
    let path = criterion.join(benchmark).join("new/estimates.json");
    let estimates: Option<Value> =
        std::fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    estimates.and_then(|estimates| estimates["median"]["point_estimate"].as_f64()).unwrap_or(f64::NAN)
}
