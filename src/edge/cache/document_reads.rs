//! Reads of an environment's published document: from KV, or from the environment's object.

use std::time::Duration;

use worker::Env;

use crate::document::ClientKey;
use crate::edge::cache::first_discovery;
use crate::edge::cache::key_states;
use crate::edge::cache::stored::{Confirmation, ReadOutcome, ReadSource};
use crate::edge::cache::unknown_keys;
use crate::edge::objects::publishing;
use crate::edge::objects::shards::Demand;
use crate::edge::platform::clock::now_ms;
use crate::edge::platform::config::Config;
use crate::edge::platform::failure::{Failure, Source};
use crate::edge::platform::kv;
use crate::publish::{Announcement, DocumentVersion, WantedVersion};

const OBJECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The time limit for reading an announced version. It is short because the object has the document, too, and an answer
/// may be waiting.
const VERSION_TIMEOUT: Duration = Duration::from_millis(400);
/// Fetches the latest announcement of an environment's object, and its age in milliseconds. The states of server keys in
/// it are remembered.
pub async fn announced(
    env: &Env,
    client_key: &ClientKey,
    wanted: Option<WantedVersion>,
) -> Result<(Announcement, u64), Failure> {
    let demand = Demand::for_lifetime(Config::of(env).freshness_seconds);
    let demand = match wanted {
        Some(WantedVersion::Sequence(sequence)) => Demand { sequence: Some(sequence), ..demand },
        Some(WantedVersion::ConfirmedAt(at)) => {
            Demand { max_age: demand.max_age.min(now_ms().saturating_sub(at)), ..demand }
        }
        None => demand,
    };
    let (announcement, keys, age) = publishing::latest(env, client_key, OBJECT_TIMEOUT, demand).await?;
    key_states::remember(client_key, keys);
    Ok((announcement, age))
}

/// Reads the document if this isolate does not have any version of it.
pub async fn read_first(env: &Env, client_key: &ClientKey) -> Result<ReadOutcome, Failure> {
    let document = match kv::get(env, &kv::document_key(client_key), kv::TIMEOUT).await {
        Ok(Some(document)) => document,
        Ok(None) => {
            unknown_keys::may_look_up()?;
            // The registry comes first; otherwise every invented key would create an object.
            return match publishing::is_known(env, client_key).await.inspect_err(|_| unknown_keys::pause())? {
                true => read_from_object(env, client_key, None, Confirmation::default()).await,
                false => Ok(ReadOutcome::Missing),
            };
        }
        Err(failure) => {
            return match publishing::is_known(env, client_key).await {
                Ok(true) => read_from_object(env, client_key, None, Confirmation::default()).await,
                _ => Err(failure),
            };
        }
    };
    match announced(env, client_key, None).await {
        Ok((Announcement::Latest { version, unconfirmed_since }, age)) if version.is_of(&document) => {
            let confirmation = Confirmation { unconfirmed_since, age };
            Ok(ReadOutcome::Stored {
                value: document,
                version: Some(version),
                confirmation,
                source: ReadSource::Kv,
            })
        }
        Ok((Announcement::Latest { version, unconfirmed_since }, age)) => {
            read_version(env, client_key, version, Confirmation { unconfirmed_since, age }).await
        }
        Ok((Announcement::Gone, _)) => Ok(ReadOutcome::Missing),
        // No object publishes the document: it was written by hand, or no discovery has run yet.
        Ok((Announcement::Nothing, _)) => {
            first_discovery::need();
            Ok(ReadOutcome::from(Some(document)))
        }
        Err(failure) => {
            failure.log(Some(client_key));
            let confirmation = Confirmation { unconfirmed_since: Some(now_ms()), age: 0 };
            Ok(ReadOutcome::Stored { value: document, version: None, confirmation, source: ReadSource::Kv })
        }
    }
}

/// Reads an announced version: from KV, or from the object, since KV may show it up to a minute later.
pub async fn read_version(
    env: &Env,
    client_key: &ClientKey,
    version: DocumentVersion,
    confirmation: Confirmation,
) -> Result<ReadOutcome, Failure> {
    match kv::get(env, &kv::version_key(client_key, version), VERSION_TIMEOUT).await {
        Ok(Some(document)) if version.is_of(&document) => {
            return Ok(ReadOutcome::Stored {
                value: document,
                version: Some(version),
                confirmation,
                source: ReadSource::Kv,
            });
        }
        Ok(_) => {}
        Err(failure) => failure.log(Some(client_key)),
    }
    read_from_object(env, client_key, Some(version), confirmation).await
}

/// Reads the document from the environment's object. `announced`: the latest version, if known.
async fn read_from_object(
    env: &Env,
    client_key: &ClientKey,
    announced: Option<DocumentVersion>,
    confirmation: Confirmation,
) -> Result<ReadOutcome, Failure> {
    let published = publishing::published(env, client_key, announced).await?;
    let nothing = || Failure::new(Source::EnvironmentObject, "it has no document yet");
    let (version, document) = published.ok_or_else(nothing)?;
    let (version, source) = (Some(version), ReadSource::Object);
    Ok(ReadOutcome::Stored { value: document, version, confirmation, source })
}
