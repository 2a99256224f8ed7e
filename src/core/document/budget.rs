//! The work that the conditions of one evaluation may take together.

/// The steps of one evaluation. A step takes some nanoseconds: one operation of a pattern, one node of a JSONPath query,
/// 16 bytes of a text.
pub const MAX_STEPS: usize = 1_000_000;

/// The bytes of a text that count for one step. Shorter texts are free: their number follows from the document's length.
const TEXT_STEP: usize = 16;

/// The steps that are left. Counted and never timed, so that every machine comes to the same answers.
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
    /// Takes so many steps; `None` if fewer are left, and from then on always.
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

    /// Takes the steps for reading a text once.
    #[inline]
    pub fn take_text(&mut self, length: usize) -> Option<()> {
        self.take(length / TEXT_STEP)
    }

    /// Takes whatever is left.
    pub fn give_up(&mut self) -> Option<()> {
        (self.left, self.spent) = (0, true);
        None
    }

    /// The steps that are left.
    pub fn left(&self) -> usize {
        self.left
    }

    /// The steps that were taken.
    pub fn taken(&self) -> usize {
        MAX_STEPS - self.left
    }

    /// True if more steps were asked for than were left.
    #[inline]
    pub fn is_spent(&self) -> bool {
        self.spent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spent_budget_gives_nothing() {
        let mut budget = Budget::default();
        assert!(budget.take(MAX_STEPS - 1).is_some() && budget.take_text(TEXT_STEP - 1).is_some());
        assert!(budget.take_text(TEXT_STEP).is_some() && budget.left() == 0 && !budget.is_spent());
        assert!(budget.take(1).is_none() && budget.is_spent());
        let mut budget = Budget::default();
        assert!(budget.take(usize::MAX).is_none() && budget.take(1).is_none());
    }
}
