//! The limit on the work of all conditions of one evaluation.

/// The maximum number of steps in one evaluation. A step takes some nanoseconds: one operation of a pattern, one node
/// of a JSONPath query, or 16 bytes of a text.
pub const MAX_STEPS: usize = 1_000_000;

/// The number of bytes of a text that count as one step. Shorter texts take no step, since the document's length limits
/// their number.
const TEXT_STEP: usize = 16;

/// The remaining steps. Steps are counted, not timed, so that every machine gives the same answers.
#[derive(Debug)]
pub struct Budget {
    left: usize,
    spent: bool,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget { left: MAX_STEPS, spent: false }
    }
}

impl Budget {
    /// Takes this many steps. `None` if fewer are left, and for all later calls.
    #[inline]
    pub fn take(&mut self, steps: usize) -> Option<()> {
        match self.left.checked_sub(steps) {
            Some(left) => {
                self.left = left;
                Some(())
            }
            None => self.give_up(),
        }
    }

    /// Takes the steps for one pass over a text.
    #[inline]
    pub fn take_text(&mut self, length: usize) -> Option<()> {
        self.take(length / TEXT_STEP)
    }

    /// Takes all remaining steps and marks the budget as spent.
    pub fn give_up(&mut self) -> Option<()> {
        (self.left, self.spent) = (0, true);
        None
    }

    /// The number of remaining steps.
    pub fn left(&self) -> usize {
        self.left
    }

    /// The number of steps taken.
    pub fn taken(&self) -> usize {
        MAX_STEPS - self.left
    }

    /// True if more steps were requested than were left.
    #[inline]
    pub fn is_spent(&self) -> bool {
        self.spent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spent_budget_grants_no_steps() {
        let mut budget = Budget::default();
        assert!(budget.take(MAX_STEPS - 1).is_some() && budget.take_text(TEXT_STEP - 1).is_some());
        assert!(budget.take_text(TEXT_STEP).is_some() && budget.left() == 0 && !budget.is_spent());
        assert!(budget.take(1).is_none() && budget.is_spent());
        let mut budget = Budget::default();
        assert!(budget.take(usize::MAX).is_none() && budget.take(1).is_none());
    }
}
