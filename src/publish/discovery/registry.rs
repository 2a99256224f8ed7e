//! The served environments and server keys, and the changes by a discovery.

use indexmap::IndexMap;

use crate::document::{ClientKey, ServerKey, ServerKeyHash};
use crate::publish::discovery::inventory::{EnvironmentSummary, Inventory};
use crate::publish::publisher::state::DocumentCredential;
use crate::publish::schedule::Schedule;

/// The served environments and keys. Each entry stands for a change that was applied.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Registry {
    /// Environments whose objects publish them, by client key.
    pub environments: IndexMap<ClientKey, (EnvironmentSummary, DocumentCredential)>,
    /// Server keys that KV has, by their hash.
    pub server_keys: IndexMap<ServerKeyHash, ServerKey>,
}

/// A change to apply.
#[derive(Clone, Debug, PartialEq)]
pub enum RegistryChange {
    /// The environment's object must publish it.
    StartPublishing(ClientKey, EnvironmentSummary, DocumentCredential),
    /// The environment's object must stop publishing it.
    StopPublishing(ClientKey),
    /// The server key must be written to KV.
    PutKey(ServerKeyHash, ServerKey),
    /// The server key must be deleted from KV.
    DeleteKey(ServerKeyHash),
}

impl Registry {
    /// Returns the changes after which exactly the inventory is served.
    pub fn changes(&self, inventory: &Inventory) -> Vec<RegistryChange> {
        let start = |(client_key, summary): (&ClientKey, &EnvironmentSummary)| {
            let known = self.environments.get(client_key);
            let is_known =
                known.is_some_and(|known| known.0 == *summary && known.1 == DocumentCredential::Token);
            (!is_known).then(|| {
                RegistryChange::StartPublishing(
                    client_key.clone(),
                    summary.clone(),
                    DocumentCredential::Token,
                )
            })
        };
        let put = |(hash, key): (&String, &ServerKey)| {
            let is_known = self.server_keys.get(hash).is_some_and(|known| known.has_same_contents(key));
            (!is_known).then(|| RegistryChange::PutKey(hash.clone(), key.clone()))
        };
        let gone = |client_key: &&ClientKey| !inventory.environments.contains_key(*client_key);
        let revoked = |hash: &&String| !inventory.server_keys.contains_key(*hash);
        // Additions are first, since they should not wait for deletions.
        let mut changes: Vec<_> = inventory.environments.iter().filter_map(start).collect();
        changes.extend(inventory.server_keys.iter().filter_map(put));
        changes.extend(self.server_keys.keys().filter(revoked).cloned().map(RegistryChange::DeleteKey));
        changes.extend(self.environments.keys().filter(gone).cloned().map(RegistryChange::StopPublishing));
        changes
    }

    /// Returns the changes after which only these server keys are served.
    pub fn without_other_keys(&self, server_keys: &[ServerKeyHash]) -> Vec<RegistryChange> {
        let other = |hash: &&String| !server_keys.contains(hash);
        self.server_keys.keys().filter(other).cloned().map(RegistryChange::DeleteKey).collect()
    }

    /// Returns the changes after which only environments of these server keys are served; none until all of the keys
    /// are known.
    pub fn without_other_environments(&self, server_keys: &[ServerKeyHash]) -> Vec<RegistryChange> {
        let other =
            |(_, (_, credential)): &(&ClientKey, &(EnvironmentSummary, DocumentCredential))| match credential
            {
                DocumentCredential::Token => true,
                DocumentCredential::ServerKey(hash) => !server_keys.contains(hash),
            };
        self.environments
            .iter()
            .filter(other)
            .map(|(client_key, _)| RegistryChange::StopPublishing(client_key.clone()))
            .collect()
    }

    /// Records an applied change.
    pub fn record_change(&mut self, change: &RegistryChange) {
        match change.clone() {
            RegistryChange::StartPublishing(client_key, summary, credential) => {
                drop(self.environments.insert(client_key, (summary, credential)))
            }
            RegistryChange::StopPublishing(client_key) => drop(self.environments.shift_remove(&client_key)),
            RegistryChange::PutKey(hash, key) => drop(self.server_keys.insert(hash, key)),
            RegistryChange::DeleteKey(hash) => drop(self.server_keys.shift_remove(&hash)),
        }
    }

    /// The environments of a project, or all of them.
    pub fn environments_of(&self, project: Option<i64>) -> Vec<ClientKey> {
        let is_in = |summary: &EnvironmentSummary| {
            project.is_none() || summary.project.is_none() || summary.project == project
        };
        self.environments
            .iter()
            .filter(|(_, (summary, _))| is_in(summary))
            .map(|(client_key, _)| client_key.clone())
            .collect()
    }

    /// True if a client key is known. `None` if the latest discovery failed or none has run yet.
    pub fn knows(&self, client_key: &ClientKey, discoveries: &Schedule) -> Option<bool> {
        decided(self.environments.contains_key(client_key), discoveries)
    }

    /// True if the server key with this hash is known. `None` if the latest discovery failed or none has run yet.
    /// Client keys have a function of their own, since a hash could be a client key, too.
    pub fn knows_server_key(&self, hash: &str, discoveries: &Schedule) -> Option<bool> {
        decided(self.server_keys.contains_key(hash), discoveries)
    }

    /// True if an environment is published with the server key of this hash.
    pub fn publishes_with(&self, hash: &str) -> bool {
        self.environments
            .values()
            .any(|(_, credential)| matches!(credential, DocumentCredential::ServerKey(key) if key == hash))
    }

    /// Returns the environment of the server key with this hash, if another configured key publishes it. The first key
    /// stays while it works. Otherwise the keys would replace each other forever.
    pub fn published_with_another(&self, hash: &str, server_keys: &[ServerKeyHash]) -> Option<ClientKey> {
        let client_key = &self.server_keys.get(hash)?.client_key;
        match &self.environments.get(client_key)?.1 {
            DocumentCredential::ServerKey(other) if other != hash && server_keys.contains(other) => {
                Some(client_key.clone())
            }
            _ => None,
        }
    }
}

/// True for a known name, false for an unknown one. `None` if an unknown name may exist, since the latest discovery
/// failed or none has run yet.
fn decided(is_known: bool, discoveries: &Schedule) -> Option<bool> {
    let has_found_all = discoveries.succeeded_at.is_some() && discoveries.fault.is_none();
    (is_known || has_found_all).then_some(is_known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::RefreshInterval;

    fn summary(project: i64) -> EnvironmentSummary {
        EnvironmentSummary { project: Some(project), name: String::new() }
    }

    fn key(text: &str) -> ClientKey {
        ClientKey::parse(text).unwrap()
    }

    fn server_key(client_key: &str, active: bool) -> ServerKey {
        ServerKey { active, ..ServerKey::active(key(client_key)) }
    }

    fn environments_of(registry: &Registry, project: Option<i64>) -> Vec<String> {
        registry.environments_of(project).iter().map(ClientKey::to_string).collect()
    }

    fn reconcile(registry: &mut Registry, inventory: &Inventory) -> Vec<RegistryChange> {
        let changes = registry.changes(inventory);
        changes.iter().for_each(|change| registry.record_change(change));
        assert_eq!(registry.changes(inventory), []);
        changes
    }

    #[test]
    fn the_registry_serves_exactly_the_inventory() {
        let mut registry = Registry::default();
        let mut inventory = Inventory::default();
        for (client_key, project) in [("a", 1), ("b", 1), ("c", 2)] {
            inventory.environments.insert(key(client_key), summary(project));
            inventory.server_keys.insert(format!("hash-{client_key}"), server_key(client_key, true));
        }
        assert_eq!(reconcile(&mut registry, &inventory).len(), 6);
        assert_eq!(environments_of(&registry, Some(1)), ["a", "b"]);
        assert_eq!(environments_of(&registry, Some(3)), [""; 0]);
        assert_eq!(environments_of(&registry, None), ["a", "b", "c"]);

        inventory.environments.shift_remove(&key("b"));
        inventory.server_keys.shift_remove("hash-b");
        inventory.server_keys.insert("hash-a".to_owned(), server_key("a", false));
        assert_eq!(
            reconcile(&mut registry, &inventory),
            [
                RegistryChange::PutKey("hash-a".to_owned(), server_key("a", false)),
                RegistryChange::DeleteKey("hash-b".to_owned()),
                RegistryChange::StopPublishing(key("b")),
            ]
        );
    }

    #[test]
    fn a_key_is_unknown_only_after_a_finished_discovery() {
        let (mut registry, interval) =
            (Registry::default(), RefreshInterval { interval_ms: 60_000, min_gap_ms: 250 });
        registry.record_change(&RegistryChange::StartPublishing(
            key("a"),
            summary(1),
            DocumentCredential::Token,
        ));
        registry.record_change(&RegistryChange::PutKey("hash-a".to_owned(), server_key("a", true)));
        let mut discoveries = Schedule::default();
        let knows = |discoveries: &Schedule| {
            let client_keys = ["a", "b", "hash-a"].map(|text| registry.knows(&key(text), discoveries));
            let hashes = ["hash-a", "hash-b", "a"].map(|hash| registry.knows_server_key(hash, discoveries));
            [client_keys, hashes]
        };
        let undecided = [[Some(true), None, None]; 2];
        assert_eq!(knows(&discoveries), undecided);
        discoveries.failed(1_000, "500".to_owned(), interval, 0);
        assert_eq!(knows(&discoveries), undecided);
        discoveries.succeeded(2_000, interval, 0);
        assert_eq!(knows(&discoveries), [[Some(true), Some(false), Some(false)]; 2]);
        discoveries.failed(3_000, "500".to_owned(), interval, 0);
        assert_eq!(knows(&discoveries), undecided);
    }

    #[test]
    fn one_of_several_server_keys_publishes_their_environment() {
        let mut registry = Registry::default();
        let set: Vec<_> = ["1", "2"].map(str::to_owned).into();
        let credential = DocumentCredential::ServerKey("1".to_owned());
        registry.record_change(&RegistryChange::StartPublishing(key("a"), summary(1), credential));
        assert_eq!(registry.published_with_another("2", &set), None, "the environment of the key is unknown");
        for hash in &set {
            registry.record_change(&RegistryChange::PutKey(hash.clone(), server_key("a", true)));
        }
        assert_eq!(registry.published_with_another("1", &set), None);
        assert_eq!(registry.published_with_another("2", &set).as_deref(), Some("a"));
        assert_eq!(registry.published_with_another("2", &set[1..]), None, "the other one is no longer set");
        registry.record_change(&RegistryChange::StartPublishing(
            key("a"),
            summary(1),
            DocumentCredential::Token,
        ));
        assert_eq!(registry.published_with_another("2", &set), None);
    }

    #[test]
    fn only_environments_of_configured_server_keys_are_served() {
        let mut registry = Registry::default();
        for (client_key, hash) in [("a", "1"), ("b", "2")] {
            let credential = DocumentCredential::ServerKey(hash.to_owned());
            registry.record_change(&RegistryChange::StartPublishing(key(client_key), summary(1), credential));
            registry.record_change(&RegistryChange::PutKey(hash.to_owned(), server_key(client_key, true)));
        }
        registry.record_change(&RegistryChange::StartPublishing(
            key("c"),
            summary(1),
            DocumentCredential::Token,
        ));
        let kept = ["1".to_owned()];
        assert_eq!(registry.without_other_keys(&kept), [RegistryChange::DeleteKey("2".to_owned())]);
        assert_eq!(
            registry.without_other_environments(&kept),
            [RegistryChange::StopPublishing(key("b")), RegistryChange::StopPublishing(key("c"))]
        );
    }
}
