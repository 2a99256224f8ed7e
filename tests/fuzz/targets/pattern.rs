//! Any pattern is refused, or terminates on any text.

#![no_main]

use flagsmith_edge_worker::document::budget::Budget;
use flagsmith_edge_worker::document::pattern::Pattern;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str)| {
    if let Some(pattern) = Pattern::new(input.0) {
        let _ = pattern.matches(input.1, &mut Budget::default());
    }
});
