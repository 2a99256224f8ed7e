//! Calls to the objects that publish environments, and to the registry.

use std::fmt::Display;
use std::time::Duration;

use worker::Env;
use worker::js_sys::{Array, Promise, Uint8Array};
use worker::wasm_bindgen::{self, JsCast, JsValue, prelude::wasm_bindgen};
use worker::wasm_bindgen_futures::JsFuture;

use crate::admin::publishing::Affected;
use crate::document::ClientKey;
use crate::edge::objects::shards::{self, Demand, SharedCall};
use crate::edge::platform::config::Config;
use crate::edge::platform::failure::{Failure, Source};
use crate::edge::platform::timeout::with_timeout;
use crate::publish::{Announcement, DocumentVersion, KeyStates, Notification, NotificationKind};

#[wasm_bindgen]
extern "C" {
    /// A stub of an [`crate::edge::EnvironmentObject`].
    type EnvironmentStub;

    #[wasm_bindgen(method, catch)]
    fn announcement(this: &EnvironmentStub, with_keys: bool) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch, js_name = told)]
    fn notify(this: &EnvironmentStub, again: bool, kind: Option<&str>) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch, js_name = follow)]
    fn start_publishing(
        this: &EnvironmentStub,
        client_key: &str,
        credential: &str,
    ) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch, js_name = leave)]
    fn stop_publishing(this: &EnvironmentStub) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn reconcile(this: &EnvironmentStub) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn status(this: &EnvironmentStub) -> Result<Promise, JsValue>;

    /// A stub of the [`crate::edge::RegistryObject`].
    type RegistryStub;

    #[wasm_bindgen(method, catch)]
    fn start(this: &RegistryStub) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn discover(this: &RegistryStub) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch, js_name = told)]
    fn notify(this: &RegistryStub, project: Option<f64>, kind: Option<&str>) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch, js_name = reconcile)]
    fn reconcile_all(this: &RegistryStub) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch, js_name = environments)]
    fn environments(this: &RegistryStub) -> Result<Promise, JsValue>;
}

/// The time limit of a call that an object answers from its state.
const TIMEOUT: Duration = Duration::from_secs(2);
/// The time limit of a call in which an object may send a request to the origin.
const LONG_TIMEOUT: Duration = Duration::from_secs(5);

/// The registry's name.
const REGISTRY: &str = "registry";
/// The maximum age of a document at a shard in milliseconds. A version never changes.
const DOCUMENT_MAX_AGE: u64 = 10_000;
/// The time limit of a shard for a document, which may be long, in milliseconds.
const DOCUMENT_SHARD_TIMEOUT: u32 = 3_000;
/// The time limit of a shard of the registry in milliseconds. An unknown key may lead to a request to the origin.
const LOOKUP_SHARD_TIMEOUT: u32 = 4_500;
/// The maximum age of the registry's answer about a key, in milliseconds.
const LOOKUP_MAX_AGE: u64 = 500;
/// The number of look-ups a second by which all shards together reach the registry.
const MAX_LOOKUPS_PER_SECOND: u32 = 256;

/// Fetches the latest version of a document and the states of server keys from the environment's object.
pub async fn announced(
    env: &Env,
    client_key: &ClientKey,
    timeout: Duration,
) -> Result<(Announcement, Option<KeyStates>), Failure> {
    parse_announcement(&call(env, client_key, timeout, &|stub| stub.announcement(true)).await?)
}

/// The same for an isolate, which may get it from a shard. Also returns the age of the announcement in milliseconds.
pub async fn latest(
    env: &Env,
    client_key: &ClientKey,
    timeout: Duration,
    demand: Demand,
) -> Result<(Announcement, Option<KeyStates>, u64), Failure> {
    let call = environment_call(client_key, "announcement", vec![true.into()]);
    let (answer, age) = shards::ask(env, call, demand, timeout).await?;
    let (announcement, keys) = parse_announcement(&answer)?;
    Ok((announcement, keys, age))
}

fn parse_announcement(answer: &JsValue) -> Result<(Announcement, Option<KeyStates>), Failure> {
    let text = answer.as_string().unwrap_or_default();
    let (announcement, keys) =
        text.split_once('\n').map_or((&*text, None), |(announcement, keys)| (announcement, Some(keys)));
    let keys = keys.map(str::parse).transpose().map_err(|_| unreadable(Source::EnvironmentObject))?;
    let announcement = announcement.parse().map_err(|_| unreadable(Source::EnvironmentObject))?;
    Ok((announcement, keys))
}

/// Returns the document that an environment's object has, and its version. `announced`: the latest version, if known. A
/// shard keeps a document under it.
pub async fn published(
    env: &Env,
    client_key: &ClientKey,
    announced: Option<DocumentVersion>,
) -> Result<Option<(DocumentVersion, Vec<u8>)>, Failure> {
    let version = announced.map(|version| version.to_string()).unwrap_or_default();
    let is_long = true;
    let call = SharedCall { is_long, ..environment_call(client_key, "document", vec![version.into()]) };
    let max_age = if announced.is_some() { DOCUMENT_MAX_AGE } else { 0 };
    let demand = Demand { sequence: None, max_age, max_reads: None, timeout: DOCUMENT_SHARD_TIMEOUT };
    let (answer, _) = shards::ask(env, call, demand, LONG_TIMEOUT).await?;
    let Some(pair) = answer.dyn_ref::<Array>() else { return Ok(None) };
    let version = pair.get(0).as_string().unwrap_or_default().parse();
    let version = version.map_err(|_| unreadable(Source::EnvironmentObject))?;
    Ok(Some((version, Uint8Array::new(&pair.get(1)).to_vec())))
}

/// Starts publishing an environment.
pub async fn start_publishing(env: &Env, client_key: &ClientKey, credential: &str) -> Result<(), Failure> {
    call(env, client_key, TIMEOUT, &|stub| stub.start_publishing(client_key, credential)).await.map(drop)
}

/// Stops publishing an environment.
pub async fn stop_publishing(env: &Env, client_key: &ClientKey) -> Result<(), Failure> {
    call(env, client_key, TIMEOUT, &EnvironmentStub::stop_publishing).await.map(drop)
}

/// Sends a notification to an environment's object. Returns true if the environment is published there.
pub async fn notify(env: &Env, client_key: &ClientKey, notification: Notification) -> Result<bool, Failure> {
    let answer = match notification {
        Notification::Changed { again, kind } => {
            call(env, client_key, TIMEOUT, &|stub| stub.notify(again, kind.map(NotificationKind::name))).await
        }
        Notification::Reconcile => call(env, client_key, LONG_TIMEOUT, &EnvironmentStub::reconcile).await,
    };
    answer.map(|answer| answer.is_truthy())
}

/// An environment's part of the status, as JSON.
pub async fn status_of(env: &Env, client_key: &ClientKey) -> Result<String, Failure> {
    let answer = call(env, client_key, TIMEOUT, &EnvironmentStub::status).await?;
    answer.as_string().ok_or_else(|| unreadable(Source::EnvironmentObject))
}

/// True if a client key or the hash of a server key is known. An unknown key is looked up at the origin, within limits.
/// Fails if the look-up is undecided.
pub async fn is_known(env: &Env, client_key: &ClientKey) -> Result<bool, Failure> {
    look_up(env, "look", client_key).await?.as_bool().ok_or_else(undecided)
}

/// The entry of a server key, by its hash. An unknown key is looked up at the origin, within limits. Fails if the
/// look-up is undecided.
pub async fn registered_key(env: &Env, hash: &str) -> Result<Option<Vec<u8>>, Failure> {
    let entry = look_up(env, "serverKey", hash).await?;
    if entry.is_undefined() { Err(undecided()) } else { Ok(entry.as_string().map(String::into_bytes)) }
}

/// Asks the registry about an unknown key, perhaps by a shard.
async fn look_up(env: &Env, method: &str, key: &str) -> Result<JsValue, Failure> {
    let call = SharedCall {
        group: "/registry",
        binding: "REGISTRY",
        name: REGISTRY,
        method,
        parameters: vec![key.into()],
        is_counted: true,
        is_long: false,
        source: Source::Registry,
    };
    // Keys may be invented, so the shards share a number of requests.
    let (max_age, max_reads) = (LOOKUP_MAX_AGE, Some(MAX_LOOKUPS_PER_SECOND));
    let demand = Demand { sequence: None, max_age, max_reads, timeout: LOOKUP_SHARD_TIMEOUT };
    Ok(shards::ask(env, call, demand, LONG_TIMEOUT).await?.0)
}

fn environment_call<'a>(
    client_key: &'a ClientKey,
    method: &'a str,
    parameters: Vec<JsValue>,
) -> SharedCall<'a> {
    SharedCall {
        group: client_key,
        binding: "PUBLISHERS",
        name: client_key,
        method,
        parameters,
        is_counted: true,
        is_long: false,
        source: Source::EnvironmentObject,
    }
}

/// Starts discoveries at the registry, unless they have started.
pub async fn start_discoveries(env: &Env) -> Result<(), Failure> {
    call_registry(env, TIMEOUT, &RegistryStub::start).await.map(drop)
}

/// Makes the registry run a discovery, since an environment or a server key may have been created or deleted.
pub async fn discover(env: &Env) -> Result<(), Failure> {
    call_registry(env, TIMEOUT, &RegistryStub::discover).await.map(drop)
}

/// Starts the routine checks of the registry and of all environments' objects.
pub async fn reconcile_all(env: &Env) -> Result<(), Failure> {
    call_registry(env, LONG_TIMEOUT, &RegistryStub::reconcile_all).await.map(drop)
}

/// The registry's state, as JSON.
pub async fn registered(env: &Env) -> Result<String, Failure> {
    let answer = call_registry(env, TIMEOUT, &RegistryStub::environments).await?;
    answer.as_string().ok_or_else(|| unreadable(Source::Registry))
}

/// Publishes again the documents that a write through the worker may have changed. A failure is logged; the objects'
/// alarms publish them later.
pub async fn refresh(env: Env, affected: Affected) {
    if let Err(failure) = notify_affected(&env, &affected, None).await {
        failure.log(None);
    }
}

/// Publishes again the documents that may have changed. `kind`: the kind of the origin's notification, if one arrived.
pub async fn notify_affected(
    env: &Env,
    affected: &Affected,
    kind: Option<NotificationKind>,
) -> Result<(), Failure> {
    if !Config::of(env).publishes() {
        return Ok(());
    }
    match affected {
        Affected::Environment(client_key)
            if notify(env, client_key, Notification::Changed { again: true, kind }).await? =>
        {
            Ok(())
        }
        // An unpublished environment may be new.
        Affected::Environment(_) => discover(env).await,
        Affected::Everything => {
            discover(env).await?;
            notify_registry(env, None, kind).await
        }
        Affected::Documents => notify_registry(env, None, kind).await,
        Affected::Project(id) => notify_registry(env, Some(*id as f64), kind).await,
    }
}

async fn notify_registry(
    env: &Env,
    project: Option<f64>,
    kind: Option<NotificationKind>,
) -> Result<(), Failure> {
    call_registry(env, TIMEOUT, &|stub| stub.notify(project, kind.map(NotificationKind::name)))
        .await
        .map(drop)
}

async fn call(
    env: &Env,
    client_key: &ClientKey,
    timeout: Duration,
    method: &dyn Fn(&EnvironmentStub) -> Result<Promise, JsValue>,
) -> Result<JsValue, Failure> {
    let failed = |cause: &dyn Display| Failure::new(Source::EnvironmentObject, cause);
    let objects = env.durable_object("PUBLISHERS").map_err(|error| failed(&error))?;
    let stub: EnvironmentStub = objects.get_by_name(client_key).map_err(|error| failed(&error))?.into_rpc();
    answer(method(&stub), timeout).await.map_err(|cause| failed(&cause))
}

async fn call_registry(
    env: &Env,
    timeout: Duration,
    method: &dyn Fn(&RegistryStub) -> Result<Promise, JsValue>,
) -> Result<JsValue, Failure> {
    let failed = |cause: &dyn Display| Failure::new(Source::Registry, cause);
    let objects = env.durable_object("REGISTRY").map_err(|error| failed(&error))?;
    let stub: RegistryStub = objects.get_by_name(REGISTRY).map_err(|error| failed(&error))?.into_rpc();
    answer(method(&stub), timeout).await.map_err(|cause| failed(&cause))
}

async fn answer(promise: Result<Promise, JsValue>, timeout: Duration) -> Result<JsValue, String> {
    let text = |error: JsValue| worker::Error::from(error).to_string();
    match with_timeout(timeout, JsFuture::from(promise.map_err(text)?)).await {
        Some(answer) => answer.map_err(text),
        None => Err(format!("no answer within {timeout:?}")),
    }
}

fn undecided() -> Failure {
    Failure::new(Source::Registry, "no discovery has completed, so the key cannot be checked yet")
}

fn unreadable(source: Source) -> Failure {
    Failure::new(source, "its answer cannot be read")
}
