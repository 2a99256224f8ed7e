//! Converts answers to the platform's form.

use std::cell::RefCell;

use worker::Context;
use worker::js_sys::Uint8Array;
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::web_sys::{Headers, Response as WebResponse, ResponseInit};

use crate::api::Response;
use crate::edge::http::hold::Hold;

/// The maximum number of prepared heads; an environment needs about five.
const MAX_HEADS: usize = 1000;
/// The maximum length of a prepared head's text. Clients can make some heads long, such as a preflight's list of
/// headers. Long heads are not prepared.
const MAX_HEAD_LENGTH: usize = 1024;

thread_local! {
    /// Heads in the platform's form, sorted by their text, since most answers have the status and headers of an earlier
    /// one. It is a list, since a map would add code to the worker.
    static HEADS: RefCell<Vec<(String, ResponseInit)>> = RefCell::default();
}

/// An answer in the platform's form that can be sent any number of times.
pub struct Prepared {
    /// The body; `None` for an empty one.
    body: Option<Uint8Array>,
    head: ResponseInit,
}

impl Prepared {
    /// Converts an answer to that form.
    pub fn new(response: &Response<'_>) -> Result<Prepared, JsValue> {
        let body = (!response.body.is_empty()).then(|| Uint8Array::from(&*response.body));
        Ok(Prepared { body, head: head(response)? })
    }

    /// Returns a copy of the answer.
    pub fn respond(&self) -> WebResponse {
        build(self.body.as_ref(), &self.head).unwrap_or_else(|_| WebResponse::error())
    }
}

/// The platform's form of an answer with this body.
pub fn respond_with(response: &Response<'_>, body: Uint8Array) -> WebResponse {
    let prepared = head(response).map(|head| Prepared { body: Some(body), head });
    prepared.map_or_else(|_| WebResponse::error(), |prepared| prepared.respond())
}

/// The platform's form of an answer. Its memory counts until its client has read it.
pub fn respond_held(response: &Response<'_>, hold: Hold, context: &Context) -> WebResponse {
    let respond = || {
        let head = head(response)?;
        if response.body.is_empty() {
            return build(None, &head);
        }
        let stream = hold.into_stream(Uint8Array::from(&*response.body), context)?;
        WebResponse::new_with_opt_readable_stream_and_init(Some(&stream), &head)
    };
    respond().unwrap_or_else(|_| WebResponse::error())
}

/// The platform's form of an answer.
pub fn respond(response: Response<'_>) -> WebResponse {
    Prepared::new(&response).map_or_else(|_| WebResponse::error(), |prepared| prepared.respond())
}

fn build(body: Option<&Uint8Array>, head: &ResponseInit) -> Result<WebResponse, JsValue> {
    match body {
        None => WebResponse::new_with_opt_str_and_init(None, head),
        body => WebResponse::new_with_opt_js_u8_array_and_init(body, head),
    }
}

/// Status and headers in the platform's form: an answer without a body. A copy takes 2 µs, half the time of a new
/// answer from an object.
fn head(response: &Response<'_>) -> Result<ResponseInit, JsValue> {
    let text = response.head_text();
    let known = HEADS.with_borrow(|heads| Some(heads.get(place(heads, &text).ok()?)?.1.clone()));
    if let Some(known) = known {
        return Ok(known);
    }
    let headers = Headers::new()?;
    for (name, value) in response.headers() {
        headers.append(name, value)?;
    }
    let init = ResponseInit::new();
    init.set_status(response.status);
    init.set_headers(&headers);
    let head: ResponseInit = WebResponse::new_with_opt_str_and_init(None, &init)?.unchecked_into();
    if text.len() > MAX_HEAD_LENGTH {
        return Ok(head);
    }
    HEADS.with_borrow_mut(|heads| {
        if heads.len() >= MAX_HEADS {
            heads.clear();
        }
        if let Err(place) = place(heads, &text) {
            heads.insert(place, (text, head.clone()));
        }
    });
    Ok(head)
}

fn place(heads: &[(String, ResponseInit)], text: &str) -> Result<usize, usize> {
    heads.binary_search_by(|(known, _)| known.as_str().cmp(text))
}
