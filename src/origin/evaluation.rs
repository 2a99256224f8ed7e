//! The flags and segments of an identity, evaluated by the edge's engine on the rendered document.

use flagsmith_edge_core::document::ruleset::{Engine, SegmentIndex};
use flagsmith_edge_core::document::{self, Identifier, StoredOverrides, json};
use flagsmith_edge_core::evaluate::{Decision, EvaluatedIdentity, Evaluation, StateSource, evaluate};
use flagsmith_edge_core::identity::Traits;
use serde_json::{Value, json};

use crate::document::Document;
use crate::refusal::Refusal;
use crate::rows::{Environment, Identity};
use crate::state::State;
use crate::traits;

/// An evaluation, and the compiled environment that its indices belong to.
pub struct EvaluatedFlags {
    environment: document::Environment,
    evaluation: Evaluation,
}

impl EvaluatedFlags {
    /// Evaluates all features for an identity, unless the document is too long or not accepted by the engine.
    pub fn of(
        state: &State,
        environment: &Environment,
        identity: &Identity,
    ) -> Result<EvaluatedFlags, Refusal> {
        let document = Document::of(state, environment, |id| id == identity.id).to_json()?;
        let environment = document::Environment::parse(&document, Engine::default())
            .map_err(|_| Refusal::Detail(500, "The flags cannot be evaluated."))?;
        let rows = state.traits.values().filter(|row| row.identity == identity.id);
        let traits: Traits =
            rows.filter_map(|row| Some((row.trait_key.as_str().into(), traits::value(row)?))).collect();
        let identifier = Identifier::normalize(&identity.identifier);
        let key = environment.identity_key(&identifier, Some(identity.id));
        let stored = StoredOverrides::new(&environment, &[]);
        let evaluated = EvaluatedIdentity::new(&environment, &identifier, &key, &traits, &stored);
        let evaluation = evaluate(&environment.ruleset, Some(evaluated));
        Ok(EvaluatedFlags { environment, evaluation })
    }

    /// The flags with their sources.
    pub fn flags(&self) -> Vec<Value> {
        self.evaluation.decisions.iter().map(|decision| self.flag(decision)).collect()
    }

    /// The ids of the segments that the identity is in.
    pub fn segments(&self) -> Vec<i64> {
        let segments = self.evaluation.segments.iter();
        segments.filter_map(|index| self.segment(*index).get("id").and_then(Value::as_i64)).collect()
    }

    fn flag(&self, decision: &Decision) -> Value {
        // Read from the rendered flag, so that both have the same text.
        let flag = self.environment.flags.outcome(decision.state, decision.variant());
        let flag: Value = json::read(flag).unwrap_or_default();
        let (overridden_by, segment) = match decision.source {
            StateSource::Default => (Value::Null, Value::Null),
            StateSource::Identity => ("IDENTITY".into(), Value::Null),
            StateSource::Segment(index) => ("SEGMENT".into(), self.segment(index)),
        };
        json!({
            "feature": flag.get("feature"),
            "enabled": flag.get("enabled"),
            "feature_state_value": flag.get("feature_state_value"),
            "overridden_by": overridden_by,
            "segment": segment,
            "multivariate_feature_state_values": self.options(decision),
        })
    }

    fn segment(&self, index: SegmentIndex) -> Value {
        let ruleset = &self.environment.ruleset;
        let Some(segment) = ruleset.segments.get(index) else { return Value::Null };
        let metadata: Value = serde_json::from_str(ruleset.json(segment.metadata)).unwrap_or_default();
        json!({"id": metadata.get("id"), "name": segment.name})
    }

    /// The options of the winning state that have a percentage.
    fn options(&self, decision: &Decision) -> Vec<Value> {
        let ruleset = &self.environment.ruleset;
        let variants = ruleset.states.get(decision.state).map(|state| &state.variants);
        let render = |(value, weight): (&str, f64)| {
            let value: Value = serde_json::from_str(value).unwrap_or_default();
            json!({"multivariate_feature_option": {"value": value}, "percentage_allocation": weight})
        };
        let variants = variants.into_iter().flatten();
        variants.map(|variant| render((ruleset.json(variant.value), variant.weight))).collect()
    }
}
