//! Sends evaluations to the object that stores them for the origin.

use std::time::Duration;

use worker::Env;
use worker::js_sys::Promise;
use worker::wasm_bindgen::{self, JsValue, prelude::wasm_bindgen};
use worker::wasm_bindgen_futures::JsFuture;

use crate::api::{Dependency, Error, Evaluations};
use crate::document::ClientKey;
use crate::edge::platform::config::Config;
use crate::edge::platform::failure::{Failure, Source};
use crate::edge::platform::timeout::with_timeout;

#[wasm_bindgen]
extern "C" {
    /// A stub of an [`crate::edge::AnalyticsObject`].
    type AnalyticsStub;

    #[wasm_bindgen(method, catch)]
    fn record(this: &AnalyticsStub, client_key: &str, evaluations: &str) -> Result<Promise, JsValue>;
}

/// The time limit of a call to the object.
const TIMEOUT: Duration = Duration::from_secs(4);

/// Stores evaluations for the origin, if there is one.
pub async fn record(env: &Env, client_key: &ClientKey, evaluations: &Evaluations) -> Result<(), Error> {
    if Config::of(env).analytics_origin().is_none() || evaluations.counts.is_empty() {
        return Ok(());
    }
    let recorded = match with_timeout(TIMEOUT, send(env, client_key, evaluations)).await {
        Some(recorded) => recorded,
        None => Err(worker::Error::from(format!("no answer within {TIMEOUT:?}"))),
    };
    recorded.map_err(|error| {
        Failure::new(Source::Analytics, error).unavailable(Dependency::Analytics, Some(client_key))
    })
}

async fn send(env: &Env, client_key: &ClientKey, evaluations: &Evaluations) -> worker::Result<()> {
    let evaluations = serde_json::to_string(evaluations)?;
    let object: AnalyticsStub = env.durable_object("ANALYTICS")?.get_by_name(client_key)?.into_rpc();
    JsFuture::from(object.record(client_key, &evaluations)?).await?;
    Ok(())
}
