//! Parses the segments, selectors and texts of queries.

use super::query::{PathSegment, Query, Selector};

/// The maximum nesting of brackets and parentheses, because parsing and evaluation are recursive.
const MAX_NESTING: usize = 6;
/// The largest index that the RFC allows (I-JSON).
const MAX_INDEX: i64 = (1 << 53) - 1;

pub(super) fn parse(source: &str) -> Option<Query> {
    let mut parser = Parser { rest: source, nesting: 0 };
    parser.take("$").then_some(())?;
    let query = parser.query(true)?;
    parser.rest.is_empty().then_some(query)
}

pub(super) struct Parser<'s> {
    pub(super) rest: &'s str,
    nesting: usize,
}

impl<'s> Parser<'s> {
    /// Parses the segments after `$` or `@`.
    pub(super) fn query(&mut self, absolute: bool) -> Option<Query> {
        let mut segments = Vec::new();
        loop {
            let before = self.rest;
            self.skip_space();
            let descendants = self.take("..");
            let selectors = if self.rest.starts_with('[') {
                self.bracketed()?
            } else if descendants || self.take(".") {
                Box::new([self.shorthand()?])
            } else {
                self.rest = before;
                return Some(Query { absolute, segments: segments.into() });
            };
            segments.push(PathSegment { descendants, selectors });
        }
    }

    fn shorthand(&mut self) -> Option<Selector> {
        if self.take("*") {
            return Some(Selector::Wildcard);
        }
        let (name, rest) = split_name(self.rest);
        self.rest = rest;
        (!name.is_empty()).then(|| Selector::Name(name.into()))
    }

    fn bracketed(&mut self) -> Option<Box<[Selector]>> {
        self.open("[")?;
        let mut selectors = Vec::new();
        loop {
            self.skip_space();
            selectors.push(self.selector()?);
            self.skip_space();
            if self.close("]") {
                return Some(selectors.into());
            }
            self.take(",").then_some(())?;
        }
    }

    fn selector(&mut self) -> Option<Selector> {
        if self.take("*") {
            return Some(Selector::Wildcard);
        }
        if self.take("?") {
            self.skip_space();
            return self.filter().map(Selector::Filter);
        }
        if self.rest.starts_with(['\'', '"']) {
            return Some(Selector::Name(self.text()?.into()));
        }
        let start = self.index()?;
        let before = self.rest;
        self.skip_space();
        if !self.take(":") {
            self.rest = before;
            return start.map(Selector::Index);
        }
        self.skip_space();
        let end = self.index()?;
        self.skip_space();
        let step = if self.take(":") {
            self.skip_space();
            self.index()?
        } else {
            None
        };
        Some(Selector::Slice { start, end, step: step.unwrap_or(1) })
    }

    /// Parses a whole number, if there is one.
    fn index(&mut self) -> Option<Option<i64>> {
        let digits = self.take_number();
        if digits.is_empty() {
            return Some(None);
        }
        let magnitude = digits.strip_prefix('-').unwrap_or(digits);
        let canonical = digits == "0" || !magnitude.starts_with('0');
        let index: i64 = digits.parse().ok()?;
        (canonical && index.abs() <= MAX_INDEX).then_some(Some(index))
    }

    /// Consumes a minus sign and digits; both may be absent.
    pub(super) fn take_number(&mut self) -> &'s str {
        let sign = usize::from(self.rest.starts_with('-'));
        let digits = self.rest.bytes().skip(sign).take_while(u8::is_ascii_digit).count();
        self.split(sign + digits)
    }

    /// Parses a quoted text.
    pub(super) fn text(&mut self) -> Option<String> {
        let quote = self.next()?;
        let mut text = String::new();
        loop {
            match self.next()? {
                c if c == quote => return Some(text),
                '\\' => text.push(self.escape(quote)?),
                c if c < ' ' => return None,
                c => text.push(c),
            }
        }
    }

    fn escape(&mut self, quote: char) -> Option<char> {
        Some(match self.next()? {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            c @ ('/' | '\\') => c,
            c if c == quote => c,
            'u' => {
                let first = self.hex()?;
                let second = if matches!(first, 0xd800..=0xdbff) {
                    self.take("\\u").then_some(())?;
                    Some(self.hex()?)
                } else {
                    None
                };
                let units = [first, second.unwrap_or_default()];
                let units = units.get(..if second.is_some() { 2 } else { 1 })?;
                let c = char::decode_utf16(units.iter().copied()).next()?.ok()?;
                (c >= ' ').then_some(c)?
            }
            _ => return None,
        })
    }

    fn hex(&mut self) -> Option<u16> {
        let digits = self.rest.get(..4).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
        self.split(4);
        u16::from_str_radix(digits, 16).ok()
    }

    pub(super) fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    pub(super) fn take(&mut self, expected: &str) -> bool {
        let rest = self.rest.strip_prefix(expected);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    pub(super) fn open(&mut self, bracket: &str) -> Option<()> {
        self.nesting += 1;
        (self.take(bracket) && self.nesting <= MAX_NESTING).then_some(())
    }

    pub(super) fn close(&mut self, bracket: &str) -> bool {
        let closed = self.take(bracket);
        self.nesting -= usize::from(closed);
        closed
    }

    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.split(c.len_utf8());
        Some(c)
    }

    /// Consumes this many bytes, which must be whole characters.
    pub(super) fn split(&mut self, length: usize) -> &'s str {
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }
}

/// Splits after a member name that needs no quotes. The name is empty if there is none.
pub fn split_name(text: &str) -> (&str, &str) {
    let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '\u{80}'..='\u{ffff}');
    let name = match text.chars().next() {
        Some(c) if inside(c) && c != '-' && !c.is_ascii_digit() => text.find(|c| !inside(c)),
        _ => Some(0),
    };
    text.split_at_checked(name.unwrap_or(text.len())).unwrap_or((text, ""))
}
