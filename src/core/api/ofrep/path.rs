//! The paths of OFREP, and the keys of flags in them.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// A path of OFREP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfrepPath<'p> {
    /// All flags.
    Bulk,
    /// One flag, with its key as it was sent.
    Flag(&'p str),
}

impl<'p> OfrepPath<'p> {
    /// The endpoint of a request path; `None` for a path of another API. Clients that changed only the URL of Flagsmith's
    /// SDK API use the paths below `/api/v1/`.
    pub fn parse(path: &'p str) -> Option<OfrepPath<'p>> {
        let path = path.strip_prefix("/api/v1").unwrap_or(path);
        match path.strip_prefix("/ofrep/v1/evaluate/flags")? {
            "" | "/" => Some(OfrepPath::Bulk),
            rest => rest.strip_prefix('/').map(OfrepPath::Flag),
        }
    }
}

/// The key of the flag in a path, decoded.
pub fn flag_key(path: &str) -> Cow<'_, str> {
    match OfrepPath::parse(path) {
        Some(OfrepPath::Flag(key)) => decoded(key),
        _ => Cow::default(),
    }
}

/// The keys that a path and its query may mean, the likeliest first.
///
/// Some providers encode the key and some do not, so `%2F` may be a slash or three characters, and a question mark may be
/// a part of the key. The last slash may be a part of the key, or the end of the path.
pub fn candidates<'p>(path: &'p str, query: &str) -> impl Iterator<Item = Cow<'p, str>> {
    let sent = match OfrepPath::parse(path) {
        Some(OfrepPath::Flag(key)) => key,
        _ => "",
    };
    let shorter = sent.strip_suffix('/').map(decoded);
    let longer = (!query.is_empty()).then(|| Cow::Owned(decoded(&[sent, "?", query].concat()).into_owned()));
    [Some(decoded(sent)), Some(sent.into()), shorter, longer].into_iter().flatten()
}

fn decoded(key: &str) -> Cow<'_, str> {
    percent_decode_str(key).decode_utf8().unwrap_or(Cow::Borrowed(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_with_both_prefixes() {
        for prefix in ["", "/api/v1"] {
            for (path, expected) in [
                ("/ofrep/v1/evaluate/flags", Some(OfrepPath::Bulk)),
                ("/ofrep/v1/evaluate/flags/", Some(OfrepPath::Bulk)),
                ("/ofrep/v1/evaluate/flags/a", Some(OfrepPath::Flag("a"))),
                ("/ofrep/v1/evaluate/flags/a/b/", Some(OfrepPath::Flag("a/b/"))),
                ("/ofrep/v1/evaluate/flags//", Some(OfrepPath::Flag("/"))),
                ("/ofrep/v1/evaluate/flagship", None),
                ("/ofrep/v1/evaluate", None),
                ("/ofrep/v2/evaluate/flags", None),
            ] {
                assert_eq!(OfrepPath::parse(&[prefix, path].concat()), expected, "{prefix}{path}");
            }
        }
        assert_eq!(OfrepPath::parse("/api/v2/ofrep/v1/evaluate/flags"), None);
    }

    #[test]
    fn a_key_may_be_encoded_or_not() {
        for (sent, query, expected) in [
            ("a", "", &["a", "a"] as &[&str]),
            ("a%20b%2Fc", "", &["a b/c", "a%20b%2Fc"]),
            ("a/b/", "", &["a/b/", "a/b/", "a/b"]),
            ("50%", "", &["50%", "50%"]),
            ("%ff", "", &["%ff", "%ff"]),
            ("%F0%9F%9A%80", "", &["🚀", "%F0%9F%9A%80"]),
            ("why", "not=%21", &["why", "why", "why?not=!"]),
        ] {
            let path = ["/ofrep/v1/evaluate/flags/", sent].concat();
            assert_eq!(candidates(&path, query).collect::<Vec<_>>(), expected, "{sent}");
            assert_eq!(flag_key(&path), expected[0]);
        }
    }
}
