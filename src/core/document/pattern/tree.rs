//! The tree of a pattern, and the number of characters that its parts can match.

use super::chars::{CharMatcher, Fold};

/// A sequence of nodes, with the width of each.
pub(super) type Sequence = Vec<(PatternNode, Width)>;

#[derive(Debug)]
pub(super) enum PatternNode {
    CharMatcher(CharMatcher),
    Assert(Assertion),
    Plain(Sequence),
    Capture(usize, Sequence),
    Atomic(Sequence),
    Branches(Vec<Sequence>),
    Repeat(Repeat, Sequence),
    Lookaround(Lookaround, Sequence),
    Backref(usize, Fold),
    Condition(usize, Sequence, Sequence),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Assertion {
    Start,
    LineStart,
    End,
    EndOrNewline,
    LineEnd,
    Boundary { ascii: bool, wanted: bool },
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Repeat {
    pub min: usize,
    /// `usize::MAX` means no limit.
    pub max: usize,
    pub mode: Mode,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Mode {
    Greedy,
    Lazy,
    Possessive,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Lookaround {
    pub negated: bool,
    /// The distance from the start of the body to the position; 0 for a lookahead.
    pub back: usize,
}

/// The minimum and maximum number of characters that a node can match.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Width {
    pub min: u64,
    pub max: u64,
}

impl Width {
    pub(super) const ZERO: Width = Width { min: 0, max: 0 };
    pub(super) const ONE: Width = Width { min: 1, max: 1 };

    pub(super) fn of(seq: &Sequence) -> Width {
        seq.iter().fold(Width::ZERO, |sum, (_, width)| Width {
            min: sum.min.saturating_add(width.min),
            max: sum.max.saturating_add(width.max),
        })
    }

    pub(super) fn or(self, other: Width) -> Width {
        Width { min: self.min.min(other.min), max: self.max.max(other.max) }
    }

    pub(super) fn times(self, repeat: Repeat) -> Width {
        Width {
            min: self.min.saturating_mul(repeat.min as u64),
            max: match repeat.max {
                usize::MAX if self.max > 0 => u64::MAX,
                max => self.max.saturating_mul(max as u64),
            },
        }
    }
}
