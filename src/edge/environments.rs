//! Environments and server keys: from the isolate's memory, else from KV (contract §B; README, *How it fails*).

use std::cell::{OnceCell, RefCell};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;
use std::thread::LocalKey;
use std::time::Duration;

use worker::js_sys::{Date, Uint8Array};
use worker::{Context, Env};

use super::config::Config;
use super::failure::{Failure, Source};
use super::timeout::within;
use crate::api::{EnvironmentKey, Error, Part};
use crate::document::{Environment, KeyKind, ServerKey, ServerKeyHash, Timestamp};
use crate::memory::{Age, Ages, Memory};

/// An environment to answer from.
pub struct Loaded {
    /// Compiled.
    pub environment: Rc<Served>,
    /// For how long it could not be confirmed, if the store failed.
    pub stale_seconds: Option<u64>,
}

/// A compiled environment, with the bodies that it answers most often in the platform's form.
pub struct Served {
    /// Compiled.
    pub environment: Environment,
    lists: [OnceCell<Uint8Array>; 2],
}

impl Served {
    /// A body in the platform's form: a list of flags is copied there once, not for each answer.
    pub fn body(&self, body: &[u8], key: KeyKind) -> Uint8Array {
        let [client, server] = &self.lists;
        let list = if key == KeyKind::Client { client } else { server };
        if std::ptr::eq(body, self.environment.flags.list(key)) {
            list.get_or_init(|| body.into()).clone()
        } else {
            body.into()
        }
    }
}

/// The way to environments for one request.
#[derive(Clone)]
pub struct Environments {
    env: Env,
    config: &'static Config,
}

/// A family of KV keys, all with one prefix and one type of value.
trait Family: Clone + 'static {
    const PREFIX: &'static str;

    /// What is stored under `name`.
    fn decode(bytes: &[u8], name: &str, config: &'static Config) -> Result<Self, Failure>;

    /// About how many bytes of memory it takes.
    fn memory_length(&self) -> usize;

    fn memory() -> &'static LocalKey<RefCell<Memory<Record<Self>>>>;
}

/// What is known of one key of the store.
#[derive(Clone)]
struct Record<T> {
    /// The last value that could be read, and when the store last had it, in milliseconds.
    good: Option<(T, u64)>,
    /// Whether the store has something newer that cannot be read.
    faulty: bool,
    /// Whether the store did not answer when it was asked last.
    unconfirmed: bool,
    /// Of what the store has; `None` if it has nothing.
    fingerprint: Option<Fingerprint>,
}

/// Tells whether what is stored has changed.
type Fingerprint = u64;

impl<T> Record<T> {
    fn missing() -> Record<T> {
        Record { good: None, faulty: false, unconfirmed: false, fingerprint: None }
    }

    /// The value, and for how many seconds it could not be confirmed, if it could not.
    fn value(self, now: u64) -> Result<(T, Option<u64>), Error> {
        match self.good {
            Some((value, at)) => {
                let stale = self.faulty || self.unconfirmed;
                Ok((value, stale.then(|| now.saturating_sub(at) / 1000)))
            }
            None if self.faulty => Err(Error::Unavailable(Part::Environment)),
            None => Err(Error::KeyUnknown),
        }
    }
}

impl Family for Rc<Served> {
    const PREFIX: &'static str = "document:";

    fn decode(bytes: &[u8], name: &str, config: &'static Config) -> Result<Self, Failure> {
        let environment = Environment::parse(bytes, config.engine)
            .map_err(|fault| Failure::new(Source::Stored, format!("environment document: {fault}")))?;
        if environment.key() != name {
            return Err(Failure::new(
                Source::Stored,
                "environment document: api_key: is another environment's",
            ));
        }
        Ok(Rc::new(Served { environment, lists: Default::default() }))
    }

    fn memory_length(&self) -> usize {
        self.environment.memory_length()
    }

    fn memory() -> &'static LocalKey<RefCell<Memory<Record<Self>>>> {
        thread_local! {
            static MEMORY: RefCell<Memory<Record<Rc<Served>>>> = RefCell::default();
        }
        &MEMORY
    }
}

impl Family for ServerKey {
    const PREFIX: &'static str = "server-key:";

    fn decode(bytes: &[u8], _name: &str, _config: &'static Config) -> Result<Self, Failure> {
        serde_json::from_slice(bytes).map_err(|_| Failure::new(Source::Stored, "server key: cannot be read"))
    }

    fn memory_length(&self) -> usize {
        size_of::<ServerKey>() + self.environment.len()
    }

    fn memory() -> &'static LocalKey<RefCell<Memory<Record<Self>>>> {
        thread_local! {
            static MEMORY: RefCell<Memory<Record<ServerKey>>> = RefCell::default();
        }
        &MEMORY
    }
}

impl Environments {
    /// The way to the environments of this deployment.
    pub fn new(env: Env, config: &'static Config) -> Environments {
        Environments { env, config }
    }

    /// The environment that a key opens.
    pub async fn load(&self, key: &EnvironmentKey, context: &Context) -> Result<Loaded, Error> {
        match key {
            EnvironmentKey::Client(client_key) => self.load_environment(client_key, context).await,
            EnvironmentKey::Server(hash) => {
                let client_key = self.client_key_of(hash, context).await?;
                self.load_environment(&client_key, context).await
            }
        }
    }

    /// Whether KV answers.
    pub async fn are_readable(&self) -> bool {
        match self.read_kv("document:", KV_TIMEOUT).await {
            Ok(_) => true,
            Err(failure) => {
                failure.log(None);
                false
            }
        }
    }

    async fn load_environment(&self, client_key: &str, context: &Context) -> Result<Loaded, Error> {
        let (environment, stale_seconds) = self.look_up::<Rc<Served>>(client_key, context).await?;
        Ok(Loaded { environment, stale_seconds })
    }

    async fn client_key_of(&self, hash: &ServerKeyHash, context: &Context) -> Result<String, Error> {
        let (key, _) = self.look_up::<ServerKey>(hash, context).await?;
        let now = Timestamp::from_milliseconds(milliseconds());
        let valid = now.is_some_and(|now| key.is_valid(now));
        valid.then_some(key.environment).ok_or(Error::KeyUnknown)
    }

    /// A value, and for how many seconds it could not be confirmed, if it could not.
    async fn look_up<T: Family>(&self, name: &str, context: &Context) -> Result<(T, Option<u64>), Error> {
        let now = milliseconds();
        let ages =
            Ages { soft: self.config.soft_age_seconds * 1000, hard: self.config.hard_age_seconds * 1000 };
        let remembered = T::memory().with_borrow_mut(|memory| memory.get(name, now, ages));
        let Some(remembered) = remembered else {
            let record = self.revalidate::<T>(name, KV_TIMEOUT).await;
            return record.map_err(|_| Error::Unavailable(Part::Environment))?.value(now);
        };
        let known = remembered.value.good.is_some();
        match remembered.age {
            Age::Young => {}
            Age::Middle if known => {
                if T::memory().with_borrow_mut(|memory| memory.begin_revalidation(name, now)) {
                    let (environments, name) = (self.clone(), name.to_owned());
                    // A failure is logged where it happens, and the value just grows older.
                    context.wait_until(
                        async move { drop(environments.revalidate::<T>(&name, KV_TIMEOUT).await) },
                    );
                }
            }
            // That something is missing is not known for long.
            Age::Middle | Age::Old => {
                let timeout = if known { KV_TIMEOUT_FOR_KNOWN } else { KV_TIMEOUT };
                return match self.revalidate::<T>(name, timeout).await {
                    Ok(record) => record.value(now),
                    Err(_) if known => {
                        let (record, now) =
                            (Record { unconfirmed: true, ..remembered.value }, milliseconds());
                        // Young again, so that not every request waits for a store that does not answer.
                        T::memory().with_borrow_mut(|memory| memory.renew(name, record.clone(), now));
                        record.value(now)
                    }
                    Err(_) => Err(Error::Unavailable(Part::Environment)),
                };
            }
        }
        remembered.value.value(now)
    }

    /// Reads a value from KV and remembers it. What has not changed is not decoded again, and what cannot be decoded
    /// leaves the last good value in place.
    async fn revalidate<T: Family>(&self, name: &str, timeout: Duration) -> Result<Record<T>, Failure> {
        let began_at = milliseconds();
        let environment = (T::PREFIX == Rc::<Served>::PREFIX).then_some(name);
        let read = self.read_kv(&format!("{}{name}", T::PREFIX), timeout).await;
        let bytes = read.inspect_err(|failure| failure.log(environment))?;
        let now = milliseconds();
        // Looked at only now: another request may have read it meanwhile.
        let last = T::memory().with_borrow_mut(|memory| memory.get(name, now, Ages { soft: 0, hard: 0 }));
        let last = last.map_or_else(Record::missing, |remembered| remembered.value);
        let record = match bytes {
            None => Record::missing(),
            Some(bytes) => self.decode(&bytes, name, last, now).unwrap_or_else(|(failure, record)| {
                failure.log(environment);
                record
            }),
        };
        let size = record.good.as_ref().map_or(0, |(value, _)| value.memory_length());
        T::memory().with_borrow_mut(|memory| memory.put(name, record.clone(), size, began_at));
        Ok(record)
    }

    /// The record that these bytes make of the last one; with the failure, if they cannot be read and it is news.
    fn decode<T: Family>(
        &self,
        bytes: &[u8],
        name: &str,
        last: Record<T>,
        now: u64,
    ) -> Result<Record<T>, (Failure, Record<T>)> {
        let fingerprint = Some(fingerprint(bytes));
        if last.fingerprint == fingerprint {
            let good = last.good.map(|(value, at)| (value, if last.faulty { at } else { now }));
            return Ok(Record { good, unconfirmed: false, ..last });
        }
        match T::decode(bytes, name, self.config) {
            Ok(value) => {
                Ok(Record { good: Some((value, now)), faulty: false, unconfirmed: false, fingerprint })
            }
            Err(failure) => {
                Err((failure, Record { good: last.good, faulty: true, unconfirmed: false, fingerprint }))
            }
        }
    }

    async fn read_kv(&self, key: &str, timeout: Duration) -> Result<Option<Vec<u8>>, Failure> {
        let kv = self.env.kv("ENVIRONMENTS").map_err(|error| Failure::new(Source::Kv, error))?;
        match within(timeout, kv.get(key).bytes()).await {
            Some(read) => read.map_err(|error| Failure::new(Source::Kv, error)),
            None => Err(Failure::new(Source::Kv, format!("no answer within {timeout:?}"))),
        }
    }
}

/// The time, without an object made for it.
fn milliseconds() -> u64 {
    Date::now() as u64
}

/// A store that takes longer counts as failed. A server key has two look-ups, and SDKs give up after 10 s.
const KV_TIMEOUT: Duration = Duration::from_secs(4);
/// The same where there is a value to serve instead.
const KV_TIMEOUT_FOR_KNOWN: Duration = Duration::from_secs(1);

fn fingerprint(bytes: &[u8]) -> Fingerprint {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}
