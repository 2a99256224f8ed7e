//! Turns a pattern's tree into a flat list of operations.
//!
//! Repeats count instead of being unrolled, so a program is never longer than a few operations per
//! character of its pattern.

use super::chars::{CharMatcher, Fold};
use super::tree::{Assertion, Lookaround, Mode, PatternNode, Repeat, Sequence};

/// One operation. `exit` is the operation after the part that this operation opens. `slot` is the first of the machine's
/// cells that the operation uses.
#[derive(Debug)]
pub(super) enum Op {
    CharMatcher(CharMatcher),
    /// A repeated character.
    Many(CharMatcher, Repeat),
    Assert(Assertion),
    /// Remembers the position.
    Save {
        slot: usize,
    },
    Jump {
        exit: usize,
    },
    /// Goes on, and to `exit` when that fails.
    Try {
        exit: usize,
    },
    /// Starts counting a repeat.
    Begin {
        slot: usize,
    },
    /// Decides on another turn of a repeat, whose body follows.
    RetryState {
        slot: usize,
        repeat: Repeat,
        exit: usize,
    },
    /// Takes the turn that a lazy repeat put off.
    LateTurn {
        slot: usize,
        body: usize,
    },
    /// Opens a part that is not tried again once it has matched.
    Fence {
        slot: usize,
    },
    /// Closes it.
    Cut {
        slot: usize,
    },
    /// Closes it and returns to where it was opened.
    Return {
        slot: usize,
    },
    /// Opens a part that must not match.
    Unless {
        slot: usize,
        exit: usize,
    },
    /// That part has matched.
    Refute {
        slot: usize,
    },
    Back(usize),
    Backref {
        slot: usize,
        fold: Fold,
    },
    IfGroup {
        slot: usize,
        exit: usize,
    },
    Done,
}

/// A program and the number of cells it needs: two per group, then those of its repeats and fences.
#[derive(Debug)]
pub(super) struct Program {
    pub ops: Vec<Op>,
    pub slots: usize,
}

impl Program {
    pub(super) fn new(tree: Sequence, groups: usize) -> Program {
        let mut program = Program { ops: Vec::new(), slots: groups * 2 };
        program.sequence(tree);
        program.ops.push(Op::Done);
        program
    }

    fn sequence(&mut self, seq: Sequence) {
        for (node, _) in seq {
            self.node(node);
        }
    }

    fn node(&mut self, node: PatternNode) {
        match node {
            PatternNode::CharMatcher(one) => self.ops.push(Op::CharMatcher(one)),
            PatternNode::Assert(at) => self.ops.push(Op::Assert(at)),
            PatternNode::Plain(seq) => self.sequence(seq),
            PatternNode::Capture(group, seq) => {
                self.ops.push(Op::Save { slot: group * 2 });
                self.sequence(seq);
                self.ops.push(Op::Save { slot: group * 2 + 1 });
            }
            PatternNode::Atomic(seq) => {
                let slot = self.cells(2);
                self.ops.push(Op::Fence { slot });
                self.sequence(seq);
                self.ops.push(Op::Cut { slot });
            }
            PatternNode::Branches(branches) => self.branches(branches),
            PatternNode::Repeat(repeat, body) => self.repeat(repeat, body),
            PatternNode::Lookaround(lookaround, body) => self.lookaround(lookaround, body),
            PatternNode::Backref(group, fold) => {
                let slot = group * 2;
                self.ops.push(Op::Backref { slot, fold });
            }
            PatternNode::Condition(group, yes, no) => {
                let slot = group * 2;
                let start = self.reserve();
                self.sequence(yes);
                let end = self.reserve();
                let exit = self.ops.len();
                self.put(start, Op::IfGroup { slot, exit });
                self.sequence(no);
                self.jump_here(end);
            }
        }
    }

    fn branches(&mut self, branches: Vec<Sequence>) {
        let mut ends = Vec::new();
        let last = branches.len().saturating_sub(1);
        for (index, branch) in branches.into_iter().enumerate() {
            if index == last {
                self.sequence(branch);
                break;
            }
            let start = self.reserve();
            self.sequence(branch);
            ends.push(self.reserve());
            let exit = self.ops.len();
            self.put(start, Op::Try { exit });
        }
        for end in ends {
            self.jump_here(end);
        }
    }

    fn repeat(&mut self, repeat: Repeat, body: Sequence) {
        let body = match single(body) {
            Ok(one) => return self.ops.push(Op::Many(one, repeat)),
            Err(body) => body,
        };
        let slot = self.cells(3);
        self.ops.push(Op::Begin { slot });
        let turn = self.reserve();
        if repeat.mode == Mode::Lazy {
            let body = turn + 2;
            self.ops.push(Op::LateTurn { slot, body });
        }
        self.sequence(body);
        if repeat.mode == Mode::Possessive {
            self.ops.push(Op::Cut { slot: slot + 2 });
        }
        self.ops.push(Op::Jump { exit: turn });
        let exit = self.ops.len();
        self.put(turn, Op::RetryState { slot, repeat, exit });
    }

    fn lookaround(&mut self, lookaround: Lookaround, body: Sequence) {
        let slot = self.cells(2);
        let start = self.reserve();
        if lookaround.back > 0 {
            self.ops.push(Op::Back(lookaround.back));
        }
        self.sequence(body);
        self.ops.push(match lookaround.negated {
            true => Op::Refute { slot },
            false => Op::Return { slot },
        });
        let exit = self.ops.len();
        let opening = match lookaround.negated {
            true => Op::Unless { slot, exit },
            false => Op::Fence { slot },
        };
        self.put(start, opening);
    }

    fn cells(&mut self, count: usize) -> usize {
        let first = self.slots;
        self.slots += count;
        first
    }

    /// A place for an operation whose target is not known yet.
    fn reserve(&mut self) -> usize {
        self.ops.push(Op::Done);
        self.ops.len() - 1
    }

    fn put(&mut self, at: usize, op: Op) {
        if let Some(place) = self.ops.get_mut(at) {
            *place = op;
        }
    }

    fn jump_here(&mut self, from: usize) {
        let exit = self.ops.len();
        self.put(from, Op::Jump { exit });
    }
}

/// The only character test of `seq`, if there is nothing else in it.
fn single(mut seq: Sequence) -> Result<CharMatcher, Sequence> {
    if seq.len() != 1 {
        return Err(seq);
    }
    match seq.pop() {
        Some((PatternNode::CharMatcher(one), _)) => Ok(one),
        Some((PatternNode::Plain(inner), width)) => {
            single(inner).map_err(|inner| vec![(PatternNode::Plain(inner), width)])
        }
        other => Err(other.into_iter().collect()),
    }
}
