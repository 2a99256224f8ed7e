//! Matchers for the letters, classes and sets of a pattern.
//!
//! The standard library has Unicode's letters and case pairs; the tables here have only Python's differences.

use crate::document::python;

/// A matcher for one character of the text.
#[derive(Debug)]
pub(super) enum CharMatcher {
    Any,
    NotNewline,
    Exact(u32),
    Set(Set),
}

impl CharMatcher {
    pub(super) fn literal(code: u32, fold: Fold) -> CharMatcher {
        match fold {
            Fold::None => CharMatcher::Exact(code),
            _ => CharMatcher::Set(Set::new(vec![Member::Range(code, code)], false, fold)),
        }
    }

    pub(super) fn matches(&self, c: char) -> bool {
        match self {
            CharMatcher::Any => true,
            CharMatcher::NotNewline => c != '\n',
            CharMatcher::Exact(code) => c as u32 == *code,
            CharMatcher::Set(set) => set.contains(c),
        }
    }

    /// The number of steps of one test, so that long sets count accordingly.
    pub(super) fn cost(&self) -> usize {
        match self {
            CharMatcher::Set(set) => 1 + set.members.len() / 8,
            _ => 1,
        }
    }
}

/// The mode in which a pattern ignores case.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fold {
    None,
    Ascii,
    Unicode,
}

impl Fold {
    /// True if a back-reference treats `a` and `b` as equal.
    pub(super) fn same(self, a: char, b: char) -> bool {
        match self {
            Fold::None => a == b,
            Fold::Ascii => a.eq_ignore_ascii_case(&b),
            Fold::Unicode => a == b || lower(a) == lower(b),
        }
    }
}

/// A `[...]` set. Codes are numbers rather than `char`s because a pattern may name surrogates.
#[derive(Debug)]
pub(super) struct Set {
    members: Vec<Member>,
    negated: bool,
    fold: Fold,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Member {
    Range(u32, u32),
    Class(Class),
}

impl Set {
    pub(super) fn new(members: Vec<Member>, negated: bool, fold: Fold) -> Set {
        Set { members, negated, fold }
    }

    /// True if the set contains a character. Case is ignored for the listed characters only; a class tests the
    /// character itself.
    fn contains(&self, c: char) -> bool {
        let found = self.in_class(c)
            || match self.fold {
                Fold::None => self.lists(c),
                Fold::Ascii => self.lists(c.to_ascii_lowercase()) || self.lists(c.to_ascii_uppercase()),
                Fold::Unicode => match case_variants(c) {
                    Some(variants) => variants.chars().any(|other| self.lists(other)),
                    None => self.lists(c) || self.lists(lower(c)) || self.lists_upper(c),
                },
            };
        found != self.negated
    }

    fn in_class(&self, c: char) -> bool {
        let mut members = self.members.iter();
        members.any(|member| matches!(member, Member::Class(class) if class.contains(c)))
    }

    fn lists(&self, c: char) -> bool {
        let code = c as u32;
        let mut members = self.members.iter();
        members.any(|member| matches!(member, Member::Range(low, high) if (*low..=*high).contains(&code)))
    }

    /// True if the set lists the upper case of `c`. It must lead back to the lower case: the upper case of `ŉ` begins
    /// with a modifier.
    fn lists_upper(&self, c: char) -> bool {
        let upper = c.to_uppercase().next().unwrap_or(c);
        upper != c && lower(upper) == lower(c) && self.lists(upper)
    }
}

/// A class such as `\w`, or its complement such as `\W`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Class {
    pub kind: ClassKind,
    pub ascii: bool,
    pub negated: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum ClassKind {
    Digit,
    Space,
    Word,
}

impl Class {
    fn contains(self, c: char) -> bool {
        let found = match self.kind {
            ClassKind::Digit => c.is_ascii_digit() || (!self.ascii && python::decimal_digit(c).is_some()),
            ClassKind::Space => matches!(c, '\t'..='\r' | ' ') || (!self.ascii && python::is_space(c)),
            ClassKind::Word => is_word(c, self.ascii),
        };
        found != self.negated
    }
}

/// True if `\w` matches `c`.
pub(super) fn is_word(c: char, ascii: bool) -> bool {
    if c.is_ascii() || ascii {
        return c.is_ascii_alphanumeric() || c == '_';
    }
    c.is_alphanumeric() && !within(&NOT_WORD, c)
}

fn lower(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

/// The further characters that equal `c` when case is ignored, besides those by case mapping.
fn case_variants(c: char) -> Option<&'static str> {
    let lower = lower(c);
    let index = CASE_VARIANTS.binary_search_by_key(&Some(lower), |variants| variants.chars().next());
    index.ok().and_then(|index| CASE_VARIANTS.get(index)).copied()
}

fn within(ranges: &[(u32, u32)], c: char) -> bool {
    let code = c as u32;
    let index = ranges.partition_point(|(_, high)| *high < code);
    ranges.get(index).is_some_and(|(low, _)| *low <= code)
}

/// Characters that `char::is_alphanumeric` accepts and `str.isalnum` rejects: combining vowel signs and circled
/// letters. A range runs across characters that both reject.
#[rustfmt::skip]
const NOT_WORD: [(u32, u32); 161] = [
    (0x345, 0x36F), (0x5B0, 0x5C7), (0x610, 0x61A), (0x64B, 0x65F), (0x670, 0x670),
    (0x6D6, 0x6E4), (0x6E7, 0x6ED), (0x711, 0x711), (0x730, 0x73F), (0x7A6, 0x7B0),
    (0x816, 0x817), (0x81B, 0x823), (0x825, 0x827), (0x829, 0x82C), (0x8D4, 0x903),
    (0x93A, 0x93B), (0x93E, 0x94F), (0x955, 0x957), (0x962, 0x963), (0x981, 0x983),
    (0x9BE, 0x9CC), (0x9D7, 0x9D7), (0x9E2, 0x9E3), (0xA01, 0xA03), (0xA3E, 0xA51),
    (0xA70, 0xA71), (0xA75, 0xA83), (0xABE, 0xACC), (0xAE2, 0xAE3), (0xAFA, 0xB03),
    (0xB3E, 0xB57), (0xB62, 0xB63), (0xB82, 0xB82), (0xBBE, 0xBCC), (0xBD7, 0xBD7),
    (0xC00, 0xC04), (0xC3E, 0xC56), (0xC62, 0xC63), (0xC81, 0xC83), (0xCBE, 0xCD6),
    (0xCE2, 0xCE3), (0xD00, 0xD03), (0xD3E, 0xD4C), (0xD57, 0xD57), (0xD62, 0xD63),
    (0xD81, 0xD83), (0xDCF, 0xDDF), (0xDF2, 0xDF3), (0xE31, 0xE31), (0xE34, 0xE3A),
    (0xE4D, 0xE4D), (0xEB1, 0xEB1), (0xEB4, 0xEBC), (0xECD, 0xECD), (0xF71, 0xF83),
    (0xF8D, 0xFBC), (0x102B, 0x103E), (0x1056, 0x1059), (0x105E, 0x1060), (0x1062, 0x1064),
    (0x1067, 0x106D), (0x1071, 0x1074), (0x1082, 0x108D), (0x108F, 0x108F), (0x109A, 0x109D),
    (0x1712, 0x1713), (0x1732, 0x1733), (0x1752, 0x1753), (0x1772, 0x1773), (0x17B6, 0x17C8),
    (0x1885, 0x1886), (0x18A9, 0x18A9), (0x1920, 0x1938), (0x1A17, 0x1A1B), (0x1A55, 0x1A74),
    (0x1ABF, 0x1B04), (0x1B35, 0x1B43), (0x1B80, 0x1B82), (0x1BA1, 0x1BAD), (0x1BE7, 0x1BF1),
    (0x1C24, 0x1C36), (0x1DD3, 0x1DF4), (0x24B6, 0x24E9), (0x2DE0, 0x2DFF), (0xA674, 0xA67B),
    (0xA69E, 0xA69F), (0xA802, 0xA802), (0xA80B, 0xA80B), (0xA823, 0xA827), (0xA880, 0xA881),
    (0xA8B4, 0xA8C5), (0xA8FF, 0xA8FF), (0xA926, 0xA92A), (0xA947, 0xA952), (0xA980, 0xA983),
    (0xA9B4, 0xA9BF), (0xA9E5, 0xA9E5), (0xAA29, 0xAA36), (0xAA43, 0xAA43), (0xAA4C, 0xAA4D),
    (0xAA7B, 0xAA7D), (0xAAB0, 0xAAB0), (0xAAB2, 0xAAB4), (0xAAB7, 0xAAB8), (0xAABE, 0xAABE),
    (0xAAEB, 0xAAEF), (0xAAF5, 0xAAF5), (0xABE3, 0xABEA), (0xFB1E, 0xFB1E), (0x10376, 0x1037A),
    (0x10A01, 0x10A0F), (0x10D24, 0x10D27), (0x10EAB, 0x10EAC), (0x11000, 0x11002),
    (0x11038, 0x11045), (0x11073, 0x11074), (0x11080, 0x11082), (0x110B0, 0x110C2),
    (0x11100, 0x11102), (0x11127, 0x11132), (0x11145, 0x11146), (0x11180, 0x11182),
    (0x111B3, 0x111BF), (0x111CE, 0x111CF), (0x1122C, 0x1123E), (0x112DF, 0x112E8),
    (0x11300, 0x11303), (0x1133E, 0x1134C), (0x11357, 0x11357), (0x11362, 0x11363),
    (0x11435, 0x11445), (0x114B0, 0x114C1), (0x115AF, 0x115BE), (0x115DC, 0x115DD),
    (0x11630, 0x11640), (0x116AB, 0x116B5), (0x1171D, 0x1172A), (0x1182C, 0x11838),
    (0x11930, 0x1193C), (0x11940, 0x11940), (0x11942, 0x11942), (0x119D1, 0x119DF),
    (0x119E4, 0x119E4), (0x11A01, 0x11A0A), (0x11A35, 0x11A39), (0x11A3B, 0x11A3E),
    (0x11A51, 0x11A5B), (0x11A8A, 0x11A97), (0x11C2F, 0x11C3E), (0x11C92, 0x11CB6),
    (0x11D31, 0x11D43), (0x11D47, 0x11D47), (0x11D8A, 0x11D96), (0x11EF3, 0x11EF6),
    (0x16F4F, 0x16F4F), (0x16F51, 0x16F92), (0x16FF0, 0x16FF1), (0x1BC9E, 0x1BC9E),
    (0x1E000, 0x1E02A), (0x1E947, 0x1E947), (0x1F130, 0x1F189),
];

/// Characters that are equal when case is ignored, but that no single case mapping connects. The first of each row is
/// in lower case and orders the table.
#[rustfmt::skip]
const CASE_VARIANTS: [&str; 85] = [
    "iI\u{130}\u{131}", "kK\u{212A}", "sS\u{17F}", "\u{B5}\u{39C}\u{3BC}", "\u{DF}\u{1E9E}",
    "\u{E5}\u{C5}\u{212B}", "\u{131}Ii\u{130}", "\u{17F}Ss", "\u{1C6}\u{1C4}\u{1C5}",
    "\u{1C9}\u{1C7}\u{1C8}", "\u{1CC}\u{1CA}\u{1CB}", "\u{1F3}\u{1F1}\u{1F2}",
    "\u{345}\u{399}\u{3B9}\u{1FBE}", "\u{390}\u{1FD3}", "\u{3B0}\u{1FE3}",
    "\u{3B2}\u{392}\u{3D0}", "\u{3B5}\u{395}\u{3F5}", "\u{3B8}\u{398}\u{3D1}\u{3F4}",
    "\u{3B9}\u{345}\u{399}\u{1FBE}", "\u{3BA}\u{39A}\u{3F0}", "\u{3BC}\u{B5}\u{39C}",
    "\u{3C0}\u{3A0}\u{3D6}", "\u{3C1}\u{3A1}\u{3F1}", "\u{3C2}\u{3A3}\u{3C3}",
    "\u{3C3}\u{3A3}\u{3C2}", "\u{3C6}\u{3A6}\u{3D5}", "\u{3C9}\u{3A9}\u{2126}",
    "\u{3D0}\u{392}\u{3B2}", "\u{3D1}\u{398}\u{3B8}\u{3F4}", "\u{3D5}\u{3A6}\u{3C6}",
    "\u{3D6}\u{3A0}\u{3C0}", "\u{3F0}\u{39A}\u{3BA}", "\u{3F1}\u{3A1}\u{3C1}",
    "\u{3F5}\u{395}\u{3B5}", "\u{432}\u{412}\u{1C80}", "\u{434}\u{414}\u{1C81}",
    "\u{43E}\u{41E}\u{1C82}", "\u{441}\u{421}\u{1C83}", "\u{442}\u{422}\u{1C84}\u{1C85}",
    "\u{44A}\u{42A}\u{1C86}", "\u{463}\u{462}\u{1C87}", "\u{1C80}\u{412}\u{432}",
    "\u{1C81}\u{414}\u{434}", "\u{1C82}\u{41E}\u{43E}", "\u{1C83}\u{421}\u{441}",
    "\u{1C84}\u{422}\u{442}\u{1C85}", "\u{1C85}\u{422}\u{442}\u{1C84}", "\u{1C86}\u{42A}\u{44A}",
    "\u{1C87}\u{462}\u{463}", "\u{1C88}\u{A64A}\u{A64B}", "\u{1E61}\u{1E60}\u{1E9B}",
    "\u{1E9B}\u{1E60}\u{1E61}", "\u{1F80}\u{1F88}", "\u{1F81}\u{1F89}", "\u{1F82}\u{1F8A}",
    "\u{1F83}\u{1F8B}", "\u{1F84}\u{1F8C}", "\u{1F85}\u{1F8D}", "\u{1F86}\u{1F8E}",
    "\u{1F87}\u{1F8F}", "\u{1F90}\u{1F98}", "\u{1F91}\u{1F99}", "\u{1F92}\u{1F9A}",
    "\u{1F93}\u{1F9B}", "\u{1F94}\u{1F9C}", "\u{1F95}\u{1F9D}", "\u{1F96}\u{1F9E}",
    "\u{1F97}\u{1F9F}", "\u{1FA0}\u{1FA8}", "\u{1FA1}\u{1FA9}", "\u{1FA2}\u{1FAA}",
    "\u{1FA3}\u{1FAB}", "\u{1FA4}\u{1FAC}", "\u{1FA5}\u{1FAD}", "\u{1FA6}\u{1FAE}",
    "\u{1FA7}\u{1FAF}", "\u{1FB3}\u{1FBC}", "\u{1FBE}\u{345}\u{399}\u{3B9}", "\u{1FC3}\u{1FCC}",
    "\u{1FD3}\u{390}", "\u{1FE3}\u{3B0}", "\u{1FF3}\u{1FFC}", "\u{A64B}\u{1C88}\u{A64A}",
    "\u{FB05}\u{FB06}", "\u{FB06}\u{FB05}",
];
