//! A failure of the platform: logged once, and answered to the client only as 503.

use std::fmt;

use crate::api::{Dependency, Error};
use crate::document::ClientKey;
use flagsmith_edge_platform::log::LogLine;

/// The source of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Workers KV.
    Kv,
    /// The identity's object.
    IdentityObject,
    /// The environment's object.
    EnvironmentObject,
    /// The registry of environments and server keys.
    Registry,
    /// One of the directory's objects.
    DirectoryObject,
    /// The Flagsmith behind the worker.
    Origin,
    /// The object that keeps evaluations.
    Analytics,
    /// The server that keeps experiments' events.
    Events,
    /// The object with an environment's event streams.
    Streams,
    /// The rate limiter.
    RateLimit,
    /// The static files.
    Assets,
    /// The data set for metrics.
    Metrics,
    /// The worker's settings.
    Settings,
    /// The stored data is invalid.
    Stored,
    /// An environment's conditions.
    Evaluation,
    /// The warm-up of an isolate.
    WarmUp,
}

/// A failure and its cause. The cause contains no key, identifier or value of a client.
#[derive(Debug)]
pub struct Failure {
    /// The source of the failure.
    pub source: Source,
    /// The platform's own text.
    pub cause: String,
}

impl Failure {
    /// A failure of `source`.
    pub fn new(source: Source, cause: impl fmt::Display) -> Failure {
        Failure { source, cause: cause.to_string() }
    }

    /// Logs the failure and returns the client's error.
    pub fn unavailable(&self, dependency: Dependency, client_key: Option<&ClientKey>) -> Error {
        self.log(client_key);
        Error::Unavailable(dependency)
    }

    /// Writes the log line. A client key is public.
    pub fn log(&self, client_key: Option<&ClientKey>) {
        let failure = match self.source {
            Source::Kv => "kv",
            Source::IdentityObject => "identity object",
            Source::EnvironmentObject => "environment object",
            Source::Registry => "registry",
            Source::DirectoryObject => "directory object",
            Source::Origin => "origin",
            Source::Analytics => "analytics",
            Source::Events => "events",
            Source::Streams => "streams",
            Source::RateLimit => "rate limiter",
            Source::Assets => "static files",
            Source::Metrics => "metrics",
            Source::Settings => "settings",
            Source::Stored => "stored value",
            Source::Evaluation => "evaluation",
            Source::WarmUp => "warm-up",
        };
        let client_key = client_key.map(ClientKey::as_str);
        LogLine::Failure { failure, cause: &self.cause, client_key }.write();
    }
}
