//! Parses a pattern into a tree, with the rules of Python's `re`.
//!
//! A backslash and the next character are always one token. So `\)` does not end a comment, and a single backslash at
//! the end is an error, also in a comment.

mod groups;

use super::chars::{CharMatcher, Class, ClassKind, Fold, Member, Set, is_word};
use super::tree::{Assertion, Lookaround, Mode, PatternNode, Repeat, Sequence, Width};

/// The maximum length of a pattern in characters.
const MAX_SOURCE: usize = 10_000;
/// The maximum nesting of groups, because parsing and compiling a group are recursive.
const MAX_DEPTH: usize = 100;
/// Python's value for "no upper bound", which it refuses as a bound.
const MAX_REPEAT: u64 = u32::MAX as u64;

const IGNORE_CASE: u8 = 1;
const MULTILINE: u8 = 2;
const DOT_ALL: u8 = 4;
const VERBOSE: u8 = 8;
const ASCII: u8 = 16;
const UNICODE: u8 = 32;
const TYPES: u8 = ASCII | UNICODE;

/// The tree of `source` and its number of groups, group 0 included; `None` if it is invalid.
pub(super) fn parse(source: &str) -> Option<(Sequence, usize)> {
    let mut parser = Parser {
        tokens: tokens(source)?,
        at: 0,
        depth: 0,
        widths: vec![None],
        names: Vec::new(),
        behind: None,
        highest_condition: 0,
    };
    let mut flags = 0;
    let tree = parser.alternation(&mut flags, true)?;
    let groups = parser.widths.len();
    let complete = parser.peek().is_none() && parser.highest_condition < groups;
    (complete && flags & TYPES != TYPES).then_some((tree, groups))
}

#[derive(Clone, Copy)]
struct Token {
    c: char,
    escaped: bool,
}

fn tokens(source: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut chars = source.chars();
    while let Some(first) = chars.next() {
        if tokens.len() == MAX_SOURCE {
            return None;
        }
        let escaped = first == '\\';
        let c = if escaped { chars.next()? } else { first };
        tokens.push(Token { c, escaped });
    }
    Some(tokens)
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    /// The widths of groups by number; `None` while a group is open.
    widths: Vec<Option<Width>>,
    names: Vec<(String, usize)>,
    /// The first group number within the current lookbehind, if there is one.
    behind: Option<usize>,
    highest_condition: usize,
}

impl Parser {
    fn peek(&self) -> Option<Token> {
        self.tokens.get(self.at).copied()
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.peek()?;
        self.at += 1;
        Some(token)
    }

    /// The next unescaped character. An escaped character is consumed and is an error.
    fn next_plain(&mut self) -> Option<char> {
        self.next().filter(|token| !token.escaped).map(|t| t.c)
    }

    fn peek_plain(&self) -> Option<char> {
        self.peek().filter(|token| !token.escaped).map(|t| t.c)
    }

    fn eat(&mut self, c: char) -> bool {
        let found = self.peek_plain() == Some(c);
        self.at += usize::from(found);
        found
    }

    fn take_while(&mut self, most: usize, wanted: impl Fn(char) -> bool) -> String {
        let mut taken = String::new();
        while taken.len() < most {
            match self.peek_plain() {
                Some(c) if wanted(c) => taken.push(c),
                _ => break,
            }
            self.at += 1;
        }
        taken
    }

    /// Parses alternatives. `flags` can change only at the start of the pattern, by `(?i)` and the like.
    fn alternation(&mut self, flags: &mut u8, top: bool) -> Option<Sequence> {
        let first = self.sequence(flags, top)?;
        if self.peek_plain() != Some('|') {
            return Some(first);
        }
        let mut width = Width::of(&first);
        let mut branches = vec![first];
        while self.eat('|') {
            let branch = self.sequence(flags, false)?;
            width = width.or(Width::of(&branch));
            branches.push(branch);
        }
        Some(vec![(PatternNode::Branches(branches), width)])
    }

    fn sequence(&mut self, flags: &mut u8, first: bool) -> Option<Sequence> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        let mut seq = Sequence::new();
        while let Some(token) = self.peek() {
            if !token.escaped && matches!(token.c, '|' | ')') {
                break;
            }
            self.at += 1;
            if *flags & VERBOSE == 0 || !self.skip_layout(token) {
                self.item(token, flags, first, &mut seq)?;
            }
        }
        self.depth -= 1;
        Some(seq)
    }

    /// True if `token` is white space or opens a comment of verbose mode, which is then skipped.
    fn skip_layout(&mut self, token: Token) -> bool {
        match token.c {
            _ if token.escaped => false,
            ' ' | '\t'..='\r' => true,
            '#' => {
                while self.next().is_some_and(|t| t.escaped || t.c != '\n') {}
                true
            }
            _ => false,
        }
    }

    fn item(&mut self, token: Token, flags: &mut u8, first: bool, seq: &mut Sequence) -> Option<()> {
        let item = match token.c {
            c if token.escaped => self.escape(c, *flags)?,
            '.' if *flags & DOT_ALL != 0 => one(CharMatcher::Any),
            '.' => one(CharMatcher::NotNewline),
            '^' if *flags & MULTILINE != 0 => at(Assertion::LineStart),
            '^' => at(Assertion::Start),
            '$' if *flags & MULTILINE != 0 => at(Assertion::LineEnd),
            '$' => at(Assertion::EndOrNewline),
            '[' => one(self.set(*flags)?),
            '(' => match self.group(flags, first && seq.is_empty())? {
                Some(item) => item,
                None => return Some(()),
            },
            '*' | '+' | '?' | '{' => match self.bounds(token.c)? {
                Some((min, max)) => self.repeat(seq.pop()?, min, max)?,
                None => one(CharMatcher::literal('{' as u32, fold(*flags))),
            },
            c => one(CharMatcher::literal(c as u32, fold(*flags))),
        };
        seq.push(item);
        Some(())
    }

    /// The bounds of a quantifier; `Some(None)` if its `{` is only a character.
    fn bounds(&mut self, quantifier: char) -> Option<Option<(usize, usize)>> {
        match quantifier {
            '?' => return Some(Some((0, 1))),
            '*' => return Some(Some((0, usize::MAX))),
            '+' => return Some(Some((1, usize::MAX))),
            _ if self.peek_plain() == Some('}') => return Some(None),
            _ => {}
        }
        let start = self.at;
        let low = self.take_while(MAX_SOURCE, |c| c.is_ascii_digit());
        let high = match self.eat(',') {
            true => self.take_while(MAX_SOURCE, |c| c.is_ascii_digit()),
            false => low.clone(),
        };
        if !self.eat('}') {
            self.at = start;
            return Some(None);
        }
        let min = bound(&low, 0)?;
        let max = bound(&high, usize::MAX)?;
        (min <= max).then_some(Some((min, max)))
    }

    fn repeat(&mut self, item: (PatternNode, Width), min: usize, max: usize) -> Option<(PatternNode, Width)> {
        if matches!(item.0, PatternNode::Assert(_) | PatternNode::Repeat(..)) {
            return None;
        }
        let mode = if self.eat('?') {
            Mode::Lazy
        } else if self.eat('+') {
            Mode::Possessive
        } else {
            Mode::Greedy
        };
        let repeat = Repeat { min, max, mode };
        let width = item.1.times(repeat);
        Some((PatternNode::Repeat(repeat, vec![item]), width))
    }

    fn escape(&mut self, c: char, flags: u8) -> Option<(PatternNode, Width)> {
        let boundary = |wanted| Assertion::Boundary { ascii: flags & ASCII != 0, wanted };
        Some(match c {
            'A' => at(Assertion::Start),
            'Z' => at(Assertion::End),
            'b' => at(boundary(true)),
            'B' => at(boundary(false)),
            '0' => {
                let digits = self.take_while(2, is_octal);
                one(CharMatcher::literal(octal(&digits)?, fold(flags)))
            }
            '1'..='9' => self.number(c, flags)?,
            _ => match self.common_escape(c, flags)? {
                Member::Range(code, _) => one(CharMatcher::literal(code, fold(flags))),
                class => one(CharMatcher::Set(Set::new(vec![class], false, Fold::None))),
            },
        })
    }

    /// Parses an escaped number: three octal digits are a character, other digits a group.
    fn number(&mut self, first: char, flags: u8) -> Option<(PatternNode, Width)> {
        let mut digits = String::from(first);
        digits += &self.take_while(1, |c| c.is_ascii_digit());
        if digits.len() == 2 && digits.chars().all(is_octal) {
            digits += &self.take_while(1, is_octal);
        }
        if digits.len() == 3 {
            let code = octal(&digits).filter(|code| *code <= 0o377)?;
            return Some(one(CharMatcher::literal(code, fold(flags))));
        }
        self.backref(digits.parse().ok()?, flags)
    }

    fn backref(&self, group: usize, flags: u8) -> Option<(PatternNode, Width)> {
        let width = (*self.widths.get(group)?)?;
        self.check_behind(group)?;
        Some((PatternNode::Backref(group, fold(flags)), width))
    }

    /// A lookbehind may refer only to groups that were closed before it.
    fn check_behind(&self, group: usize) -> Option<()> {
        let Some(behind) = self.behind else {
            return Some(());
        };
        let closed = self.widths.get(group).is_some_and(Option::is_some);
        (closed && group < behind).then_some(())
    }

    /// An escape that means the same inside and outside a set.
    fn common_escape(&mut self, c: char, flags: u8) -> Option<Member> {
        let class = |kind| {
            Some(Member::Class(Class { kind, ascii: flags & ASCII != 0, negated: c.is_ascii_uppercase() }))
        };
        let code = match c {
            'd' | 'D' => return class(ClassKind::Digit),
            's' | 'S' => return class(ClassKind::Space),
            'w' | 'W' => return class(ClassKind::Word),
            'a' => 7,
            'f' => 12,
            'n' => 10,
            'r' => 13,
            't' => 9,
            'v' => 11,
            'x' => self.hex(2)?,
            'u' => self.hex(4)?,
            'U' => self.hex(8)?,
            _ if c.is_ascii_alphanumeric() => return None,
            _ => c as u32,
        };
        Some(Member::Range(code, code))
    }

    fn hex(&mut self, count: usize) -> Option<u32> {
        let digits = self.take_while(count, |c| c.is_ascii_hexdigit());
        let code = u32::from_str_radix(&digits, 16).ok()?;
        (digits.len() == count && code <= char::MAX as u32).then_some(code)
    }

    fn set(&mut self, flags: u8) -> Option<CharMatcher> {
        let negated = self.eat('^');
        let mut members = Vec::new();
        loop {
            if !members.is_empty() && self.eat(']') {
                break;
            }
            let member = self.member(flags)?;
            if !self.eat('-') {
                members.push(member);
                continue;
            }
            if self.eat(']') {
                members.extend([member, Member::Range('-' as u32, '-' as u32)]);
                break;
            }
            match (member, self.member(flags)?) {
                (Member::Range(low, _), Member::Range(high, _)) if low <= high => {
                    members.push(Member::Range(low, high));
                }
                _ => return None,
            }
        }
        Some(match *members {
            [Member::Range(low, high)] if low == high && !negated => CharMatcher::literal(low, fold(flags)),
            _ => CharMatcher::Set(Set::new(members, negated, fold(flags))),
        })
    }

    fn member(&mut self, flags: u8) -> Option<Member> {
        let token = self.next()?;
        let code = match token.c {
            c if !token.escaped => c as u32,
            'b' => 8,
            c if is_octal(c) => {
                let digits = String::from(c) + &self.take_while(2, is_octal);
                octal(&digits).filter(|code| *code <= 0o377)?
            }
            c => return self.common_escape(c, flags),
        };
        Some(Member::Range(code, code))
    }
}

fn one(one: CharMatcher) -> (PatternNode, Width) {
    (PatternNode::CharMatcher(one), Width::ONE)
}

fn at(at: Assertion) -> (PatternNode, Width) {
    (PatternNode::Assert(at), Width::ZERO)
}

fn fold(flags: u8) -> Fold {
    match flags & (IGNORE_CASE | ASCII) {
        IGNORE_CASE => Fold::Unicode,
        flags if flags & IGNORE_CASE != 0 => Fold::Ascii,
        _ => Fold::None,
    }
}

fn bound(digits: &str, default: usize) -> Option<usize> {
    if digits.is_empty() {
        return Some(default);
    }
    let bound: u64 = digits.parse().ok()?;
    (bound < MAX_REPEAT).then_some(bound as usize)
}

fn is_octal(c: char) -> bool {
    c.is_digit(8)
}

fn octal(digits: &str) -> Option<u32> {
    match digits {
        "" => Some(0),
        _ => u32::from_str_radix(digits, 8).ok(),
    }
}
