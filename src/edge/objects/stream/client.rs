//! Calls to the object with an environment's event streams.

use std::time::Duration;

use worker::js_sys::Promise;
use worker::wasm_bindgen::{self, JsValue, prelude::wasm_bindgen};
use worker::wasm_bindgen_futures::JsFuture;
use worker::{Env, web_sys};

use crate::document::ClientKey;
use crate::edge::platform::clock::sleep;
use crate::edge::platform::config::Config;
use crate::edge::platform::failure::{Failure, Source};
use crate::edge::platform::timeout::with_timeout;

#[wasm_bindgen]
extern "C" {
    /// A stub of a `StreamObject`.
    type StreamStub;

    #[wasm_bindgen(method, catch)]
    fn announce(this: &StreamStub, version: &str, sequence: f64, updated_at: f64)
    -> Result<Promise, JsValue>;

    /// Answers with a stream, or null. The entry module defines this function.
    #[wasm_bindgen(catch, js_name = openStream)]
    fn open_stream(
        object: &StreamStub,
        last_event_id: Option<String>,
        delay_ms: f64,
    ) -> Result<Promise, JsValue>;
}

const TIMEOUT: Duration = Duration::from_secs(5);
/// The pauses after failed announcements.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];

/// A change that streams are told of.
#[derive(Clone, Debug)]
pub struct StreamedChange {
    /// The text of the published version; empty for a change of overrides made here.
    pub version: String,
    /// The time of the change in milliseconds.
    pub sequence: u64,
    /// The document's own time in seconds; 0 if it has none.
    pub updated_at: f64,
}

/// Tells the streams of an environment that a change can be served. A failure is repeated twice, and logged.
pub async fn announce(env: Env, client_key: ClientKey, change: StreamedChange) {
    let mut pauses = PAUSES.iter();
    while let Err(error) = try_announce(&env, &client_key, &change).await {
        let cause = worker::Error::from(error);
        Failure::new(Source::Streams, cause).log(Some(&client_key));
        let Some(pause) = pauses.next() else { return };
        sleep(*pause).await;
    }
}

/// The same before an answer, which must not wait for long: one attempt of at most a second.
pub async fn announce_once(env: &Env, client_key: &ClientKey, change: &StreamedChange) {
    const PATIENCE: Duration = Duration::from_secs(1);
    let cause = match with_timeout(PATIENCE, try_announce(env, client_key, change)).await {
        Some(Ok(())) => return,
        Some(Err(error)) => worker::Error::from(error).to_string(),
        None => format!("no answer within {PATIENCE:?}"),
    };
    Failure::new(Source::Streams, cause).log(Some(client_key));
}

async fn try_announce(env: &Env, client_key: &ClientKey, change: &StreamedChange) -> Result<(), JsValue> {
    let called =
        object(env, client_key)?.announce(&change.version, change.sequence as f64, change.updated_at)?;
    match with_timeout(TIMEOUT, JsFuture::from(called)).await {
        Some(told) => told.map(drop),
        None => Err(JsValue::from(worker::Error::from("no answer in time"))),
    }
}

/// Opens a stream; `None` if the object takes no more of them.
pub async fn open(
    env: &Env,
    client_key: &ClientKey,
    last_event_id: Option<String>,
) -> Result<Option<web_sys::Response>, Failure> {
    let delay_ms = (Config::of(env).freshness_seconds * 1000) as f64;
    let opened = async {
        let opening = open_stream(&object(env, client_key)?, last_event_id, delay_ms)?;
        match with_timeout(TIMEOUT, JsFuture::from(opening)).await {
            Some(opened) => opened,
            None => Err(JsValue::from(worker::Error::from("no answer in time"))),
        }
    };
    let opened = opened.await.map_err(|error| Failure::new(Source::Streams, worker::Error::from(error)))?;
    Ok((!opened.is_null()).then(|| opened.into()))
}

fn object(env: &Env, client_key: &ClientKey) -> worker::Result<StreamStub> {
    Ok(env.durable_object("STREAMS")?.get_by_name(client_key)?.into_rpc())
}
