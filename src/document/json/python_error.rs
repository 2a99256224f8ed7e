//! What Python's `json` says of a text that is not JSON: clients see it word for word (contract §A.0).

use super::MAX_DEPTH;

/// Python's message; `None` for a text in which it finds no fault.
pub fn python_error(text: &str) -> Option<String> {
    let characters: Vec<char> = text.chars().collect();
    let mut scanner = Scanner { text: &characters, at: 0 };
    let (problem, at) = scanner.document().err().filter(|(problem, _)| *problem != TOO_DEEP)?;
    let before = characters.get(..at).unwrap_or(&characters);
    let line = before.iter().filter(|&&character| character == '\n').count() + 1;
    let column = before.iter().rev().take_while(|&&character| character != '\n').count() + 1;
    Some(format!("{problem}: line {line} column {column} (char {at})"))
}

/// What is wrong, and at which character.
type Fault = (&'static str, usize);

/// No fault of Python's, which has no such bound.
const TOO_DEEP: &str = "";
const VALUE: &str = "Expecting value";

struct Scanner<'a> {
    text: &'a [char],
    at: usize,
}

impl Scanner<'_> {
    fn document(&mut self) -> Result<(), Fault> {
        self.skip_space();
        self.value(0)?;
        self.skip_space();
        if self.at < self.text.len() { Err(("Extra data", self.at)) } else { Ok(()) }
    }

    fn value(&mut self, depth: usize) -> Result<(), Fault> {
        if depth > MAX_DEPTH {
            return Err((TOO_DEEP, self.at));
        }
        match self.peek() {
            Some('"') => self.string(),
            Some('{') => self.members(depth),
            Some('[') => self.items(depth),
            Some('-' | '0'..='9') => self.number(),
            _ => {
                let words = ["null", "true", "false", "NaN", "Infinity"];
                let known = words.into_iter().find(|word| self.begins_with(word));
                self.at += known.ok_or((VALUE, self.at))?.len();
                Ok(())
            }
        }
    }

    fn members(&mut self, depth: usize) -> Result<(), Fault> {
        self.at += 1;
        self.skip_space();
        if self.take('}') {
            return Ok(());
        }
        loop {
            if self.peek() != Some('"') {
                return Err(("Expecting property name enclosed in double quotes", self.at));
            }
            self.string()?;
            self.skip_space();
            if !self.take(':') {
                return Err(("Expecting ':' delimiter", self.at));
            }
            self.skip_space();
            self.value(depth + 1)?;
            self.skip_space();
            if self.take('}') {
                return Ok(());
            }
            self.comma()?;
        }
    }

    fn items(&mut self, depth: usize) -> Result<(), Fault> {
        self.at += 1;
        self.skip_space();
        if self.take(']') {
            return Ok(());
        }
        loop {
            self.value(depth + 1)?;
            self.skip_space();
            if self.take(']') {
                return Ok(());
            }
            self.comma()?;
        }
    }

    fn comma(&mut self) -> Result<(), Fault> {
        if !self.take(',') {
            return Err(("Expecting ',' delimiter", self.at));
        }
        self.skip_space();
        Ok(())
    }

    fn string(&mut self) -> Result<(), Fault> {
        let begin = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                None => return Err(("Unterminated string starting at", begin)),
                Some('"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some('\\') => self.escape(begin)?,
                Some('\0'..='\u{1f}') => return Err(("Invalid control character at", self.at)),
                Some(_) => self.at += 1,
            }
        }
    }

    fn escape(&mut self, begin: usize) -> Result<(), Fault> {
        match self.text.get(self.at + 1) {
            None => Err(("Unterminated string starting at", begin)),
            Some('u') => {
                let digits = self.text.get(self.at + 2..self.at + 6);
                if !digits.is_some_and(|digits| digits.iter().all(char::is_ascii_hexdigit)) {
                    return Err(("Invalid \\uXXXX escape", self.at + 1));
                }
                self.at += 6;
                Ok(())
            }
            Some('"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't') => {
                self.at += 2;
                Ok(())
            }
            Some(_) => Err(("Invalid \\escape", self.at)),
        }
    }

    /// As much as is a number; what follows it is somebody else's fault.
    fn number(&mut self) -> Result<(), Fault> {
        if self.begins_with("-Infinity") {
            self.at += "-Infinity".len();
            return Ok(());
        }
        let begin = self.at;
        self.take('-');
        match self.peek() {
            Some('0') => self.at += 1,
            Some('1'..='9') => self.digits(),
            _ => return Err((VALUE, begin)),
        }
        if self.peek() == Some('.') && self.digit_at(1) {
            self.at += 1;
            self.digits();
        }
        if matches!(self.peek(), Some('e' | 'E')) {
            let sign = usize::from(matches!(self.text.get(self.at + 1), Some('+' | '-')));
            if self.digit_at(1 + sign) {
                self.at += 1 + sign;
                self.digits();
            }
        }
        Ok(())
    }

    fn digits(&mut self) {
        while self.digit_at(0) {
            self.at += 1;
        }
    }

    fn digit_at(&self, offset: usize) -> bool {
        self.text.get(self.at + offset).is_some_and(char::is_ascii_digit)
    }

    fn begins_with(&self, word: &str) -> bool {
        word.chars().enumerate().all(|(index, character)| self.text.get(self.at + index) == Some(&character))
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn take(&mut self, character: char) -> bool {
        let there = self.peek() == Some(character);
        self.at += usize::from(there);
        there
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t' | '\n' | '\r')) {
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Python 3.12 says it.
    #[test]
    fn says_what_python_says() {
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
            ("-", "Expecting value: line 1 column 1 (char 0)"),
            ("01", "Extra data: line 1 column 2 (char 1)"),
            ("1.", "Extra data: line 1 column 2 (char 1)"),
            ("'a'", "Expecting value: line 1 column 1 (char 0)"),
            ("ü", "Expecting value: line 1 column 1 (char 0)"),
        ] {
            assert_eq!(python_error(text).as_deref(), Some(expected), "{text}");
        }
        for text in ["{}", " [1, -2.5e-3, \"\\u00e4\\n\"] ", "NaN", "-Infinity"] {
            assert_eq!(python_error(text), None, "{text}");
        }
        assert_eq!(python_error(&"[".repeat(100_000)), None);
    }
}
