//! Turns an answer into the platform's.

use worker::web_sys::{Headers, Response as WebResponse, ResponseInit};

use crate::api::Response;

/// The platform's form of an answer.
pub fn respond(response: Response<'_>) -> WebResponse {
    build(&response).unwrap_or_else(|_| WebResponse::error())
}

fn build(response: &Response<'_>) -> Result<WebResponse, worker::wasm_bindgen::JsValue> {
    let headers = Headers::new()?;
    for (name, value) in &response.headers {
        headers.append(name, value)?;
    }
    let init = ResponseInit::new();
    init.set_status(response.status);
    init.set_headers(&headers);
    if response.body.is_empty() {
        return WebResponse::new_with_opt_str_and_init(None, &init);
    }
    let bytes = worker::js_sys::Uint8Array::from(&*response.body);
    WebResponse::new_with_opt_js_u8_array_and_init(Some(&bytes), &init)
}
