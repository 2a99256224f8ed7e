//! Query strings.

use std::borrow::Cow;

/// The last of the values that a query string gives for a name, as Django reads it.
pub fn last<'q>(query: &'q str, name: &str) -> Option<Cow<'q, str>> {
    form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == name).last().map(|(_, value)| value)
}
