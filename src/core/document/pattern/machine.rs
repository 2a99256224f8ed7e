//! Runs a program against a text, backtracking within fixed bounds.

use super::chars::{CharMatcher, is_word};
use super::program::{Op, Program};
use super::tree::{Assertion, Mode, Repeat};

/// The maximum number of entries of the backtrack stack, which bounds the memory of a match.
const MAX_BACKTRACK_STACK: usize = 1_000_000;
/// The content of a cell that has not been set.
const UNSET: usize = usize::MAX;

/// The alternatives to try when the current attempt fails, latest first.
enum Backtrack {
    /// Continue at this operation and position.
    Branch { pc: usize, at: usize },
    /// Restore an old value, then take the next entry.
    Restore { slot: usize, old: usize },
    /// Shorten a greedy run by one character, down to `low`.
    Shrink { pc: usize, at: usize, low: usize },
    /// Extend a lazy run by one character, up to `high`.
    Grow { pc: usize, at: usize, high: usize },
}

pub(super) struct Machine<'a> {
    ops: &'a [Op],
    text: &'a [char],
    pc: usize,
    at: usize,
    slots: Vec<usize>,
    backtrack_stack: Vec<Backtrack>,
    steps: usize,
    max_steps: usize,
}

impl<'a> Machine<'a> {
    pub(super) fn new(program: &'a Program, text: &'a [char], max_steps: usize) -> Machine<'a> {
        Machine {
            ops: &program.ops,
            text,
            pc: 0,
            at: 0,
            slots: vec![UNSET; program.slots],
            backtrack_stack: Vec::new(),
            steps: 0,
            max_steps,
        }
    }

    /// True if the program matches at the start of the text, with the number of steps. `None` if it exceeds a limit.
    pub(super) fn run(mut self) -> Option<(bool, usize)> {
        while let Some(op) = self.ops.get(self.pc) {
            if matches!(op, Op::Done) {
                return Some((true, self.steps));
            }
            self.pc += 1;
            self.steps += 1;
            let goes_on = self.step(op) || self.backtrack();
            if self.steps > self.max_steps || self.backtrack_stack.len() > MAX_BACKTRACK_STACK {
                return None;
            }
            if !goes_on {
                break;
            }
        }
        Some((false, self.steps))
    }

    /// Executes an operation. True if the attempt continues.
    fn step(&mut self, op: &Op) -> bool {
        match *op {
            Op::CharMatcher(ref one) => return self.one(one),
            Op::Many(ref one, repeat) => return self.many(one, repeat),
            Op::Assert(at) => return self.holds(at),
            Op::Save { slot } => self.set(slot, self.at),
            Op::Jump { exit } => self.pc = exit,
            Op::Try { exit } => self.branch(exit),
            Op::Begin { slot } => {
                self.set(slot, 0);
                self.set(slot + 1, UNSET);
            }
            Op::RetryState { slot, repeat, exit } => self.turn(slot, repeat, exit),
            Op::LateTurn { slot, body } => {
                self.count_turn(slot);
                self.pc = body;
            }
            Op::Fence { slot } => {
                self.set(slot + 1, self.at);
                self.mark(slot);
            }
            Op::Cut { slot } => self.cut(slot),
            Op::Return { slot } => {
                self.cut(slot);
                self.at = self.get(slot + 1);
            }
            Op::Unless { slot, exit } => {
                self.mark(slot);
                self.branch(exit);
            }
            Op::Refute { slot } => {
                self.rewind(self.get(slot));
                return false;
            }
            Op::Back(count) => match self.at.checked_sub(count) {
                Some(at) => self.at = at,
                None => return false,
            },
            Op::Backref { slot, fold } => {
                let Some(group) = self.group(slot) else {
                    return false;
                };
                self.steps += group.len();
                let rest = self.text.get(self.at..).unwrap_or_default();
                let same = group.iter().zip(rest).all(|(a, b)| fold.same(*a, *b));
                self.at += group.len();
                return same && group.len() <= rest.len();
            }
            Op::IfGroup { slot, exit } => {
                if self.group(slot).is_none() {
                    self.pc = exit;
                }
            }
            Op::Done => {}
        }
        true
    }

    /// Continues at the latest entry of the stack that gives another attempt. True if there is one.
    fn backtrack(&mut self) -> bool {
        while let Some(entry) = self.backtrack_stack.pop() {
            match entry {
                Backtrack::Restore { slot, old } => self.put(slot, old),
                Backtrack::Branch { pc, at } => {
                    (self.pc, self.at) = (pc, at);
                    return true;
                }
                Backtrack::Shrink { pc, at, low } => {
                    let at = at.saturating_sub(1);
                    if at > low {
                        self.backtrack_stack.push(Backtrack::Shrink { pc, at, low });
                    }
                    (self.pc, self.at) = (pc, at);
                    return true;
                }
                Backtrack::Grow { pc, at, high } => {
                    if self.grow(pc, at, high) {
                        return true;
                    }
                }
            }
        }
        false
    }

    fn one(&mut self, one: &CharMatcher) -> bool {
        self.steps += one.cost() - 1;
        let matched = self.text.get(self.at).is_some_and(|c| one.matches(*c));
        self.at += usize::from(matched);
        matched
    }

    fn many(&mut self, one: &CharMatcher, repeat: Repeat) -> bool {
        let start = self.at;
        let most = match repeat.mode {
            Mode::Lazy => repeat.min,
            _ => repeat.max,
        };
        let rest = self.text.get(start..).unwrap_or_default();
        let run = rest.iter().take(most).take_while(|c| one.matches(**c));
        let count = run.count();
        self.steps += count.saturating_mul(one.cost());
        if count < repeat.min {
            return false;
        }
        let (pc, at, low) = (self.pc, start + count, start + repeat.min);
        match repeat.mode {
            Mode::Greedy if at > low => self.backtrack_stack.push(Backtrack::Shrink { pc, at, low }),
            Mode::Lazy if repeat.min < repeat.max => {
                let high = start.saturating_add(repeat.max);
                self.backtrack_stack.push(Backtrack::Grow { pc, at, high });
            }
            _ => {}
        }
        self.at = at;
        true
    }

    fn grow(&mut self, pc: usize, at: usize, high: usize) -> bool {
        let run = pc.checked_sub(1).and_then(|pc| self.ops.get(pc));
        let Some(Op::Many(one, _)) = run else {
            return false;
        };
        self.at = at;
        self.pc = pc;
        let grown = self.one(one);
        if grown && self.at < high {
            let at = self.at;
            self.backtrack_stack.push(Backtrack::Grow { pc, at, high });
        }
        grown
    }

    /// Starts another turn of a repeat, or leaves the repeat. Beyond the minimum, no turn follows an empty turn;
    /// otherwise empty turns would follow each other forever.
    fn turn(&mut self, slot: usize, repeat: Repeat, exit: usize) {
        let count = self.get(slot);
        if repeat.mode == Mode::Possessive {
            self.mark(slot + 2);
        }
        if count < repeat.min {
            self.set(slot, count + 1);
            self.pc += usize::from(repeat.mode == Mode::Lazy);
            return;
        }
        let more = count < repeat.max && self.get(slot + 1) != self.at;
        match repeat.mode {
            Mode::Lazy => {
                if more {
                    self.branch(self.pc);
                }
                self.pc = exit;
            }
            _ if more => {
                self.branch(exit);
                self.count_turn(slot);
            }
            _ => self.pc = exit,
        }
    }

    fn count_turn(&mut self, slot: usize) {
        self.set(slot, self.get(slot).saturating_add(1));
        self.set(slot + 1, self.at);
    }

    fn branch(&mut self, pc: usize) {
        self.backtrack_stack.push(Backtrack::Branch { pc, at: self.at });
    }

    /// Stores the length of the backtrack stack, to cut or rewind it to that length.
    fn mark(&mut self, slot: usize) {
        self.set(slot, self.backtrack_stack.len() + 1);
    }

    /// Drops the alternatives since the mark. Entries that restore an old value stay, since earlier alternatives need
    /// the old values.
    fn cut(&mut self, slot: usize) {
        let start = self.get(slot).min(self.backtrack_stack.len());
        self.steps += self.backtrack_stack.len() - start;
        let mut kept = self.backtrack_stack.split_off(start);
        kept.retain(|entry| matches!(entry, Backtrack::Restore { .. }));
        self.backtrack_stack.append(&mut kept);
    }

    fn rewind(&mut self, length: usize) {
        while self.backtrack_stack.len() > length {
            if let Some(Backtrack::Restore { slot, old }) = self.backtrack_stack.pop() {
                self.put(slot, old);
            }
        }
    }

    fn get(&self, slot: usize) -> usize {
        self.slots.get(slot).copied().unwrap_or(UNSET)
    }

    fn set(&mut self, slot: usize, value: usize) {
        let old = self.get(slot);
        self.backtrack_stack.push(Backtrack::Restore { slot, old });
        self.put(slot, value);
    }

    fn put(&mut self, slot: usize, value: usize) {
        if let Some(cell) = self.slots.get_mut(slot) {
            *cell = value;
        }
    }

    /// The text that a group has matched; none until both ends are set.
    fn group(&self, slot: usize) -> Option<&'a [char]> {
        self.text.get(self.get(slot)..self.get(slot + 1))
    }

    fn holds(&self, at: Assertion) -> bool {
        let rest = self.text.get(self.at..).unwrap_or_default();
        match at {
            Assertion::Start => self.at == 0,
            Assertion::LineStart => self.at == 0 || self.before() == Some('\n'),
            Assertion::End => rest.is_empty(),
            Assertion::EndOrNewline => matches!(rest, [] | ['\n']),
            Assertion::LineEnd => matches!(rest, [] | ['\n', ..]),
            Assertion::Boundary { ascii, wanted } => {
                let word = |c: Option<char>| c.is_some_and(|c| is_word(c, ascii));
                let edge = word(self.before()) != word(rest.first().copied());
                // Neither kind of boundary exists in an empty text.
                !self.text.is_empty() && edge == wanted
            }
        }
    }

    fn before(&self) -> Option<char> {
        let at = self.at.checked_sub(1)?;
        self.text.get(at).copied()
    }
}
