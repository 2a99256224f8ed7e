//! Counts the memory of bodies that are received or sent, until it is released or the request ends in any way.

use std::cell::RefCell;
use std::thread::LocalKey;
use std::time::Duration;

use worker::Context;
use worker::js_sys::Uint8Array;
use worker::wasm_bindgen::{self, JsValue, prelude::wasm_bindgen};
use worker::wasm_bindgen_futures::JsFuture;
use worker::web_sys::{ReadableStream, WritableStream};

use crate::admin::uploads::Uploads;
use crate::edge::platform::clock::now_ms;
use crate::edge::platform::timeout::with_timeout;

#[wasm_bindgen]
extern "C" {
    /// The platform's stream of a known length, which becomes the `Content-Length` of a response.
    type FixedLengthStream;

    #[wasm_bindgen(constructor, catch)]
    fn new(length: f64) -> Result<FixedLengthStream, JsValue>;

    #[wasm_bindgen(method, getter)]
    fn readable(this: &FixedLengthStream) -> ReadableStream;

    #[wasm_bindgen(method, getter)]
    fn writable(this: &FixedLengthStream) -> WritableStream;
}

type Holds = &'static LocalKey<RefCell<Uploads>>;

thread_local! {
    /// Responses with large identities.
    static ANSWERS: RefCell<Uploads> = RefCell::default();
}

/// The time limit for a client to read a held answer.
const MAX_SENDING: Duration = Duration::from_secs(120);

/// A share of the memory for all bodies of one kind. Dropping it releases the memory.
pub struct Hold {
    holds: Holds,
    number: u64,
}

impl Hold {
    /// Starts without memory. The share expires after `lifetime`, even if it is never dropped.
    pub fn begin(holds: Holds, lifetime: Duration) -> Hold {
        let now = now_ms();
        let ends_at = now + lifetime.as_millis() as u64;
        Hold { holds, number: holds.with_borrow_mut(|holds| holds.begin(now, ends_at)) }
    }

    /// Reserves memory for the answer of a large identity; `None` if there is no room for it.
    pub fn for_answer(length: usize) -> Option<Hold> {
        // The lifetime exceeds the time for fetching and sending the answer.
        let hold = Hold::begin(&ANSWERS, MAX_SENDING * 2);
        hold.grow(length).then_some(hold)
    }

    /// Reserves memory for a body of this length. Returns true if there is room for it.
    pub fn grow(&self, length: usize) -> bool {
        self.holds.with_borrow_mut(|holds| holds.grow(self.number, length))
    }

    /// Turns the body into a stream. The memory is released when the client has read it, or at the time limit.
    pub fn into_stream(self, body: Uint8Array, context: &Context) -> Result<ReadableStream, JsValue> {
        let pipe = FixedLengthStream::new(body.length().into())?;
        let writer = pipe.writable().get_writer()?;
        context.wait_until(async move {
            let sent = with_timeout(MAX_SENDING, async {
                JsFuture::from(writer.write_with_chunk(&body)).await?;
                JsFuture::from(writer.close()).await
            });
            if sent.await.is_none() {
                let _ = JsFuture::from(writer.abort()).await;
            }
            drop(self);
        });
        Ok(pipe.readable())
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.holds.with_borrow_mut(|holds| holds.end(self.number));
    }
}
