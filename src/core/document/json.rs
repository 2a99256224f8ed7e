//! JSON as Python's `json` reads it: integers and floats differ by their text, the last of duplicate keys wins, members
//! keep their order.
//!
//! A value stays a slice of its source text until its content is needed.

use std::borrow::Cow;

use serde::de::{Deserialize, Deserializer};
use serde_json::value::RawValue;

mod parts;
mod scanner;

#[cfg(test)]
pub use parts::SCANNED;
pub use parts::{Members, Parts};
pub use scanner::MAX_DEPTH;
use scanner::is_float;

/// A JSON value as text.
#[derive(Clone, Copy, Debug)]
pub struct Json<'a>(&'a str);

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
    /// The name of the type in Python, as in Flagsmith's messages.
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

/// Deserializes a value; `None` if the text does not have that form.
///
/// All JSON is read as text, since serde_json's code for bytes would make the worker larger.
pub fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Option<T> {
    serde_json::from_str(str::from_utf8(bytes).ok()?).ok()
}

impl<'a> Json<'a> {
    /// Checks that `bytes` is one JSON value of bounded depth; the error has the problem and its place.
    pub fn parse(bytes: &'a [u8]) -> Result<Json<'a>, String> {
        let text = std::str::from_utf8(bytes)
            .map_err(|error| format!("invalid UTF-8 at byte {}", error.valid_up_to()))?;
        scanner::check(text).map(Json)
    }

    /// The type of this value.
    pub fn kind(self) -> Kind {
        match self.0.as_bytes().first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::List,
            Some(b'"') => Kind::String,
            Some(b't' | b'f') => Kind::Bool,
            Some(b'n') | None => Kind::Null,
            Some(_) if is_float(self.0) => Kind::Float,
            Some(_) => Kind::Integer,
        }
    }

    /// The text of this value, as it was sent.
    pub fn source(self) -> &'a str {
        self.0
    }

    /// True if this is `true`.
    pub fn is_true(self) -> bool {
        self.0 == "true"
    }

    /// A string's content.
    pub fn text(self) -> Option<Cow<'a, str>> {
        let content = self.0.strip_prefix('"')?.strip_suffix('"')?;
        if content.contains('\\') {
            return serde_json::from_str(self.0).ok().map(Cow::Owned);
        }
        Some(Cow::Borrowed(content))
    }

    /// A list's items.
    pub fn list(self) -> Option<Vec<Json<'a>>> {
        (self.kind() == Kind::List).then(|| Parts::of(self).collect())
    }

    /// An object's members.
    pub fn object(self) -> Option<Members<'a>> {
        if self.kind() == Kind::Object { Members::of(self) } else { None }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Json<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Json<'a>, D::Error> {
        <&RawValue>::deserialize(deserializer).map(|raw| Json(raw.get()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_kinds_are_distinguished() {
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
    fn invalid_json_is_refused() {
        for text in ["", "{", "NaN", "\u{feff}{}", "{} x", "01"] {
            assert!(Json::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert_eq!(Json::parse(b"\"\xff\"").unwrap_err(), "invalid UTF-8 at byte 1");
    }

    #[test]
    fn the_last_duplicate_wins_at_the_position_of_the_first() {
        let json = Json::parse(br#"{"a": 1, "b": 2, "a": "\u0041"}"#).unwrap();
        let members = json.object().unwrap();
        assert_eq!(members.iter().map(|(key, _)| key).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(members.get("a").unwrap().text().unwrap(), "A");
        assert!(json.list().is_none() && json.text().is_none());
    }

    #[test]
    fn large_objects_behave_like_small_ones() {
        let text: Vec<_> = (0..100).chain(0..3).map(|index| format!("\"k{index}\":[{index}]")).collect();
        let text = format!("{{{},\"k1\": \"last\"}}", text.join(", "));
        let members = Json::parse(text.as_bytes()).unwrap().object().unwrap();
        let keys: Vec<_> = members.iter().map(|(key, _)| key.to_owned()).collect();
        assert_eq!(keys, (0..100).map(|index| format!("k{index}")).collect::<Vec<_>>());
        assert_eq!(members.get("k1").unwrap().text().unwrap(), "last");
        assert_eq!(members.get("k99").unwrap().source(), "[99]");
        assert!(members.get("k100").is_none());
    }

    #[test]
    fn lists_and_objects_are_split_into_items() {
        let text = r#" [ 1 ,-2.5e3,"a]\"", {"b": [3, "}"], "c":null} ,[], {}, true , ["\\"]] "#;
        let items: Vec<_> = Json::parse(text.as_bytes()).unwrap().list().unwrap();
        let sources: Vec<_> = items.iter().map(|item| item.source()).collect();
        let expected =
            ["1", "-2.5e3", r#""a]\"""#, r#"{"b": [3, "}"], "c":null}"#, "[]", "{}", "true", r#"["\\"]"#];
        assert_eq!(sources, expected);
        assert_eq!(items[3].object().unwrap().get("b").unwrap().list().unwrap()[1].text().unwrap(), "}");
        assert!(items[4].list().unwrap().is_empty() && items[5].object().unwrap().is_empty());
    }
}
