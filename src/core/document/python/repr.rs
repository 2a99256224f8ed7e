//! Python's `str()` and `repr()` of the result of `json.loads`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;

use super::number::{Integer, bool_text, float_text};
use crate::document::json::{Json, Kind, Parts};

/// `str(json.loads(text))` of a value that [`Json::parse`] has accepted, since nested values are printed by recursion.
pub fn json_text(value: Json<'_>) -> Option<String> {
    text_within(value, usize::MAX)
}

/// The same with at most `limit` characters; `None` if it has more. A longer text is read but not printed.
pub fn short_json_text(value: Json<'_>, limit: usize) -> Option<String> {
    text_within(value, limit * char::MAX.len_utf8()).filter(|text| text.chars().count() <= limit)
}

fn text_within(value: Json<'_>, limit: usize) -> Option<String> {
    if let Some(text) = value.text() {
        return Some(text.into_owned());
    }
    let mut out = Bounded::new(limit);
    write_repr(&mut Parts::whole(value), &mut out)?;
    out.text
}

/// A text with a maximum length in bytes; a longer one is discarded.
struct Bounded {
    text: Option<String>,
    limit: usize,
}

impl Bounded {
    fn new(limit: usize) -> Bounded {
        Bounded { text: Some(String::new()), limit }
    }

    fn is_given_up(&self) -> bool {
        self.text.is_none()
    }

    fn give_up(&mut self) {
        self.text = None;
    }

    /// True if this many more bytes can be written.
    fn room(&mut self, length: usize) -> Option<&mut String> {
        if self.text.as_ref()?.len().saturating_add(length) > self.limit {
            self.give_up();
        }
        self.text.as_mut()
    }

    fn push(&mut self, part: &str) {
        if let Some(text) = self.room(part.len()) {
            text.push_str(part);
        }
    }
}

/// `repr(json.loads(text))` of the next value; `None` if a name cannot be read.
///
/// Reads the text once at any depth, and skips parts that will not be printed.
fn write_repr(parts: &mut Parts<'_>, out: &mut Bounded) -> Option<()> {
    if out.is_given_up() {
        parts.next()?;
        return Some(());
    }
    match parts.enter() {
        Some(Kind::Object) => write_object_repr(parts, out)?,
        Some(_) => {
            out.push("[");
            let mut separator = "";
            while !parts.leave() {
                out.push(separator);
                write_repr(parts, out)?;
                separator = ", ";
            }
            out.push("]");
        }
        None => write_scalar_repr(parts.next()?, out),
    }
    Some(())
}

/// The members of an object. Of several with one key the last value counts, at the place of the first.
fn write_object_repr(parts: &mut Parts<'_>, out: &mut Bounded) -> Option<()> {
    let mut places = BTreeMap::new();
    let mut members: Vec<(Cow<'_, str>, Bounded)> = Vec::new();
    while !parts.leave() {
        let key = parts.next()?;
        if out.is_given_up() {
            parts.next()?;
            continue;
        }
        let key = key.text()?;
        let mut value = Bounded::new(out.limit);
        write_repr(parts, &mut value)?;
        let count = members.len();
        let place = *places.entry(key.clone()).or_insert(count);
        match members.get_mut(place) {
            Some((_, known)) => *known = value,
            // Each member takes at least one byte.
            None if count > out.limit => out.give_up(),
            None => members.push((key, value)),
        }
    }
    out.push("{");
    let mut separator = "";
    for (key, value) in members {
        out.push(separator);
        write_string_repr(&key, out);
        out.push(": ");
        match value.text {
            Some(text) => out.push(&text),
            None => out.give_up(),
        }
        separator = ", ";
    }
    out.push("}");
    Some(())
}

fn write_scalar_repr(value: Json<'_>, out: &mut Bounded) {
    let source = value.source();
    match value.kind() {
        Kind::Bool => out.push(bool_text(value.is_true())),
        Kind::Integer => {
            let (negative, digits) = match source.strip_prefix('-') {
                Some(digits) => (true, digits),
                None => (false, source),
            };
            out.push(&Integer::from_digits(negative, digits).to_string());
        }
        Kind::Float => out.push(&float_text(source.parse().unwrap_or(f64::NAN))),
        Kind::String => write_string_repr(&value.text().unwrap_or_default(), out),
        // The others are not scalars.
        Kind::Null | Kind::List | Kind::Object => out.push("None"),
    }
}

/// `repr(text)`: single quotes unless only those occur inside, unprintable characters escaped.
fn write_string_repr(text: &str, out: &mut Bounded) {
    // The representation is at least as long.
    let Some(out) = out.room(text.len()) else { return };
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => out.extend(['\\', c]),
            c if is_printable(c) => out.push(c),
            c => {
                let code = u32::from(c);
                // A String takes any write.
                let _ = match code {
                    0..=0xff => write!(out, "\\x{code:02x}"),
                    0x100..=0xffff => write!(out, "\\u{code:04x}"),
                    _ => write!(out, "\\U{code:08x}"),
                };
            }
        }
    }
    out.push(quote);
}

/// True if `str.isprintable()` is for one character. Rust's debug form escapes unprintable characters, and combining
/// marks at the start of a text. After a letter it does not escape marks, as in Python.
fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_control();
    }
    let mut text = String::from('a');
    text.push(c);
    !text.escape_debug().any(|escaped| escaped == '\\')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::json::SCANNED;

    #[test]
    fn writes_json_as_python() {
        for (json, expected) in [
            (r#"{"a": 1, "b": [true, null, "x"]}"#, "{'a': 1, 'b': [True, None, 'x']}"),
            (r#"[1, "two", 3.0, null, false, 1e5, -0]"#, "[1, 'two', 3.0, None, False, 100000.0, 0]"),
            (
                r#"["it's", "say \"hi\"", "both ' and \"", "\n\t\\\u0007\u200b\u00e9e\u0301\ud83d\ude00"]"#,
                "[\"it's\", 'say \"hi\"', 'both \\' and \"', '\\n\\t\\\\\\x07\\u200bée\u{301}😀']",
            ),
            ("[1000000000000000000000000000000000000000]", "[1000000000000000000000000000000000000000]"),
            (r#"{"k": 1, "k": 2}"#, "{'k': 2}"),
            (r#"{"a":{"b":[],"c":1},"d":[{}],"a":[[{"e":null}]]}"#, "{'a': [[{'e': None}]], 'd': [{}]}"),
            (r#""plain""#, "plain"),
            ("[]", "[]"),
        ] {
            assert_eq!(json_text(Json::parse(json.as_bytes()).unwrap()).as_deref(), Some(expected), "{json}");
        }
    }

    /// Otherwise the time would grow with the square of the depth.
    #[test]
    fn each_byte_is_scanned_once_at_any_depth() {
        let nested = |open: &str, depth, inner: &str, close: &str| {
            [&open.repeat(depth), inner, &close.repeat(depth)].concat()
        };
        for depth in [1, 60, 126] {
            for inner in ["[1,2]".to_owned(), format!("[{}1]", "1,".repeat(10_000))] {
                for text in [nested("[", depth, &inner, "]"), nested(r#"{"a":"#, depth, &inner, "}")] {
                    let value = Json::parse(text.as_bytes()).unwrap();
                    for limit in [usize::MAX / 8, 2000] {
                        let before = SCANNED.get();
                        short_json_text(value, limit);
                        let scanned = SCANNED.get() - before;
                        assert!(scanned <= text.len(), "{depth} {limit}: {scanned} of {}", text.len());
                    }
                }
            }
        }
    }

    #[test]
    fn long_values_are_not_printed() {
        let text = |json: &str| short_json_text(Json::parse(json.as_bytes()).unwrap(), 10);
        for (json, expected) in [
            (r#"[1, 2, 3, 4]"#, None),
            ("[1, 2,           3]", Some("[1, 2, 3]")),
            (r#"["éééééé"]"#, Some("['éééééé']")),
            (r#"["ééééééé"]"#, None),
            (r#""0123456789""#, Some("0123456789")),
            (r#""01234567890""#, None),
            // A replaced value does not count.
            (r#"{"a": "0123456789", "b": [[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]], "a": 1}"#, None),
            (r#"{"a": "0123456789012345678901234567890123456789", "a": {}}"#, Some("{'a': {}}")),
            (
                r#"[{"a": ["0123456789012345678901234567890123456789", {"b": 1}, []], "a": 1}]"#,
                Some("[{'a': 1}]"),
            ),
            (
                r#"[{"": [[[], "01234567890123456789012345678901234567890"], {"b": 1}, []], "":0}]"#,
                Some("[{'': 0}]"),
            ),
        ] {
            assert_eq!(text(json).as_deref(), expected, "{json}");
        }
        let many: Vec<_> = (0..100).map(|index| format!("\"{index}\": 0")).collect();
        assert_eq!(text(&format!("{{{}}}", many.join(","))), None);
    }
}
