//! Slices of a text that many small texts share.

use std::ops::Range;

/// A slice of a text, as for [`super::ruleset::Ruleset::json`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Span {
    pub(super) fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// The slice; empty for a span of another text.
    pub(super) fn of(self, text: &str) -> &str {
        text.get(self.range()).unwrap_or_default()
    }
}
