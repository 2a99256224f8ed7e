//! Environments and server keys: from the isolate's memory, else from the stores (`docs/reliability.md`).
//!
//! With an origin, an environment's object has the number of the latest version. The document itself is in KV, or in
//! that object. Without an origin, KV is the only store.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use std::thread::LocalKey;

use futures_util::future::FutureExt;
use worker::web_sys::Response as WebResponse;
use worker::{Context, Env};

use crate::api::{CachedResponse, ConfigHint, EnvironmentKey, Error};
use crate::cache::Ttl;
use crate::document::ruleset::SegmentIndex;
use crate::document::{ClientKey, Environment, KeyKind, ServerKey, Timestamp, is_client_key};
use crate::edge::cache::document_reads;
use crate::edge::cache::key_states;
use crate::edge::cache::kv_changes;
use crate::edge::cache::stored::{CacheEntry, CachedValue, Confirmation, ReadOutcome, ReadSource, Stores};
use crate::edge::http::response::Prepared;
use crate::edge::platform::clock::now_ms;
use crate::edge::platform::config::Config;
use crate::edge::platform::failure::{Failure, Source};
use crate::edge::platform::kv;
use crate::edge::platform::secret_hash::TtlCache;
use crate::publish::{Announcement, DocumentVersion, WantedVersion};

/// A loaded environment for the answer to a request.
pub struct LoadedEnvironment {
    /// The compiled environment.
    pub environment: Rc<CachedEnvironment>,
    /// The number of seconds since the environment was last confirmed, if the latest attempt to confirm it failed.
    pub stale_seconds: Option<u64>,
    /// The source of its document for this request.
    pub source: ReadSource,
    /// The time since its document was confirmed, in milliseconds.
    pub age: u64,
}

/// A compiled environment, with the answers that are the same for all requests.
pub struct CachedEnvironment {
    /// The compiled environment.
    pub environment: Environment,
    prepared: [[OnceCell<Prepared>; CachedResponse::COUNT]; 2],
    /// The segments that were logged for spending an evaluation's budget.
    exhausted: RefCell<Vec<SegmentIndex>>,
}

impl CachedEnvironment {
    /// An answer as an object of JavaScript, prepared once for all requests. `None` if it cannot be prepared.
    pub fn prepared(&self, cached: CachedResponse, key: KeyKind) -> Option<WebResponse> {
        let prepared = self.prepared.get(key as usize)?.get(cached as usize)?;
        if prepared.get().is_none() {
            let _ = prepared.set(Prepared::new(&cached.response(&self.environment, key)).ok()?);
        }
        prepared.get().map(Prepared::respond)
    }

    /// Logs the segment that spent an evaluation's budget, once for this version of the document.
    pub fn log_exhausted(&self, segment: Option<SegmentIndex>) {
        let Some(segment) = segment else { return };
        let mut logged = self.exhausted.borrow_mut();
        if !logged.contains(&segment) {
            logged.push(segment);
            let cause = self.environment.exhaustion(segment);
            Failure::new(Source::Evaluation, cause).log(Some(self.environment.key()));
        }
    }
}

/// Access to environments for one request.
pub struct Environments<'r> {
    stores: Stores<'r>,
}

impl<'r> Environments<'r> {
    /// Creates access to the environments of this deployment.
    pub fn new(env: &'r Env, config: &'static Config) -> Environments<'r> {
        Environments { stores: Stores { env, config } }
    }

    /// Returns the environment of a key, of a version that is not older than the hint says.
    pub async fn load_for(
        &self,
        key: &EnvironmentKey,
        hint: &ConfigHint,
        context: &Context,
    ) -> Result<LoadedEnvironment, Error> {
        let client_key = match key {
            EnvironmentKey::Client(client_key) => client_key.clone(),
            EnvironmentKey::Server(hash) => {
                self.stores.lookup::<ServerKey>(hash, context).await?.value.client_key
            }
        };
        let wanted = WantedVersion::parse(hint.etag.as_deref(), hint.last_modified, now_ms());
        self.stores.catch_up::<Rc<CachedEnvironment>>(&client_key, wanted).await;
        if kv_changes::are_due() {
            context.wait_until(kv_changes::announce(self.stores.env.clone()));
        }
        self.load(key, context).await
    }

    /// Returns the environment of a key.
    pub async fn load(&self, key: &EnvironmentKey, context: &Context) -> Result<LoadedEnvironment, Error> {
        match key {
            EnvironmentKey::Client(client_key) => self.load_environment(client_key, context).await,
            EnvironmentKey::Server(hash) => {
                let key = self.stores.lookup::<ServerKey>(hash, context).boxed_local().await?.value;
                // The entry may have been written into KV by hand, so its environment is checked.
                if !is_client_key(&key.client_key) {
                    return Err(Error::KeyUnknown);
                }
                let loaded = self.load_environment(&key.client_key, context).await;
                // Read after the document, since the environment's object may have announced newer states.
                let is_accepted =
                    key_states::accept(&key.client_key, hash, key.known_at).unwrap_or_else(|| {
                        let now = Timestamp::from_milliseconds(now_ms());
                        now.is_some_and(|now| key.is_valid(now))
                    });
                if is_accepted { loaded } else { Err(Error::KeyUnknown) }
            }
        }
    }

    /// True if KV answers.
    pub async fn are_readable(&self) -> bool {
        let read = kv::get(self.stores.env, kv::DOCUMENT, kv::TIMEOUT).await;
        read.inspect_err(|failure| failure.log(None)).is_ok()
    }

    /// The time of this isolate's latest confirmation of a document.
    pub fn last_update(&self) -> Option<Timestamp> {
        let confirmed_at = Rc::<CachedEnvironment>::memory()
            .with_borrow(|cache| cache.values().filter_map(CacheEntry::confirmed_at).max());
        confirmed_at.and_then(Timestamp::from_milliseconds)
    }

    async fn load_environment(
        &self,
        client_key: &ClientKey,
        context: &Context,
    ) -> Result<LoadedEnvironment, Error> {
        let found = self.stores.lookup::<Rc<CachedEnvironment>>(client_key, context).await?;
        let stale_seconds = found.stale_seconds();
        Ok(LoadedEnvironment {
            environment: found.value,
            stale_seconds,
            source: found.source,
            age: found.age,
        })
    }
}

impl CachedValue for Rc<CachedEnvironment> {
    const PREFIX: &'static str = kv::DOCUMENT;
    type Name = ClientKey;

    fn ages(config: &Config) -> Ttl {
        if !config.publishes() {
            return Ttl { soft: config.soft_age_seconds * 1000, hard: config.hard_age_seconds * 1000 };
        }
        Ttl::never_older_than(config.freshness_seconds * 1000)
    }

    fn client_key(client_key: &ClientKey) -> Option<&ClientKey> {
        Some(client_key)
    }

    async fn read(
        from: &Stores<'_>,
        client_key: &ClientKey,
        known: Option<DocumentVersion>,
        wanted: Option<WantedVersion>,
    ) -> Result<ReadOutcome, Failure> {
        if !from.config.publishes() {
            return kv::get(from.env, &kv::document_key(client_key), kv::TIMEOUT)
                .await
                .map(ReadOutcome::from);
        }
        let Some(known) = known else {
            return document_reads::read_first(from.env, client_key).boxed_local().await;
        };
        match document_reads::announced(from.env, client_key, wanted).await? {
            (Announcement::Latest { version, unconfirmed_since }, age)
                if version.sequence <= known.sequence =>
            {
                Ok(ReadOutcome::Confirmed(Confirmation { unconfirmed_since, age }))
            }
            (Announcement::Latest { version, unconfirmed_since }, age) => {
                document_reads::read_version(
                    from.env,
                    client_key,
                    version,
                    Confirmation { unconfirmed_since, age },
                )
                .await
            }
            (Announcement::Gone, _) => Ok(ReadOutcome::Missing),
            (Announcement::Nothing, _) => Err(Failure::new(
                Source::EnvironmentObject,
                "its announced document is missing from KV and from the object",
            )),
        }
    }

    fn decode(bytes: &[u8], client_key: &ClientKey, config: &'static Config) -> Result<Self, Failure> {
        let environment = Environment::parse(bytes, config.engine)
            .map_err(|fault| Failure::new(Source::Stored, format!("environment document: {fault}")))?;
        if environment.key() != client_key {
            return Err(Failure::new(
                Source::Stored,
                "environment document: api_key: belongs to another environment",
            ));
        }
        if !environment.left_out.is_empty() {
            let fields: Vec<_> = environment.left_out.iter().map(ToString::to_string).collect();
            let cause = format!("environment document: {}; served without", fields.join("; "));
            Failure::new(Source::Stored, cause).log(Some(client_key));
        }
        Ok(Rc::new(CachedEnvironment {
            environment,
            prepared: Default::default(),
            exhausted: RefCell::default(),
        }))
    }

    fn replaces_earlier(&self, client_key: &ClientKey, bytes: &[u8], config: &'static Config) {
        if !config.publishes() && config.has_streams {
            let updated_at = self.environment.updated_at.as_ref().map(|updated| updated.timestamp);
            let updated_at = updated_at.map_or(0.0, Timestamp::fractional_seconds);
            kv_changes::record(client_key, DocumentVersion::digest_of(bytes), updated_at);
        }
    }

    fn memory_length(&self) -> usize {
        self.environment.memory_length()
    }

    fn memory() -> &'static LocalKey<RefCell<TtlCache<CacheEntry<Self>>>> {
        thread_local! {
            static MEMORY: RefCell<TtlCache<CacheEntry<Rc<CachedEnvironment>>>> = RefCell::default();
        }
        &MEMORY
    }
}
