//! The overrides that are stored with an identity, compiled for an environment.
//!
//! An identity has few overrides, and they are compiled for one request only, so nothing is cached. Their states are
//! numbered after the last state of the ruleset.

use super::environment::Environment;
use super::feature_state::FeatureState;
use super::flags::render_outcomes;
use super::ruleset::{CompiledState, FeatureIndex, Ruleset, Span, StateIndex, Variant};

/// An identity's own overrides of features that the environment has.
#[derive(Debug)]
pub struct StoredOverrides {
    first: StateIndex,
    states: Vec<CompiledState>,
    values: Vec<u8>,
    flags: Vec<u8>,
    /// The outcomes by state, as in [`super::Flags`].
    outcomes: Vec<Vec<Span>>,
}

impl StoredOverrides {
    /// No overrides.
    pub fn none() -> &'static StoredOverrides {
        static NONE: StoredOverrides = StoredOverrides::empty(StateIndex::MAX);
        &NONE
    }

    const fn empty(first: StateIndex) -> StoredOverrides {
        StoredOverrides {
            first,
            states: Vec::new(),
            values: Vec::new(),
            flags: Vec::new(),
            outcomes: Vec::new(),
        }
    }

    /// Compiles the overrides of features that the environment still has.
    pub fn new(environment: &Environment, overrides: &[FeatureState]) -> StoredOverrides {
        let mut stored = StoredOverrides::empty(environment.ruleset.states.len());
        for state in overrides {
            if let Some(feature) = environment.feature_with_id(state.feature.id) {
                stored.add(environment, feature, state);
            }
        }
        stored
    }

    fn add(&mut self, environment: &Environment, feature: FeatureIndex, state: &FeatureState) {
        let mut start = 0.0;
        let variants = state.variants().into_iter().map(|value| {
            let limit = start + value.percentage_allocation;
            let variant = Variant {
                start,
                limit,
                weight: value.percentage_allocation,
                key: value.multivariate_feature_option.key.clone(),
                value: self.span(&value.multivariate_feature_option.value),
            };
            start = limit;
            variant
        });
        let variants = variants.collect();
        let key = match state.django_id {
            Some(id) => id.to_string().into(),
            None => state.featurestate_uuid.clone(),
        };
        let value = self.span(&state.feature_state_value);
        let state = CompiledState {
            feature,
            key,
            enabled: state.enabled,
            value,
            variants,
            metadata: Span::default(),
        };
        let (head, multivariate) = environment.flags.head(feature);
        let mut outcomes = Vec::new();
        let values = &self.values;
        render_outcomes(&mut self.flags, &mut outcomes, head, multivariate, &state, |span| {
            json(values, span)
        });
        self.outcomes.push(outcomes);
        self.states.push(state);
    }

    /// True if there are no overrides.
    pub fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    /// The override of a feature; the first of several.
    pub fn of_feature(&self, feature: FeatureIndex) -> Option<StateIndex> {
        let index = self.states.iter().position(|state| state.feature == feature)?;
        Some(self.first + index)
    }

    /// The state with this number, of these overrides or of the ruleset.
    #[inline(always)]
    pub fn state<'a>(&'a self, ruleset: &'a Ruleset, index: StateIndex) -> Option<&'a CompiledState> {
        match index.checked_sub(self.first) {
            Some(index) => self.states.get(index),
            None => ruleset.states.get(index),
        }
    }

    /// The JSON text of a span of a state.
    pub fn json<'a>(&'a self, ruleset: &'a Ruleset, state: StateIndex, span: Span) -> &'a str {
        if state < self.first { ruleset.json(span) } else { json(&self.values, span) }
    }

    /// The rendered outcome of one of these states, as [`super::Flags::outcome`]; `None` for other states.
    #[inline(always)]
    pub fn outcome(&self, state: StateIndex, variant: Option<usize>) -> Option<&[u8]> {
        let outcomes = self.outcomes.get(state.checked_sub(self.first)?)?;
        let span = outcomes.get(variant.map_or(0, |variant| variant + 1))?;
        self.flags.get(span.range())
    }

    fn span(&mut self, value: &serde_json::Value) -> Span {
        let start = self.values.len() as u32;
        self.values.extend_from_slice(value.to_string().as_bytes());
        Span { start, end: self.values.len() as u32 }
    }
}

fn json(values: &[u8], span: Span) -> &str {
    values.get(span.range()).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or("null")
}
