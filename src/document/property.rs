//! What a condition looks at: a trait by name, or a JSONPath (RFC 9535) into the evaluation context.
//!
//! A property that begins `$.` is both: a trait of that very name wins, then the path counts; one that is no valid
//! path is only a trait's name (contract §C.2).

use std::fmt::Write;

use serde_json_path::JsonPath;

/// A property, resolved as far as it can be before there is an identity.
#[derive(Debug)]
pub enum Property {
    /// The value of the trait of this name.
    Trait(Box<str>),
    /// The identity's key: what PERCENTAGE_SPLIT looks at when its property is blank.
    IdentityKey,
    /// A trait of this name if it is set, else what the path leads to.
    Path(Box<str>, Target),
}

/// Where a path leads.
#[derive(Debug)]
pub enum Target {
    /// `$.identity.identifier`
    Identifier,
    /// `$.identity.key`
    IdentityKey,
    /// `$.identity.traits.<name>`
    Trait(Box<str>),
    /// `$.environment.key`
    EnvironmentKey,
    /// `$.environment.name`
    EnvironmentName,
    /// `$.flags.<feature>.<field>`, which flag-engine 11 knows.
    Flag(Box<str>, FlagField),
    /// Any other query: its first node, on the whole context.
    Query(Box<JsonPath>),
}

/// The fields of a flag that a condition can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum FlagField {
    Name,
    Enabled,
    Value,
    Variant,
    Reason,
}

impl Property {
    /// Reads a condition's property.
    pub fn new(source: &str) -> Property {
        if !source.starts_with("$.") {
            return Property::Trait(source.into());
        }
        match Target::new(source) {
            Some(target) => Property::Path(source.into(), target),
            None => Property::Trait(source.into()),
        }
    }
}

impl Target {
    fn new(source: &str) -> Option<Target> {
        let known = match *member_names(source).unwrap_or_default().as_slice() {
            ["identity", "identifier"] => Some(Target::Identifier),
            ["identity", "key"] => Some(Target::IdentityKey),
            ["identity", "traits", name] => Some(Target::Trait(name.into())),
            ["environment", "key"] => Some(Target::EnvironmentKey),
            ["environment", "name"] => Some(Target::EnvironmentName),
            ["flags", feature, field] => {
                FlagField::new(field).map(|field| Target::Flag(feature.into(), field))
            }
            _ => None,
        };
        let query = || JsonPath::parse(&standard(source)?).ok();
        known.or_else(|| query().map(|query| Target::Query(Box::new(query))))
    }
}

impl FlagField {
    fn new(name: &str) -> Option<FlagField> {
        Some(match name {
            "name" => FlagField::Name,
            "enabled" => FlagField::Enabled,
            "value" => FlagField::Value,
            "variant" => FlagField::Variant,
            "reason" => FlagField::Reason,
            _ => return None,
        })
    }
}

/// The names of a path that is made of nothing but plain member names: `.name`, `['name']`, `["name"]`.
///
/// `None` for every other path; those are the library's.
fn member_names(source: &str) -> Option<Vec<&str>> {
    let mut rest = source.strip_prefix('$')?;
    let mut names = Vec::new();
    while !rest.is_empty() {
        let quote = rest.strip_prefix('[').and_then(|inside| inside.chars().next());
        let (name, after) = match quote {
            Some(quote @ ('\'' | '"')) => {
                let (name, after) = rest.get(2..)?.split_once(quote)?;
                let plain = !name.contains(|c: char| c == '\\' || c.is_control());
                (plain.then_some(name)?, after.strip_prefix(']')?)
            }
            _ => {
                let inside = rest.strip_prefix('.')?;
                let (name, after) = split_name(inside);
                ((!name.is_empty()).then_some(name)?, after)
            }
        };
        names.push(name);
        rest = after;
    }
    Some(names)
}

/// Splits after a member name that needs no quotes; it is empty where there is none. Flagsmith's JSONPath takes
/// hyphens into such names and nothing beyond U+FFFF, both against RFC 9535.
fn split_name(text: &str) -> (&str, &str) {
    let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '\u{80}'..='\u{ffff}');
    let name = match text.chars().next() {
        Some(c) if inside(c) && c != '-' && !c.is_ascii_digit() => text.find(|c| !inside(c)),
        _ => Some(0),
    };
    text.split_at_checked(name.unwrap_or(text.len())).unwrap_or((text, ""))
}

/// The deepest nesting of brackets and parentheses in a path. The library's parser calls itself for each.
const MAX_NESTING: usize = 6;

/// The path as the library reads it: names that RFC 9535 does not allow in quotes, hexadecimal digits in capitals.
///
/// `None` for a path that Flagsmith does not allow, and for one that asks too much: that nests too deep, or that looks
/// through the whole context once more for each of its nodes, as a filter in a filter and `$..` in a filter do.
fn standard(source: &str) -> Option<String> {
    let mut path = String::with_capacity(source.len());
    let mut rest = source;
    let mut quote = None;
    let mut nesting = 0_usize;
    // Where the filter is that we are in, and whether it has gone back to the root.
    let mut filter = None;
    let mut absolute = false;
    while let Some(c) = rest.chars().next() {
        rest = rest.get(c.len_utf8()..)?;
        match (quote, c) {
            (Some(_), '\\') => {
                path.push(c);
                let escaped = rest.chars().next()?;
                path.push(escaped);
                rest = rest.get(escaped.len_utf8()..)?;
                if escaped == 'u' {
                    path.push_str(&rest.get(..4)?.to_ascii_uppercase());
                    rest = rest.get(4..)?;
                }
            }
            (Some(open), _) => {
                quote = (c != open).then_some(open);
                path.push(c);
            }
            (None, '\'' | '"') => {
                quote = Some(c);
                path.push(c);
            }
            (None, '?') if filter.is_some() => return None,
            (None, '*') if absolute => return None,
            (None, '.') if absolute && rest.starts_with('.') => return None,
            (None, '.') => {
                let (name, after) = split_name(rest);
                if name.contains('-') {
                    // Of the two dots of a descendant's name the first is there already.
                    let dot = if path.ends_with('.') { "." } else { "" };
                    let _ = write!(path, "{dot}['{name}']");
                    rest = after;
                } else {
                    path.push(c);
                }
            }
            (None, '\u{10000}'..) => return None,
            (None, _) => {
                match c {
                    '?' => filter = Some(nesting),
                    '$' => absolute = filter.is_some(),
                    ']' if filter == Some(nesting) => (filter, absolute) = (None, false),
                    _ => {}
                }
                match c {
                    '[' | '(' => nesting += 1,
                    ']' | ')' => nesting = nesting.saturating_sub(1),
                    _ => {}
                }
                if nesting > MAX_NESTING {
                    return None;
                }
                path.push(c);
            }
        }
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_plain_member_names() {
        for (path, expected) in [
            ("$.identity.identifier", Some(vec!["identity", "identifier"])),
            ("$.identity.traits['a b']", Some(vec!["identity", "traits", "a b"])),
            ("$.identity[\"traits\"].ключ", Some(vec!["identity", "traits", "ключ"])),
            ("$.identity.traits['it\\'s']", None),
            ("$.identity.traits['a'", None),
            ("$.identity.traits.1a", None),
            ("$.identity..key", None),
            ("$.identity.*", None),
            ("$.identity.traits.a b", None),
            ("$.identity.traits.a-b", Some(vec!["identity", "traits", "a-b"])),
            ("$.identity.traits.-a", None),
            ("$.identity.traits.😀", None),
            ("$.", None),
            ("$.identity.traits.a[0]", None),
        ] {
            assert_eq!(member_names(path), expected, "{path}");
        }
    }

    #[test]
    fn rewrites_paths_for_the_library() {
        for (path, expected) in [
            ("$..a-b", Some("$..['a-b']")),
            (
                "$.a-b.c[?@.d-e == 'f.g-h' && @.i > -1.5e-3]",
                Some("$['a-b'].c[?@['d-e'] == 'f.g-h' && @.i > -1.5e-3]"),
            ),
            ("$.*['it\\'s .a-b'].c-", Some("$.*['it\\'s .a-b']['c-']")),
            ("$.*.😀", None),
            ("$.*['😀']", Some("$.*['😀']")),
            ("$.*['\\", None),
            ("$.*['\\ud83d\\ude00']", Some("$.*['\\uD83D\\uDE00']")),
            ("$.*['\\u12", None),
        ] {
            assert_eq!(standard(path).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn paths_that_nest_too_deep_are_trait_names() {
        let path = |depth| format!("$.a[?{}@.b{}]", "(".repeat(depth), ")".repeat(depth));
        assert!(matches!(Property::new(&path(3)), Property::Path(..)), "{}", path(3));
        for depth in [7, 5_000] {
            assert!(matches!(Property::new(&path(depth)), Property::Trait(_)), "{depth}");
        }
    }

    #[test]
    fn paths_that_ask_too_much_are_trait_names() {
        for path in [
            "$..[?count($..*) > 5]",
            "$.a[?@.b == $.*.c]",
            "$..[?@[?@.a]]",
            "$..[?count($..[?count($..*)>9])>5]",
        ] {
            assert!(matches!(Property::new(path), Property::Trait(_)), "{path}");
        }
        for path in
            ["$..[?@.a == $.environment.name][?count(@..*) > 5].*", "$.a[?@.b == '$..*']", "$.a[?@.b].*..c"]
        {
            assert!(matches!(Property::new(path), Property::Path(..)), "{path}");
        }
    }

    #[test]
    fn invalid_paths_are_trait_names() {
        assert!(matches!(Property::new("$.identity.traits.a b"), Property::Trait(_)));
        assert!(matches!(Property::new("$['identity']['key']"), Property::Trait(_)));
        assert!(matches!(Property::new("$.identity.*"), Property::Path(_, Target::Query(_))));
        assert!(matches!(Property::new("$.features.x.enabled"), Property::Path(_, Target::Query(_))));
    }
}
