//! The cache of the identity overrides that were made through the worker. Environment documents for SDKs include them.
//!
//! Cached overrides live as long as a cached environment of an origin: `FRESHNESS_SECONDS`. Fresh overrides are served;
//! stale ones are served and revalidated in the background; expired ones are revalidated before the answer. A change is
//! visible at once in its own isolate.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use worker::js_sys::Uint8Array;
use worker::{Context, Env};

use crate::api::{Dependency, Error, render_document};
use crate::cache::{Freshness, Ttl};
use crate::document::{ClientKey, Environment};
use crate::edge::objects::directory::client::Directory;
use crate::edge::objects::shards::Demand;
use crate::edge::platform::clock::now_ms;
use crate::edge::platform::config::Config;
use crate::edge::platform::failure::{Failure, Source};
use crate::edge::platform::secret_hash::TtlCache;
use crate::edge::platform::timeout::with_timeout;
use crate::identity::directory::DirectoryOverride;

/// The overrides in one version.
pub struct OverridesSnapshot {
    /// The number of changes.
    pub version: u64,
    overrides: Vec<DirectoryOverride>,
    /// The time of the directory's latest confirmation, in milliseconds.
    confirmed_at: Cell<u64>,
    /// The time of the latest request to the directory, in milliseconds.
    asked_at: Cell<u64>,
    /// True if the latest request to the directory failed.
    unconfirmed: Cell<bool>,
    /// The document with these overrides, and its version.
    rendered: RefCell<Option<(Box<str>, Uint8Array)>>,
}

thread_local! {
    /// Snapshots by client key.
    static KNOWN: RefCell<TtlCache<Rc<OverridesSnapshot>>> = RefCell::default();
    /// The time of this isolate's latest command that may have changed overrides, by client key.
    static WRITTEN: RefCell<TtlCache<u64>> = RefCell::default();
}

/// The time limit for the directory if no overrides are cached.
const TIMEOUT: Duration = Duration::from_secs(8);
/// The time limit for the directory if cached overrides can be served instead.
const TIMEOUT_FOR_KNOWN: Duration = Duration::from_secs(1);
/// After a failed request, the time for which no answer waits for the directory, in milliseconds. Requests to it
/// continue in the background.
const NO_WAIT_AFTER_FAILURE_MS: u64 = 10_000;

/// Records that the environment's overrides may have changed.
pub fn changed(client_key: &ClientKey) {
    let now = now_ms();
    WRITTEN.with_borrow_mut(|written| written.put(client_key, now, 0, now));
}

/// Returns the environment's overrides. If the latest request to the directory failed, also returns the number of
/// seconds since the directory last confirmed the overrides.
pub async fn of(
    env: &Env,
    environment: &Environment,
    context: &Context,
) -> Result<(Rc<OverridesSnapshot>, Option<u64>), Error> {
    let (client_key, now) = (environment.key(), now_ms());
    let ages = Ttl::never_older_than(Config::of(env).freshness_seconds * 1000);
    let written = WRITTEN.with_borrow_mut(|written| written.get(client_key, now, Ttl::UNLIMITED));
    let written_at = written.map(|written| written.value);
    let remembered = KNOWN.with_borrow_mut(|known| known.get(client_key, now, ages));
    // A snapshot also keeps the rendered document, so the cache counts the document's length.
    let length = environment.document().len();
    let known = match remembered {
        Some(known) if !known.value.waits(known.freshness, written_at, now) => {
            if known.freshness != Freshness::Fresh
                && KNOWN.with_borrow_mut(|known| known.begin_revalidation(client_key, now))
            {
                let (env, client_key, known) = (env.clone(), client_key.clone(), known.value.clone());
                // The failure has been logged already.
                context.wait_until(async move {
                    drop(ask(&env, &client_key, length, Some(known), false).await);
                });
            }
            known.value
        }
        remembered => {
            let known = remembered.map(|known| known.value);
            let asked_at = known.as_ref().map_or(0, |known| known.asked_at.get());
            let has_written = written_at.is_some_and(|written_at| asked_at <= written_at);
            ask(env, client_key, length, known, has_written).await?
        }
    };
    let seconds = now_ms().saturating_sub(known.confirmed_at.get()) / 1000;
    let stale_seconds = known.unconfirmed.get().then_some(seconds);
    Ok((known, stale_seconds))
}

/// Reads the overrides from the directory and caches them. The directory does not send a known version again.
/// `has_written`: true if this isolate has changed overrides, which a shard may not know yet.
async fn ask(
    env: &Env,
    client_key: &ClientKey,
    document_length: usize,
    known: Option<Rc<OverridesSnapshot>>,
    has_written: bool,
) -> Result<Rc<OverridesSnapshot>, Error> {
    let began_at = now_ms();
    let timeout = if known.is_some() { TIMEOUT_FOR_KNOWN } else { TIMEOUT };
    let directory = Directory::new(env, client_key);
    let version = known.as_ref().map(|known| known.version);
    let asked = async {
        if has_written {
            return Ok((directory.overrides(None, version).await?, 0));
        }
        let demand = Demand::for_lifetime(Config::of(env).freshness_seconds);
        directory.overrides_for_documents(version, demand).await
    };
    let late = || Err(Failure::new(Source::DirectoryObject, format!("no answer within {timeout:?}")));
    let (seen, age) = match with_timeout(timeout, asked).await.unwrap_or_else(late) {
        Ok(seen) => seen,
        Err(failure) => {
            failure.log(Some(client_key));
            // Read after the request, since another request may have stored later overrides meanwhile.
            let latest = KNOWN.with_borrow_mut(|cache| cache.get(client_key, began_at, Ttl::UNLIMITED));
            let latest = latest.map(|latest| latest.value).or(known);
            let known = latest.ok_or(Error::Unavailable(Dependency::Directory))?;
            if known.confirmed_at.get() > began_at {
                return Ok(known);
            }
            known.asked_at.set(began_at.max(known.asked_at.get()));
            known.unconfirmed.set(true);
            // The snapshot counts as fresh again. Otherwise every request would wait for the failing directory.
            KNOWN.with_borrow_mut(|cache| cache.touch(client_key, known.clone(), now_ms()));
            return Ok(known);
        }
    };
    let known = match (seen.overrides, known) {
        // Nothing has changed.
        (None, Some(known)) => known,
        (overrides, _) => Rc::new(OverridesSnapshot {
            version: seen.version,
            overrides: overrides.unwrap_or_default(),
            confirmed_at: Cell::default(),
            asked_at: Cell::default(),
            unconfirmed: Cell::default(),
            rendered: RefCell::default(),
        }),
    };
    let asked_at = began_at.saturating_sub(age);
    known.confirmed_at.set(asked_at);
    known.asked_at.set(asked_at);
    known.unconfirmed.set(false);
    let document_length = if known.overrides.is_empty() { 0 } else { document_length };
    let length = known.overrides.iter().map(|known| known.state.length() * 3).sum::<usize>();
    KNOWN.with_borrow_mut(|cache| cache.put(client_key, known.clone(), length + document_length, asked_at));
    Ok(known)
}

impl OverridesSnapshot {
    /// True if an answer must wait for the directory: this isolate changed the overrides after the latest request, or
    /// the overrides are expired. Right after a failed request, expired overrides are served without a wait.
    fn waits(&self, age: Freshness, written_at: Option<u64>, now: u64) -> bool {
        let asked_at = self.asked_at.get();
        let has_just_failed =
            self.unconfirmed.get() && now.saturating_sub(asked_at) < NO_WAIT_AFTER_FAILURE_MS;
        written_at.is_some_and(|written_at| asked_at <= written_at)
            || (age == Freshness::Expired && !has_just_failed)
    }

    /// Returns the environment's document with these overrides, as bytes in JavaScript's memory. The document is kept
    /// for later requests, since a long document takes time to render.
    pub fn document(&self, environment: &Environment) -> Uint8Array {
        let rendered = self.rendered.borrow().clone();
        if let Some((_, text)) = rendered.filter(|(version, _)| *version == environment.version) {
            return text;
        }
        let text = Uint8Array::from(&*render_document(environment, &self.overrides));
        self.rendered.replace(Some((environment.version.clone(), text.clone())));
        text
    }
}
