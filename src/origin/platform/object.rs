//! The object of the origin. A deployment has one: it keeps the whole state in memory and writes each change to SQLite.
//!
//! After its body has been read, a request is answered without waiting. So requests run one after the other, and each
//! sees all earlier changes. The platform sends an answer only after the writes before it are durable.

#![expect(missing_docs, reason = "the functions that the macro makes have none")]

use std::cell::RefCell;

use flagsmith_edge_core::api;
use flagsmith_edge_platform::log::LogLine;
use flagsmith_edge_platform::random::random;
use futures_util::StreamExt;
use worker::js_sys::Uint8Array;
use worker::wasm_bindgen::{self, JsValue};
use worker::{Date, DurableObject, Env, Request, Response, Result, durable_object, web_sys};

use crate::access;
use crate::answer::{MAX_BODY_LENGTH, answer};
use crate::call::{self, Context};
use crate::platform::rows::Rows;
use crate::state::State;

/// The setting with the deployment's own master API key. The edge has it under the same name.
const KEY: &str = "ORIGIN_API_TOKEN";
const KEY_MISSING: &str =
    "ORIGIN_API_TOKEN must be set, in the form prefix.secret: it is the deployment's own key";
const UNAVAILABLE: &str = "The origin cannot read or write its data now. Send the request again.";

/// The origin.
#[durable_object]
pub struct OriginObject {
    env: Env,
    rows: Rows,
    /// `None` until the first request, and after a failed write.
    state: RefCell<Option<State>>,
}

impl DurableObject for OriginObject {
    fn new(state: worker::State, env: Env) -> OriginObject {
        OriginObject { env, rows: Rows::of(&state.storage()), state: RefCell::default() }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let body = read_body(&mut request).await?;
        let response = self.answer(&request, &body).unwrap_or_else(|error| {
            // The state in memory may be ahead of the stored state.
            self.state.take();
            log(&error.to_string());
            api::Response::detail(503, UNAVAILABLE).finish(None, &request.inner().method())
        });
        Ok(respond(&response)?.into())
    }
}

impl OriginObject {
    fn answer(&self, request: &Request, body: &[u8]) -> Result<api::Response<'static>> {
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
        let (response, changes) = answer(state, &parts, &Context { now, random: &random });
        self.rows.write(&changes)?;
        Ok(response)
    }

    /// Reads the state, and sets the deployment's key if it is a new one.
    fn load(&self, now: u64) -> Result<State> {
        let mut state = self.rows.read()?;
        let key = self.env.secret(KEY).map(|key| key.to_string()).unwrap_or_default();
        match access::set_deployment_key(&mut state, &key, now) {
            Some(changes) => self.rows.write(&changes)?,
            None => log(KEY_MISSING),
        }
        Ok(state)
    }
}

/// Reads the body, up to slightly more than the maximum, which is then refused.
async fn read_body(request: &mut Request) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    if request.inner().body().is_none() {
        return Ok(body);
    }
    let mut pieces = request.stream()?;
    while let Some(piece) = pieces.next().await {
        body.extend(piece?);
        if body.len() > MAX_BODY_LENGTH {
            break;
        }
    }
    Ok(body)
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
