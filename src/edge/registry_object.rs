//! The object that knows which environments and server keys are served; there is one.
//!
//! It asks the origin once in a while, one thing after the other, and carries out what that changes: an environment's
//! object is told to publish it or to leave it, KV gets a server key or loses it. Only a whole discovery takes anything
//! away.

#![expect(missing_docs, reason = "the functions that the macro makes have none")]

use std::cell::RefCell;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use worker::wasm_bindgen::{self, JsValue, prelude::wasm_bindgen};
use worker::{DurableObject, Env, Request, Response, Result, State, durable_object};

use super::alarm::Alarm;
use super::clock::{milliseconds, until};
use super::config::Config;
use super::failure::{Failure, Source};
use super::origin::{self, Call};
use super::registry_rows::RegistryRows;
use super::{kv, origin_document, publishing};
use crate::document::{ServerKey, ServerKeyHash, hash_of_server_key};
use crate::publish::{
    Announcement, Change, Credential, Discoveries, Discovery, Fault, Found, Listed, Pace, Registry, iso,
};

/// How long one answer to a discovery may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
const MAX_ANSWER_LENGTH: usize = 4 * 1024 * 1024;
/// How long whoever has an unknown key waits for a discovery.
const LOOK_TIMEOUT: Duration = Duration::from_secs(4);
/// How long an environment's object may take to say how it is.
const OBJECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How many objects are told at a time.
const TOLD_AT_ONCE: usize = 50;
/// The registry.
#[durable_object(alarm)]
pub struct RegistryObject {
    env: Env,
    config: &'static Config,
    state: State,
    rows: RegistryRows,
    alarm: Alarm,
    /// Once it has been read.
    memory: RefCell<Option<(Registry, Discoveries)>>,
}

impl DurableObject for RegistryObject {
    fn new(state: State, env: Env) -> RegistryObject {
        let (config, rows) = (Config::of(&env), RegistryRows::of(&state.storage()));
        RegistryObject { env, config, state, rows, alarm: Alarm::default(), memory: RefCell::default() }
    }

    /// Nobody's way in: it is called by the methods below.
    async fn fetch(&self, _request: Request) -> Result<Response> {
        Response::error("Not found.", 404)
    }

    async fn alarm(&self) -> Result<Response> {
        self.alarm.rings();
        let outcome = self.work().await;
        self.alarm.answered();
        self.alarm.set(&self.state.storage(), outcome?).await?;
        Response::empty()
    }
}

// worker-build and cargo alone find these crates by different names.
#[wasm_bindgen(js_sys = worker::js_sys, wasm_bindgen_futures = worker::wasm_bindgen_futures)]
impl RegistryObject {
    /// Whether a client key or the hash of a server key is known; undefined where that cannot be told at the moment. If it
    /// is not known, the origin is asked what there is, unless it was asked a short while ago.
    pub async fn look(&self, name: String) -> std::result::Result<Option<bool>, JsValue> {
        let now = milliseconds();
        let (known, last, may_look) = self.with(|registry, discoveries| {
            let known = registry.knows(&name, &discoveries.schedule);
            (known, discoveries.ended_at, discoveries.may_look(now))
        })?;
        if known == Some(true) || !self.config.publishes() || !(may_look || self.alarm.is_ringing()) {
            return Ok(known);
        }
        if !self.alarm.is_ringing() {
            self.change(|discoveries| discoveries.schedule.wanted(now, self.pace()))?;
            self.wake().await?;
        }
        let look = || {
            self.with(|registry, discoveries| {
                let is_over = discoveries.ended_at != last;
                let known = registry.knows(&name, &discoveries.schedule);
                // Until the discovery is over, what the one before it did not find may be there.
                (is_over || known == Some(true), known.filter(|is_known| is_over || *is_known))
            })
        };
        until(LOOK_TIMEOUT, || look().map_or(true, |(is_decided, _)| is_decided)).await;
        Ok(look()?.1)
    }

    /// A server key's entry, as KV has it, by the key's hash, after [`Self::look`]: null for one that is not known,
    /// undefined where that cannot be told.
    #[wasm_bindgen(js_name = serverKey)]
    pub async fn server_key(&self, hash: String) -> std::result::Result<JsValue, JsValue> {
        if self.look(hash.clone()).await?.is_none() {
            return Ok(JsValue::UNDEFINED);
        }
        let entry = self.with(|registry, _| registry.server_keys.get(&hash).map(serde_json::to_string))?;
        Ok(entry.transpose().map_err(worker::Error::from)?.map_or(JsValue::NULL, JsValue::from))
    }

    /// An environment or a server key may have come or gone.
    pub async fn discover(&self) -> std::result::Result<(), JsValue> {
        let now = milliseconds();
        self.change(|discoveries| discoveries.schedule.told(now, self.pace()))?;
        Ok(self.wake().await?)
    }

    /// Documents have changed: of a project, or any.
    pub async fn told(&self, project: Option<f64>) -> std::result::Result<(), JsValue> {
        let project = project.map(|project| project as i64);
        for keys in self.with(|registry, _| registry.environments_of(project))?.chunks(TOLD_AT_ONCE) {
            for told in join_all(keys.iter().map(|key| publishing::tell(&self.env, key))).await {
                // Its own alarm makes up for it.
                drop(told.inspect_err(|failure| failure.log(None)));
            }
        }
        Ok(())
    }

    /// Looks whether the next discovery is due some time, and has the environments' objects look after themselves.
    pub async fn reconcile(&self) -> std::result::Result<(), JsValue> {
        if self.config.publishes() {
            self.change(|discoveries| discoveries.schedule.start(milliseconds()))?;
            self.wake().await?;
        }
        for keys in self.with(|registry, _| registry.environments_of(None))?.chunks(TOLD_AT_ONCE) {
            for done in join_all(keys.iter().map(|key| publishing::reconcile(&self.env, key))).await {
                drop(done.inspect_err(|failure| failure.log(None)));
            }
        }
        Ok(())
    }

    /// Which environments there are, and how the latest discoveries went, as JSON.
    pub fn environments(&self) -> std::result::Result<String, JsValue> {
        Ok(self.with(|registry, Discoveries { schedule, .. }| {
            json!({
                "environments": registry.environments.keys().collect::<Vec<_>>(),
                "server_keys": registry.server_keys.len(),
                "last_success": schedule.succeeded_at.map(iso),
                "last_fault": schedule.fault.as_ref().map(Fault::status),
            })
            .to_string()
        })?)
    }
}

impl RegistryObject {
    /// Does what there is to do. Gives the time of what comes next.
    async fn work(&self) -> Result<Option<u64>> {
        loop {
            let next = self.next()?;
            if !self.config.publishes() {
                return Ok(None);
            }
            if next.is_none_or(|next| next > milliseconds()) {
                return Ok(next);
            }
            // In memory only: if the object is lost meanwhile, the discovery is still due.
            self.with(|_, discoveries| discoveries.schedule.began(milliseconds()))?;
            let outcome = match self.config.origin_api_token.is_some() {
                true => self.discover_by_token().await?,
                false => self.discover_by_server_keys().await?,
            };
            if let Err(cause) = &outcome {
                Failure::new(Source::Registry, cause).log(None);
            }
            let (now, random) = (milliseconds(), getrandom::u32().unwrap_or_default());
            self.change(|discoveries| discoveries.ended(outcome, now, self.pace(), random))?;
        }
    }

    /// Finds all that the token may see, and carries out what that changes.
    async fn discover_by_token(&self) -> Result<std::result::Result<(), String>> {
        let found = match self.find().await {
            Ok(found) => found,
            Err(cause) => return Ok(Err(cause)),
        };
        let mut outcome = Ok(());
        for change in self.with(|registry, _| registry.changes(&found))? {
            outcome = self.carry_out(change).await?.and(outcome);
        }
        Ok(outcome)
    }

    async fn find(&self) -> std::result::Result<Found, String> {
        let origin = self.config.origin.as_ref().ok_or("ORIGIN_URL is not set")?;
        let token = self.config.origin_api_token.as_ref().ok_or("ORIGIN_API_TOKEN is not set")?;
        let authorization = format!("Api-Key {token}");
        let mut discovery = Discovery::new(origin);
        while let Some(ask) = discovery.next_ask()? {
            let call = Call {
                method: "GET",
                target: &ask.path,
                headers: &[("authorization", &authorization)],
                body: None,
                timeout: ANSWER_TIMEOUT,
                max_length: MAX_ANSWER_LENGTH,
            };
            let answer =
                origin::call(origin, call).await.map_err(|fault| format!("{}: {fault}", ask.what()))?;
            if answer.status != 200 {
                return Err(format!("{}: it answered {}", ask.what(), answer.status));
            }
            discovery.take(&ask, &answer.body)?;
        }
        Ok(discovery.found())
    }

    /// Finds the environments of the server keys that are set. A key whose document cannot be had takes nothing away.
    async fn discover_by_server_keys(&self) -> Result<std::result::Result<(), String>> {
        let hashes: Vec<_> = self.config.server_keys.iter().map(|key| hash_of_server_key(key)).collect();
        let mut outcome = Ok(());
        for change in self.with(|registry, _| registry.without_other_keys(&hashes))? {
            outcome = self.carry_out(change).await?.and(outcome);
        }
        for hash in &hashes {
            let other = self.with(|registry, _| registry.followed_with_another(hash, &hashes))?;
            let is_settled = match &other {
                None => self.with(|registry, _| registry.follows(hash))?,
                Some(environment) => self.is_confirmed(environment).await,
            };
            if !is_settled {
                outcome = self.ask_with(hash, &hashes, other.is_some()).await?.and(outcome);
            }
        }
        // Only now: the key of an environment may have been replaced by one that nobody could ask about yet.
        if outcome.is_ok() {
            for change in self.with(|registry, _| registry.without_other_environments(&hashes))? {
                outcome = self.carry_out(change).await?.and(outcome);
            }
        }
        Ok(outcome)
    }

    /// Asks what a server key opens. It publishes its environment, unless another key that is set does that already;
    /// `replaces`: that one does not work.
    async fn ask_with(
        &self,
        hash: &ServerKeyHash,
        hashes: &[ServerKeyHash],
        replaces: bool,
    ) -> Result<std::result::Result<(), String>> {
        let credential = Credential::ServerKey(hash.clone());
        let candidate = match origin_document::fetch(&self.env, &credential, "").await {
            Err(cause) => return Ok(Err(format!("a server key: {cause}"))),
            Ok(candidate) => candidate,
        };
        let environment = candidate.client_key.clone();
        let server_key = ServerKey { environment, active: true, expires_at: None };
        let outcome = self.carry_out(Change::PutKey(hash.clone(), server_key)).await?;
        if !replaces && self.with(|registry, _| registry.followed_with_another(hash, hashes))?.is_some() {
            return Ok(outcome);
        }
        let listed = Listed { project: candidate.project, name: candidate.name };
        let follow = Change::Follow(candidate.client_key, listed, credential);
        Ok(self.carry_out(follow).await?.and(outcome))
    }

    /// Whether the origin gave an environment's document when it was asked last.
    async fn is_confirmed(&self, client_key: &str) -> bool {
        let announced = publishing::announced(&self.env, client_key, OBJECT_TIMEOUT).await;
        matches!(announced, Ok(Announcement::Latest { unconfirmed_since: None, .. }))
    }

    /// Carries out a change and notes it; one that fails is found again by the next discovery.
    async fn carry_out(&self, change: Change) -> Result<std::result::Result<(), String>> {
        let done = match &change {
            Change::Follow(key, _, credential) => {
                publishing::follow(&self.env, key, &serde_json::to_string(credential)?).await
            }
            Change::Leave(key) => publishing::leave(&self.env, key).await,
            Change::PutKey(hash, key) => {
                let entry = serde_json::to_vec(key)?;
                kv::put(&self.env, &format!("{}{hash}", kv::SERVER_KEY), &entry, None).await
            }
            Change::DeleteKey(hash) => kv::delete(&self.env, &format!("{}{hash}", kv::SERVER_KEY)).await,
        };
        if let Err(failure) = done {
            return Ok(Err(failure.cause));
        }
        self.rows.carried_out(&change)?;
        self.with(|registry, _| registry.carried_out(&change))?;
        Ok(Ok(()))
    }

    fn pace(&self) -> Pace {
        Discoveries::pace(self.config.discovery_seconds * 1000)
    }

    /// When the next discovery is due.
    fn next(&self) -> Result<Option<u64>> {
        self.with(|_, discoveries| discoveries.next(self.pace()))
    }

    async fn wake(&self) -> Result<()> {
        self.alarm.set(&self.state.storage(), self.next()?).await
    }

    /// Changes when discoveries are, and writes it if that made a difference.
    fn change(&self, change: impl FnOnce(&mut Discoveries)) -> Result<()> {
        let changed = self.with(|_, discoveries| {
            let before = discoveries.clone();
            change(discoveries);
            (*discoveries != before).then(|| discoveries.clone())
        })?;
        changed.map_or(Ok(()), |discoveries| self.rows.write(&discoveries))
    }

    /// Looks at what is remembered, or changes it.
    fn with<T>(&self, act: impl FnOnce(&mut Registry, &mut Discoveries) -> T) -> Result<T> {
        let mut memory = self.memory.borrow_mut();
        if memory.is_none() {
            *memory = Some(self.rows.read()?);
        }
        let (registry, discoveries) = memory.get_or_insert_default();
        Ok(act(registry, discoveries))
    }
}
