//! Any bytes as an environment document are refused, or served.

#![no_main]

use flagsmith_edge_worker::document::ruleset::Engine;
use flagsmith_edge_worker::document::{Environment, Identifier, KeyKind, StoredOverrides};
use flagsmith_edge_worker::evaluate::{EvaluatedIdentity, evaluate};
use flagsmith_edge_worker::identity::{TraitValue, Traits};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for engine in [Engine::V10, Engine::V11] {
        let Ok(environment) = Environment::parse(bytes, engine) else { return };
        let list: serde_json::Value =
            serde_json::from_slice(environment.flags.list(KeyKind::Client)).unwrap();
        assert!(list.is_array());
        serde_json::from_slice::<serde::de::IgnoredAny>(environment.document()).unwrap();
        let traits =
            Traits::from([("a".into(), TraitValue::Text("1".into())), ("b".into(), TraitValue::Float(1.5))]);
        let key = environment.identity_key(&Identifier::normalize("a"), None);
        let identity = EvaluatedIdentity {
            identifier: "a",
            key: &key,
            traits: &traits,
            overrides: &[],
            stored: StoredOverrides::none(),
        };
        let evaluation = evaluate(&environment.ruleset, Some(identity));
        assert_eq!(evaluation.decisions.len(), environment.ruleset.features.len());
    }
});
