//! Any bytes as an evaluation context are refused, or evaluated with a repeatable result.

#![no_main]

use flagsmith_edge_worker::document::context::EvaluationContext;
use flagsmith_edge_worker::document::ruleset::Engine;
use flagsmith_edge_worker::evaluate::evaluate_context;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for engine in [Engine::V10, Engine::V11] {
        let Ok(context) = EvaluationContext::parse(bytes, engine) else { return };
        assert_eq!(evaluate_context(&context), evaluate_context(&context));
    }
});
