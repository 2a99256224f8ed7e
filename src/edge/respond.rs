//! Turns an answer into the platform's.

use std::cell::RefCell;
use std::collections::HashMap;

use worker::js_sys::Uint8Array;
use worker::wasm_bindgen::JsValue;
use worker::web_sys::{Headers, Response as WebResponse, ResponseInit};

use crate::api::Response;

/// How many prepared ones are kept; an environment has a handful.
const MAX_PREPARED: usize = 1000;
/// How long the text of one may be. What a client can make long, as a preflight's list of headers, is not kept.
const MAX_PREPARED_LENGTH: usize = 1024;

thread_local! {
    /// Status and headers in the platform's form, by their text: most answers have those of an earlier one.
    static PREPARED: RefCell<HashMap<String, ResponseInit>> = RefCell::default();
}

/// The platform's form of an answer.
pub fn respond(response: Response<'_>) -> WebResponse {
    respond_with(response, |body| Uint8Array::from(body))
}

/// The platform's form of an answer whose body `body` brings into that form.
pub fn respond_with(response: Response<'_>, body: impl FnOnce(&[u8]) -> Uint8Array) -> WebResponse {
    build(&response, body).unwrap_or_else(|_| WebResponse::error())
}

fn build(response: &Response<'_>, body: impl FnOnce(&[u8]) -> Uint8Array) -> Result<WebResponse, JsValue> {
    let init = prepared(response)?;
    if response.body.is_empty() {
        return WebResponse::new_with_opt_str_and_init(None, &init);
    }
    WebResponse::new_with_opt_js_u8_array_and_init(Some(&body(&response.body)), &init)
}

fn prepared(response: &Response<'_>) -> Result<ResponseInit, JsValue> {
    let text = response.head_text();
    if let Some(known) = PREPARED.with_borrow(|prepared| prepared.get(&text).cloned()) {
        return Ok(known);
    }
    let headers = Headers::new()?;
    for (name, value) in response.headers() {
        headers.append(name, value)?;
    }
    let init = ResponseInit::new();
    init.set_status(response.status);
    init.set_headers(&headers);
    if text.len() > MAX_PREPARED_LENGTH {
        return Ok(init);
    }
    PREPARED.with_borrow_mut(|prepared| {
        if prepared.len() >= MAX_PREPARED {
            prepared.clear();
        }
        prepared.insert(text, init.clone());
    });
    Ok(init)
}
