//! The version of the environment that an event has announced to a client.

use super::super::query::last_of;
use crate::document::Timestamp;

/// The tag and the time in an event, which the client repeats: the answer must not be older.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigHint {
    /// `flagConfigEtag`, without quotes.
    pub etag: Option<String>,
    /// `flagConfigLastModified`: seconds since 1970, or a date.
    pub last_modified: Option<Timestamp>,
}

impl ConfigHint {
    /// Reads a query; `None` without a hint.
    pub fn read(query: &str) -> Option<ConfigHint> {
        if query.is_empty() {
            return None;
        }
        let [etag, date] = last_of(query, ["flagConfigEtag", "flagConfigLastModified"]);
        let etag = etag.map(|etag| etag.trim().trim_start_matches("W/").trim_matches('"').to_owned());
        let etag = etag.filter(|etag| !etag.is_empty());
        let last_modified =
            date.and_then(|date| Timestamp::from_iso(&date).or_else(|| Timestamp::from_http_date(&date)));
        (etag.is_some() || last_modified.is_some()).then_some(ConfigHint { etag, last_modified })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_dates_are_read() {
        let read = |query: &str| {
            let hint = ConfigHint::read(query)?;
            Some((hint.etag.unwrap_or_default(), hint.last_modified.map_or(0, Timestamp::seconds)))
        };
        for (query, etag, seconds) in [
            ("flagConfigEtag=%22abc%22", "abc", 0),
            ("flagConfigEtag=W%2F%22abc%22&flagConfigLastModified=1771622898", "abc", 1_771_622_898),
            ("flagConfigLastModified=2026-02-20T21:28:18Z", "", 1_771_622_898),
            ("flagConfigLastModified=Fri,+20+Feb+2026+21:28:18+GMT", "", 1_771_622_898),
        ] {
            assert_eq!(read(query), Some((etag.to_owned(), seconds)), "{query}");
        }
        for query in ["", "a=b", "flagConfigEtag=", "flagConfigEtag=%22%22&flagConfigLastModified=soon"] {
            assert_eq!(ConfigHint::read(query), None, "{query}");
        }
    }
}
