//! Reads a request's body up to a bound and not further.

use futures_util::StreamExt;
use worker::js_sys::Uint8Array;
use worker::wasm_bindgen_futures::JsFuture;
use worker::{Request, web_sys};

use crate::api::Error;

/// The whole body; an error for one that is longer than `limit` bytes, or that breaks off.
pub async fn read(request: &web_sys::Request, limit: usize) -> Result<Vec<u8>, Error> {
    let length = request.headers().get("content-length").ok().flatten();
    // More than this target's addresses can count.
    let length = length.and_then(|length| length.parse::<u64>().ok());
    match length {
        Some(0) => Ok(Vec::new()),
        Some(length) if length > limit as u64 => Err(Error::BodyTooLarge(limit)),
        Some(_) => {
            let buffer = JsFuture::from(request.array_buffer().map_err(|_| broken())?).await;
            buffer.map(|buffer| Uint8Array::new(&buffer).to_vec()).map_err(|_| broken())
        }
        None => read_chunks(request, limit).await,
    }
}

/// A body whose length nobody told.
async fn read_chunks(request: &web_sys::Request, limit: usize) -> Result<Vec<u8>, Error> {
    // Another reference to the same request; its own method of that name would split the body in two.
    let request = <web_sys::Request as Clone>::clone(request);
    // A request without a body has no stream either.
    let Ok(mut chunks) = Request::from(request).stream() else { return Ok(Vec::new()) };
    let mut body = Vec::new();
    while let Some(chunk) = chunks.next().await {
        body.extend_from_slice(&chunk.map_err(|_| broken())?);
        if body.len() > limit {
            return Err(Error::BodyTooLarge(limit));
        }
    }
    Ok(body)
}

fn broken() -> Error {
    Error::Malformed("the request body broke off".to_owned())
}
