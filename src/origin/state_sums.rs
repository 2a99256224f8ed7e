//! Sums of the feature states of an environment, which bound the length of its document.

use crate::rows::{FeatureState, TypedValue};

/// The most bytes that JSON has for a byte of a text.
const ESCAPE: usize = 6;

/// Sums of the feature states of an environment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StateSums {
    pub states: usize,
    /// The most bytes of the values in JSON.
    pub values: usize,
    /// Options in states.
    pub options: usize,
    pub identity_overrides: usize,
}

impl StateSums {
    /// Adds a state.
    pub fn add(&mut self, row: &FeatureState) {
        self.states += 1;
        self.values += value(&row.value);
        self.options += row.multivariate_feature_state_values.len();
        self.identity_overrides += usize::from(row.identity.is_some());
    }

    /// Subtracts a state that was added.
    pub fn subtract(&mut self, row: &FeatureState) {
        self.states -= 1;
        self.values -= value(&row.value);
        self.options -= row.multivariate_feature_state_values.len();
        self.identity_overrides -= usize::from(row.identity.is_some());
    }
}

/// The most bytes that a value has in JSON as a scalar, if it is a text.
pub fn value(value: &TypedValue) -> usize {
    texts([value.string_value.as_deref().unwrap_or_default()])
}

/// The most bytes that texts have in JSON.
pub fn texts<T: AsRef<str>, const N: usize>(texts: [T; N]) -> usize {
    ESCAPE * texts.iter().map(|text| text.as_ref().len()).sum::<usize>()
}
