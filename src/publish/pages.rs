//! A document that comes in pages: the first one, with the identity overrides of all (contract §A.5).

use crate::document::json::Json;

/// The most pages that a document may have.
const MAX_PAGES: usize = 1_000;
const OVERRIDES: &str = "identity_overrides";

/// The pages read so far.
#[derive(Default)]
pub struct Pages {
    first: Vec<u8>,
    /// The items of the others' lists, each followed by a comma.
    more: String,
    count: usize,
}

impl Pages {
    /// Adds a page; an error says what is wrong with it.
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
        let mut all = Pages::default();
        for page in pages {
            all.add(page.as_bytes().to_vec(), 1_000)?;
        }
        Ok(String::from_utf8(all.join()?).unwrap())
    }

    #[test]
    fn overrides_of_all_pages_come_together() {
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
    fn a_page_that_is_none_spoils_the_document() {
        for pages in
            [["{}", "{}"], ["{}", "["], ["[]", r#"{"identity_overrides":[1]}"#], ["{}", &" ".repeat(1_000)]]
        {
            assert!(joined(&pages).is_err(), "{pages:?}");
        }
    }
}
