//! An evaluation with its reasons, for the operator's page: the result of each condition and of each rule.
//!
//! [`super::evaluate`] skips conditions that cannot change its result. They are evaluated here, so that answers to SDKs
//! have no extra cost.

use super::condition::split_percentage;
use super::evaluator::Evaluator;
use super::{EvaluatedIdentity, Evaluation, evaluate_with};
use crate::document::budget::Budget;
use crate::document::ruleset::{ConditionIndex, Rule, Ruleset};

/// An evaluation and the results of its conditions.
pub struct Explanation<'a> {
    /// The evaluation. A segment that depends on cutting a circle of flags does not match, even if
    /// [`Explanation::holds`] is true for its rules.
    pub evaluation: Evaluation,
    evaluator: Evaluator<'a>,
}

/// The result of a condition.
#[derive(Debug, PartialEq)]
pub struct Judgement {
    /// True if the condition matches.
    pub holds: bool,
    /// True if the condition counts as one that does not match because the budget was spent.
    pub exhausted: bool,
    /// The compared value, as Python writes it; `None` for an unset value.
    pub value: Option<String>,
    /// The percentage of the value; only for PERCENTAGE_SPLIT.
    pub percentage: Option<f64>,
}

impl<'a> Explanation<'a> {
    /// Evaluates, and prepares the explanation. Conditions that the evaluation skipped get a separate budget, so the
    /// others keep their results.
    pub fn new(ruleset: &'a Ruleset, identity: Option<EvaluatedIdentity<'a>>) -> Explanation<'a> {
        let mut evaluator = Evaluator::new(ruleset, identity);
        let evaluation = evaluate_with(&mut evaluator);
        evaluator.budget = Budget::default();
        Explanation { evaluation, evaluator }
    }

    /// Returns the result of a condition.
    pub fn judge(&mut self, index: ConditionIndex) -> Judgement {
        let holds = self.evaluator.condition_holds(index);
        let value = self.evaluator.value_met(index);
        let ruleset = self.evaluator.ruleset;
        let predicate = ruleset.conditions.get(index).map(|condition| ruleset.predicate(condition));
        let percentage =
            predicate.zip(value).and_then(|(predicate, value)| split_percentage(predicate, value));
        let exhausted = self.evaluator.is_exhausted(index);
        Judgement { holds, exhausted, value: value.map(|value| value.python_text().into_owned()), percentage }
    }

    /// True if a rule matches.
    pub fn holds(&mut self, rule: &'a Rule) -> bool {
        self.evaluator.rule_holds(rule)
    }
}
