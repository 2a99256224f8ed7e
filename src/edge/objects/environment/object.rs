//! The object that publishes one environment, the only writer of its document. Its name is the client key.
//!
//! It keeps the document, too, for isolates in which KV does not show a version yet. The alarm does all of the work; a
//! notification only sets the alarm.

#![expect(missing_docs, reason = "the functions that the macro makes have none")]

use std::cell::Cell;
use std::pin::{Pin, pin};
use std::time::Duration;

use futures_util::future::{Either, select, try_join};
use worker::js_sys::{Array, Uint8Array};
use worker::wasm_bindgen::{self, JsValue, prelude::wasm_bindgen};
use worker::{DurableObject, Env, Request, Response, Result, State, durable_object};

use crate::document::ClientKey;
use crate::edge::objects::environment::announcement::{Memory, announce};
use crate::edge::objects::environment::hashing_report;
use crate::edge::objects::environment::rows::{EnvironmentRows, StoredEnvironment};
use crate::edge::objects::publishing;
use crate::edge::origin::document::{self as origin_document, DocumentSource};
use crate::edge::platform::alarm::Alarm;
use crate::edge::platform::clock::{now_ms, poll_until, sleep};
use crate::edge::platform::config::Config;
use crate::edge::platform::failure::{Failure, Source};
use crate::edge::platform::kv;
use crate::edge::platform::timeout::with_timeout;
use crate::publish::{
    Candidate, DocumentCredential, DocumentVersion, NotificationKind, PublisherAction, RefreshInterval,
};

/// The time that a reader waits for the first document.
const FIRST_DOCUMENT_TIMEOUT: Duration = Duration::from_secs(3);
/// The delay of a change that comes during a write to KV.
const WRITE_STEP: Duration = Duration::from_millis(20);
/// The approximate number of requests of one alarm. Constant changes cause constant work, and the platform lets an
/// alarm last 15 minutes, and make 50 requests on its smallest plan.
const REQUESTS: usize = 20;
/// The minimum time between two requests to the origin, also with many notifications, in milliseconds.
const FETCH_GAP: u64 = 250;

/// The object of one environment.
#[durable_object(alarm)]
pub struct EnvironmentObject {
    env: Env,
    state: State,
    rows: EnvironmentRows,
    alarm: Alarm,
    /// The state, after the first read.
    environment: Memory,
}

impl DurableObject for EnvironmentObject {
    fn new(state: State, env: Env) -> EnvironmentObject {
        let rows = EnvironmentRows::of(&state.storage());
        EnvironmentObject { env, state, rows, alarm: Alarm::default(), environment: Memory::default() }
    }

    /// Refuses requests: callers use the methods below.
    async fn fetch(&self, _request: Request) -> Result<Response> {
        Response::error("Not found.", 404)
    }

    async fn alarm(&self) -> Result<Response> {
        self.alarm.start();
        let outcome = self.work().await;
        if outcome.is_err() {
            // The state in memory may be ahead of the stored state, which contains the remaining work.
            self.environment.take();
        }
        self.alarm.finish(&self.state.storage(), outcome, Source::EnvironmentObject).await
    }
}

// worker-build and cargo have different names for these crates.
#[wasm_bindgen(js_sys = worker::js_sys, wasm_bindgen_futures = worker::wasm_bindgen_futures)]
impl EnvironmentObject {
    /// Returns an [`crate::publish::Announcement`] as text, which isolates fetch every few seconds.
    ///
    /// If `with_keys` is true, a second line has the [`crate::publish::KeyStates`], if there are any. Isolates of an
    /// earlier version do not set it.
    pub fn announcement(&self, with_keys: Option<bool>) -> std::result::Result<String, JsValue> {
        let publisher = self.read()?.publisher;
        let announcement = publisher.announcement().to_string();
        match publisher.origin_keys.states(now_ms()) {
            Some(keys) if with_keys == Some(true) => Ok(format!("{announcement}\n{keys}")),
            _ => Ok(announcement),
        }
    }

    /// The published version and its document, or null. The first caller waits for the origin's answer.
    pub async fn document(&self) -> std::result::Result<JsValue, JsValue> {
        poll_until(FIRST_DOCUMENT_TIMEOUT, || {
            let environment = self.read().unwrap_or_default();
            let publisher = environment.publisher;
            publisher.credential.is_none()
                || publisher.published.is_some()
                || publisher.schedule.fault.is_some()
        })
        .await;
        let Some(published) = self.read()?.publisher.published else { return Ok(JsValue::NULL) };
        let document = Uint8Array::from(self.rows.document()?.as_slice());
        Ok(Array::of2(&published.version.to_string().into(), &document).into())
    }

    /// Handles a change of the document. `again`: true to fetch the document a second time later. `kind`: the name of
    /// the kind of the origin's notification, if one arrived. Returns true if the document is published here.
    #[wasm_bindgen(js_name = told)]
    pub async fn notify(&self, again: bool, kind: Option<String>) -> std::result::Result<bool, JsValue> {
        let now = now_ms();
        let kind = kind.as_deref().and_then(NotificationKind::from_name);
        let is_published = self.change(|environment| {
            environment.publisher.notify(again, kind, now, self.refresh_interval());
            environment.publisher.credential.is_some()
        })?;
        self.wake().await?;
        Ok(is_published)
    }

    /// Starts publishing the environment. `credential` is a [`DocumentCredential`] as JSON.
    #[wasm_bindgen(js_name = follow)]
    pub async fn start_publishing(
        &self,
        client_key: String,
        credential: String,
    ) -> std::result::Result<(), JsValue> {
        let credential: DocumentCredential =
            serde_json::from_str(&credential).map_err(worker::Error::from)?;
        let now = now_ms();
        self.change(|environment| {
            environment.client_key = ClientKey::unchecked(&client_key);
            environment.publisher.start_publishing(credential, now);
        })?;
        Ok(self.wake().await?)
    }

    /// Stops publishing the environment.
    #[wasm_bindgen(js_name = leave)]
    pub async fn stop_publishing(&self) -> std::result::Result<(), JsValue> {
        self.change(|environment| environment.publisher.stop_publishing(now_ms()))?;
        Ok(self.wake().await?)
    }

    /// Makes sure that KV has the published version, and that the next fetch is scheduled.
    pub async fn reconcile(&self) -> std::result::Result<(), JsValue> {
        let environment = self.read()?;
        if let Some(published) = environment.publisher.published {
            let stored = kv::get(&self.env, &kv::document_key(&environment.client_key), kv::TIMEOUT).await;
            let is_there = |document: Option<Vec<u8>>| {
                document.is_some_and(|document| published.version.is_of(&document))
            };
            if stored.is_ok_and(|document| !is_there(document)) {
                self.change(|environment| environment.publisher.mark_missing_in_kv())?;
            }
        }
        let now = now_ms();
        self.change(|environment| environment.publisher.resume(now))?;
        Ok(self.wake().await?)
    }

    /// Returns the environment's part of `GET /edge/status`, as JSON.
    pub fn status(&self) -> std::result::Result<String, JsValue> {
        let StoredEnvironment { client_key, publisher } = self.read()?;
        Ok(publisher.status(&client_key, now_ms()).to_string())
    }
}

impl EnvironmentObject {
    /// Runs the due tasks, up to the limit of an alarm. Returns the time of the next task.
    ///
    /// Writes to KV run concurrently, so a slow one delays no change to the isolates.
    async fn work(&self) -> Result<Option<u64>> {
        let mut writing: Option<Pin<Box<dyn Future<Output = Result<()>> + '_>>> = None;
        let mut requests = 0;
        loop {
            match self.read()?.publisher.next(now_ms(), writing.is_some()) {
                PublisherAction::Fetch(credential) if requests < REQUESTS => {
                    requests += 1;
                    self.ask_origin(&credential).await?;
                }
                PublisherAction::ListKeys if requests < REQUESTS => {
                    requests += 1;
                    self.list_keys().await?;
                }
                PublisherAction::Store(version) if requests < REQUESTS => {
                    requests += 2;
                    // Read now, because the next version may be published before this one is written.
                    writing = Some(Box::pin(self.store(version, self.rows.document()?)));
                }
                PublisherAction::Remove if requests < REQUESTS => {
                    requests += 1;
                    writing = Some(Box::pin(self.remove()));
                }
                PublisherAction::Announce if requests < REQUESTS => {
                    requests += 1;
                    // The next attempt is stored first, and the other work does not wait for this one.
                    self.change(|environment| environment.publisher.delay_announcement(now_ms()))?;
                    self.state.wait_until(announce(self.env.clone(), self.environment.clone()));
                }
                next => match &mut writing {
                    None => {
                        return Ok(if let PublisherAction::Wait(at) = next { at } else { Some(now_ms()) });
                    }
                    Some(write) => {
                        if let Some(written) = with_timeout(WRITE_STEP, write.as_mut()).await {
                            written?;
                            writing = None;
                        }
                    }
                },
            }
        }
    }

    /// Fetches the document. If the server keys become due meanwhile, they are fetched at the same time.
    async fn ask_origin(&self, credential: &DocumentCredential) -> Result<()> {
        if *credential != DocumentCredential::Token {
            return self.fetch_document(credential).await;
        }
        let (is_over, asks) = (Cell::new(false), Cell::new(false));
        let document = pin!(self.fetch_document(credential));
        let keys = pin!(async {
            while !is_over.get() {
                let wait = self.read()?.publisher.origin_keys.wait(now_ms());
                sleep(Duration::from_millis(wait)).await;
                asks.set(true);
                self.list_keys().await?;
                asks.set(false);
            }
            Ok(())
        });
        match select(document, keys).await {
            Either::Right((failed, _)) => failed,
            Either::Left((fetched, keys)) => {
                is_over.set(true);
                // A sent request is always completed.
                if asks.get() { keys.await.and(fetched) } else { fetched }
            }
        }
    }

    /// Fetches the server keys. Isolates receive a change from this object. For KV, the registry runs a discovery.
    ///
    /// A list without changes stays in memory, and is stored with the next document. If the object is evicted before
    /// that, the list is fetched again.
    async fn list_keys(&self) -> Result<()> {
        let (asked_at, client_key) = (now_ms(), self.read()?.client_key);
        self.in_memory(|environment| {
            environment.publisher.origin_keys.began(asked_at, self.refresh_interval())
        });
        let keys = match origin_document::fetch_server_keys(&self.env, &client_key).await {
            Ok(keys) => keys,
            Err(cause) => {
                Failure::new(Source::Origin, cause).log(Some(&client_key));
                return Ok(());
            }
        };
        // The environment may have been deleted during the fetch.
        let is_new = self.in_memory(|environment| {
            let publisher = &mut environment.publisher;
            publisher.credential == Some(DocumentCredential::Token)
                && publisher.origin_keys.record_list(keys, asked_at)
        });
        if is_new {
            self.rows.write(&self.read()?)?;
            drop(publishing::discover(&self.env).await.inspect_err(|failure| failure.log(Some(&client_key))));
        }
        Ok(())
    }

    async fn fetch_document(&self, credential: &DocumentCredential) -> Result<()> {
        let asked_at = now_ms();
        // In memory only: if the object is evicted meanwhile, the fetch is still due.
        self.in_memory(|environment| environment.publisher.schedule.began(asked_at));
        let client_key = self.read()?.client_key;
        let source = match credential {
            DocumentCredential::Token => DocumentSource::Environment(&client_key),
            DocumentCredential::ServerKey(hash) => DocumentSource::ServerKey(hash),
        };
        let outcome = origin_document::fetch(&self.env, source).await;
        if let DocumentCredential::ServerKey(hash) = credential {
            self.in_memory(|environment| match &outcome {
                Ok(_) => environment.publisher.origin_keys.admit(hash),
                Err(fault) if fault.is_refusal => environment.publisher.origin_keys.refuse(hash, asked_at),
                Err(_) => {}
            });
        }
        self.take(outcome.map_err(|fault| fault.cause))
    }

    /// Changes the state in memory, which must be loaded. It is stored with the next change.
    fn in_memory<T: Default>(&self, change: impl FnOnce(&mut StoredEnvironment) -> T) -> T {
        self.environment.borrow_mut().as_mut().map(change).unwrap_or_default()
    }

    /// Publishes the fetched document if that is necessary, and writes document and state in one step.
    fn take(&self, outcome: std::result::Result<Candidate, String>) -> Result<()> {
        let mut environment = self.read()?;
        let StoredEnvironment { client_key, publisher } = &mut environment;
        let left_out = publisher.leaves_overrides_out();
        let random = getrandom::u32().unwrap_or_default();
        let candidate = outcome.as_ref().map_err(Clone::clone);
        let version = publisher.fetched(candidate, client_key, now_ms(), self.refresh_interval(), random);
        if let Some(fault) = &publisher.schedule.fault {
            Failure::new(Source::Origin, &fault.cause).log(Some(client_key));
        }
        if publisher.leaves_overrides_out() && !left_out {
            Failure::new(Source::Origin, OVERRIDES_LEFT_OUT).log(Some(client_key));
        }
        if version.is_some() && publisher.hashes_django_ids() {
            // In the background, since counting may take long.
            self.state.wait_until(hashing_report::log(self.env.clone(), client_key.clone()));
        }
        let is_new = version.is_some();
        match &outcome {
            Ok(candidate) if is_new => self.rows.publish(&environment, &candidate.document)?,
            _ => self.rows.write(&environment)?,
        }
        self.environment.replace(Some(environment));
        if is_new {
            // From now on, isolates get this version.
            self.state.wait_until(announce(self.env.clone(), self.environment.clone()));
        }
        Ok(())
    }

    async fn store(&self, version: DocumentVersion, document: Vec<u8>) -> Result<()> {
        let client_key = self.read()?.client_key;
        let version_key = kv::version_key(&client_key, version);
        let document_key = kv::document_key(&client_key);
        let as_version = kv::put(&self.env, &version_key, &document, Some(kv::VERSION_LIFETIME));
        let as_latest = kv::put(&self.env, &document_key, &document, None);
        let stored = try_join(as_version, as_latest).await.map(drop);
        let stored = stored.inspect_err(|failure| failure.log(Some(&client_key)));
        let now = now_ms();
        self.change(|environment| environment.publisher.stored(version, said(stored), now))
    }

    async fn remove(&self) -> Result<()> {
        let client_key = self.read()?.client_key;
        let removed = kv::delete(&self.env, &kv::document_key(&client_key)).await;
        let removed = removed.inspect_err(|failure| failure.log(Some(&client_key)));
        let now = now_ms();
        self.change(|environment| environment.publisher.removed(said(removed), now))
    }

    fn refresh_interval(&self) -> RefreshInterval {
        RefreshInterval { interval_ms: Config::of(&self.env).refresh_seconds * 1000, min_gap_ms: FETCH_GAP }
    }

    /// Sets the alarm for the next task.
    async fn wake(&self) -> Result<()> {
        let at = match self.read()?.publisher.next(now_ms(), false) {
            PublisherAction::Wait(at) => at,
            _ => Some(now_ms()),
        };
        self.alarm.set(&self.state.storage(), at).await
    }

    /// Changes the state in one step, and writes it if it differs.
    fn change<T>(&self, change: impl FnOnce(&mut StoredEnvironment) -> T) -> Result<T> {
        let before = self.read()?;
        let mut environment = before.clone();
        let outcome = change(&mut environment);
        if environment != before {
            self.rows.write(&environment)?;
            self.environment.replace(Some(environment));
        }
        Ok(outcome)
    }

    fn read(&self) -> Result<StoredEnvironment> {
        if let Some(environment) = self.environment.borrow().as_ref() {
            return Ok(environment.clone());
        }
        let environment = self.rows.read()?;
        self.environment.replace(Some(environment.clone()));
        Ok(environment)
    }
}

const OVERRIDES_LEFT_OUT: &str = "the origin keeps identity overrides out of the document: \
     set use_identity_overrides_in_local_eval in the environment's settings";

fn said(outcome: std::result::Result<(), Failure>) -> std::result::Result<(), String> {
    outcome.map_err(|failure| failure.cause)
}
