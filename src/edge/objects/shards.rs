//! Calls to an object through its shards, if it has many readers (`src/edge/shards.js`).

use std::time::Duration;

use worker::Env;
use worker::js_sys::{Array, Object, Promise, Reflect};
use worker::wasm_bindgen::{self, JsCast, JsValue, prelude::wasm_bindgen};
use worker::wasm_bindgen_futures::JsFuture;

use crate::edge::platform::failure::{Failure, Source};
use crate::edge::platform::timeout::with_timeout;

#[wasm_bindgen]
extern "C" {
    /// Returns an array of the answer, its age in milliseconds, and the fault of a shard. The entry module defines this
    /// function.
    #[wasm_bindgen(catch, js_name = askShards)]
    fn ask_shards(env: &Env, group: &str, source: &Object, demand: &Object) -> Result<Promise, JsValue>;
}

/// A method of an object.
pub struct SharedCall<'a> {
    /// The name of the group of shards: a client key, or a text that is none.
    pub group: &'a str,
    /// The binding of the object's class.
    pub binding: &'a str,
    /// The object's name.
    pub name: &'a str,
    /// The method's name.
    pub method: &'a str,
    /// The method's parameters.
    pub parameters: Vec<JsValue>,
    /// True if the object counts its readers, which decides the number of shards.
    pub is_counted: bool,
    /// True for a long answer, which shards get from each other. The object's name is then its group's.
    pub is_long: bool,
    /// The kind of the object in failures.
    pub source: Source,
}

/// The requirements for a shard's answer.
#[derive(Clone, Copy, Debug)]
pub struct Demand {
    /// The minimum of the number that the answer begins with; `None` if only the age counts.
    pub sequence: Option<u64>,
    /// The maximum age of the answer in milliseconds, which many shards double. Isolates add it to the age of their copy.
    pub max_age: u64,
    /// The maximum number of requests a second that all shards together send; `None` for no limit.
    pub max_reads: Option<u32>,
    /// The time limit of a shard in milliseconds, after which the isolate calls the object itself.
    pub timeout: u32,
}

/// The time limit of a shard for a short answer, in milliseconds.
pub const SHARD_TIMEOUT: u32 = 600;

impl Demand {
    /// For values that isolates keep for some seconds: an age of at most half a second, and of a quarter of their lifetime.
    pub fn for_lifetime(lifetime_seconds: u64) -> Demand {
        Demand {
            sequence: None,
            max_age: (lifetime_seconds * 250).min(500),
            max_reads: None,
            timeout: SHARD_TIMEOUT,
        }
    }
}

/// Returns a method's answer, and its age in milliseconds. A shard that fails is logged, and passed over.
pub async fn ask(
    env: &Env,
    call: SharedCall<'_>,
    demand: Demand,
    timeout: Duration,
) -> Result<(JsValue, u64), Failure> {
    let source = call.source;
    let failed = |error: JsValue| Failure::new(source, worker::Error::from(error));
    let group = call.group;
    let promise = begin(env, call, demand).map_err(failed)?;
    let answer = match with_timeout(timeout, JsFuture::from(promise)).await {
        Some(answer) => answer.map_err(failed)?,
        None => return Err(Failure::new(source, format!("no answer within {timeout:?}"))),
    };
    let answer: Array = answer.unchecked_into();
    if let Some(fault) = answer.get(2).as_string() {
        Failure::new(Source::Streams, format!("shard of {group}: {fault}")).log(None);
    }
    Ok((answer.get(0), answer.get(1).as_f64().unwrap_or_default() as u64))
}

fn begin(env: &Env, call: SharedCall<'_>, demand: Demand) -> Result<Promise, JsValue> {
    let source = object(&[
        ("binding", call.binding.into()),
        ("name", call.name.into()),
        ("method", call.method.into()),
        ("parameters", call.parameters.into_iter().collect::<Array>().into()),
        ("isCounted", call.is_counted.into()),
        ("isLong", call.is_long.into()),
    ])?;
    let demand = object(&[
        ("maxAge", (demand.max_age as f64).into()),
        ("sequence", (demand.sequence.unwrap_or_default() as f64).into()),
        ("maxReads", demand.max_reads.unwrap_or_default().into()),
        ("timeout", demand.timeout.into()),
    ])?;
    ask_shards(env, call.group, &source, &demand)
}

fn object(members: &[(&str, JsValue)]) -> Result<Object, JsValue> {
    let object = Object::new();
    for (name, value) in members {
        Reflect::set(&object, &(*name).into(), value)?;
    }
    Ok(object)
}
