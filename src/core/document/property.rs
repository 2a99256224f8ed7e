//! The property that a condition reads: a trait by name, or a JSONPath (RFC 9535) into the evaluation context.
//!
//! A property that begins with `$.` can be both: a trait of exactly that name wins over the path. An invalid path is
//! only a trait's name (contract §C.2).

use super::json_path::{Query, split_name};

/// Index into the properties of a ruleset.
pub type PropertyIndex = usize;

/// A property, resolved as far as possible without an identity.
#[derive(Debug)]
pub enum Property {
    /// The value of the trait of this name.
    Trait(Box<str>),
    /// The identity's key, which PERCENTAGE_SPLIT reads when its property is blank.
    IdentityKey,
    /// The trait of this name if it is set, else the target of the path.
    Path(Box<str>, PathTarget),
}

/// The target of a path.
#[derive(Debug)]
pub enum PathTarget {
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
    /// `$.flags.<feature>.<field>`, for flag-engine 11.
    Flag(Box<str>, FlagField),
    /// Any other query on the whole context; its first node counts.
    Query(Box<Query>),
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
    /// The text from which the property was parsed; `None` for the identity's key.
    pub(super) fn source(&self) -> Option<&str> {
        match self {
            Property::Trait(source) | Property::Path(source, _) => Some(source),
            Property::IdentityKey => None,
        }
    }

    /// Parses a condition's property.
    pub fn new(source: &str) -> Property {
        if !source.starts_with("$.") {
            return Property::Trait(source.into());
        }
        match PathTarget::new(source) {
            Some(target) => Property::Path(source.into(), target),
            None => Property::Trait(source.into()),
        }
    }
}

impl PathTarget {
    fn new(source: &str) -> Option<PathTarget> {
        let known = match *member_names(source).unwrap_or_default().as_slice() {
            ["identity", "identifier"] => Some(PathTarget::Identifier),
            ["identity", "key"] => Some(PathTarget::IdentityKey),
            ["identity", "traits", name] => Some(PathTarget::Trait(name.into())),
            ["environment", "key"] => Some(PathTarget::EnvironmentKey),
            ["environment", "name"] => Some(PathTarget::EnvironmentName),
            ["flags", feature, field] => {
                FlagField::new(field).map(|field| PathTarget::Flag(feature.into(), field))
            }
            _ => None,
        };
        known.or_else(|| Query::new(source).map(|query| PathTarget::Query(Box::new(query))))
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

/// The names of a path with only plain member names: `.name`, `['name']`, `["name"]`.
///
/// `None` for every other path; those are queries.
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
    fn paths_that_nest_too_deep_are_trait_names() {
        let path = |depth| format!("$.a[?{}@.b{}]", "(".repeat(depth), ")".repeat(depth));
        assert!(matches!(Property::new(&path(3)), Property::Path(..)), "{}", path(3));
        for depth in [7, 5_000] {
            assert!(matches!(Property::new(&path(depth)), Property::Trait(_)), "{depth}");
        }
    }

    #[test]
    fn invalid_paths_are_trait_names() {
        assert!(matches!(Property::new("$.identity.traits.a b"), Property::Trait(_)));
        assert!(matches!(Property::new("$['identity']['key']"), Property::Trait(_)));
        assert!(matches!(Property::new("$.identity.*"), Property::Path(_, PathTarget::Query(_))));
        assert!(matches!(Property::new("$.features.x.enabled"), Property::Path(_, PathTarget::Query(_))));
    }
}
