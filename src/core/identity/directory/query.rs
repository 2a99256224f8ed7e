//! Queries of the directory, page by page.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde::{Deserialize, Serialize};

use super::entry::Entry;
use crate::document::{Identifier, json};

/// The column of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Column {
    /// The identifier, which every identity has.
    Identifier,
    /// The alias; only identities with an alias are found.
    Alias,
}

/// A request for a page of entries, in byte order of the column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryQuery {
    /// The column of a query.
    pub column: Column,
    /// The first text of the range.
    pub from: Box<str>,
    /// The first text past the range; none if the range has no end.
    pub until: Option<Box<str>>,
    /// The entry after which the page begins.
    pub after: Option<PageKey>,
    /// The number of entries.
    pub limit: usize,
}

/// The last entry of a page, after which the next page begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageKey {
    /// The alias, if the page was ordered by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<Box<str>>,
    /// The identifier, which orders entries with the same alias.
    pub identifier: Identifier,
}

impl PageKey {
    /// The entry's text in the column that orders the page.
    pub fn text(&self) -> &str {
        self.alias.as_deref().unwrap_or(&self.identifier)
    }

    /// The opaque text for clients, which send it back with the request for the next page.
    pub fn encode(&self) -> String {
        // Strings always serialize.
        BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_string(self).unwrap_or_default())
    }

    /// Reads such an opaque text; `None` for any other text.
    pub fn decode(text: &str, column: Column) -> Option<PageKey> {
        let json = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        let key: PageKey = json::read(&json)?;
        (key.alias.is_some() == (column == Column::Alias)).then_some(key)
    }
}

impl DirectoryQuery {
    /// The query of a search text: `dashboard_alias:` searches aliases, quotes mean the whole text, and any other text
    /// a prefix (contract §D). An empty text finds everything.
    pub fn search(text: &str, limit: usize) -> DirectoryQuery {
        let (column, text) = match text.strip_prefix("dashboard_alias:") {
            Some(alias) => (Column::Alias, alias.to_lowercase()),
            None => (Column::Identifier, text.to_owned()),
        };
        let exact = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        let (from, until) = match exact {
            // The next possible text.
            Some(text) => (text.to_owned(), Some(format!("{text}\0"))),
            None => (text.clone(), end_of_prefix(&text)),
        };
        DirectoryQuery { column, from: from.into(), until: until.map(Into::into), after: None, limit }
    }

    /// The key at which the page after this entry begins.
    pub fn key_after(&self, entry: &Entry) -> PageKey {
        let alias = entry.alias.clone().filter(|_| self.column == Column::Alias);
        PageKey { alias, identifier: entry.identifier.clone() }
    }

    /// Merges the pages of all shards. Also returns the key of the next page, if there is one. The request to each
    /// shard must be for one entry more than the page has.
    pub fn merge(&self, pages: Vec<Vec<Entry>>) -> (Vec<Entry>, Option<PageKey>) {
        let mut entries: Vec<Entry> = pages.into_iter().flatten().collect();
        let key = |entry: &Entry| self.key_after(entry);
        entries.sort_by(|a, b| {
            let (a, b) = (key(a), key(b));
            (&a.alias, &a.identifier).cmp(&(&b.alias, &b.identifier))
        });
        let more = entries.len() > self.limit;
        entries.truncate(self.limit);
        let next = entries.last().filter(|_| more).map(key);
        (entries, next)
    }

    /// True if an entry is on the page, except for the page's length.
    pub fn finds(&self, entry: &Entry) -> bool {
        let text = match self.column {
            Column::Identifier => Some(&*entry.identifier),
            Column::Alias => entry.alias.as_deref(),
        };
        let in_range =
            |text: &str| *text >= *self.from && self.until.as_ref().is_none_or(|until| *text < **until);
        let after = self.after.as_ref().is_none_or(|after| match self.column {
            Column::Identifier => entry.identifier > after.identifier,
            Column::Alias => (&entry.alias, &entry.identifier) > (&after.alias, &after.identifier),
        });
        text.is_some_and(in_range) && after
    }
}

/// The first text past all texts that begin with `prefix`, if there is one. Bytes and code points have the same order.
fn end_of_prefix(prefix: &str) -> Option<String> {
    let mut text = prefix.to_owned();
    while let Some(last) = text.pop() {
        // Skips the surrogates, which are no characters.
        let next = char::from_u32(last as u32 + 1).or_else(|| (last == '\u{d7ff}').then_some('\u{e000}'));
        if let Some(next) = next {
            text.push(next);
            return Some(text);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(identifier: &str, alias: Option<&str>) -> Entry {
        let (identifier, alias) = (Identifier::verbatim(identifier), alias.map(Into::into));
        Entry { identifier, uuid: "u".into(), alias, has_django_id: false }
    }

    #[test]
    fn searches_match_prefixes_and_quoted_texts_exactly() {
        for (text, identifier, alias, found) in [
            ("", "x", None, true),
            ("edge", "edge-1", None, true),
            ("edge", "Edge-1", None, false),
            ("edge", "an-edge", None, false),
            ("\"edge\"", "edge", None, true),
            ("\"edge\"", "edge-1", None, false),
            ("\"\"", "x", None, false),
            ("\"", "\"x", None, true),
            ("\"", "x", None, false),
            ("a\u{10ffff}", "a\u{10ffff}x", None, true),
            ("a\u{10ffff}", "b", None, false),
            ("\u{d7ff}", "\u{d7ff}x", None, true),
            ("\u{d7ff}", "\u{e000}", None, false),
            ("dashboard_alias:MY", "x", Some("my alias"), true),
            ("dashboard_alias:my", "my", None, false),
            ("dashboard_alias:\"my alias\"", "x", Some("my alias"), true),
            ("dashboard_alias:\"my\"", "x", Some("my alias"), false),
        ] {
            assert_eq!(
                DirectoryQuery::search(text, 10).finds(&entry(identifier, alias)),
                found,
                "{text} {identifier}"
            );
        }
        assert_eq!(end_of_prefix("\u{10ffff}"), None);
    }

    #[test]
    fn pages_are_consecutive() {
        let all: Vec<_> = ["b", "a", "ä", "B", "aa", "1"].map(|identifier| entry(identifier, None)).into();
        let mut query = DirectoryQuery::search("", 2);
        let mut seen = Vec::new();
        loop {
            let page = all.iter().filter(|entry| query.finds(entry)).cloned().collect();
            let (entries, next) = query.merge(vec![page]);
            seen.extend(entries.into_iter().map(|entry| entry.identifier.to_string()));
            let Some(next) = next else { break };
            query.after = PageKey::decode(&next.encode(), Column::Identifier);
            assert_eq!(query.after, Some(next));
        }
        assert_eq!(seen, ["1", "B", "a", "aa", "b", "ä"]);
    }

    #[test]
    fn invalid_page_keys_are_errors() {
        for text in ["garbage", "eyJ4IjoxfQ==", "eyJ4IjoxfQ", "", "ü"] {
            assert_eq!(PageKey::decode(text, Column::Identifier), None, "{text}");
        }
        let key = PageKey { alias: None, identifier: Identifier::verbatim("x") };
        assert_eq!(PageKey::decode(&key.encode(), Column::Alias), None);
    }
}
