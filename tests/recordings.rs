//! Exchanges replayed in order, whole answers compared: our own, and those of a real Flagsmith (`RECORDINGS`,
//! default `../shared/recordings`), if that folder exists. The end-to-end tests replay the same files over HTTP.

mod support;

use std::path::Path;

use support::exchange::read;
use support::worker::Worker;
use support::{fixtures, outside};

#[test]
fn our_exchanges_are_answered_as_written() {
    let worker = || Worker::with_documents(&fixtures("environments"));
    for mut worker in [worker(), worker().with_images()] {
        for (file, expected) in [("exchanges/ofrep.jsonl", 16), ("exchanges/shop.jsonl", 43)] {
            assert_eq!(replay(&mut worker, &fixtures(file), &fixtures("environments")), expected, "{file}");
        }
    }
}

#[test]
fn flagsmiths_recordings_are_answered_as_recorded() {
    let Some(folder) = outside("RECORDINGS", "../shared/recordings") else { return };
    let documents = folder.join("documents");
    let worker = || Worker::with_documents(&documents);
    for mut worker in [worker(), worker().with_images()] {
        assert_eq!(replay(&mut worker, &folder.join("sdk.jsonl"), &documents), 388);
        assert_eq!(replay(&mut worker, &folder.join("sdk-differences.jsonl"), &documents), 85);
    }
}

/// Replays a file and reports all failures together. Returns the number of exchanges.
fn replay(worker: &mut Worker, path: &Path, documents: &Path) -> usize {
    let exchanges = read(path);
    worker.has_streams = true;
    let mut failures = Vec::new();
    for exchange in &exchanges {
        let answer = worker.exchange(exchange);
        let differences = exchange.differences(&answer, documents);
        if !differences.is_empty() {
            failures.push(format!(
                "{}: {}\n    {}",
                exchange.name,
                exchange.request,
                differences.join("\n    ")
            ));
        }
    }
    let count = exchanges.len();
    assert!(
        failures.is_empty(),
        "{} of {count} in {}:\n{}",
        failures.len(),
        path.display(),
        failures.join("\n")
    );
    count
}
