//! The object that publishes one environment: named by the client key, the only writer of its document.
//!
//! It keeps the document itself, so that isolates have it where KV does not show it yet. All its work is done by its
//! alarm; whoever tells it of a change only makes that ring.

#![expect(missing_docs, reason = "the functions that the macro makes have none")]

use std::cell::RefCell;
use std::time::Duration;

use serde_json::json;
use worker::js_sys::{Array, Uint8Array};
use worker::wasm_bindgen::{self, JsValue, prelude::wasm_bindgen};
use worker::{DurableObject, Env, Request, Response, Result, SqlStorageValue, State, durable_object};

use super::alarm::Alarm;
use super::clock::{iso, milliseconds, until};
use super::config::Config;
use super::database::Database;
use super::failure::{Failure, Source};
use super::kv;
use super::origin_document;
use crate::publish::{Candidate, Credential, Pace, Publisher, Step, Version};

/// How long a reader waits for the first document.
const FIRST_DOCUMENT_TIMEOUT: Duration = Duration::from_secs(3);
/// How often at least the origin is not asked, however many changes somebody tells of, in milliseconds.
const FETCH_GAP: u64 = 250;
/// A row holds 2 MB.
const CHUNK_LENGTH: usize = 1_000_000;
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS publisher
        (id INTEGER PRIMARY KEY CHECK (id = 1), client_key TEXT NOT NULL, state TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS chunk (number INTEGER PRIMARY KEY, bytes BLOB NOT NULL);";
const READ: &str = "SELECT client_key, state FROM publisher";
const WRITE: &str = "INSERT OR REPLACE INTO publisher (id, client_key, state) VALUES (1, ?, ?)";
const READ_CHUNKS: &str = "SELECT bytes FROM chunk ORDER BY number";
const DELETE_CHUNKS: &str = "DELETE FROM chunk";
const WRITE_CHUNK: &str = "INSERT INTO chunk (number, bytes) VALUES (?, ?)";

/// What is known of the environment.
#[derive(Clone, Default, PartialEq)]
struct Environment {
    /// Empty until somebody wants it published.
    client_key: String,
    publisher: Publisher,
}

/// One environment.
#[durable_object(alarm)]
pub struct EnvironmentObject {
    env: Env,
    state: State,
    database: Database,
    alarm: Alarm,
    /// The state, once it has been read.
    environment: RefCell<Option<Environment>>,
}

impl DurableObject for EnvironmentObject {
    fn new(state: State, env: Env) -> EnvironmentObject {
        let database = Database::of(&state.storage());
        EnvironmentObject { env, state, database, alarm: Alarm::default(), environment: RefCell::default() }
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
impl EnvironmentObject {
    /// An [`crate::publish::Announcement`] as text. Isolates ask for it every couple of seconds.
    pub fn announcement(&self) -> std::result::Result<String, JsValue> {
        Ok(self.read()?.publisher.announcement().to_string())
    }

    /// The published version and its document, or null. Who asks first waits until the origin has been asked.
    pub async fn document(&self) -> std::result::Result<JsValue, JsValue> {
        until(FIRST_DOCUMENT_TIMEOUT, || {
            let environment = self.read().unwrap_or_default();
            let publisher = environment.publisher;
            publisher.credential.is_none()
                || publisher.published.is_some()
                || publisher.schedule.fault.is_some()
        })
        .await;
        let Some(published) = self.read()?.publisher.published else { return Ok(JsValue::NULL) };
        let document = Uint8Array::from(self.document_bytes()?.as_slice());
        Ok(Array::of2(&published.version.to_string().into(), &document).into())
    }

    /// Somebody says that the document has changed. Says whether it is published here at all.
    pub async fn told(&self) -> std::result::Result<bool, JsValue> {
        let now = milliseconds();
        let is_published = self.change(|environment| {
            environment.publisher.told(now, self.pace());
            environment.publisher.credential.is_some()
        })?;
        self.wake().await?;
        Ok(is_published)
    }

    /// It is to be published from now on; `credential` is a [`Credential`] as JSON.
    pub async fn follow(&self, client_key: String, credential: String) -> std::result::Result<(), JsValue> {
        let credential: Credential = serde_json::from_str(&credential).map_err(worker::Error::from)?;
        let now = milliseconds();
        self.change(|environment| {
            environment.client_key = client_key;
            environment.publisher.follow(credential, now);
        })?;
        Ok(self.wake().await?)
    }

    /// It is to be published no longer.
    pub async fn leave(&self) -> std::result::Result<(), JsValue> {
        self.change(|environment| environment.publisher.leave(milliseconds()))?;
        Ok(self.wake().await?)
    }

    /// Looks whether KV has what it should have, and whether the next fetch is due some time.
    pub async fn reconcile(&self) -> std::result::Result<(), JsValue> {
        let environment = self.read()?;
        if let Some(published) = environment.publisher.published {
            let stored = kv::get(&self.env, &kv::document_key(&environment.client_key), kv::TIMEOUT).await;
            let is_there = |document: Option<Vec<u8>>| {
                document.is_some_and(|document| published.version.is_of(&document))
            };
            if stored.is_ok_and(|document| !is_there(document)) {
                self.change(|environment| environment.publisher.lost())?;
            }
        }
        Ok(self.wake().await?)
    }

    /// What `GET /edge/status` says of it, as JSON.
    pub fn status(&self) -> std::result::Result<String, JsValue> {
        let Environment { client_key, publisher } = self.read()?;
        let published = publisher.published.as_ref();
        let succeeded_at = publisher.schedule.succeeded_at;
        Ok(json!({
            "environment": client_key,
            "name": published.map(|published| &published.name),
            "version": published.map(|published| published.version),
            "updated_at": published.and_then(|published| published.updated_at).map(|at| at.iso()),
            "last_success": iso(succeeded_at),
            "age_seconds": succeeded_at.map(|at| milliseconds().saturating_sub(at) / 1000),
            "last_fault": publisher.schedule.fault.as_ref().map(|fault| {
                json!({"at": iso(Some(fault.at)), "cause": fault.cause, "attempts": fault.count})
            }),
            "kv_fault": publisher.store_fault,
            "source": match &publisher.credential {
                Some(Credential::Token) => Some("ORIGIN_API_TOKEN"),
                Some(Credential::ServerKey(_)) => Some("SERVER_KEYS"),
                None => None,
            },
            "identity_overrides_left_out": published.is_some_and(|published| published.leaves_overrides_out),
            "changes": publisher.changelog.iter().map(|entry| {
                json!({"version": entry.version, "at": iso(Some(entry.at)), "bytes": entry.length})
            }).collect::<Vec<_>>(),
        })
        .to_string())
    }
}

impl EnvironmentObject {
    /// Does what there is to do. Gives the time of what comes next.
    async fn work(&self) -> Result<Option<u64>> {
        loop {
            match self.read()?.publisher.next(milliseconds()) {
                Step::Wait(at) => return Ok(at),
                Step::Fetch(credential) => self.fetch_document(&credential).await?,
                Step::Store(version) => self.store(version).await?,
                Step::Remove => {
                    let removed = kv::delete(&self.env, &kv::document_key(&self.read()?.client_key)).await;
                    let now = milliseconds();
                    self.change(|environment| environment.publisher.removed(said(removed), now))?;
                }
            }
        }
    }

    async fn fetch_document(&self, credential: &Credential) -> Result<()> {
        // In memory only: if the object is lost meanwhile, the fetch is still due.
        if let Some(environment) = self.environment.borrow_mut().as_mut() {
            environment.publisher.schedule.began(milliseconds());
        }
        let client_key = self.read()?.client_key;
        let outcome = origin_document::fetch(&self.env, credential, &client_key).await;
        if let Err(cause) = &outcome {
            Failure::new(Source::Origin, cause).log(Some(&client_key));
        }
        self.take(outcome, &client_key)
    }

    /// Publishes what was fetched, if it is to be: the document and the state at once.
    fn take(&self, outcome: std::result::Result<Candidate, String>, client_key: &str) -> Result<()> {
        let (now, random) = (milliseconds(), getrandom::u32().unwrap_or_default());
        let mut environment = self.read()?;
        let before = environment.clone();
        let version = environment.publisher.fetched(
            outcome.as_ref().map_err(Clone::clone),
            client_key,
            now,
            self.pace(),
            random,
        );
        if let (Some(_), Ok(candidate)) = (version, &outcome) {
            self.database.at_once(|| {
                self.write(&environment)?;
                self.database.execute(DELETE_CHUNKS, vec![])?;
                for (number, chunk) in (0_i64..).zip(candidate.document.chunks(CHUNK_LENGTH)) {
                    self.database.execute(WRITE_CHUNK, vec![number.into(), chunk.to_vec().into()])?;
                }
                Ok(())
            })?;
            let left_out = |environment: &Environment| {
                environment
                    .publisher
                    .published
                    .as_ref()
                    .is_some_and(|published| published.leaves_overrides_out)
            };
            if left_out(&environment) && !left_out(&before) {
                Failure::new(Source::Origin, OVERRIDES_LEFT_OUT).log(Some(client_key));
            }
        } else {
            self.write(&environment)?;
        }
        self.environment.replace(Some(environment));
        Ok(())
    }

    async fn store(&self, version: Version) -> Result<()> {
        let (key, document) = (self.read()?.client_key, self.document_bytes()?);
        let stored = async {
            kv::put(&self.env, &kv::version_key(&key, version), &document, Some(kv::VERSION_LIFETIME))
                .await?;
            kv::put(&self.env, &kv::document_key(&key), &document, None).await
        };
        let stored = stored.await.inspect_err(|failure| failure.log(Some(&key)));
        let now = milliseconds();
        self.change(|environment| environment.publisher.stored(version, said(stored), now))
    }

    fn pace(&self) -> Pace {
        Pace { period: Config::of(&self.env).refresh_seconds * 1000, gap: FETCH_GAP }
    }

    /// Has the alarm ring when there is something to do.
    async fn wake(&self) -> Result<()> {
        let at = match self.read()?.publisher.next(milliseconds()) {
            Step::Wait(at) => at,
            _ => Some(milliseconds()),
        };
        self.alarm.set(&self.state.storage(), at).await
    }

    /// Changes the state in one turn, and writes it if that made a difference.
    fn change<T>(&self, change: impl FnOnce(&mut Environment) -> T) -> Result<T> {
        let before = self.read()?;
        let mut environment = before.clone();
        let outcome = change(&mut environment);
        if environment != before {
            self.database.at_once(|| {
                self.write(&environment)?;
                if environment.publisher.published.is_none() {
                    self.database.execute(DELETE_CHUNKS, vec![])?;
                }
                Ok(())
            })?;
            self.environment.replace(Some(environment));
        }
        Ok(outcome)
    }

    fn read(&self) -> Result<Environment> {
        if let Some(environment) = self.environment.borrow().as_ref() {
            return Ok(environment.clone());
        }
        let mut environment = Environment::default();
        if self.database.has("publisher")?
            && let [SqlStorageValue::String(key), SqlStorageValue::String(state)] =
                self.database.rows(READ, vec![])?.concat().as_slice()
        {
            environment = Environment { client_key: key.clone(), publisher: serde_json::from_str(state)? };
        }
        self.environment.replace(Some(environment.clone()));
        Ok(environment)
    }

    fn write(&self, Environment { client_key, publisher }: &Environment) -> Result<()> {
        self.database.execute(SCHEMA, vec![])?;
        let state = serde_json::to_string(publisher)?;
        self.database.execute(WRITE, vec![client_key.as_str().into(), state.into()])
    }

    fn document_bytes(&self) -> Result<Vec<u8>> {
        let chunks = self.database.rows(READ_CHUNKS, vec![])?.into_iter().flatten();
        let bytes = chunks
            .filter_map(|chunk| if let SqlStorageValue::Blob(bytes) = chunk { Some(bytes) } else { None });
        Ok(bytes.collect::<Vec<_>>().concat())
    }
}

const OVERRIDES_LEFT_OUT: &str = "the origin keeps identity overrides out of the document: \
     set use_identity_overrides_in_local_eval in the environment's settings";

fn said(outcome: std::result::Result<(), Failure>) -> std::result::Result<(), String> {
    outcome.map_err(|failure| failure.cause)
}
