//! Says whether the worker could serve a document, and prints where KV has it: `make publish` asks before it writes.

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use flagsmith_edge_worker::document::ruleset::Engine;
use flagsmith_edge_worker::publish::{Candidate, Version};

fn main() -> ExitCode {
    let Some(file) = std::env::args().nth(1) else {
        eprintln!("usage: check_document FILE");
        return ExitCode::FAILURE;
    };
    let checked = std::fs::read(&file).map_err(|error| error.to_string());
    match checked.and_then(|document| Candidate::check(document, Engine::V10)) {
        Ok(candidate) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
            let now = u64::try_from(now).unwrap_or_default();
            println!("{} {}", candidate.client_key, Version::after(None, &candidate.document, now));
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("{file}: {problem}");
            ExitCode::FAILURE
        }
    }
}
