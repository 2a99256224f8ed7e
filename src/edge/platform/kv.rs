//! Workers KV: environment documents and server keys. Each kind of key has its own prefix.

use std::fmt::Display;
use std::time::Duration;

use worker::Env;
use worker::js_sys::{JSON, Object, Promise, Reflect};
use worker::kv::{KvError, KvStore};
use worker::wasm_bindgen::{self, JsCast, JsValue, prelude::wasm_bindgen};
use worker::wasm_bindgen_futures::JsFuture;

use crate::document::ClientKey;
use crate::edge::platform::failure::{Failure, Source};
use crate::edge::platform::timeout::with_timeout;
use crate::publish::DocumentVersion;

/// The binding's name.
const BINDING: &str = "ENVIRONMENTS";
/// The prefix of the keys of documents; a client key follows.
pub const DOCUMENT: &str = "document:";
/// The prefix of the keys of server keys; a hash follows.
pub const SERVER_KEY: &str = "server-key:";
/// The time limit of a read. A server key takes two lookups, and SDKs give up after 10 s.
pub const TIMEOUT: Duration = Duration::from_secs(4);
/// The time limit of a write, which may have a large document; no answer waits for it.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);
/// The lifetime in seconds of an entry with one version of a document. Isolates read the entry after an object
/// announced the version's number. Another entry always has the latest document.
pub const VERSION_LIFETIME: u64 = 24 * 60 * 60;

#[wasm_bindgen]
extern "C" {
    /// A KV namespace. The type in `worker` is not used, since its lists would need a second deserializer beside that
    /// of JSON.
    type Namespace;

    #[wasm_bindgen(method, catch)]
    fn list(this: &Namespace, options: &Object) -> Result<Promise, JsValue>;
}

/// The key of an environment's latest document.
pub fn document_key(client_key: &ClientKey) -> String {
    format!("{DOCUMENT}{client_key}")
}

/// The key of one version of an environment's document, which never changes.
pub fn version_key(client_key: &ClientKey, version: DocumentVersion) -> String {
    format!("{DOCUMENT}{client_key}:{version}")
}

/// The stored value, if there is one.
pub async fn get(env: &Env, key: &str, timeout: Duration) -> Result<Option<Vec<u8>>, Failure> {
    execute(timeout, store(env)?.get(key).bytes()).await
}

/// Stores a value, forever or for this many seconds.
pub async fn put(env: &Env, key: &str, value: &[u8], lifetime: Option<u64>) -> Result<(), Failure> {
    let put = store(env)?.put_bytes(key, value).map_err(failure)?;
    let put = if let Some(lifetime) = lifetime { put.expiration_ttl(lifetime) } else { put };
    execute(WRITE_TIMEOUT, put.execute()).await
}

/// Deletes a value, if there is one.
pub async fn delete(env: &Env, key: &str) -> Result<(), Failure> {
    execute(WRITE_TIMEOUT, store(env)?.delete(key)).await
}

/// The first page of the keys with this prefix, at most 1,000, as the platform's own JSON.
pub async fn list(env: &Env, prefix: &str) -> Result<String, Failure> {
    execute(TIMEOUT, async { Ok(first_page(env, prefix).await?) }).await
}

async fn first_page(env: &Env, prefix: &str) -> Result<String, JsValue> {
    let options = Object::new();
    Reflect::set(&options, &"prefix".into(), &prefix.into())?;
    let page = Reflect::get(env, &BINDING.into())?.unchecked_into::<Namespace>().list(&options)?;
    Ok(JSON::stringify(&JsFuture::from(page).await?)?.into())
}

fn store(env: &Env) -> Result<KvStore, Failure> {
    env.kv(BINDING).map_err(failure)
}

async fn execute<T>(timeout: Duration, work: impl Future<Output = Result<T, KvError>>) -> Result<T, Failure> {
    let outcome = with_timeout(timeout, work).await;
    outcome.ok_or_else(|| failure(format!("no answer within {timeout:?}")))?.map_err(failure)
}

fn failure(cause: impl Display) -> Failure {
    Failure::new(Source::Kv, cause)
}
