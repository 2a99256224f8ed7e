//! The cached values of the stores, and their revalidation.
//!
//! A fresh value is served. A stale value is served and revalidated in the background. An expired value is revalidated
//! before the answer. After a failed read the last good value stays. No earlier version replaces a later one.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::ops::Deref;
use std::thread::LocalKey;
use std::time::Duration;

use futures_util::future::FutureExt;
use worker::{Context, Env};

use crate::api::{Dependency, Error};
use crate::cache::{Freshness, Hit, PerSecond, Ttl};
use crate::document::{ClientKey, fingerprint};
use crate::edge::cache::first_discovery;
use crate::edge::cache::kv_changes;
use crate::edge::platform::clock::now_ms;
use crate::edge::platform::config::Config;
use crate::edge::platform::failure::{Failure, Source};
use crate::edge::platform::secret_hash::TtlCache;
use crate::edge::platform::timeout::with_timeout;
use crate::publish::{DocumentVersion, WantedVersion};

/// The time limit of a read from any store; SDKs give up after 10 s.
const TIMEOUT: Duration = Duration::from_secs(8);
/// The limit if an answer is waiting and there is a value to serve instead.
const TIMEOUT_FOR_KNOWN: Duration = Duration::from_secs(1);

/// The maximum number of revalidations that clients ask for, for each isolate and second.
const MAX_CATCHING_UP_PER_SECOND: u32 = 10;
/// The time between two looks at a value that another request revalidates.
const WAIT: Duration = Duration::from_millis(10);

/// The stores of a deployment, for one request.
pub struct Stores<'r> {
    /// The bindings.
    pub env: &'r Env,
    /// The deployment's settings.
    pub config: &'static Config,
}

/// A type of stored values, all with one prefix.
pub trait CachedValue: Clone + 'static {
    /// The prefix of the keys in KV.
    const PREFIX: &'static str;
    /// The type of the rest of the key, after the prefix.
    type Name: Deref<Target = str> + Clone + 'static;

    /// The lifetime of these values.
    fn ages(config: &Config) -> Ttl;

    /// Returns the name as a client key, if the names of this type are client keys.
    fn client_key(name: &Self::Name) -> Option<&ClientKey>;

    /// Reads the value of `name`, given the known version and the version that a client wants.
    async fn read(
        from: &Stores<'_>,
        name: &Self::Name,
        known: Option<DocumentVersion>,
        wanted: Option<WantedVersion>,
    ) -> Result<ReadOutcome, Failure>;

    /// Decodes the stored value of `name`.
    fn decode(bytes: &[u8], name: &Self::Name, config: &'static Config) -> Result<Self, Failure>;

    /// Called for a value that replaces another in memory. `bytes`: its stored form.
    fn replaces_earlier(&self, _name: &Self::Name, _bytes: &[u8], _config: &'static Config) {}

    /// The approximate size in memory, in bytes.
    fn memory_length(&self) -> usize;

    /// The cache of these values in this isolate.
    fn memory() -> &'static LocalKey<RefCell<TtlCache<CacheEntry<Self>>>>;
}

/// The result of a lookup.
pub struct LookupResult<T> {
    /// The value.
    pub value: T,
    /// The source of the value for this request.
    pub source: ReadSource,
    /// The time since the value was confirmed, in milliseconds.
    pub age: u64,
    /// True if the latest attempt to confirm it failed.
    is_stale: bool,
}

impl<T> LookupResult<T> {
    /// The number of seconds since the value was last confirmed, if the latest attempt failed.
    pub fn stale_seconds(&self) -> Option<u64> {
        self.is_stale.then_some(self.age / 1000)
    }
}

/// The source of a value.
#[derive(Clone, Copy)]
pub enum ReadSource {
    /// The cache of this isolate.
    Memory,
    /// KV.
    Kv,
    /// The environment's object.
    Object,
}

impl ReadSource {
    /// The name of the source in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            ReadSource::Memory => "memory",
            ReadSource::Kv => "kv",
            ReadSource::Object => "object",
        }
    }
}

/// The confirmation that a version is the latest.
#[derive(Clone, Copy, Default)]
pub struct Confirmation {
    /// The time of the origin's latest confirmation in milliseconds, while the origin fails.
    pub unconfirmed_since: Option<u64>,
    /// The age of this confirmation in milliseconds, if it comes from a shard.
    pub age: u64,
}

/// The outcome of a read.
pub enum ReadOutcome {
    /// No value is stored.
    Missing,
    /// The known value is still the latest.
    Confirmed(Confirmation),
    /// The stored value, with its version if it has one.
    Stored {
        value: Vec<u8>,
        version: Option<DocumentVersion>,
        confirmation: Confirmation,
        source: ReadSource,
    },
}

impl From<Option<Vec<u8>>> for ReadOutcome {
    fn from(stored: Option<Vec<u8>>) -> ReadOutcome {
        let (version, confirmation, source) = (None, Confirmation::default(), ReadSource::Kv);
        let stored = stored.map(|value| ReadOutcome::Stored { value, version, confirmation, source });
        stored.unwrap_or(ReadOutcome::Missing)
    }
}

/// The cache entry of one stored value.
#[derive(Clone)]
pub struct CacheEntry<T> {
    /// The last value that could be read, and the time of its latest confirmation in milliseconds.
    good: Option<(T, u64)>,
    /// True if there is a newer value that cannot be read.
    faulty: bool,
    /// True if the latest attempt to confirm it failed.
    unconfirmed: bool,
    /// The fingerprint of the stored bytes; `None` without a stored value.
    fingerprint: Option<Fingerprint>,
    /// The version of the stored value, if it has one.
    version: Option<DocumentVersion>,
}

/// A hash that detects changes of the stored bytes.
type Fingerprint = u64;

impl<T> CacheEntry<T> {
    fn missing() -> CacheEntry<T> {
        CacheEntry { good: None, faulty: false, unconfirmed: false, fingerprint: None, version: None }
    }

    /// The result of a look-up with this source.
    fn found(self, source: ReadSource, now: u64) -> Result<LookupResult<T>, Error> {
        match self.good {
            Some((value, at)) => {
                let is_stale = self.faulty || self.unconfirmed;
                Ok(LookupResult { value, source, age: now.saturating_sub(at), is_stale })
            }
            None if self.faulty => Err(Error::Unreadable),
            None => Err(Error::KeyUnknown),
        }
    }

    /// The time of the value's latest confirmation, in milliseconds; `None` without a value.
    pub fn confirmed_at(&self) -> Option<u64> {
        self.good.as_ref().map(|(_, at)| *at)
    }

    /// Records that the stored value is unchanged. `began_at`: the start of the request for the confirmation.
    fn confirm(&mut self, confirmation: Confirmation, began_at: u64) {
        if let Some((_, at)) = &mut self.good
            && !self.faulty
        {
            let confirmed_at = began_at.saturating_sub(confirmation.age);
            *at = confirmation.unconfirmed_since.unwrap_or(confirmed_at);
        }
        self.unconfirmed = confirmation.unconfirmed_since.is_some();
    }
}

impl Stores<'_> {
    /// Revalidates a cached value unless it is the wanted one, and returns when it is revalidated.
    ///
    /// A client may claim anything about versions, so an isolate does so only some times a second. Beyond that it waits for
    /// the result of another request, for a limited time.
    pub async fn catch_up<T: CachedValue>(&self, name: &T::Name, wanted: WantedVersion) {
        let deadline = now_ms() + TIMEOUT_FOR_KNOWN.as_millis() as u64;
        let is_late = || {
            remembered::<T>(name).is_some_and(|entry| {
                entry.good.is_some() && !wanted.is_met(entry.version, entry.confirmed_at())
            })
        };
        while is_late() && now_ms() < deadline {
            if may_catch_up() {
                // The failure has been logged already, and the last good value is served.
                drop(self.revalidate::<T>(name, TIMEOUT_FOR_KNOWN, Some(wanted)).await);
                return;
            }
            with_timeout(WAIT, pending::<()>()).await;
        }
    }

    /// Returns a value: from the cache, or after reading it from a store.
    pub async fn lookup<T: CachedValue>(
        &self,
        name: &T::Name,
        context: &Context,
    ) -> Result<LookupResult<T>, Error> {
        let now = now_ms();
        let ages = T::ages(self.config);
        let remembered = T::memory().with_borrow_mut(|cache| cache.get(name, now, ages));
        let timeout = match remembered {
            None => TIMEOUT,
            Some(Hit { value, freshness }) => {
                let known = value.good.is_some();
                match freshness {
                    Freshness::Fresh => return value.found(ReadSource::Memory, now),
                    Freshness::Stale if known => {
                        if T::memory().with_borrow_mut(|cache| cache.begin_revalidation(name, now)) {
                            let (env, config, name) = (self.env.clone(), self.config, name.clone());
                            // The failure has been logged already.
                            context.wait_until(async move {
                                let stores = Stores { env: &env, config };
                                drop(stores.revalidate::<T>(&name, TIMEOUT, None).await);
                                if kv_changes::are_due() {
                                    kv_changes::announce(env.clone()).await;
                                }
                                if first_discovery::is_to_be_requested() {
                                    first_discovery::request(env).await;
                                }
                            });
                        }
                        return value.found(ReadSource::Memory, now);
                    }
                    Freshness::Expired if known => TIMEOUT_FOR_KNOWN,
                    // A missing value is cached for a short time only.
                    Freshness::Stale | Freshness::Expired => TIMEOUT,
                }
            }
        };
        // The future is boxed, since few requests need it. Otherwise its state would be part of every request's future.
        let revalidated = self.revalidate::<T>(name, timeout, None).boxed_local().await;
        if first_discovery::is_to_be_requested() {
            context.wait_until(first_discovery::request(self.env.clone()));
        }
        if kv_changes::are_due() {
            context.wait_until(kv_changes::announce(self.env.clone()));
        }
        let (record, source) = revalidated.map_err(|_| Error::Unavailable(Dependency::Environment))?;
        record.found(source, now_ms())
    }

    /// Reads a value and caches it. Also returns its source. An unchanged value is not decoded again.
    async fn revalidate<T: CachedValue>(
        &self,
        name: &T::Name,
        timeout: Duration,
        wanted: Option<WantedVersion>,
    ) -> Result<(CacheEntry<T>, ReadSource), Failure> {
        let began_at = now_ms();
        let version = remembered::<T>(name).and_then(|record| record.version);
        let late =
            || Err(Failure::new(Source::Stored, format!("{}: no answer within {timeout:?}", T::PREFIX)));
        let outcome = with_timeout(timeout, T::read(self, name, version, wanted)).await.unwrap_or_else(late);
        let now = now_ms();
        // Read after the request, since another request may have stored a value meanwhile.
        let last = remembered::<T>(name).unwrap_or_else(CacheEntry::missing);
        // The name is logged only with a stored value. Without one, the name is an unknown key, which may be secret.
        let is_stored = last.good.is_some() || matches!(outcome, Ok(ReadOutcome::Stored { .. }));
        let client_key = T::client_key(name).filter(|_| is_stored);
        let (mut age, mut is_newer) = (0, false);
        let (record, source) = match outcome {
            Err(failure) => {
                failure.log(client_key);
                if last.good.is_none() {
                    return Err(failure);
                }
                let record = CacheEntry { unconfirmed: true, ..last };
                // The entry counts as fresh again. Otherwise every request would wait for the failing store.
                T::memory().with_borrow_mut(|cache| cache.touch(name, record.clone(), now));
                return Ok((record, ReadSource::Memory));
            }
            Ok(ReadOutcome::Missing) => (CacheEntry::missing(), ReadSource::Memory),
            Ok(ReadOutcome::Confirmed(confirmation)) => {
                let mut record = last;
                age = confirmation.age;
                record.confirm(confirmation, began_at);
                (record, ReadSource::Memory)
            }
            Ok(ReadOutcome::Stored { version, .. }) if sequence(version) < sequence(last.version) => {
                return Ok((last, ReadSource::Memory));
            }
            Ok(ReadOutcome::Stored { value, version, confirmation, source }) => {
                is_newer = sequence(version) > sequence(last.version);
                age = confirmation.age;
                let mut record = self.decode(&value, name, last, now).unwrap_or_else(|(failure, record)| {
                    failure.log(client_key);
                    record
                });
                record.confirm(confirmation, began_at);
                (CacheEntry { version, ..record }, source)
            }
        };
        let size = record.good.as_ref().map_or(0, |(value, _)| value.memory_length());
        T::memory().with_borrow_mut(|cache| {
            // A later request that got an earlier version was answered before this version was published.
            let at_least = if is_newer { cache.checked_at(name) } else { None };
            let checked_at = began_at.saturating_sub(age).max(at_least.unwrap_or_default());
            cache.put(name, record.clone(), size, checked_at);
        });
        Ok((record, source))
    }

    /// Returns the entry for these bytes, based on the last one. The error is the failure to decode the bytes, with the
    /// entry. The same bytes fail only once.
    fn decode<T: CachedValue>(
        &self,
        bytes: &[u8],
        name: &T::Name,
        last: CacheEntry<T>,
        now: u64,
    ) -> Result<CacheEntry<T>, (Failure, CacheEntry<T>)> {
        let fingerprint = Some(fingerprint(bytes));
        if last.fingerprint == fingerprint {
            return Ok(last);
        }
        match T::decode(bytes, name, self.config) {
            Ok(value) => {
                if last.good.is_some() {
                    value.replaces_earlier(name, bytes, self.config);
                }
                Ok(CacheEntry { good: Some((value, now)), faulty: false, fingerprint, ..last })
            }
            Err(failure) => Err((failure, CacheEntry { faulty: true, fingerprint, ..last })),
        }
    }
}

/// Counts a revalidation that a client asked for. False beyond the limit.
fn may_catch_up() -> bool {
    thread_local! {
        static COUNT: Cell<PerSecond> = const { Cell::new(PerSecond::NONE) };
    }
    let (count, is_allowed) = COUNT.get().counted(now_ms(), MAX_CATCHING_UP_PER_SECOND);
    COUNT.set(count);
    is_allowed
}

fn remembered<T: CachedValue>(name: &T::Name) -> Option<CacheEntry<T>> {
    let ages = Ttl { soft: 0, hard: 0 };
    T::memory().with_borrow_mut(|cache| cache.get(name, now_ms(), ages)).map(|remembered| remembered.value)
}

fn sequence(version: Option<DocumentVersion>) -> Option<u64> {
    version.map(|version| version.sequence)
}
