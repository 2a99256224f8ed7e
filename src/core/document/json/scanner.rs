//! Checks that a text is JSON as Python's `json` module accepts it. The error messages are Python's, and clients see
//! them word for word (contract §A.0). The check also refuses nesting that is too deep, unpaired surrogates, and
//! numbers that are too large for a float.

/// The maximum nesting that [`super::Json::parse`] accepts.
pub const MAX_DEPTH: usize = 128;

/// True if the text of a number denotes a float, not an integer.
pub fn is_float(number: &str) -> bool {
    number.contains(['.', 'e', 'E'])
}

/// The value without surrounding white space. For invalid JSON, the problem and its place.
pub fn check(text: &str) -> Result<&str, String> {
    let mut scanner = Scanner { text, bytes: text.as_bytes(), at: 0 };
    if text.starts_with('\u{feff}') {
        return Err(scanner.fault("Unexpected UTF-8 BOM (decode using utf-8-sig)", 0));
    }
    scanner.skip_space();
    let begin = scanner.at;
    scanner.value(0)?;
    let end = scanner.at;
    scanner.skip_space();
    if scanner.at < text.len() {
        return Err(scanner.fault("Extra data", scanner.at));
    }
    Ok(text.get(begin..end).unwrap_or_default())
}

/// The length up to which the text of a float without exponent is always in range.
const MAX_PLAIN_FLOAT: usize = 300;
const UNTERMINATED: &str = "Unterminated string starting at";

struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl Scanner<'_> {
    fn value(&mut self, depth: usize) -> Result<(), String> {
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b'{' | b'[') if depth == MAX_DEPTH => {
                Err(format!("nested deeper than {MAX_DEPTH} levels at byte {}", self.at))
            }
            Some(b'{') => self.members(depth + 1),
            Some(b'[') => self.items(depth + 1),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.word(),
        }
    }

    fn members(&mut self, depth: usize) -> Result<(), String> {
        self.at += 1;
        self.skip_space();
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.fault("Expecting property name enclosed in double quotes", self.at));
            }
            self.string()?;
            self.skip_space();
            if !self.take(b':') {
                return Err(self.fault("Expecting ':' delimiter", self.at));
            }
            self.skip_space();
            self.value(depth)?;
            self.skip_space();
            if self.take(b'}') {
                return Ok(());
            }
            self.comma()?;
        }
    }

    fn items(&mut self, depth: usize) -> Result<(), String> {
        self.at += 1;
        self.skip_space();
        if self.take(b']') {
            return Ok(());
        }
        loop {
            self.value(depth)?;
            self.skip_space();
            if self.take(b']') {
                return Ok(());
            }
            self.comma()?;
        }
    }

    fn comma(&mut self) -> Result<(), String> {
        if !self.take(b',') {
            return Err(self.fault("Expecting ',' delimiter", self.at));
        }
        self.skip_space();
        Ok(())
    }

    fn string(&mut self) -> Result<(), String> {
        let begin = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                None => return Err(self.fault(UNTERMINATED, begin)),
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape(begin)?,
                Some(..=0x1f) => return Err(self.fault("Invalid control character at", self.at)),
                Some(_) => self.at += 1,
            }
        }
    }

    fn escape(&mut self, begin: usize) -> Result<(), String> {
        match self.bytes.get(self.at + 1) {
            None => Err(self.fault(UNTERMINATED, begin)),
            Some(b'u') => {
                let lone = || format!("lone surrogate at byte {}", self.at);
                self.at += match self.unit(self.at)? {
                    0xd800..=0xdbff => match self.unit(self.at + 6) {
                        Ok(0xdc00..=0xdfff) => 12,
                        _ => return Err(lone()),
                    },
                    0xdc00..=0xdfff => return Err(lone()),
                    _ => 6,
                };
                Ok(())
            }
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 2;
                Ok(())
            }
            Some(_) => Err(self.fault("Invalid \\escape", self.at)),
        }
    }

    /// The UTF-16 unit of a `\uXXXX` escape that starts at `at`. Python refuses an escape at the end of the text.
    fn unit(&self, at: usize) -> Result<u16, String> {
        let escape = self.text.get(at..at + 6).filter(|_| at + 6 < self.text.len());
        let digits = escape.and_then(|escape| escape.strip_prefix("\\u"));
        let digits = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let unit = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok());
        unit.ok_or_else(|| self.fault("Invalid \\uXXXX escape", at + 1))
    }

    /// The longest prefix that is a number; the caller reports what follows.
    fn number(&mut self) -> Result<(), String> {
        let begin = self.at;
        self.take(b'-');
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => {
                self.at = begin;
                return self.word();
            }
        }
        if self.peek() == Some(b'.') && self.digit_at(1) {
            self.at += 1;
            self.digits();
        }
        let mut may_overflow = self.at - begin > MAX_PLAIN_FLOAT;
        if matches!(self.peek(), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(self.bytes.get(self.at + 1), Some(b'+' | b'-')));
            if self.digit_at(1 + sign) {
                self.at += 1 + sign;
                self.digits();
                may_overflow = true;
            }
        }
        let number = self.text.get(begin..self.at).unwrap_or_default();
        if may_overflow && is_float(number) && !number.parse().is_ok_and(f64::is_finite) {
            return Err(format!("number out of range at byte {begin}"));
        }
        Ok(())
    }

    /// Reads a word: `true`, `false` or `null`. Python also accepts `NaN` and the infinities, which are not JSON.
    /// Flagsmith refuses these.
    fn word(&mut self) -> Result<(), String> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let known = |words: &[&'static str]| words.iter().copied().find(|word| rest.starts_with(word));
        if let Some(word) = known(&["null", "true", "false"]) {
            self.at += word.len();
            return Ok(());
        }
        match known(&["NaN", "Infinity", "-Infinity"]) {
            Some(word) => Err(format!("Out of range float values are not JSON compliant: '{word}'")),
            None => Err(self.fault("Expecting value", self.at)),
        }
    }

    fn digits(&mut self) {
        while self.digit_at(0) {
            self.at += 1;
        }
    }

    fn digit_at(&self, offset: usize) -> bool {
        self.bytes.get(self.at + offset).is_some_and(u8::is_ascii_digit)
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Python's message, with line, column and character counted as in Python.
    #[cold]
    fn fault(&self, problem: &str, at: usize) -> String {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        format!("{problem}: line {line} column {column} (char {})", before.chars().count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text in Python 3.12.
    #[test]
    fn error_messages_equal_pythons() {
        for (text, expected) in [
            ("{", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
            ("", "Expecting value: line 1 column 1 (char 0)"),
            ("{\"a\" 1}", "Expecting ':' delimiter: line 1 column 6 (char 5)"),
            ("{\"a\": }", "Expecting value: line 1 column 7 (char 6)"),
            ("{\"a\": 1 \"b\"}", "Expecting ',' delimiter: line 1 column 9 (char 8)"),
            ("[1,\n 2 3]", "Expecting ',' delimiter: line 2 column 4 (char 7)"),
            ("[1, ]", "Expecting value: line 1 column 5 (char 4)"),
            ("{} {}", "Extra data: line 1 column 4 (char 3)"),
            ("\"abc", "Unterminated string starting at: line 1 column 1 (char 0)"),
            ("\"a\tb\"", "Invalid control character at: line 1 column 3 (char 2)"),
            ("\"\\x\"", "Invalid \\escape: line 1 column 2 (char 1)"),
            ("\"\\u12g4\"", "Invalid \\uXXXX escape: line 1 column 3 (char 2)"),
            ("\"a\\u0041", "Invalid \\uXXXX escape: line 1 column 4 (char 3)"),
            ("\u{feff}{}", "Unexpected UTF-8 BOM (decode using utf-8-sig): line 1 column 1 (char 0)"),
            ("-", "Expecting value: line 1 column 1 (char 0)"),
            ("01", "Extra data: line 1 column 2 (char 1)"),
            ("1.", "Extra data: line 1 column 2 (char 1)"),
            ("'a'", "Expecting value: line 1 column 1 (char 0)"),
            ("ü", "Expecting value: line 1 column 1 (char 0)"),
        ] {
            assert_eq!(check(text), Err(expected.to_owned()), "{text}");
        }
    }

    /// The text of Flagsmith's framework, which makes Python's reader refuse these words.
    #[test]
    fn pythons_json_extensions_are_refused() {
        for (text, word) in
            [("NaN", "NaN"), ("[1, Infinity]", "Infinity"), ("{\"a\": -Infinity}", "-Infinity")]
        {
            let expected = format!("Out of range float values are not JSON compliant: '{word}'");
            assert_eq!(check(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn unreadable_values_are_refused() {
        let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        let long = format!("{}.0", "9".repeat(MAX_PLAIN_FLOAT + 100));
        for (text, expected) in [
            (&*deep(MAX_DEPTH + 1), "nested deeper than 128 levels at byte 128"),
            (&"[".repeat(100_000), "nested deeper than 128 levels at byte 128"),
            ("\"\\ud800\"", "lone surrogate at byte 1"),
            ("\"\\ud800\\n\"", "lone surrogate at byte 1"),
            ("\"a\\udc00\\ud800\"", "lone surrogate at byte 2"),
            ("[1e999]", "number out of range at byte 1"),
            (&long, "number out of range at byte 0"),
        ] {
            assert_eq!(check(text), Err(expected.to_owned()), "{text}");
        }
        for text in [&*deep(MAX_DEPTH), "\"\\ud83d\\ude00\"", "1e-999", &"9".repeat(MAX_PLAIN_FLOAT + 100)] {
            assert_eq!(check(text), Ok(text));
        }
    }

    /// Short texts of all characters with a meaning in JSON. The scanner accepts the same texts as serde_json, except
    /// beyond its limits.
    #[test]
    fn the_whole_json_grammar_is_accepted() {
        let tokens = [
            "{", "}", "[", "]", ",", ":", "\"a\"", "\"", "\\", "u00e4", "1", "0", "-", ".", "e", "+", "null",
            " ", "\n",
        ];
        let mut texts = vec![String::new()];
        for _ in 0..4 {
            let longer =
                texts.iter().flat_map(|text| tokens.iter().map(move |token| format!("{text}{token}")));
            texts = longer.collect();
            for text in &texts {
                let valid = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
                assert_eq!(check(text).is_ok(), valid, "{text}");
            }
        }
    }
}
