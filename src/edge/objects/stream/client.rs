//! Calls to the objects with an environment's event streams.

use std::time::Duration;

use worker::js_sys::Promise;
use worker::wasm_bindgen::{self, JsValue, prelude::wasm_bindgen};
use worker::wasm_bindgen_futures::JsFuture;
use worker::{Env, web_sys};

use crate::document::ClientKey;
use crate::edge::platform::config::Config;
use crate::edge::platform::failure::{Failure, Source};
use crate::edge::platform::timeout::with_timeout;
use crate::route::StreamKind;

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
        env: &Env,
        client_key: &str,
        kind: &str,
        last_event_id: Option<String>,
        delay_ms: f64,
    ) -> Result<Promise, JsValue>;
}

const TIMEOUT: Duration = Duration::from_secs(5);
/// The time until each location of KV shows a change.
const KV_SECONDS: u64 = 60;

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

/// Tells the streams of an environment that a change can be served.
pub async fn announce(env: &Env, client_key: &ClientKey, change: &StreamedChange) -> Result<(), Failure> {
    let announced = async {
        let object: StreamStub = env.durable_object("STREAMS")?.get_by_name(client_key)?.into_rpc();
        in_time(object.announce(&change.version, change.sequence as f64, change.updated_at)?).await
    };
    announced.await.map(drop).map_err(failure)
}

/// Opens a stream; `None` if no object takes more of them.
pub async fn open(
    env: &Env,
    client_key: &ClientKey,
    kind: StreamKind,
    last_event_id: Option<String>,
) -> Result<Option<web_sys::Response>, Failure> {
    let delay_ms = (delay_seconds(Config::of(env), kind) * 1000) as f64;
    let opened = async { in_time(open_stream(env, client_key, kind.name(), last_event_id, delay_ms)?).await };
    let opened = opened.await.map_err(failure)?;
    Ok((!opened.is_null()).then(|| opened.into()))
}

/// The time from a change to its event, after which every isolate serves the change.
///
/// An isolate serves its copy for some time without a question, unless the request has a hint, as in OpenFeature's
/// protocol. Without an origin the change itself takes time to reach an isolate.
fn delay_seconds(config: &Config, kind: StreamKind) -> u64 {
    match (kind, config.publishes()) {
        (StreamKind::Ofrep, true) => 0,
        (StreamKind::Flagsmith, true) => config.freshness_seconds,
        (StreamKind::Ofrep, false) => KV_SECONDS,
        (StreamKind::Flagsmith, false) => KV_SECONDS + config.hard_age_seconds,
    }
}

async fn in_time(promise: Promise) -> Result<JsValue, JsValue> {
    let late = || Err(JsValue::from(worker::Error::from(format!("no answer within {TIMEOUT:?}"))));
    with_timeout(TIMEOUT, JsFuture::from(promise)).await.unwrap_or_else(late)
}

fn failure(error: JsValue) -> Failure {
    Failure::new(Source::Streams, worker::Error::from(error))
}
