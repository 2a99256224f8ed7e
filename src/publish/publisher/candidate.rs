//! A document of the origin, checked before it can be served.

use crate::document::json::Json;
use crate::document::ruleset::Engine;
use crate::document::{ClientKey, Environment, Fault, Timestamp};
use crate::publish::publisher::content::content;

/// The maximum length of a published document, in bytes. An isolate has 128 MiB in total.
pub const MAX_DOCUMENT_LENGTH: usize = 16 * 1024 * 1024;

/// A document that can be served.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The text from the origin.
    pub document: Vec<u8>,
    /// The client key of its environment.
    pub client_key: ClientKey,
    /// The environment's name.
    pub name: String,
    /// The number of the environment's project.
    pub project: Option<i64>,
    /// A digest of its content.
    pub content: String,
    /// The time of the origin's last change.
    pub updated_at: Option<Timestamp>,
    /// True if the document has no identity overrides because of a setting (`use_identity_overrides_in_local_eval`,
    /// contract §B).
    pub leaves_overrides_out: bool,
    /// True if the environment hashes buckets from the numbers of identities in the origin's database.
    pub hashes_django_ids: bool,
    /// Unreadable fields that evaluation does not need.
    pub left_out: Vec<Fault>,
}

impl Candidate {
    /// Checks a document. The error names the problem, and quotes nothing from the document. A document that does not
    /// compile is refused, since it could not be served.
    pub fn check(document: Vec<u8>, engine: Engine) -> Result<Candidate, String> {
        if document.len() > MAX_DOCUMENT_LENGTH {
            return Err("document: is too large".to_owned());
        }
        let environment =
            Environment::parse(&document, engine).map_err(|fault| format!("document: {fault}"))?;
        let members = Json::parse(&document).ok().and_then(Json::object).ok_or("document: cannot be read")?;
        let name = members.get("name").and_then(|name| name.text()).unwrap_or_default().into_owned();
        let project =
            members.get("project").and_then(|project| project.object()?.get("id")?.source().parse().ok());
        let overrides = members.get("use_identity_overrides_in_local_eval");
        let leaves_overrides_out = overrides.is_some_and(|setting| setting.source() == "false");
        let content = content(&document).ok_or("document: cannot be read")?;
        Ok(Candidate {
            client_key: environment.key().clone(),
            name,
            project,
            content,
            updated_at: environment.updated_at.as_ref().map(|updated_at| updated_at.timestamp),
            leaves_overrides_out,
            hashes_django_ids: environment.hashes_django_ids(),
            left_out: environment.left_out,
            document,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unservable_documents_are_no_candidates() {
        let document =
            r#"{"api_key":"k","name":"n","project":{"id":7},"use_identity_overrides_in_local_eval":false}"#;
        let candidate = Candidate::check(document.into(), Engine::V10).unwrap();
        assert_eq!((candidate.client_key.as_str(), candidate.project), ("k", Some(7)));
        assert!(candidate.leaves_overrides_out && candidate.hashes_django_ids);
        for broken in [
            "",
            "{}",
            "[]",
            "<html>",
            r#"{"api_key":"k"}"#,
            r#"{"api_key":"k","project":{},"feature_states":[{}]}"#,
        ] {
            let problem = Candidate::check(broken.into(), Engine::V10).unwrap_err();
            assert!(problem.starts_with("document: "), "{problem}");
        }
        let truncated = document.get(..document.len() - 1).unwrap();
        assert!(Candidate::check(truncated.into(), Engine::V10).is_err());
        assert!(Candidate::check(vec![b' '; MAX_DOCUMENT_LENGTH + 1], Engine::V10).is_err());
    }
}
