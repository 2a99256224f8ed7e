//! Compiles a pattern's tree into a flat list of operations.
//!
//! Repeats are counted, not unrolled, so a program has at most a few operations for each character of its pattern.

use super::chars::{CharMatcher, Fold};
use super::tree::{Assertion, Lookaround, Mode, PatternNode, Repeat, Sequence};

/// One operation. `exit` is the operation after the part that this operation opens. `slot` is the first cell of the
/// machine that the operation uses.
#[derive(Debug)]
pub(super) enum Op {
    CharMatcher(CharMatcher),
    /// A repeated character.
    Many(CharMatcher, Repeat),
    Assert(Assertion),
    /// Stores the position.
    Save {
        slot: usize,
    },
    Jump {
        exit: usize,
    },
    /// Tries the next operation. If that fails later, the attempt goes on at `exit`.
    Try {
        exit: usize,
    },
    /// Starts counting a repeat.
    Begin {
        slot: usize,
    },
    /// Decides about another turn of a repeat. The repeat's body follows.
    RetryState {
        slot: usize,
        repeat: Repeat,
        exit: usize,
    },
    /// Takes the turn that a lazy repeat postponed.
    LateTurn {
        slot: usize,
        body: usize,
    },
    /// Opens an atomic part: after a match it is not tried again.
    Fence {
        slot: usize,
    },
    /// Closes the part.
    Cut {
        slot: usize,
    },
    /// Closes the part and returns to the position of its opening.
    Return {
        slot: usize,
    },
    /// Opens a part that must not match.
    Unless {
        slot: usize,
        exit: usize,
    },
    /// Fails, since the part has matched.
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

/// A program and its number of cells: two for each group, then those of repeats and marks.
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

    /// A placeholder for an operation with a target that is not known yet.
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

/// Returns the character test of `seq` if the sequence is one character.
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
