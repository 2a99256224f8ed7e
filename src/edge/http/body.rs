//! Reads bodies up to a maximum length.

use std::cell::RefCell;
use std::time::Duration;

use worker::Context;
use worker::js_sys::{Reflect, Uint8Array};
use worker::wasm_bindgen::{self, JsCast, JsValue, prelude::wasm_bindgen};
use worker::wasm_bindgen_futures::JsFuture;
use worker::web_sys::{ReadableStream, ReadableStreamDefaultReader, WritableStream};

use crate::admin::uploads::Uploads;
use crate::api::{Error, check_encoding};
use crate::edge::http::hold::Hold;
use crate::edge::http::incoming::IncomingRequest;

#[wasm_bindgen]
extern "C" {
    /// The platform's own pipe. Its bytes do not pass through JavaScript's memory. With a plain `TransformStream`, tens
    /// of MB would wait there for the garbage collector.
    type IdentityTransformStream;

    #[wasm_bindgen(constructor, catch)]
    fn new() -> Result<IdentityTransformStream, JsValue>;

    #[wasm_bindgen(method, getter)]
    fn readable(this: &IdentityTransformStream) -> ReadableStream;

    #[wasm_bindgen(method, getter)]
    fn writable(this: &IdentityTransformStream) -> WritableStream;
}

/// Reads the whole body of a request. It is an error if the body is encoded, longer than `limit` bytes, or ends early.
pub async fn read(incoming: &IncomingRequest, limit: usize) -> Result<Vec<u8>, Error> {
    let request = &incoming.request;
    let check_encoding = || check_encoding(incoming.header("content-encoding"));
    match content_length(incoming.header("content-length")) {
        Some(0) => Ok(Vec::new()),
        Some(length) if length > limit as u64 => Err(Error::BodyTooLarge(limit)),
        Some(_) => {
            check_encoding()?;
            let buffer = JsFuture::from(request.array_buffer().map_err(|_| broken())?).await;
            buffer.map(|buffer| Uint8Array::new(&buffer).to_vec()).map_err(|_| broken())
        }
        None => match request.body() {
            None => Ok(Vec::new()),
            Some(body) => {
                check_encoding()?;
                match read_at_most(body, limit).await {
                    Ok(Ok(body)) => Ok(body),
                    Ok(Err(_)) => Err(Error::BodyTooLarge(limit)),
                    Err(_) => Err(broken()),
                }
            }
        },
    }
}

/// The value of a `Content-Length`, which may exceed `usize` of this target.
pub fn content_length(content_length: Option<String>) -> Option<u64> {
    content_length?.parse().ok()
}

/// A body that is longer than the limit: the part that was read, and the rest.
pub struct TooLong {
    /// The part that was read, slightly longer than the limit.
    pub start: Vec<u8>,
    /// The rest, which only one reader may use.
    pub rest: ReadableStream,
}

/// Reads the whole body; an error of the platform if it ends early.
pub async fn read_at_most(body: ReadableStream, limit: usize) -> Result<Result<Vec<u8>, TooLong>, JsValue> {
    read_while(body, |length| length <= limit).await
}

/// Reads a body while `may_have` accepts its length.
pub async fn read_while(
    body: ReadableStream,
    may_have: impl Fn(usize) -> bool,
) -> Result<Result<Vec<u8>, TooLong>, JsValue> {
    let reader: ReadableStreamDefaultReader = body.get_reader().unchecked_into();
    let mut start = Vec::new();
    loop {
        let piece = JsFuture::from(reader.read()).await?;
        if Reflect::get(&piece, &"done".into())?.is_truthy() {
            return Ok(Ok(start));
        }
        let piece: Uint8Array = Reflect::get(&piece, &"value".into())?.unchecked_into();
        let length = start.len();
        start.resize(length + piece.length() as usize, 0);
        if let Some(room) = start.get_mut(length..) {
            piece.copy_to(room);
        }
        if !may_have(start.len()) {
            reader.release_lock();
            return Ok(Err(TooLong { start, rest: body }));
        }
    }
}

thread_local! {
    static UPLOADS: RefCell<Uploads> = RefCell::default();
}

/// A buffered body without a `Content-Length`. While this value exists, the body counts towards the memory limit for
/// such bodies.
pub struct ChunkedUpload(Hold);

impl ChunkedUpload {
    /// Registers a body, which counts towards the limit for this time at most.
    pub fn begin(lifetime: Duration) -> ChunkedUpload {
        ChunkedUpload(Hold::begin(&UPLOADS, lifetime))
    }

    /// True if the body may grow to this length.
    pub fn grow(&self, length: usize) -> bool {
        self.0.grow(length)
    }
}

/// Joins both parts to one stream, which forwards the body as fast as it is read.
pub fn restream(longer: TooLong, context: &Context) -> Result<ReadableStream, JsValue> {
    let pipe = IdentityTransformStream::new()?;
    let writable = pipe.writable();
    let pass_on = async move {
        let writer = writable.get_writer()?;
        JsFuture::from(writer.write_with_chunk(&Uint8Array::from(longer.start.as_slice()))).await?;
        writer.release_lock();
        JsFuture::from(longer.rest.pipe_to(&writable)).await
    };
    // If the source fails, reading from the pipe fails, too, so the error here can be ignored.
    context.wait_until(async move { drop(pass_on.await) });
    Ok(pipe.readable())
}

fn broken() -> Error {
    Error::Malformed("the request body ended early; send it again".to_owned())
}
