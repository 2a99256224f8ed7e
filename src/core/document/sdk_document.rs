//! The environment document for SDKs: the published one without the fields of Flagsmith's own store.

use std::borrow::Cow;

use super::environment_key::ClientKey;
use super::identity_overrides::normalized;
use super::json::{Json, Members};
use super::schema::STORED_ONLY;

/// The document for SDKs (contract §B). A document in that form is returned unchanged, which includes all documents of
/// an origin's SDK API. If `normalizes` is true, its identity overrides are normalized.
pub fn sdk_document<'a>(published: &'a [u8], client_key: &ClientKey, normalizes: bool) -> Cow<'a, [u8]> {
    let Some(members) = Json::parse(published).ok().and_then(Json::object) else { return published.into() };
    let complete = members.has("api_key") && members.has("id");
    if complete && !normalizes && !STORED_ONLY.iter().any(|field| members.has(field)) {
        return published.into();
    }
    render(&members, client_key, normalizes).into_bytes().into()
}

fn render(members: &Members<'_>, client_key: &ClientKey, normalizes: bool) -> String {
    let mut document = String::from("{");
    // The stored form has other names for both, and SDKs need them.
    if !members.has("api_key") {
        document.extend([r#""api_key":"#, &quoted(client_key), ","]);
    }
    if let (None, Some(id)) = (members.get("id"), members.get("environment_id")) {
        // The stored form has a text; SDKs read a number.
        let id = id.text().filter(|id| id.parse::<u64>().is_ok());
        document.extend(id.iter().flat_map(|id| [r#""id":"#, id, ","]));
    }
    for (name, value) in members.iter().filter(|(name, _)| !STORED_ONLY.contains(name)) {
        let overrides = if normalizes && name == "identity_overrides" { value.list() } else { None };
        match overrides.as_deref().map(normalized) {
            Some(overrides) => document.extend([quoted(name).as_str(), ":", &overrides, ","]),
            None => document.extend([quoted(name).as_str(), ":", value.source(), ","]),
        }
    }
    document.truncate(document.trim_end_matches(',').len());
    document.push('}');
    document
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_without_stored_only_members_stay_unchanged() {
        let published = br#"{"id": 1, "api_key": "k", "name" : "x"}"#;
        assert!(
            matches!(sdk_document(published, &ClientKey::unchecked("k"), false), Cow::Borrowed(same) if same == published)
        );
    }

    #[test]
    fn the_stored_form_loses_its_secrets_and_gains_its_names() {
        let stored = br#"{"environment_api_key":"k","environment_id":"7","document_key":"_META","name":"x",
            "webhook_config":{"url":"https://example.com","secret":"s3cret"},"onboarding_pending":null}"#;
        let served = sdk_document(stored, &ClientKey::unchecked("k"), false);
        assert_eq!(std::str::from_utf8(&served), Ok(r#"{"api_key":"k","id":7,"name":"x"}"#));
    }
}
