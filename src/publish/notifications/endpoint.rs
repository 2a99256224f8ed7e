//! The worker's own endpoints: for an origin's notifications of changes, and for the status.

use crate::document::is_client_key;

/// An endpoint that Flagsmith does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `/sse/environments/{client key}/queue-change`: the origin's notification to a realtime server (contract §G).
    QueueChange(String),
    /// `/edge/webhooks/{id}`: an origin's webhooks.
    Webhook(String),
    /// `/edge/status`: the published environments and their state.
    Status,
}

impl Endpoint {
    /// The endpoint at a path, with or without the last slash.
    pub fn parse(path: &str) -> Option<Endpoint> {
        let path = path.strip_suffix('/').unwrap_or(path);
        if path == "/edge/status" {
            return Some(Endpoint::Status);
        }
        if let Some(id) = path.strip_prefix("/edge/webhooks/") {
            return is_id(id).then(|| Endpoint::Webhook(id.to_owned()));
        }
        let key = path.strip_prefix("/sse/environments/")?.strip_suffix("/queue-change")?;
        is_client_key(key).then(|| Endpoint::QueueChange(key.to_owned()))
    }

    /// Its name in metrics and logs.
    pub fn name(&self) -> &'static str {
        match self {
            Endpoint::QueueChange(_) => "queue-change",
            Endpoint::Webhook(_) => "webhook",
            Endpoint::Status => "status",
        }
    }

    /// The `Allow` header.
    pub fn allow(&self) -> &'static str {
        match self {
            Endpoint::QueueChange(_) | Endpoint::Webhook(_) => "POST, OPTIONS",
            Endpoint::Status => "GET, HEAD, OPTIONS",
        }
    }

    /// True if it has this method.
    pub fn has_method(&self, method: &str) -> bool {
        self.allow().split(", ").any(|allowed| allowed == method)
    }
}

/// True if a text has the form of a webhook's id.
fn is_id(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notification_endpoints_are_parsed() {
        let change = Endpoint::QueueChange("Abc2".to_owned());
        assert_eq!(Endpoint::parse("/sse/environments/Abc2/queue-change"), Some(change.clone()));
        assert_eq!(Endpoint::parse("/sse/environments/Abc2/queue-change/"), Some(change.clone()));
        assert_eq!(Endpoint::parse("/edge/webhooks/0a"), Some(Endpoint::Webhook("0a".to_owned())));
        assert_eq!(Endpoint::parse("/edge/status/"), Some(Endpoint::Status));
        for path in [
            "/",
            "/edge",
            "/edge/webhooks/",
            "/edge/webhooks/a/b",
            "/edge/statuses",
            "/sse/environments//queue-change",
            "/sse/environments/a/b/queue-change",
            "/sse/environments/a%2fb/queue-change",
            "/sse/environments/Abc2/stream",
            "/sse/environments/ser.x/queue-change",
            "/api/edge/status",
        ] {
            assert_eq!(Endpoint::parse(path), None, "{path}");
        }
        assert!(change.has_method("POST") && !change.has_method("GET") && !change.has_method("POS"));
    }
}
