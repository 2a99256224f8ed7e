//! The answer of `GET /edge/status` about environments and discoveries.

use serde_json::{Map, Value, json};

use crate::document::{ClientKey, ServerKey, Timestamp, json};
use crate::publish::discovery::registry::Registry;
use crate::publish::publisher::state::{DocumentCredential, Publisher};
use crate::publish::publisher::version::DocumentVersion;
use crate::publish::schedule::{FailureStreak, Schedule};

/// The maximum number of listed environments that are in KV only.
const MAX_STORED: usize = 100;
/// The maximum number of server keys without metadata that are read one by one.
const MAX_LOOKUPS: usize = 50;

impl Publisher {
    /// The state, for operators.
    pub fn status(&self, client_key: &ClientKey, now: u64) -> Value {
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
            "last_fault": self.schedule.fault.as_ref().map(FailureStreak::status),
            "past_fault": self.schedule.past_fault.as_ref().map(FailureStreak::status),
            "kv_fault": self.store_fault,
            "source": self.credential.as_ref().map(|credential| match credential {
                DocumentCredential::Token => "ORIGIN_API_TOKEN",
                DocumentCredential::ServerKey(_) => "SERVER_KEYS",
            }),
            "last_notification": self.last_notification.map(|received| json!({"kind": received.kind, "at": iso(received.at)})),
            "identity_overrides_left_out": self.leaves_overrides_out(),
            "legacy_hashing": self.hashes_django_ids(),
            "changes": changes.collect::<Vec<_>>(),
        })
    }
}

impl Registry {
    /// The environments with their server keys, and the state of discoveries.
    pub fn status(&self, discoveries: &Schedule, now: u64) -> Value {
        let keys = |client_key: &ClientKey| {
            (client_key.to_string(), count(&mut self.server_keys.values(), client_key, now))
        };
        json!({
            "environments": self.environments.keys().map(keys).collect::<Map<_, _>>(),
            "server_keys": self.server_keys.len(),
            "last_success": discoveries.succeeded_at.map(iso),
            "last_fault": discoveries.fault.as_ref().map(FailureStreak::status),
            "past_fault": discoveries.past_fault.as_ref().map(FailureStreak::status),
        })
    }
}

/// The number of these server keys that are valid now, and the first time at which one expires.
fn count(server_keys: &mut dyn Iterator<Item = &ServerKey>, client_key: &ClientKey, now: u64) -> Value {
    let now = Timestamp::from_milliseconds(now);
    let valid = |key: &&ServerKey| key.client_key == *client_key && now.is_some_and(|now| key.is_valid(now));
    let keys: Vec<_> = server_keys.filter(valid).collect();
    let expiries = keys.iter().filter_map(|key| Timestamp::from_iso(key.expires_at.as_deref()?));
    json!({"count": keys.len(), "soonest_expiry": expiries.min().map(Timestamp::iso)})
}

/// The server keys on a page of KV's list: the entries from metadata, and the names of the others, which must be read.
/// `None` if there are too many others, or further pages.
pub fn stored_keys(page: &str) -> Option<(Vec<ServerKey>, Vec<String>)> {
    let page: Value = serde_json::from_str(page).ok()?;
    let (mut known, mut others) = (Vec::new(), Vec::new());
    for key in page.get("keys")?.as_array()? {
        let metadata = key.get("metadata").map(Value::to_string).unwrap_or_default();
        match json::read(metadata.as_bytes()) {
            Some(server_key) => known.push(server_key),
            None => others.push(key.get("name")?.as_str()?.to_owned()),
        }
    }
    let all = page.get("list_complete") == Some(&Value::Bool(true)) && others.len() <= MAX_LOOKUPS;
    all.then_some((known, others))
}

/// Describes the environments on a page of KV's list, by client key. The boolean is true if there are more of them.
///
/// Environments that an origin publishes are left out. `server_keys`: all server keys, if known.
///
/// Documents are not read, since they may have megabytes. Name and version come from metadata, if it was written.
pub fn stored(
    page: &str,
    prefix: &str,
    published: &Map<String, Value>,
    server_keys: Option<&[ServerKey]>,
    now: u64,
) -> (Map<String, Value>, bool) {
    let page: Value = serde_json::from_str(page).unwrap_or_default();
    let mut more = page.get("list_complete") != Some(&Value::Bool(true));
    let mut environments = Map::new();
    for key in page.get("keys").and_then(Value::as_array).into_iter().flatten() {
        let name = key.get("name").and_then(Value::as_str).and_then(|name| name.strip_prefix(prefix));
        // A name with a colon is a version of a document.
        let Some(client_key) = name.and_then(ClientKey::parse) else { continue };
        if published.contains_key(client_key.as_str()) {
            continue;
        }
        if environments.len() == MAX_STORED {
            more = true;
            break;
        }
        let metadata = |name| key.get("metadata").and_then(|metadata| metadata.get(name)?.as_str());
        let version = metadata("version").and_then(|version| version.parse::<DocumentVersion>().ok());
        let published_at = version.map(|version| version.sequence);
        let status = json!({
            "environment": client_key,
            "name": metadata("name"),
            "version": version,
            "published_at": published_at.and_then(iso),
            "age_seconds": published_at.map(|at| now.saturating_sub(at) / 1000),
            "server_keys": server_keys.map(|keys| count(&mut keys.iter(), &client_key, now)),
            "source": "KV",
        });
        environments.insert(client_key.to_string(), status);
    }
    (environments, more)
}

impl FailureStreak {
    /// The fault as text.
    pub fn status(&self) -> Value {
        json!({"at": iso(self.at), "cause": self.cause, "attempts": self.count})
    }
}

/// A time in milliseconds, in ISO 8601.
fn iso(milliseconds: u64) -> Option<String> {
    Timestamp::from_milliseconds(milliseconds).map(Timestamp::iso)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::{EnvironmentSummary, RegistryChange};

    const NOW: u64 = 1_795_362_721_000;

    #[test]
    fn environments_in_kv_are_listed_without_their_versions() {
        let version = format!("{}-0123456789abcdef", NOW - 61_500);
        let page =
            |complete: bool, keys: Vec<Value>| json!({"keys": keys, "list_complete": complete}).to_string();
        let keys = vec![
            json!({"name": "document:"}),
            json!({"name": "document:a", "metadata": {"name": "Production", "version": version}}),
            json!({"name": format!("document:a:{version}")}),
            json!({"name": "document:b", "metadata": {"name": 1, "version": "latest"}}),
            json!({"name": "document:c"}),
        ];
        let (environments, more) = stored(&page(true, keys.clone()), "document:", &Map::new(), None, NOW);
        let unknown = |key: &str| {
            json!({
                "environment": key, "name": null, "version": null, "published_at": null, "age_seconds": null,
                "server_keys": null, "source": "KV",
            })
        };
        assert_eq!(
            Value::from(environments),
            json!({
                "a": {
                    "environment": "a", "name": "Production", "version": version,
                    "published_at": iso(NOW - 61_500), "age_seconds": 61, "server_keys": null, "source": "KV",
                },
                "b": unknown("b"),
                "c": unknown("c"),
            })
        );
        assert!(!more);
        assert!(stored(&page(false, keys.clone()), "document:", &Map::new(), None, NOW).1);
        let published = Map::from_iter([("a".to_owned(), Value::Null), ("c".to_owned(), Value::Null)]);
        let (others, _) = stored(&page(true, keys), "document:", &published, None, NOW);
        assert_eq!(others.keys().collect::<Vec<_>>(), ["b"], "an origin's are left out");
        let many =
            |count: usize| (0..count).map(|number| json!({"name": format!("document:{number}")})).collect();
        for (count, summary, more) in [(MAX_STORED, MAX_STORED, false), (MAX_STORED + 1, MAX_STORED, true)] {
            let found = stored(&page(true, many(count)), "document:", &Map::new(), None, NOW);
            assert_eq!((found.0.len(), found.1), (summary, more));
        }
    }

    #[test]
    fn server_keys_in_kv_are_counted_where_all_of_them_are_known() {
        let key = |client_key: &str| ServerKey {
            expires_at: Some("2027-01-02T00:00:00Z".to_owned()),
            ..ServerKey::active(ClientKey::unchecked(client_key))
        };
        let page =
            |complete: bool, keys: &[Value]| json!({"keys": keys, "list_complete": complete}).to_string();
        let with_metadata = json!({"name": "server-key:1", "metadata": key("a")});
        let other = json!({"name": "server-key:2", "metadata": {"name": "a"}});
        let (known, others) =
            stored_keys(&page(true, &[with_metadata.clone(), other, json!({"name": "server-key:3"})]))
                .unwrap();
        assert_eq!(known, [key("a")]);
        assert_eq!(others, ["server-key:2", "server-key:3"]);
        assert_eq!(stored_keys(&page(false, &[with_metadata])), None);
        let many = |count: usize| vec![json!({"name": "server-key:"}); count];
        assert_eq!(stored_keys(&page(true, &many(MAX_LOOKUPS))).unwrap().1.len(), MAX_LOOKUPS);
        assert_eq!(stored_keys(&page(true, &many(MAX_LOOKUPS + 1))), None);

        let documents = page(true, &[json!({"name": "document:a"}), json!({"name": "document:b"})]);
        let (environments, _) = stored(&documents, "document:", &Map::new(), Some(&known), NOW);
        assert_eq!(
            environments["a"]["server_keys"],
            json!({"count": 1, "soonest_expiry": "2027-01-02T00:00:00Z"})
        );
        assert_eq!(environments["b"]["server_keys"], json!({"count": 0, "soonest_expiry": null}));
    }

    #[test]
    fn only_valid_server_keys_are_counted() {
        let mut registry = Registry::default();
        for key in ["a", "b"] {
            let summary = EnvironmentSummary { project: Some(1), name: String::new() };
            registry.record_change(&RegistryChange::StartPublishing(
                ClientKey::unchecked(key),
                summary,
                DocumentCredential::Token,
            ));
        }
        for (number, active, expires_at) in [
            (1, true, None),
            (2, true, Some("2027-01-02T00:00:00Z")),
            (3, true, Some("2026-12-31T23:30:00-01:00")),
            (4, true, Some("2026-11-22T00:00:00Z")),
            (5, false, Some("2026-12-01T00:00:00Z")),
        ] {
            let expires_at = expires_at.map(str::to_owned);
            let key = ServerKey { active, expires_at, ..ServerKey::active(ClientKey::unchecked("a")) };
            registry.record_change(&RegistryChange::PutKey(number.to_string(), key));
        }
        let status = registry.status(&Schedule::default(), NOW);
        assert_eq!(
            status["environments"],
            json!({
                "a": {"count": 3, "soonest_expiry": "2027-01-01T00:30:00Z"},
                "b": {"count": 0, "soonest_expiry": null},
            })
        );
        assert_eq!(status["server_keys"], 5);
    }
}
