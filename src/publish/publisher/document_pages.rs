//! Joins the pages of a document. The result is the first page, with the identity overrides of all pages (contract
//! §A.5).

use std::time::Duration;

use crate::document::json::Json;

/// The maximum number of pages of a document.
const MAX_PAGES: usize = 1_000;
/// The time limit of one page, in milliseconds.
const PAGE_TIMEOUT_MS: u64 = 20_000;
/// The time limit of all pages together, in milliseconds. An alarm may fetch 20 times. With this limit the fetches stay
/// within the 15 minutes that an alarm may last.
const TIMEOUT_MS: u64 = 40_000;
const OVERRIDES: &str = "identity_overrides";

/// The pages read so far.
pub struct DocumentPages {
    began_at: u64,
    first: Vec<u8>,
    /// The identity overrides of the pages after the first, as JSON, each followed by a comma.
    more: String,
    count: usize,
}

impl DocumentPages {
    /// Starts without pages; `now` is in milliseconds.
    pub fn new(now: u64) -> DocumentPages {
        DocumentPages { began_at: now, first: Vec::new(), more: String::new(), count: 0 }
    }

    /// The time limit of the next page; an error if the time for all pages is over.
    pub fn timeout(&self, now: u64) -> Result<Duration, String> {
        let rest = TIMEOUT_MS.saturating_sub(now.saturating_sub(self.began_at));
        let late = || format!("document: its pages take longer than {} s", TIMEOUT_MS / 1000);
        (rest > 0).then(|| Duration::from_millis(rest.min(PAGE_TIMEOUT_MS))).ok_or_else(late)
    }

    /// Adds a page; an error has the problem.
    pub fn add(&mut self, page: Vec<u8>, max_length: usize) -> Result<(), String> {
        self.count += 1;
        if self.count > MAX_PAGES || self.first.len() + self.more.len() + page.len() > max_length {
            return Err("document: is too large".to_owned());
        }
        if self.count == 1 {
            self.first = page;
            return Ok(());
        }
        let overrides = Json::parse(&page).ok().and_then(Json::object);
        let overrides = overrides.and_then(|members| members.get(OVERRIDES)?.list());
        for item in overrides.ok_or("document: a further page has no identity_overrides")? {
            self.more.extend([item.source(), ","]);
        }
        Ok(())
    }

    /// The whole document.
    pub fn join(self) -> Result<Vec<u8>, String> {
        if self.more.is_empty() {
            return Ok(self.first);
        }
        let members = Json::parse(&self.first).map_err(|_| "document: is not JSON".to_owned())?.object();
        let members = members.ok_or("document: is no object")?;
        let mut document = String::from("{");
        for (name, value) in members.iter().filter(|(name, _)| *name != OVERRIDES) {
            document.extend([serde_json::Value::from(name).to_string().as_str(), ":", value.source(), ","]);
        }
        document.push_str("\"identity_overrides\":[");
        let own = members.get(OVERRIDES).and_then(|overrides| overrides.list()).unwrap_or_default();
        own.iter().for_each(|item| document.extend([item.source(), ","]));
        document.push_str(self.more.trim_end_matches(','));
        document.push_str("]}");
        Ok(document.into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(pages: &[&str]) -> Result<String, String> {
        let mut all = DocumentPages::new(0);
        for page in pages {
            all.add(page.as_bytes().to_vec(), 1_000)?;
        }
        Ok(String::from_utf8(all.join()?).unwrap())
    }

    #[test]
    fn overrides_of_all_pages_are_joined() {
        assert_eq!(
            joined(&[r#"{"a": 1, "identity_overrides": [ 1 ]}"#]).unwrap(),
            r#"{"a": 1, "identity_overrides": [ 1 ]}"#
        );
        let pages = [
            r#"{"a": 1, "identity_overrides": [1], "b": {"c": 2}}"#,
            r#"{"a": 9, "identity_overrides": [2, {"x": 3}]}"#,
            r#"{"identity_overrides": []}"#,
            r#"{"identity_overrides": [4]}"#,
        ];
        assert_eq!(joined(&pages).unwrap(), r#"{"a":1,"b":{"c": 2},"identity_overrides":[1,2,{"x": 3},4]}"#);
        assert_eq!(
            joined(&["{}", r#"{"identity_overrides":[1]}"#]).unwrap(),
            r#"{"identity_overrides":[1]}"#
        );
    }

    #[test]
    fn all_pages_are_fetched_within_a_time_limit() {
        let pages = DocumentPages::new(1_000_000);
        for (now, timeout) in [(1_000_000, 20_000), (1_020_000, 20_000), (1_025_000, 15_000), (1_039_999, 1)]
        {
            assert_eq!(pages.timeout(now), Ok(Duration::from_millis(timeout)), "{now}");
        }
        for now in [1_040_000, 2_000_000] {
            assert!(pages.timeout(now).is_err(), "{now}");
        }
    }

    #[test]
    fn an_invalid_page_invalidates_the_document() {
        for pages in
            [["{}", "{}"], ["{}", "["], ["[]", r#"{"identity_overrides":[1]}"#], ["{}", &" ".repeat(1_000)]]
        {
            assert!(joined(&pages).is_err(), "{pages:?}");
        }
    }
}
