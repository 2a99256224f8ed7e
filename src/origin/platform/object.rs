//! The object of the origin. A deployment has one: it keeps the whole state in memory and writes each change to SQLite.
//!
//! After its body has been read, a request is answered without waiting. So requests run one after the other, and each
//! sees all earlier changes. The platform sends an answer only after the writes before it are durable.

#![expect(missing_docs, reason = "the functions that the macro makes have none")]

use std::cell::{Cell, RefCell};
use std::mem::take;

use flagsmith_edge_core::api;
use flagsmith_edge_platform::log::LogLine;
use flagsmith_edge_platform::random::random;
use futures_util::StreamExt;
use worker::js_sys::Uint8Array;
use worker::wasm_bindgen::{self, JsValue};
use worker::{ByteStream, Date, DurableObject, Env, Request, Response, Result, durable_object, web_sys};

use crate::access;
use crate::answer::{MAX_BODY_LENGTH, answer, refuse_by_head};
use crate::call::{self, Context};
use crate::platform::rows::Rows;
use crate::state::State;

/// The setting with the deployment's own master API key. The edge has it under the same name.
const KEY: &str = "ORIGIN_API_TOKEN";
const KEY_MISSING: &str =
    "ORIGIN_API_TOKEN must be set, in the form prefix.secret: it is the deployment's own key";
const UNAVAILABLE: &str = "The origin cannot read or write its data now. Send the request again.";

/// The maximum of all bodies that are being read, in bytes.
const MAX_READING: usize = 24 * 1024 * 1024;
const BUSY: &str = "Too many request bodies are in transit; send the request again.";

/// The origin.
#[durable_object]
pub struct OriginObject {
    env: Env,
    rows: Rows,
    /// `None` until the first request, and after a failed write.
    state: RefCell<Option<State>>,
    /// The number of bytes of all bodies that are being read.
    reading: Cell<usize>,
}

impl DurableObject for OriginObject {
    fn new(state: worker::State, env: Env) -> OriginObject {
        OriginObject {
            env,
            rows: Rows::of(&state.storage()),
            state: RefCell::default(),
            reading: Cell::default(),
        }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        let response = self.answer(&request).await.unwrap_or_else(|error| {
            // The state in memory may be ahead of the stored state.
            self.state.take();
            log(&error.to_string());
            api::Response::detail(503, UNAVAILABLE).finish(None, &request.inner().method())
        });
        Ok(respond(&response)?.into())
    }
}

impl OriginObject {
    async fn answer(&self, request: &Request) -> Result<api::Response<'static>> {
        // Most refusals need no body, so that callers without a key cannot fill the memory.
        let refuse =
            |state: &mut State, parts: &call::Request<'_>, now| Ok(refuse_by_head(state, parts, now));
        if let Some(refusal) = self.with(request, &[], refuse)? {
            return Ok(refusal);
        }
        let Some(body) = self.read_body(request).await? else {
            let busy = api::Response::detail(503, BUSY).with("retry-after", "1");
            return Ok(busy.finish(None, &request.inner().method()));
        };
        self.with(request, &body, |state, parts, now| {
            let (response, changes) = answer(state, parts, &Context { now, random: &random });
            self.rows.write(&changes)?;
            Ok(response)
        })
    }

    /// Calls a function with the state, the parts of the request, and the time.
    fn with<T>(
        &self,
        request: &Request,
        body: &[u8],
        work: impl FnOnce(&mut State, &call::Request<'_>, u64) -> Result<T>,
    ) -> Result<T> {
        let now = Date::now().as_millis();
        let mut held = self.state.borrow_mut();
        let state = match &mut *held {
            Some(state) => state,
            empty => empty.insert(self.load(now)?),
        };
        // The crate's own type has no unknown methods.
        let (url, method) = (request.url()?, request.inner().method());
        let headers = request.headers();
        let parts = call::Request {
            method: &method,
            path: url.path(),
            query: url.query().unwrap_or_default(),
            base: &url.origin().ascii_serialization(),
            header: &|name| headers.get(name).ok().flatten(),
            body,
        };
        work(state, &parts, now)
    }

    /// Reads the state, and sets the deployment's key if it is a new one.
    fn load(&self, now: u64) -> Result<State> {
        let mut state = self.rows.read()?;
        let key = self.env.secret(KEY).map(|key| key.to_string()).unwrap_or_default();
        let key = access::set_deployment_key(&mut state, &key, now);
        self.rows.write(&key.changes)?;
        if !key.is_valid {
            log(KEY_MISSING);
        }
        Ok(state)
    }

    /// Reads the body, up to slightly more than the maximum, which is then refused. `None` if all bodies that are being
    /// read take too much memory.
    async fn read_body(&self, request: &Request) -> Result<Option<Vec<u8>>> {
        let Some(stream) = request.inner().body() else { return Ok(Some(Vec::new())) };
        let mut reading = Reading { object: self, body: Vec::new(), counted: 0 };
        let mut pieces = ByteStream::from(stream);
        while let Some(piece) = pieces.next().await {
            if !reading.extend(&piece?) {
                return Ok(None);
            }
            if reading.body.len() > MAX_BODY_LENGTH {
                break;
            }
        }
        Ok(Some(take(&mut reading.body)))
    }
}

/// A body that is being read. Its length counts towards the limit of all such bodies until it is dropped.
struct Reading<'o> {
    object: &'o OriginObject,
    body: Vec<u8>,
    counted: usize,
}

impl Reading<'_> {
    /// Appends a piece; false if there is no room.
    fn extend(&mut self, piece: &[u8]) -> bool {
        let reading = self.object.reading.get().saturating_add(piece.len());
        if reading > MAX_READING {
            return false;
        }
        self.object.reading.set(reading);
        self.counted += piece.len();
        self.body.extend_from_slice(piece);
        true
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.object.reading.set(self.object.reading.get().saturating_sub(self.counted));
    }
}

fn respond(response: &api::Response<'_>) -> std::result::Result<web_sys::Response, JsValue> {
    let headers = web_sys::Headers::new()?;
    for (name, value) in response.headers() {
        headers.append(name, value)?;
    }
    let init = web_sys::ResponseInit::new();
    init.set_status(response.status);
    init.set_headers(&headers);
    match response.body.is_empty() {
        true => web_sys::Response::new_with_opt_str_and_init(None, &init),
        false => {
            let body = Uint8Array::from(&*response.body);
            web_sys::Response::new_with_opt_js_u8_array_and_init(Some(&body), &init)
        }
    }
}

fn log(cause: &str) {
    LogLine::Failure { failure: "origin object", cause, client_key: None }.write();
}
