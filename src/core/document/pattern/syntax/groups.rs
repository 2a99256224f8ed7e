//! Parses the parts of a pattern that begin with a parenthesis.

use super::*;

impl Parser {
    /// Parses the text after a `(`; `Some(None)` for a comment and for flags without a group.
    pub(super) fn group(&mut self, flags: &mut u8, leading: bool) -> Option<Option<(PatternNode, Width)>> {
        if !self.eat('?') {
            return self.capture(None, *flags).map(Some);
        }
        match self.next_plain()? {
            ':' => self.plain(*flags).map(Some),
            '>' => {
                let seq = self.body(*flags)?;
                let width = Width::of(&seq);
                Some(Some((PatternNode::Atomic(seq), width)))
            }
            '#' => {
                while self.next_not(')')? {}
                Some(None)
            }
            '=' => self.lookaround(false, *flags).map(Some),
            '!' => self.lookaround(true, *flags).map(Some),
            '<' => self.lookbehind(*flags).map(Some),
            '(' => self.condition(*flags).map(Some),
            'P' => self.named(*flags).map(Some),
            c => self.flags(c, flags, leading),
        }
    }

    fn next_not(&mut self, end: char) -> Option<bool> {
        self.next().map(|token| token.escaped || token.c != end)
    }

    /// The rest of a group, up to its closing parenthesis.
    fn body(&mut self, mut flags: u8) -> Option<Sequence> {
        let seq = self.alternation(&mut flags, false)?;
        self.eat(')').then_some(seq)
    }

    fn plain(&mut self, flags: u8) -> Option<(PatternNode, Width)> {
        let seq = self.body(flags)?;
        let width = Width::of(&seq);
        Some((PatternNode::Plain(seq), width))
    }

    fn capture(&mut self, name: Option<String>, flags: u8) -> Option<(PatternNode, Width)> {
        let group = self.widths.len();
        self.widths.push(None);
        if let Some(name) = name {
            if self.named_group(&name).is_some() {
                return None;
            }
            self.names.push((name, group));
        }
        let seq = self.body(flags)?;
        let width = Width::of(&seq);
        *self.widths.get_mut(group)? = Some(width);
        Some((PatternNode::Capture(group, seq), width))
    }

    fn lookaround(&mut self, negated: bool, flags: u8) -> Option<(PatternNode, Width)> {
        let lookaround = Lookaround { negated, back: 0 };
        Some((PatternNode::Lookaround(lookaround, self.body(flags)?), Width::ZERO))
    }

    fn lookbehind(&mut self, flags: u8) -> Option<(PatternNode, Width)> {
        let negated = match self.next_plain()? {
            '=' => false,
            '!' => true,
            _ => return None,
        };
        let outer = self.behind;
        self.behind = outer.or(Some(self.widths.len()));
        let seq = self.body(flags)?;
        self.behind = outer;
        let width = Width::of(&seq);
        if width.min != width.max || width.min > MAX_REPEAT {
            return None;
        }
        let back = width.min as usize;
        Some((PatternNode::Lookaround(Lookaround { negated, back }, seq), Width::ZERO))
    }

    fn named(&mut self, flags: u8) -> Option<(PatternNode, Width)> {
        match self.next_plain()? {
            '<' => {
                let name = self.name('>')?;
                is_identifier(&name).then_some(())?;
                self.capture(Some(name), flags)
            }
            '=' => {
                let name = self.name(')')?;
                self.backref(self.named_group(&name)?, flags)
            }
            _ => None,
        }
    }

    fn name(&mut self, end: char) -> Option<String> {
        let mut name = String::new();
        loop {
            match self.next_plain()? {
                c if c == end => return Some(name),
                c => name.push(c),
            }
        }
    }

    fn named_group(&self, name: &str) -> Option<usize> {
        let known = self.names.iter().find(|(known, _)| known == name);
        known.map(|(_, group)| *group)
    }

    fn condition(&mut self, mut flags: u8) -> Option<(PatternNode, Width)> {
        let name = self.name(')')?;
        let group = if name.chars().all(|c| c.is_ascii_digit()) {
            // A number may refer to a later group.
            let group = name.parse().ok().filter(|group| *group > 0)?;
            self.highest_condition = self.highest_condition.max(group);
            group
        } else {
            self.named_group(&name)?
        };
        self.check_behind(group)?;
        let yes = self.sequence(&mut flags, false)?;
        let no = match self.eat('|') {
            true => self.sequence(&mut flags, false)?,
            false => Sequence::new(),
        };
        if !self.eat(')') {
            return None;
        }
        let width = Width::of(&yes).or(Width::of(&no));
        Some((PatternNode::Condition(group, yes, no), width))
    }

    /// Flags, up to the `)` that applies them to the whole pattern or the `:` of a group.
    fn flags(&mut self, first: char, flags: &mut u8, leading: bool) -> Option<Option<(PatternNode, Width)>> {
        if first == ')' {
            return None;
        }
        let mut added = 0;
        let mut c = first;
        while !matches!(c, '-' | ':' | ')') {
            added |= flag(c)?;
            c = self.next_plain()?;
        }
        if added & TYPES == TYPES {
            return None;
        }
        if c == ')' {
            *flags |= added;
            return leading.then_some(None);
        }
        let removed = match c {
            '-' => self.removed_flags()?,
            _ => 0,
        };
        if removed & (added | TYPES) != 0 {
            return None;
        }
        let kept = match added & TYPES {
            0 => *flags,
            _ => *flags & !TYPES,
        };
        self.plain((kept | added) & !removed).map(Some)
    }

    /// At least one flag, then the `:` of the group.
    fn removed_flags(&mut self) -> Option<u8> {
        let mut removed = flag(self.next_plain()?)?;
        loop {
            match self.next_plain()? {
                ':' => return Some(removed),
                c => removed |= flag(c)?,
            }
        }
    }
}

/// `L` is for byte patterns only.
fn flag(c: char) -> Option<u8> {
    Some(match c {
        'a' => ASCII,
        'i' => IGNORE_CASE,
        'm' => MULTILINE,
        's' => DOT_ALL,
        'u' => UNICODE,
        'x' => VERBOSE,
        _ => return None,
    })
}

fn is_identifier(name: &str) -> bool {
    let starts = name.starts_with(|c: char| is_word(c, false) && !c.is_numeric());
    starts && name.chars().all(|c| is_word(c, false))
}
