//! Python's regular expressions, for the segment operator REGEX.
//!
//! A pattern matches at the start of the text and need not reach its end. The syntax is that of Python's `re` for `str`
//! patterns: `(?P<name>...)`, `\Z`, `$` before a last newline, and so on.
//!
//! A general engine would take many times the WASM bytes. It would still need a translation of this syntax, and has
//! other rules for empty repeats, letter case and unset groups.
//!
//! Known differences from Python 3.11 and 3.12:
//! - `\N{...}` and the deprecated flag `t` are rejected.
//! - Group names beyond ASCII are checked by `\w` instead of Unicode's rules for identifiers. A condition's group
//!   number has only decimal digits, as in Python 3.12.
//! - Letters newer than Python's Unicode version count as letters.
//! - In a set that ignores case, cased characters beyond U+FFFF follow the rule for all others;
//!   Python compares some of them without folding them.
//! - A group keeps its value when an attempt inside a possessive repeat such as `(?:(a?b)|)*+`
//!   fails; Python can lose track of it and then even raises an error.
//! - A match that takes more steps than the rest of the evaluation's budget fails; Python would continue.

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
    /// `None` if Python would reject the pattern, or if its length or nesting is beyond the limits, which realistic
    /// patterns never reach.
    pub fn new(source: &str) -> Option<Pattern> {
        let (tree, groups) = syntax::parse(source)?;
        let program = Program::new(tree, groups);
        Some(Pattern { program })
    }

    /// True if the pattern matches at the start of `text`. `None` if the rest of the budget is too small.
    pub fn matches(&self, text: &str, budget: &mut Budget) -> Option<bool> {
        // Each match allocates the characters of the text and the machine's cells.
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
