//! Notifications from an origin: webhooks, and messages to its realtime server (contract §G).
//!
//! A notification only triggers a fetch. The origin's answer decides which documents are published.

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::document::json::Json;
use crate::document::{ClientKey, hex};

/// The maximum length of a notification, in bytes. Flagsmith's have some thousands.
pub const MAX_NOTIFICATION_LENGTH: usize = 256 * 1024;

/// The number of characters of the digest in a webhook's id.
const ID_LENGTH: usize = 32;

/// The kinds of notifications. Each has to be set up at the origin separately (`docs/publishing.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotificationKind {
    /// `queue-change`, as for a realtime server.
    Realtime,
    /// The webhook of one environment.
    EnvironmentWebhook,
    /// The webhook of the organisation.
    OrganisationWebhook,
}

/// The latest notification of an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceivedNotification {
    /// The kind of the notification.
    pub kind: NotificationKind,
    /// The time of arrival in milliseconds, cut to the second. So a burst changes the stored value only once a second.
    pub at: u64,
}

impl NotificationKind {
    const ALL: [NotificationKind; 3] = [
        NotificationKind::Realtime,
        NotificationKind::EnvironmentWebhook,
        NotificationKind::OrganisationWebhook,
    ];

    /// The name in messages between objects, in storage, and in the status.
    pub fn name(self) -> &'static str {
        match self {
            NotificationKind::Realtime => "realtime",
            NotificationKind::EnvironmentWebhook => "environment_webhook",
            NotificationKind::OrganisationWebhook => "organisation_webhook",
        }
    }

    /// Returns the kind with this name.
    pub fn from_name(name: &str) -> Option<NotificationKind> {
        NotificationKind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl ReceivedNotification {
    /// A notification that arrives now.
    pub fn new(kind: NotificationKind, now: u64) -> ReceivedNotification {
        ReceivedNotification { kind, at: now / 1_000 * 1_000 }
    }
}

/// True if `X-Flagsmith-Signature` is the signature of this body. The comparison takes constant time.
pub fn verify_signature(body: &[u8], signature: &str, secret: &str) -> bool {
    let code = from_hex(signature.trim()).zip(code_of(body, secret));
    code.is_some_and(|(signature, code)| code.verify_slice(&signature).is_ok())
}

/// The id in a webhook's path, for one environment or for all. It reveals nothing without the secret.
pub fn webhook_id(client_key: Option<&ClientKey>, secret: &str) -> String {
    let subject =
        client_key.map_or_else(|| "all".to_owned(), |client_key| format!("environment:{client_key}"));
    let code = code_of(subject.as_bytes(), secret);
    let mut id = code.map(|code| hex(&code.finalize().into_bytes())).unwrap_or_default();
    id.truncate(ID_LENGTH);
    id
}

fn code_of(message: &[u8], secret: &str) -> Option<Hmac<Sha256>> {
    Some(Hmac::new_from_slice(secret.as_bytes()).ok()?.chain_update(message))
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// True if two secrets are equal. Takes constant time.
pub fn constant_time_eq(given: &str, expected: &str) -> bool {
    // Only digests of secrets are compared, and a client cannot choose those.
    let digest = |text: &str| <Sha256 as sha2::Digest>::digest(text);
    digest(given) == digest(expected)
}

/// True if this is the body of Flagsmith's `queue-change` request.
pub fn is_queue_change(body: &[u8]) -> bool {
    let members = Json::parse(body).ok().and_then(Json::object);
    let updated_at = members.and_then(|members| members.get("updated_at")?.text());
    updated_at.is_some_and(|text| !text.is_empty())
}

/// Returns true if this is the body of a webhook about the contents of documents, so that no environment was created
/// or deleted.
///
/// An organisation's webhook has a row of the audit log. Flagsmith writes one for features and their states, segments,
/// environments and change requests. It writes none for server keys, projects, and the values of multivariate options.
pub fn is_of_documents(body: &[u8]) -> bool {
    let Some(members) = Json::parse(body).ok().and_then(Json::object) else { return false };
    let event = members.get("event_type").and_then(|event| event.text());
    let data = || members.get("data")?.object();
    match event.as_deref() {
        Some("FLAG_UPDATED" | "FLAG_DELETED" | "NEW_VERSION_PUBLISHED") => true,
        Some("AUDIT_LOG_CREATED") => data().is_some_and(|row| {
            let subject = row.get("related_object_type").and_then(|subject| subject.text());
            let subjects = [
                "CHANGE_REQUEST",
                "EDGE_IDENTITY",
                "EF_VERSION",
                "FEATURE",
                "FEATURE_HEALTH",
                "FEATURE_STATE",
                "RELEASE_PIPELINE",
                "SEGMENT",
            ];
            subject.is_some_and(|subject| subjects.contains(&&*subject))
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_valid_for_one_body_and_one_secret() {
        // From RFC 4231, test case 2.
        let (body, secret) = (b"what do ya want for nothing?", "Jefe");
        let signature = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert!(verify_signature(body, signature, secret));
        assert!(!verify_signature(b"what do ya want for nothing", signature, secret));
        assert!(!verify_signature(body, signature, "jefe"));
        for wrong in ["", "5bdcc1", "5bdcc", "zz", "é", &"0".repeat(64), &format!("{signature}00")] {
            assert!(!verify_signature(body, wrong, secret), "{wrong}");
        }
    }

    #[test]
    fn webhook_ids_differ_by_environment_and_secret() {
        let of = |client_key| webhook_id(Some(&ClientKey::unchecked(client_key)), "s3cret");
        let id = of("abc");
        // The expected id is the output of `printf environment:abc | openssl dgst -sha256 -hmac s3cret`.
        assert_eq!(id, "de9c36b57038deac3f7d88d983f11787");
        let others =
            [of("abd"), webhook_id(None, "s3cret"), webhook_id(Some(&ClientKey::unchecked("abc")), "other")];
        assert!(!others.contains(&id));
    }

    #[test]
    fn secrets_are_compared_completely() {
        assert!(constant_time_eq("Token a", "Token a"));
        assert!(!constant_time_eq("Token a", "Token b") && !constant_time_eq("", "Token b"));
    }

    #[test]
    fn a_queue_change_has_a_date() {
        assert!(is_queue_change(br#"{"updated_at": "2026-01-01T00:00:00+00:00"}"#));
        for body in ["", "[]", "{}", r#"{"updated_at": 1}"#, r#"{"updated_at": ""}"#] {
            assert!(!is_queue_change(body.as_bytes()), "{body}");
        }
    }

    #[test]
    fn a_kind_of_notification_has_one_stored_name() {
        for kind in NotificationKind::ALL {
            assert_eq!(NotificationKind::from_name(kind.name()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
        assert_eq!(NotificationKind::from_name("what comes later"), None);
    }

    #[test]
    fn webhooks_concern_documents_or_everything() {
        let audited = |subject: &str| format!(r#"{{"data": {subject}, "event_type": "AUDIT_LOG_CREATED"}}"#);
        for (body, expected) in [
            (r#"{"data": {}, "event_type": "FLAG_UPDATED"}"#.to_owned(), true),
            (r#"{"data": {}, "event_type": "FLAG_DELETED"}"#.to_owned(), true),
            (r#"{"data": {}, "event_type": "NEW_VERSION_PUBLISHED"}"#.to_owned(), true),
            (audited(r#"{"related_object_type": "FEATURE_STATE"}"#), true),
            (audited(r#"{"related_object_type": "SEGMENT"}"#), true),
            (audited(r#"{"related_object_type": "RELEASE_PIPELINE"}"#), true),
            // An import can create environments.
            (audited(r#"{"related_object_type": "IMPORT_REQUEST"}"#), false),
            (audited(r#"{"related_object_type": "ENVIRONMENT"}"#), false),
            (audited(r#"{"related_object_type": "WHAT_COMES_LATER"}"#), false),
            (audited(r#"{"related_object_type": null}"#), false),
            (audited("null"), false),
            (r#"{"data": {}, "event_type": "WHAT_COMES_LATER"}"#.to_owned(), false),
            ("[]".to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(is_of_documents(body.as_bytes()), expected, "{body}");
        }
    }
}
