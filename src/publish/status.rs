//! What `GET /edge/status` says of one environment.

use serde_json::{Value, json};

use super::publisher::{Credential, Publisher};
use super::schedule::Fault;
use crate::document::Timestamp;

impl Publisher {
    /// The state in words, for people who look after it.
    pub fn status(&self, client_key: &str, now: u64) -> Value {
        let published = self.published.as_ref();
        let succeeded_at = self.schedule.succeeded_at;
        let changes = self.changelog.iter();
        let changes = changes
            .map(|entry| json!({"version": entry.version, "at": iso(entry.at), "bytes": entry.length}));
        json!({
            "environment": client_key,
            "name": published.map(|published| &published.name),
            "version": published.map(|published| published.version),
            "updated_at": published.and_then(|published| published.updated_at).map(Timestamp::iso),
            "last_success": succeeded_at.map(iso),
            "age_seconds": succeeded_at.map(|at| now.saturating_sub(at) / 1000),
            "last_fault": self.schedule.fault.as_ref().map(Fault::status),
            "kv_fault": self.store_fault,
            "source": self.credential.as_ref().map(|credential| match credential {
                Credential::Token => "ORIGIN_API_TOKEN",
                Credential::ServerKey(_) => "SERVER_KEYS",
            }),
            "identity_overrides_left_out": self.leaves_overrides_out(),
            "changes": changes.collect::<Vec<_>>(),
        })
    }
}

impl Fault {
    /// The fault in words.
    pub fn status(&self) -> Value {
        json!({"at": iso(self.at), "cause": self.cause, "attempts": self.count})
    }
}

/// A time in milliseconds, in ISO 8601.
pub fn iso(milliseconds: u64) -> Option<String> {
    Timestamp::from_milliseconds(milliseconds).map(Timestamp::iso)
}
