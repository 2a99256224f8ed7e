//! The JSON of every outcome of an environment, in one form.

use super::ruleset::{Ruleset, Span, StateIndex};

/// The JSON of every outcome of an environment's states. For each state the outcome without a multivariate value is first,
/// then one for each multivariate value.
#[derive(Debug)]
pub struct Outcomes {
    text: Vec<u8>,
    outcomes: Vec<Span>,
    /// The index of the first outcome, by state.
    first_outcomes: Vec<u32>,
}

impl Outcomes {
    /// Renders all outcomes. `write` writes the outcome of a state without a multivariate value, or with the given one.
    pub fn render(
        ruleset: &Ruleset,
        mut write: impl FnMut(&mut Vec<u8>, StateIndex, Option<usize>),
    ) -> Outcomes {
        let mut all = Outcomes { text: Vec::new(), outcomes: Vec::new(), first_outcomes: Vec::new() };
        for (index, state) in ruleset.states.iter().enumerate() {
            all.first_outcomes.push(all.outcomes.len() as u32);
            for variant in std::iter::once(None).chain((0..state.variants.len()).map(Some)) {
                let start = all.text.len() as u32;
                write(&mut all.text, index, variant);
                all.outcomes.push(Span { start, end: all.text.len() as u32 });
            }
        }
        all.text.shrink_to_fit();
        all
    }

    /// The outcome of a state; empty for a state that is not the environment's.
    #[inline(always)]
    pub fn get(&self, state: StateIndex, variant: Option<usize>) -> &[u8] {
        let first = self.first_outcomes.get(state).map_or(usize::MAX, |&first| first as usize);
        let span = self.outcomes.get(first.saturating_add(variant.map_or(0, |variant| variant + 1)));
        span.and_then(|span| self.text.get(span.range())).unwrap_or_default()
    }
}
