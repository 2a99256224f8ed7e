//! JSON read as Python's `json` reads it: whole numbers and floats told apart by their text, the last of
//! duplicate keys wins, members keep their order.
//!
//! A value stays a slice of the text that it came from until somebody asks for its content.

use std::borrow::Cow;
use std::fmt;

use indexmap::IndexMap;
use serde::de::{Deserialize, Deserializer, Visitor};
use serde_json::value::RawValue;

mod python_error;

/// The deepest nesting that [`Json::parse`] takes.
pub const MAX_DEPTH: usize = 128;

/// A JSON value, still text.
#[derive(Clone, Copy, Debug)]
pub struct Json<'a>(&'a str);

/// An object's members by key.
pub type Members<'a> = IndexMap<Cow<'a, str>, Json<'a>>;

/// The type of a JSON value; a number without fraction and exponent is an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Kind {
    Null,
    Bool,
    Integer,
    Float,
    String,
    List,
    Object,
}

impl Kind {
    /// The name of the Python type that `json.loads` makes of it, as Flagsmith's messages say it.
    pub fn python_name(self) -> &'static str {
        match self {
            Kind::Null => "NoneType",
            Kind::Bool => "bool",
            Kind::Integer => "int",
            Kind::Float => "float",
            Kind::String => "str",
            Kind::List => "list",
            Kind::Object => "dict",
        }
    }
}

/// A value of one's own type; `None` for what is not of that form.
///
/// Everything is read as text: what serde_json needs for bytes would be in the worker beside what it needs for texts.
pub fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Option<T> {
    serde_json::from_str(str::from_utf8(bytes).ok()?).ok()
}

impl<'a> Json<'a> {
    /// Checks that `bytes` is one JSON value of bounded depth; the error says what is wrong and where.
    pub fn parse(bytes: &'a [u8]) -> Result<Json<'a>, String> {
        let text = std::str::from_utf8(bytes)
            .map_err(|error| format!("invalid UTF-8 at byte {}", error.valid_up_to()))?;
        let raw: &RawValue = serde_json::from_str(text)
            .map_err(|error| python_error::python_error(text).unwrap_or_else(|| error.to_string()))?;
        check(raw.get()).map(|()| Json(raw.get()))
    }

    /// The type of this value.
    pub fn kind(self) -> Kind {
        match self.0.as_bytes().first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::List,
            Some(b'"') => Kind::String,
            Some(b't' | b'f') => Kind::Bool,
            Some(b'n') | None => Kind::Null,
            Some(_) if self.0.contains(['.', 'e', 'E']) => Kind::Float,
            Some(_) => Kind::Integer,
        }
    }

    /// The text of this value, as it was sent.
    pub fn source(self) -> &'a str {
        self.0
    }

    /// Whether this is `true`.
    pub fn is_true(self) -> bool {
        self.0 == "true"
    }

    /// A string's content.
    pub fn text(self) -> Option<Cow<'a, str>> {
        self.read::<Text<'a>>(Kind::String).map(|text| text.0)
    }

    /// A list's items.
    pub fn list(self) -> Option<Vec<Json<'a>>> {
        self.read(Kind::List)
    }

    /// An object's members; the last of duplicate keys wins, in the place of the first.
    pub fn object(self) -> Option<Members<'a>> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Members::new();
                while let Some((key, value)) = map.next_entry::<Text<'de>, Json<'de>>()? {
                    members.insert(key.0, value);
                }
                Ok(members)
            }
        }
        (self.kind() == Kind::Object)
            .then(|| serde_json::Deserializer::from_str(self.0).deserialize_map(Object).ok())
            .flatten()
    }

    fn read<T: Deserialize<'a>>(self, kind: Kind) -> Option<T> {
        (self.kind() == kind).then(|| serde_json::from_str(self.0).ok()).flatten()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Json<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Json<'a>, D::Error> {
        <&RawValue>::deserialize(deserializer).map(|raw| Json(raw.get()))
    }
}

/// A string that borrows from the JSON text where it has no escapes.
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text<'a>, D::Error> {
        struct Borrow;
        impl<'de> Visitor<'de> for Borrow {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Borrow)
    }
}

/// What the grammar lets through and a reader would stumble over: too deep nesting, halves of surrogate pairs,
/// floats beyond the range of floats.
fn check(valid: &str) -> Result<(), String> {
    let bytes = valid.as_bytes();
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'[' | b'{' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(format!("nested deeper than {MAX_DEPTH} levels at byte {at}"));
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' => at = string_end(bytes, at + 1)?,
            b'-' | b'0'..=b'9' => {
                let rest = valid.get(at..).unwrap_or_default();
                let number = rest.split([',', ']', '}', ' ', '\t', '\r', '\n']).next().unwrap_or_default();
                let float = number.contains(['.', 'e', 'E']);
                if float && !number.parse::<f64>().is_ok_and(f64::is_finite) {
                    return Err(format!("number out of range at byte {at}"));
                }
                at += number.len() - 1;
            }
            _ => {}
        }
        at += 1;
    }
    Ok(())
}

/// The index of the quote that ends the string whose content starts at `at`.
fn string_end(bytes: &[u8], mut at: usize) -> Result<usize, String> {
    loop {
        match bytes.get(at) {
            Some(b'\\') => match unit(bytes, at) {
                Some(0xd800..=0xdbff) if matches!(unit(bytes, at + 6), Some(0xdc00..=0xdfff)) => at += 12,
                Some(0xd800..=0xdfff) => return Err(format!("lone surrogate at byte {at}")),
                _ => at += 2,
            },
            Some(b'"') | None => return Ok(at),
            Some(_) => at += 1,
        }
    }
}

/// The UTF-16 unit of a `\uXXXX` escape that starts at `at`.
fn unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_kinds_apart() {
        for (text, kind) in [
            ("null", Kind::Null),
            (" true ", Kind::Bool),
            ("-12", Kind::Integer),
            ("1e3", Kind::Float),
            ("1.0", Kind::Float),
            ("\"x\"", Kind::String),
            ("[1]", Kind::List),
            ("{}", Kind::Object),
        ] {
            assert_eq!(Json::parse(text.as_bytes()).unwrap().kind(), kind, "{text}");
        }
    }

    #[test]
    fn refuses_what_is_not_json() {
        let deep = "[".repeat(MAX_DEPTH + 1) + &"]".repeat(MAX_DEPTH + 1);
        for text in [
            "",
            "{",
            "NaN",
            "\u{feff}{}",
            "{} x",
            "\"\\ud800\"",
            "\"\\udc00\\ud800\"",
            "01",
            "[1e999]",
            &deep,
        ] {
            assert!(Json::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert_eq!(Json::parse(b"\"\xff\"").unwrap_err(), "invalid UTF-8 at byte 1");
        assert!(Json::parse("\"\\ud83d\\ude00\"".as_bytes()).is_ok());
        assert!(Json::parse(("[".repeat(MAX_DEPTH) + &"]".repeat(MAX_DEPTH)).as_bytes()).is_ok());
    }

    #[test]
    fn last_duplicate_wins_in_the_first_place() {
        let json = Json::parse(br#"{"a": 1, "b": 2, "a": "\u0041"}"#).unwrap();
        let members = json.object().unwrap();
        assert_eq!(members.keys().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(members.get("a").unwrap().text().unwrap(), "A");
        assert!(json.list().is_none() && json.text().is_none());
    }
}
