//! Checks of documents and server keys before they are written into KV. They apply the worker's own rules.

use serde_json::{Value, json};

use crate::document::ruleset::Engine;
use crate::document::{ServerKey, json};
use crate::publish::publisher::candidate::Candidate;
use crate::publish::publisher::version::DocumentVersion;

/// Returns the environment and the version of a document that is published now, with its unreadable fields; or its
/// fault.
pub fn check_document(document: Vec<u8>, now: u64) -> Value {
    match Candidate::check(document, Engine::V10) {
        Ok(candidate) => json!({
            "environment": candidate.client_key,
            "version": DocumentVersion::after(None, &candidate.document, now),
            "left_out": candidate.left_out.iter().map(ToString::to_string).collect::<Vec<_>>(),
        }),
        Err(fault) => json!({"fault": fault}),
    }
}

/// The reason for which a server key would always be refused, if there is one. `entry` is the value for KV.
pub fn check_server_key(entry: &str) -> Option<String> {
    let Some(entry) = json::read::<ServerKey>(entry.as_bytes()) else {
        return Some("cannot be read: active must be true or false".to_owned());
    };
    entry.fault().map(|fault| fault.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_checked_by_the_workers_own_reader() {
        let check = |document: &str| check_document(document.into(), 1_795_362_721_000);
        let checked = check(r#"{"api_key":"k","name":7,"updated_at":"some day","project":{}}"#);
        assert_eq!(checked["environment"], "k");
        assert!(checked["version"].as_str().is_some_and(|version| version.starts_with("1795362721000-")));
        assert_eq!(checked["left_out"], json!(["updated_at: is no date", "name: is no text"]));
        let fault = check(r#"{"api_key":"k","project":{"segments":7}}"#)["fault"].to_string();
        assert!(fault.contains("document: project.segments: has an unexpected type or value"), "{fault}");
    }

    #[test]
    fn a_server_key_is_checked_by_the_workers_own_reader() {
        let entry = |active: &str, date: &str| {
            format!(r#"{{"environment":"k","active":{active},"expires_at":{date}}}"#)
        };
        for (entry, fault) in [
            (entry("true", "null"), None),
            (entry("false", "\"2099-12-31\""), None),
            (entry("true", "\"2020-01-01T00:00:00.1234567Z\""), None),
            (entry("true", "1893456000"), None),
            (entry("true", "\"some day\""), Some("expires_at: is no date")),
            (entry("true", "\"\""), Some("expires_at: is no date")),
            (entry("\"yes\"", "null"), Some("cannot be read: active must be true or false")),
            (r#"{"environment":"k"}"#.to_owned(), Some("cannot be read: active must be true or false")),
        ] {
            assert_eq!(check_server_key(&entry).as_deref(), fault, "{entry}");
        }
    }
}
