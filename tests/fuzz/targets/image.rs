//! Any bytes behind a valid checksum are no image, or one of an environment that is served.
//!
//! The input is changes to the image of a document with a part of every kind: a position and bytes that replace the
//! image's own. Without changes the image loads.

#![no_main]

use std::sync::LazyLock;

use flagsmith_edge_worker::document::ruleset::Engine;
use flagsmith_edge_worker::document::{
    Environment, Identifier, KeyKind, StoredOverrides, with_valid_checksum,
};
use flagsmith_edge_worker::evaluate::{EvaluatedIdentity, evaluate};
use flagsmith_edge_worker::identity::{TraitValue, Traits};
use libfuzzer_sys::fuzz_target;

const DOCUMENT: &[u8] = include_bytes!("../../../fixtures/environments/production.json");

static IMAGES: LazyLock<[Vec<u8>; 2]> = LazyLock::new(|| {
    [Engine::V10, Engine::V11].map(|engine| Environment::parse(DOCUMENT, engine).unwrap().to_image(DOCUMENT))
});

fuzz_target!(|changes: Vec<(u16, bool, Vec<u8>)>| {
    for (engine, image) in [Engine::V10, Engine::V11].into_iter().zip(&*IMAGES) {
        let mut image = image.clone();
        for (at, inserts, bytes) in &changes {
            let at = usize::from(*at).min(image.len());
            let end = if *inserts { at } else { (at + bytes.len()).min(image.len()) };
            image.splice(at..end, bytes.iter().copied());
        }
        if let Ok(environment) = Environment::from_image(&with_valid_checksum(image), DOCUMENT, engine) {
            serve(&environment);
        }
    }
});

fn serve(environment: &Environment) {
    let traits = Traits::from([
        ("loyalty_points".into(), TraitValue::Integer(1200)),
        ("country".into(), TraitValue::Text("BE".into())),
    ]);
    let identifier = Identifier::normalize("ada@example.com");
    let key = environment.identity_key(&identifier, None);
    let identity = EvaluatedIdentity::new(environment, &identifier, &key, &traits, StoredOverrides::none());
    let evaluation = evaluate(&environment.ruleset, Some(identity));
    assert_eq!(evaluation.decisions.len(), environment.ruleset.features.len());
    let length = |decision: &flagsmith_edge_worker::evaluate::Decision| {
        environment.flags.outcome(decision.state, decision.variant()).len()
    };
    // No answer is longer than the rendered flags, which the image contains.
    let answer: usize = evaluation.decisions.iter().map(length).sum();
    assert!(answer <= 1 << 20 && environment.flags.list(KeyKind::Server).len() <= 1 << 20);
    let _ = environment.written_conditions();
}
