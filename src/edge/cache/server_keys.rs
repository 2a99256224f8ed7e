//! Server keys in the cache of an isolate: from KV, or from the registry.

use std::cell::RefCell;
use std::thread::LocalKey;

use crate::cache::Ttl;
use crate::document::{ClientKey, ServerKey, ServerKeyHash, json};
use crate::edge::cache::stored::{CacheEntry, CachedValue, ReadOutcome, Stores};
use crate::edge::cache::unknown_keys;
use crate::edge::objects::publishing;
use crate::edge::platform::config::Config;
use crate::edge::platform::failure::{Failure, Source};
use crate::edge::platform::kv;
use crate::edge::platform::secret_hash::TtlCache;
use crate::publish::{DocumentVersion, WantedVersion};

impl CachedValue for ServerKey {
    const PREFIX: &'static str = kv::SERVER_KEY;
    type Name = ServerKeyHash;

    fn ages(config: &Config) -> Ttl {
        Ttl { soft: config.soft_age_seconds * 1000, hard: config.hard_age_seconds * 1000 }
    }

    fn client_key(_hash: &ServerKeyHash) -> Option<&ClientKey> {
        None
    }

    async fn read(
        from: &Stores<'_>,
        hash: &ServerKeyHash,
        _known: Option<DocumentVersion>,
        _wanted: Option<WantedVersion>,
    ) -> Result<ReadOutcome, Failure> {
        let stored = kv::get(from.env, &format!("{}{hash}", kv::SERVER_KEY), kv::TIMEOUT).await;
        match stored {
            Ok(None) if from.config.publishes() => {
                unknown_keys::may_look_up()?;
                let entry = publishing::registered_key(from.env, hash).await;
                entry.inspect_err(|_| unknown_keys::pause()).map(ReadOutcome::from)
            }
            Err(failure) if from.config.publishes() => {
                match publishing::registered_key(from.env, hash).await {
                    Ok(Some(key)) => Ok(ReadOutcome::from(Some(key))),
                    _ => Err(failure),
                }
            }
            stored => stored.map(ReadOutcome::from),
        }
    }

    fn decode(bytes: &[u8], _hash: &ServerKeyHash, _config: &'static Config) -> Result<Self, Failure> {
        let unreadable = || Failure::new(Source::Stored, "server key: cannot be read");
        let key: ServerKey = json::read(bytes).ok_or_else(unreadable)?;
        if let Some(fault) = key.fault() {
            let cause = format!("server key: {fault}; the key is refused");
            Failure::new(Source::Stored, cause).log(Some(&key.client_key));
        }
        Ok(key)
    }

    fn memory_length(&self) -> usize {
        size_of::<ServerKey>() + self.client_key.len()
    }

    fn memory() -> &'static LocalKey<RefCell<TtlCache<CacheEntry<Self>>>> {
        thread_local! {
            static MEMORY: RefCell<TtlCache<CacheEntry<ServerKey>>> = RefCell::default();
        }
        &MEMORY
    }
}
