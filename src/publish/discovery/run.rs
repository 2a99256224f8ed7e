//! A discovery as a sequence of tasks with pauses.
//!
//! The platform lets one alarm last 15 minutes, and make 50 requests on its smallest plan. The discovery of a large
//! origin needs thousands, so the next alarm continues after a pause.

use std::collections::VecDeque;

use crate::admin::Origin;
use crate::document::ServerKeyHash;
use crate::publish::discovery::inventory::{Discovery, OriginRequest};
use crate::publish::discovery::registry::{Registry, RegistryChange};

/// The number of requests between two pauses; each may take 20 s.
const REQUESTS: usize = 40;

/// The next task.
#[derive(Clone, Debug, PartialEq)]
pub enum DiscoveryTask {
    /// Send a request to the origin; then [`DiscoveryRun::answered`].
    Request(OriginRequest),
    /// Find the environment of a server key; then [`DiscoveryRun::done`].
    ProbeServerKey(ServerKeyHash),
    /// Apply a change and record it in the registry; then [`DiscoveryRun::record_change`].
    Apply(RegistryChange),
    /// Continue in another alarm.
    Yield,
}

impl DiscoveryTask {
    /// The maximum number of requests of the task.
    fn requests(&self) -> usize {
        match self {
            DiscoveryTask::Request(_) | DiscoveryTask::Apply(_) => 1,
            // To the environment's object twice, to the origin, to KV; and a further page of the document.
            DiscoveryTask::ProbeServerKey(_) => 5,
            DiscoveryTask::Yield => 0,
        }
    }
}

/// A discovery, from the first request to the last change.
pub struct DiscoveryRun<'o> {
    source: DiscoverySource<'o>,
    tasks: VecDeque<DiscoveryTask>,
    /// True if the inventory is complete, so that missing entries can be deleted.
    has_found_all: bool,
    /// Changes that failed; true after their second attempt. A whole discovery is expensive for one failed change.
    failed: Vec<RegistryChange>,
    is_second: bool,
    outcome: Result<(), String>,
    requests: usize,
}

/// The source of the inventory.
enum DiscoverySource<'o> {
    /// A token, for which the origin lists all environments of its organisation.
    Token(Discovery<'o>),
    /// Server keys, each of which opens one environment.
    ServerKeys(Vec<ServerKeyHash>),
}

impl DiscoveryRun<'_> {
    /// Starts a run that serves all environments of a token.
    pub fn by_token(origin: &Origin) -> DiscoveryRun<'_> {
        DiscoveryRun::new(DiscoverySource::Token(Discovery::new(origin)), VecDeque::new())
    }

    /// Starts a run that serves the environments of these server keys. If a key's document cannot be fetched, nothing
    /// is deleted.
    pub fn by_server_keys(server_keys: Vec<ServerKeyHash>, registry: &Registry) -> DiscoveryRun<'static> {
        let others = registry.without_other_keys(&server_keys).into_iter().map(DiscoveryTask::Apply);
        let tasks = others.chain(server_keys.iter().cloned().map(DiscoveryTask::ProbeServerKey)).collect();
        DiscoveryRun::new(DiscoverySource::ServerKeys(server_keys), tasks)
    }

    fn new(source: DiscoverySource<'_>, tasks: VecDeque<DiscoveryTask>) -> DiscoveryRun<'_> {
        let (failed, outcome) = (Vec::new(), Ok(()));
        DiscoveryRun { source, tasks, has_found_all: false, failed, is_second: false, outcome, requests: 0 }
    }

    /// The next task; `None` when the run is complete.
    pub fn next_task(&mut self, registry: &Registry) -> Option<DiscoveryTask> {
        if self.tasks.is_empty() && !self.has_found_all {
            self.look_further(registry);
        }
        if self.tasks.is_empty() && !self.is_second {
            self.is_second = true;
            self.tasks.extend(self.failed.drain(..).map(DiscoveryTask::Apply));
        }
        let task = self.tasks.front()?;
        let requests = self.requests + task.requests();
        if requests > REQUESTS {
            self.requests = 0;
            return Some(DiscoveryTask::Yield);
        }
        self.requests = requests;
        self.tasks.pop_front()
    }

    /// Handles the origin's answer to a request that was sent at `asked_at`, in milliseconds. A fault ends the run.
    pub fn answered(&mut self, request: &OriginRequest, answer: Result<&[u8], String>, asked_at: u64) {
        let DiscoverySource::Token(discovery) = &mut self.source else { return };
        if let Err(cause) = answer.and_then(|answer| discovery.take(request, answer, asked_at)) {
            self.fail(cause);
        }
    }

    /// Records the outcome of a change. A failed one is retried at the end.
    pub fn record_change(&mut self, change: RegistryChange, outcome: Result<(), String>) {
        match outcome {
            Err(_) if !self.is_second => self.failed.push(change),
            outcome => self.done(outcome),
        }
    }

    /// Records the outcome of any other task.
    pub fn done(&mut self, outcome: Result<(), String>) {
        if outcome.is_err() {
            self.outcome = outcome;
        }
    }

    /// The reason for which some of the origin's environments are not published, if there are any.
    pub fn left_out(&self) -> Option<String> {
        match &self.source {
            DiscoverySource::Token(discovery) => discovery.left_out(),
            DiscoverySource::ServerKeys(_) => None,
        }
    }

    /// The outcome: `Ok` if every task succeeded, otherwise the latest error.
    pub fn outcome(self) -> Result<(), String> {
        self.outcome
    }

    /// Sends the next request, or decides the changes once there are no more requests.
    fn look_further(&mut self, registry: &Registry) {
        let changes = match &mut self.source {
            DiscoverySource::Token(discovery) => match discovery.next_request() {
                Err(cause) => return self.fail(cause),
                Ok(Some(request)) => return self.tasks.push_back(DiscoveryTask::Request(request)),
                Ok(None) => registry.changes(discovery.inventory()),
            },
            // After all probes, since an environment's key may have been replaced by a later key of the list.
            DiscoverySource::ServerKeys(_) if self.outcome.is_err() => Vec::new(),
            DiscoverySource::ServerKeys(server_keys) => registry.without_other_environments(server_keys),
        };
        self.has_found_all = true;
        self.tasks.extend(changes.into_iter().map(DiscoveryTask::Apply));
    }

    fn fail(&mut self, cause: String) {
        (self.outcome, self.has_found_all) = (Err(cause), true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{ClientKey, ServerKey};
    use crate::publish::{DocumentCredential, EnvironmentSummary};

    /// The answers of an origin with one project and this many environments, each with a server key.
    fn answer(path: &str, environments: usize) -> String {
        let summary = |number| format!(r#"{{"api_key":"e{number}","name":"n"}}"#);
        match path.split('/').nth(4) {
            Some("") => r#"[{"id":1}]"#.to_owned(),
            Some(key) if path.ends_with("api-keys/") => {
                format!(r#"[{{"key":"ser.{key}","active":true,"expires_at":null}}]"#)
            }
            _ => format!("[{}]", (0..environments).map(summary).collect::<Vec<_>>().join(",")),
        }
    }

    /// Runs all tasks. Returns the tasks between pauses.
    fn carry_through(mut run: DiscoveryRun<'_>, registry: &mut Registry) -> (Vec<usize>, Result<(), String>) {
        let mut portions = vec![0];
        while let Some(task) = run.next_task(registry) {
            let portion = portions.last_mut().unwrap();
            *portion += task.requests();
            match task {
                DiscoveryTask::Request(request) => {
                    run.answered(&request, Ok(answer(&request.path, 500).as_bytes()), 0)
                }
                DiscoveryTask::Apply(change) => {
                    registry.record_change(&change);
                    run.record_change(change, Ok(()));
                }
                DiscoveryTask::ProbeServerKey(hash) if hash == "refused" => run.done(Err("403".to_owned())),
                DiscoveryTask::ProbeServerKey(hash) => {
                    let client_key = ClientKey::parse(&format!("e{hash}")).unwrap();
                    let summary = EnvironmentSummary { project: None, name: String::new() };
                    let credential = DocumentCredential::ServerKey(hash.clone());
                    registry.record_change(&RegistryChange::StartPublishing(
                        client_key.clone(),
                        summary,
                        credential,
                    ));
                    let key = ServerKey::active(client_key);
                    registry.record_change(&RegistryChange::PutKey(hash, key));
                    run.done(Ok(()));
                }
                DiscoveryTask::Yield => portions.push(0),
            }
        }
        (portions, run.outcome())
    }

    #[test]
    fn a_large_origin_is_discovered_in_portions() {
        let origin = Origin::parse("http://127.0.0.1:8001").unwrap();
        let mut registry = Registry::default();
        let (portions, outcome) = carry_through(DiscoveryRun::by_token(&origin), &mut registry);
        assert_eq!((registry.environments.len(), registry.server_keys.len()), (500, 500));
        // Projects, environments, 500 lists of keys; 1,000 changes.
        assert_eq!(portions.iter().sum::<usize>(), 1_502);
        assert!(portions.iter().all(|portion| (1..=REQUESTS).contains(portion)), "{portions:?}");
        assert_eq!(outcome, Ok(()));
    }

    #[test]
    fn many_server_keys_are_tried_in_portions() {
        let mut registry = Registry::default();
        let hashes: Vec<_> = (0..100).map(|number| number.to_string()).collect();
        let (portions, outcome) =
            carry_through(DiscoveryRun::by_server_keys(hashes.clone(), &registry), &mut registry);
        assert_eq!((registry.environments.len(), outcome), (100, Ok(())));
        assert!(portions.len() > 10 && portions.iter().all(|portion| *portion <= REQUESTS), "{portions:?}");
        // A refused key leaves every environment in place, also those of the other keys.
        let (_, outcome) =
            carry_through(DiscoveryRun::by_server_keys(vec!["refused".to_owned()], &registry), &mut registry);
        assert_eq!((registry.environments.len(), registry.server_keys.len()), (100, 0));
        assert_eq!(outcome, Err("403".to_owned()));
        let (_, outcome) =
            carry_through(DiscoveryRun::by_server_keys(hashes[..1].to_vec(), &registry), &mut registry);
        assert_eq!((registry.environments.len(), outcome), (1, Ok(())));
    }

    #[test]
    fn a_change_that_fails_is_tried_once_more_at_the_end() {
        let origin = Origin::parse("http://127.0.0.1:8001").unwrap();
        for (fails, expected) in [(1, Ok(())), (2, Err("KV".to_owned()))] {
            let (mut registry, mut run) = (Registry::default(), DiscoveryRun::by_token(&origin));
            let (mut changes, mut tries) = (Vec::new(), 0);
            while let Some(task) = run.next_task(&registry) {
                match task {
                    DiscoveryTask::Request(request) => {
                        run.answered(&request, Ok(answer(&request.path, 3).as_bytes()), 0)
                    }
                    DiscoveryTask::Apply(change) => {
                        let is_faulty = matches!(&change, RegistryChange::StartPublishing(client_key, ..) if &**client_key == "e1");
                        tries += usize::from(is_faulty);
                        let fails = is_faulty && tries <= fails;
                        if !fails {
                            registry.record_change(&change);
                        }
                        changes.push(change.clone());
                        run.record_change(change, if fails { Err("KV".to_owned()) } else { Ok(()) });
                    }
                    other => assert_eq!(other, DiscoveryTask::Yield),
                }
            }
            assert_eq!((changes.len(), changes.last()), (7, changes.get(1)));
            assert_eq!(
                (run.outcome(), registry.environments.len()),
                (expected, if fails == 1 { 3 } else { 2 })
            );
        }
    }

    #[test]
    fn a_failed_discovery_changes_nothing() {
        let origin = Origin::parse("http://127.0.0.1:8001").unwrap();
        let mut registry = Registry::default();
        assert_eq!(carry_through(DiscoveryRun::by_token(&origin), &mut registry).1, Ok(()));
        let before = registry.clone();
        let mut failing = DiscoveryRun::by_token(&origin);
        for count in 0.. {
            match failing.next_task(&registry) {
                Some(DiscoveryTask::Request(request)) if count == 7 => {
                    failing.answered(&request, Err("500".to_owned()), 0)
                }
                Some(DiscoveryTask::Request(request)) => {
                    failing.answered(&request, Ok(answer(&request.path, 500).as_bytes()), 0)
                }
                other => {
                    assert_eq!(other, None);
                    break;
                }
            }
        }
        assert_eq!((failing.outcome(), registry), (Err("500".to_owned()), before));
    }
}
