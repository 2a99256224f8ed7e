//! Environments and server keys: from the isolate's memory, else from KV (contract §B; README, *How it fails*).

use std::cell::RefCell;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;
use std::thread::LocalKey;

use worker::{Context, Date, Env};

use super::config::Config;
use super::failure::{Failure, Source};
use super::memory::{Age, Ages, Memory};
use crate::api::{EnvironmentKey, Error, Part, ServerKey, ServerKeyHash};
use crate::document::{Environment, Timestamp};

/// An environment to answer from.
pub struct Loaded {
    /// Compiled.
    pub environment: Rc<Environment>,
    /// For how long it could not be confirmed, if the store failed.
    pub stale_seconds: Option<u64>,
}

/// The way to environments for one request.
#[derive(Clone)]
pub struct Environments {
    env: Env,
    config: Config,
}

/// A family of KV keys, all with one prefix and one type of value.
trait Family: Clone + 'static {
    const PREFIX: &'static str;

    /// What is stored under `name`.
    fn decode(bytes: &[u8], name: &str, config: Config) -> Result<Self, Failure>;

    fn memory() -> &'static LocalKey<RefCell<Memory<Stored<Self>>>>;
}

/// What a look-up came to.
#[derive(Clone)]
enum Stored<T> {
    Value(T, Fingerprint),
    /// There is a value and it is not readable.
    Faulty(Fingerprint),
    Missing,
}

/// Tells whether what is stored has changed.
type Fingerprint = u64;

impl Family for Rc<Environment> {
    const PREFIX: &'static str = "document:";

    fn decode(bytes: &[u8], name: &str, config: Config) -> Result<Self, Failure> {
        let environment = Environment::parse(bytes, config.engine)
            .map_err(|fault| Failure::new(Source::Stored, format!("environment document: {fault}")))?;
        if environment.key() != name {
            return Err(Failure::new(
                Source::Stored,
                "environment document: api_key: is another environment's",
            ));
        }
        Ok(Rc::new(environment))
    }

    fn memory() -> &'static LocalKey<RefCell<Memory<Stored<Self>>>> {
        thread_local! {
            static MEMORY: RefCell<Memory<Stored<Rc<Environment>>>> = RefCell::new(Memory::new());
        }
        &MEMORY
    }
}

impl Family for ServerKey {
    const PREFIX: &'static str = "server-key:";

    fn decode(bytes: &[u8], _name: &str, _config: Config) -> Result<Self, Failure> {
        serde_json::from_slice(bytes).map_err(|_| Failure::new(Source::Stored, "server key: cannot be read"))
    }

    fn memory() -> &'static LocalKey<RefCell<Memory<Stored<Self>>>> {
        thread_local! {
            static MEMORY: RefCell<Memory<Stored<ServerKey>>> = RefCell::new(Memory::new());
        }
        &MEMORY
    }
}

impl Environments {
    /// The way to the environments of this deployment.
    pub fn new(env: Env, config: Config) -> Environments {
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
        match self.read_kv("document:").await {
            Ok(_) => true,
            Err(failure) => {
                failure.log(None);
                false
            }
        }
    }

    async fn load_environment(&self, client_key: &str, context: &Context) -> Result<Loaded, Error> {
        let (environment, stale_seconds) = self.look_up::<Rc<Environment>>(client_key, context).await?;
        Ok(Loaded { environment, stale_seconds })
    }

    async fn client_key_of(&self, hash: &ServerKeyHash, context: &Context) -> Result<String, Error> {
        let (key, _) = self.look_up::<ServerKey>(hash, context).await?;
        let now = Timestamp::from_milliseconds(Date::now().as_millis());
        let valid = now.is_some_and(|now| key.is_valid(now));
        valid.then_some(key.environment).ok_or(Error::KeyUnknown)
    }

    /// A value, and for how long it could not be confirmed if KV failed.
    async fn look_up<T: Family>(&self, name: &str, context: &Context) -> Result<(T, Option<u64>), Error> {
        let now = Date::now().as_millis();
        let ages =
            Ages { soft: self.config.soft_age_seconds * 1000, hard: self.config.hard_age_seconds * 1000 };
        let remembered = T::memory().with_borrow_mut(|memory| memory.get(name, now, ages));
        let Some(remembered) = remembered else {
            return match self.revalidate::<T>(name).await {
                Ok(stored) => known(stored).map(|value| (value, None)),
                Err(_) => Err(Error::Unavailable(Part::Environment)),
            };
        };
        match remembered.age {
            Age::Young => {}
            Age::Middle => {
                if T::memory().with_borrow_mut(|memory| memory.begin_revalidation(name, now)) {
                    let (environments, name) = (self.clone(), name.to_owned());
                    // A failure is logged where it happens, and the value just grows older.
                    context.wait_until(async move { drop(environments.revalidate::<T>(&name).await) });
                }
            }
            Age::Old => {
                return match self.revalidate::<T>(name).await {
                    Ok(stored) => known(stored).map(|value| (value, None)),
                    Err(_) => {
                        known(remembered.value).map(|value| (value, Some(remembered.milliseconds / 1000)))
                    }
                };
            }
        }
        known(remembered.value).map(|value| (value, None))
    }

    /// Reads a value from KV and remembers it. What has not changed is not decoded again, and what cannot be decoded
    /// leaves the last good value in place.
    async fn revalidate<T: Family>(&self, name: &str) -> Result<Stored<T>, Failure> {
        let read = self.read_kv(&format!("{}{name}", T::PREFIX)).await;
        let environment = (T::PREFIX == Rc::<Environment>::PREFIX).then_some(name);
        let bytes = read.inspect_err(|failure| failure.log(environment))?;
        let now = Date::now().as_millis();
        // Looked at only now: another request may have read it meanwhile.
        let last = T::memory().with_borrow_mut(|memory| memory.get(name, now, Ages { soft: 0, hard: 0 }));
        let last = last.map_or(Stored::Missing, |remembered| remembered.value);
        let size = bytes.as_ref().map_or(0, Vec::len);
        let stored = match bytes {
            None => Stored::Missing,
            Some(bytes) => decode(&bytes, name, self.config, last, environment),
        };
        T::memory().with_borrow_mut(|memory| memory.put(name, stored.clone(), size, now));
        Ok(stored)
    }

    async fn read_kv(&self, key: &str) -> Result<Option<Vec<u8>>, Failure> {
        let kv = self.env.kv("ENVIRONMENTS").map_err(|error| Failure::new(Source::Kv, error))?;
        kv.get(key).bytes().await.map_err(|error| Failure::new(Source::Kv, error))
    }
}

fn decode<T: Family>(
    bytes: &[u8],
    name: &str,
    config: Config,
    last: Stored<T>,
    environment: Option<&str>,
) -> Stored<T> {
    let fingerprint = fingerprint(bytes);
    match last {
        Stored::Value(_, same) | Stored::Faulty(same) if same == fingerprint => last,
        last => match (T::decode(bytes, name, config), last) {
            (Ok(value), _) => Stored::Value(value, fingerprint),
            (Err(failure), last) => {
                failure.log(environment);
                // With the new fingerprint, so that the same fault is not found and logged again.
                match last {
                    Stored::Value(good, _) => Stored::Value(good, fingerprint),
                    Stored::Faulty(_) | Stored::Missing => Stored::Faulty(fingerprint),
                }
            }
        },
    }
}

fn fingerprint(bytes: &[u8]) -> Fingerprint {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

fn known<T>(stored: Stored<T>) -> Result<T, Error> {
    match stored {
        Stored::Value(value, _) => Ok(value),
        Stored::Faulty(_) => Err(Error::Unavailable(Part::Environment)),
        Stored::Missing => Err(Error::KeyUnknown),
    }
}
