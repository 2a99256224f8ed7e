//! The log: one JSON object a line. [`LogLine`] has all kinds of lines, and no other code writes any. The only exception
//! is a panic's message if `LOG_PANIC_MESSAGES` is `true`.
//!
//! No field has room for a path, a server key, an identifier, a trait or a body.

use std::cell::Cell;
use std::panic::{self, PanicHookInfo};

use serde::Serialize;
use worker::{console_error, console_log};

/// A line of the log.
#[derive(Serialize)]
#[serde(untagged)]
pub enum LogLine<'a> {
    /// A failure.
    Failure {
        /// The source of the failure.
        failure: &'static str,
        /// The cause, without server keys, identifiers and other values of a client.
        cause: &'a str,
        /// A client key, which is public.
        #[serde(rename = "environment")]
        client_key: Option<&'a str>,
    },
    /// An answered request.
    Request(LoggedRequest<'a>),
    /// A call of an object.
    Call {
        /// The object's kind.
        object: &'static str,
        /// The number of rows read.
        rows_read: u64,
        /// The number of rows written.
        rows_written: u64,
    },
}

/// A request that was answered.
#[derive(Serialize)]
pub struct LoggedRequest<'a> {
    /// The route's name.
    pub route: &'static str,
    /// The answer's status.
    pub status: u16,
    /// The client key of the environment that answered.
    #[serde(rename = "environment")]
    pub client_key: Option<&'a str>,
    /// The source of that environment's document.
    pub source: Option<&'static str>,
    /// The time since the document was confirmed, in milliseconds.
    pub document_age_ms: u64,
    /// The number of objects called for an SDK's request: those of identities, and the one for evaluations.
    pub objects: u32,
    /// The time that the answer waited for stores, objects and the origin, in milliseconds; the clock stands still
    /// otherwise.
    pub duration_ms: u64,
}

impl LogLine<'_> {
    /// Writes the line.
    pub fn write(&self) {
        // Its fields can always be serialized.
        let text = serde_json::to_string(self).unwrap_or_default();
        match self {
            LogLine::Failure { .. } => console_error!("{text}"),
            LogLine::Request(_) | LogLine::Call { .. } => console_log!("{text}"),
        }
    }
}

thread_local! {
    /// True if the message of a panic is logged, too.
    static LOGS_PANIC_MESSAGES: Cell<bool> = const { Cell::new(false) };
}

/// Installs the panic hook. It writes a failure's line with the place of the panic. The message is left out, since it
/// may quote the data of a request.
pub fn log_panics() {
    panic::set_hook(Box::new(|panic: &PanicHookInfo| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        LogLine::Failure { failure: "panic", cause: &place, client_key: None }.write();
        if LOGS_PANIC_MESSAGES.get() {
            console_error_panic_hook::hook(panic);
        }
    }));
}

/// From now on, the log also has the message and the stack of a panic, after the line of [`log_panics`]. The panic hook
/// only checks a flag, since the entry module installs it before each call, and the settings are read once.
pub fn log_panic_messages() {
    LOGS_PANIC_MESSAGES.set(true);
}
