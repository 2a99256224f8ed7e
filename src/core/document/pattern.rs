//! Python's regular expressions, for the segment operator that is defined by them.
//!
//! A pattern matches at the start of the text and need not reach its end, and the syntax is that of
//! Python's `re` for `str` patterns: `(?P<name>...)`, `\Z`, `$` before a last newline, and so on.
//!
//! Written here because a general engine costs many times the WASM bytes and still needs this
//! syntax translated, with other rules for empty repeats, letter case and groups left unset.
//!
//! Known differences from Python 3.11 and 3.12:
//! - `\N{...}` and the deprecated flag `t` are rejected.
//! - Group names beyond ASCII are judged by `\w` instead of Unicode's rules for identifiers, and a
//!   condition's group number is decimal digits only, as from Python 3.12 on.
//! - Letters newer than Python's Unicode version count as letters.
//! - In a set that ignores case, cased characters beyond U+FFFF follow the rule for all others;
//!   Python compares some of them without folding them.
//! - A group keeps its value when an attempt inside a possessive repeat such as `(?:(a?b)|)*+`
//!   fails; Python can lose track of it and then even raises an error.
//! - A match that takes more steps than are left of its evaluation's is none, where Python would go on.

mod chars;
mod machine;
mod program;
mod syntax;
mod tree;

use super::budget::Budget;
use machine::Machine;
use program::Program;

/// A compiled pattern.
#[derive(Debug)]
pub struct Pattern {
    program: Program,
}

impl Pattern {
    /// `None` when Python would reject the pattern, or when it is longer or nested deeper than any
    /// that is meant seriously.
    pub fn new(source: &str) -> Option<Pattern> {
        let (tree, groups) = syntax::parse(source)?;
        let program = Program::new(tree, groups);
        Some(Pattern { program })
    }

    /// True if the pattern matches at the start of `text`; `None` if that takes more than is left of the budget.
    pub fn matches(&self, text: &str, budget: &mut Budget) -> Option<bool> {
        // A text of characters and the machine's cells are made for each match.
        budget.take_text(text.len())?;
        budget.take(self.program.slots / 16)?;
        let text: Vec<char> = text.chars().collect();
        match Machine::new(&self.program, &text, budget.left()).run() {
            Some((matches, steps)) => budget.take(steps).map(|()| matches),
            None => {
                budget.give_up();
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;
