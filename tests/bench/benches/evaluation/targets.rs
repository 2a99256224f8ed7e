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
/// The factor by which loading an image must be faster than compiling, also in code that V8 has not optimized.
const LOADING: f64 = 4.0;
/// The maximum length of an image, for each byte of the document.
const IMAGE: f64 = 1.5;
/// The maximum bytes of memory for each byte of the document.
const MEMORY: f64 = 4.0;
/// The same for an environment from its image.
const LOADED_MEMORY: f64 = 2.0;
/// The maximum factor of time for a document of twice the size.
const DOUBLING: f64 = 2.5;

/// Prints every figure with its target.
///
/// `wasm`: nanoseconds on wasm32 by profile, from `wasm.mjs`.
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
        let ratio = of_wasm(wasm, name, "evaluate") / ours;
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
        let load = median(criterion, &format!("load_{name}/ours"));
        let ratio = ours / load;
        line(&format!("load {name}, times faster than to compile"), ratio, LOADING, ratio >= LOADING);
        let ratio = of_wasm(wasm, name, "compile") / of_wasm(wasm, name, "load");
        line(&format!("load {name} on cold wasm32, times faster"), ratio, LOADING, ratio >= LOADING);
        let image = Environment::parse(&bytes, Engine::V10).expect("a profile compiles").to_image(&bytes);
        let ratio = image.len() as f64 / bytes.len() as f64;
        line(&format!("image {name}, times the document"), ratio, IMAGE, ratio <= IMAGE);
        let (environment, held) = memory::held_by(|| Environment::from_image(&image, &*bytes, Engine::V10));
        drop(environment);
        let ratio = held as f64 / bytes.len() as f64;
        line(&format!("memory {name} from its image"), ratio, LOADED_MEMORY, ratio <= LOADED_MEMORY);
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

fn of_wasm(wasm: &Value, name: &str, figure: &str) -> f64 {
    wasm[name][figure].as_f64().unwrap_or(f64::NAN)
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
