//! The IO of a discovery: sends one request after another to the origin, and applies the changes. Environments' objects
//! start or stop publishing. Server keys are written to KV or deleted.

use std::time::Duration;

use worker::Result;

use crate::document::{ClientKey, ServerKey, ServerKeyHash, hash_of_server_key};
use crate::edge::objects::publishing;
use crate::edge::objects::registry::object::RegistryObject;
use crate::edge::origin::client::{self as origin, Call};
use crate::edge::origin::document::{self as origin_document, DocumentSource};
use crate::edge::platform::clock::now_ms;
use crate::edge::platform::failure::{Failure, Source};
use crate::edge::platform::kv;
use crate::publish::{
    Announcement, DiscoveryRun, DiscoveryTask, DocumentCredential, EnvironmentSummary, OriginRequest,
    RegistryChange,
};

/// The time limit of one answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
const MAX_ANSWER_LENGTH: usize = 4 * 1024 * 1024;
/// The time limit for an environment's object to report its state.
const OBJECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The outcome of a task or of a whole run; an error has the cause.
type DiscoveryResult = std::result::Result<(), String>;

impl RegistryObject {
    /// Starts a run with the credentials in the settings.
    pub(in crate::edge::objects::registry) fn begin(&self) -> Result<DiscoveryRun<'static>> {
        match (&self.config.origin, &self.config.origin_api_token) {
            (Some(origin), Some(_)) => Ok(DiscoveryRun::by_token(origin)),
            _ => self.with(|registry, _| DiscoveryRun::by_server_keys(self.hashes(), registry)),
        }
    }

    /// Continues a discovery up to its next pause, or by one task only. Returns the outcome if it has ended. The
    /// discovery pauses as soon as there are notifications, so that these do not wait.
    pub(in crate::edge::objects::registry) async fn go_on(
        &self,
        mut run: DiscoveryRun<'static>,
        by_one_task: bool,
    ) -> Result<Option<DiscoveryResult>> {
        while let Some(task) = self.with(|registry, _| run.next_task(registry))? {
            let is_over = task == DiscoveryTask::Yield || by_one_task;
            match task {
                DiscoveryTask::Request(ask) => {
                    let asked_at = now_ms();
                    match self.ask(&ask).await {
                        Ok(answer) => run.answered(&ask, Ok(&answer), asked_at),
                        Err(cause) => run.answered(&ask, Err(cause), asked_at),
                    }
                }
                DiscoveryTask::ProbeServerKey(hash) => run.done(self.try_key(&hash).await?),
                DiscoveryTask::Apply(change) => {
                    let outcome = self.execute(&change).await?;
                    run.record_change(change, outcome);
                }
                DiscoveryTask::Yield => {}
            }
            if is_over || !self.notifications.borrow().is_empty() {
                self.run.replace(Some(run));
                return Ok(None);
            }
        }
        if let Some(cause) = run.left_out() {
            Failure::new(Source::Registry, cause).log(None);
        }
        Ok(Some(run.outcome()))
    }

    async fn ask(&self, ask: &OriginRequest) -> std::result::Result<Vec<u8>, String> {
        let origin = self.config.origin.as_ref().ok_or("there is no origin")?;
        let token = self.config.origin_api_token.as_ref().ok_or("ORIGIN_API_TOKEN is not set")?;
        let call = Call {
            method: "GET",
            target: &ask.path,
            headers: &[("authorization", &format!("Api-Key {token}"))],
            body: None,
            timeout: ANSWER_TIMEOUT,
            max_length: MAX_ANSWER_LENGTH,
        };
        let answer = origin::call(&self.env, origin, call)
            .await
            .map_err(|fault| format!("{}: {fault}", ask.what()))?;
        match answer.status {
            200 => Ok(answer.body),
            status => Err(format!("{}: it answered {status}", ask.what())),
        }
    }

    /// Finds the environment of a server key, unless it is known. Publishes it, unless another configured key already
    /// does so successfully.
    async fn try_key(&self, hash: &ServerKeyHash) -> Result<DiscoveryResult> {
        let other = || self.with(|registry, _| registry.published_with_another(hash, &self.hashes()));
        let fails = match other()? {
            None if self.with(|registry, _| registry.publishes_with(hash))? => return Ok(Ok(())),
            None => false,
            Some(client_key) => match self.is_confirmed(&client_key, hash).await {
                (true, false) => return Ok(Ok(())),
                // The key is tried again, since the key is still configured and the origin may accept it again.
                (is_confirmed, _) => !is_confirmed,
            },
        };
        let (credential, asked_at) = (DocumentCredential::ServerKey(hash.clone()), now_ms());
        let candidate = match origin_document::fetch(&self.env, DocumentSource::ServerKey(hash)).await {
            Err(fault) => return Ok(Err(format!("a server key: {}", fault.cause))),
            Ok(candidate) => candidate,
        };
        let server_key =
            ServerKey { known_at: Some(asked_at), ..ServerKey::active(candidate.client_key.clone()) };
        let outcome = self.execute(&RegistryChange::PutKey(hash.clone(), server_key)).await?;
        if !fails && other()?.is_some() {
            return Ok(outcome);
        }
        let summary = EnvironmentSummary { project: candidate.project, name: candidate.name };
        let start = RegistryChange::StartPublishing(candidate.client_key, summary, credential);
        Ok(self.execute(&start).await?.and(outcome))
    }

    /// Returns two booleans. The first is true if the origin's last answer was the environment's document, the second
    /// if the origin refused the server key.
    async fn is_confirmed(&self, client_key: &ClientKey, hash: &str) -> (bool, bool) {
        let Ok((announcement, keys)) = publishing::announced(&self.env, client_key, OBJECT_TIMEOUT).await
        else {
            return (false, false);
        };
        let known_at = self.with(|registry, _| registry.server_keys.get(hash)?.known_at);
        let known_at = known_at.ok().flatten().unwrap_or_default();
        let is_refused = keys.and_then(|keys| keys.accept(hash, known_at)) == Some(false);
        (matches!(announcement, Announcement::Latest { unconfirmed_since: None, .. }), is_refused)
    }

    /// Applies a change and records it.
    async fn execute(&self, change: &RegistryChange) -> Result<DiscoveryResult> {
        let done = match change {
            RegistryChange::StartPublishing(client_key, _, credential) => {
                publishing::start_publishing(&self.env, client_key, &serde_json::to_string(credential)?).await
            }
            RegistryChange::StopPublishing(client_key) => {
                publishing::stop_publishing(&self.env, client_key).await
            }
            RegistryChange::PutKey(hash, key) => {
                let entry = serde_json::to_vec(key)?;
                kv::put(&self.env, &format!("{}{hash}", kv::SERVER_KEY), &entry, None).await
            }
            RegistryChange::DeleteKey(hash) => {
                kv::delete(&self.env, &format!("{}{hash}", kv::SERVER_KEY)).await
            }
        };
        if let Err(failure) = done {
            return Ok(Err(failure.cause));
        }
        self.rows.record_change(change)?;
        self.with(|registry, _| registry.record_change(change))?;
        Ok(Ok(()))
    }

    /// The configured server keys.
    fn hashes(&self) -> Vec<ServerKeyHash> {
        self.config.server_keys.iter().map(|key| hash_of_server_key(key)).collect()
    }
}
