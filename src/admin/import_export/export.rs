//! A page of an export, built from the texts of identities. The page ends at a maximum length; the next page begins
//! there.

use serde_json::{Value, json};

use crate::api::Response;
use crate::document::{ClientKey, Identifier};
use crate::identity::Identity;
use crate::identity::directory::{DirectoryQuery, Entry, PageKey};

/// The length in bytes beyond which a large identity goes to the next page.
const MAX_PAGE_LENGTH: usize = 8 * 1024 * 1024;

/// The identities of a page so far.
#[derive(Debug, Default)]
pub struct ExportPage {
    identities: Vec<String>,
    length: usize,
    /// The number of processed entries of the directory.
    entries: usize,
}

impl ExportPage {
    /// The total length of its identities, in bytes.
    pub fn length(&self) -> usize {
        self.length
    }

    /// True if the page has room for an identity of this length. A page has at least one.
    pub fn has_room(&self, length: usize) -> bool {
        self.entries == 0 || self.length.saturating_add(length) <= MAX_PAGE_LENGTH
    }

    /// Adds the identity of the next entry; nothing if it was deleted.
    pub fn add(&mut self, client_key: &ClientKey, identifier: &Identifier, identity: &Identity) {
        self.entries += 1;
        if identity.exists {
            let identity = render(client_key, identifier, identity).to_string();
            self.length += identity.len();
            self.identities.push(identity);
        }
    }

    /// Returns the answer: one object, or JSON lines of which the last has the key of the next page. `next` is the key
    /// of the page after all of `entries`, if there is one.
    pub fn finish(
        &self,
        query: &DirectoryQuery,
        entries: &[Entry],
        next: Option<&PageKey>,
        as_lines: bool,
    ) -> Response<'static> {
        let last = entries.get(..self.entries).and_then(<[_]>::last).filter(|_| self.entries < entries.len());
        let early = last.map(|entry| query.key_after(entry));
        let next = json!(early.as_ref().or(next).map(PageKey::encode));
        if as_lines {
            let lines: String = self.identities.iter().flat_map(|identity| [identity, "\n"]).collect();
            return Response::lines(format!("{lines}{{\"last_evaluated_key\":{next}}}\n").into_bytes());
        }
        let identities = self.identities.join(",");
        let body = format!(r#"{{"identities":[{identities}],"last_evaluated_key":{next}}}"#);
        Response::json(body.into_bytes())
    }
}

/// An identity in the shape of imports.
pub fn render(client_key: &ClientKey, identifier: &Identifier, identity: &Identity) -> Value {
    let pair = |(key, value)| json!({"trait_key": key, "trait_value": value});
    let traits: Vec<Value> = identity.traits.iter().map(pair).collect();
    let details = identity.details.as_ref();
    let mut document = json!({
        "composite_key": format!("{client_key}_{}", identifier.as_str()),
        "environment_api_key": client_key,
        "identifier": identifier,
        "identity_uuid": details.map(|details| &details.uuid),
        "created_date": details.map(|details| &details.created_date),
        "identity_traits": traits,
        "identity_features": identity.overrides,
        "django_id": identity.django_id,
    });
    let alias = details.and_then(|details| details.dashboard_alias.as_deref());
    if let (Some(alias), Some(members)) = (alias, document.as_object_mut()) {
        members.insert("dashboard_alias".to_owned(), alias.into());
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::directory::Column;

    fn client_key() -> ClientKey {
        ClientKey::unchecked("env")
    }

    fn entry(identifier: &str) -> Entry {
        Entry {
            identifier: Identifier::verbatim(identifier),
            uuid: "0".into(),
            alias: None,
            has_django_id: false,
        }
    }

    #[test]
    fn a_page_that_grows_too_long_ends_early() {
        let entries = ["a", "b", "c"].map(entry);
        let next = PageKey { alias: None, identifier: Identifier::verbatim("c") };
        let identity = Identity { exists: true, ..Identity::default() };
        let query = DirectoryQuery::search("", 3);
        for (added, identifiers, key) in
            [(1, vec!["a"], "a"), (2, vec!["a", "b"], "b"), (3, vec!["a", "b", "c"], "c")]
        {
            let mut page = ExportPage::default();
            for entry in entries.iter().take(added) {
                page.add(&client_key(), &entry.identifier, &identity);
            }
            let page: Value =
                serde_json::from_slice(&page.finish(&query, &entries, Some(&next), false).body).unwrap();
            let found: Vec<_> =
                page["identities"].as_array().unwrap().iter().map(|one| &one["identifier"]).collect();
            assert_eq!(found, identifiers);
            let found = PageKey::decode(page["last_evaluated_key"].as_str().unwrap(), Column::Identifier);
            assert_eq!(&*found.unwrap().identifier, key);
        }
    }

    #[test]
    fn a_page_by_alias_continues_by_alias() {
        let query = DirectoryQuery::search("dashboard_alias:a", 2);
        let entries = ["x", "y"].map(|name| Entry { alias: Some(format!("a{name}").into()), ..entry(name) });
        let mut page = ExportPage::default();
        page.add(&client_key(), &Identifier::verbatim("x"), &Identity::default());
        let page: Value = serde_json::from_slice(&page.finish(&query, &entries, None, false).body).unwrap();
        let key = PageKey::decode(page["last_evaluated_key"].as_str().unwrap(), Column::Alias);
        assert_eq!(key.unwrap().text(), "ax");
    }

    #[test]
    fn a_page_has_at_least_one_identity_and_no_more_than_fit() {
        let mut page = ExportPage::default();
        assert!(page.has_room(usize::MAX));
        page.add(&client_key(), &Identifier::verbatim("gone"), &Identity::default());
        assert!(page.has_room(MAX_PAGE_LENGTH) && !page.has_room(MAX_PAGE_LENGTH + 1));
        let last: Value = serde_json::from_slice(
            &page.finish(&DirectoryQuery::search("", 3), &[entry("gone")], None, false).body,
        )
        .unwrap();
        assert_eq!(last, json!({"identities": [], "last_evaluated_key": null}));
    }
}
