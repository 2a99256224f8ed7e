//! The record of each request: a data point if `METRICS` is bound, and a line of the log for a sample of requests
//! (`LOG_REQUESTS`).
//!
//! Without both, the only cost is some fields on the stack.

use std::cell::{Cell, OnceCell};
use std::rc::Rc;

use worker::js_sys::Math;
use worker::wasm_bindgen::{self, JsValue, prelude::wasm_bindgen};

use crate::document::ClientKey;
use crate::edge::cache::environments::{CachedEnvironment, LoadedEnvironment};
use crate::edge::platform::clock::now_ms;
use crate::edge::platform::failure::{Failure, Source};
use flagsmith_edge_platform::log::{LogLine, LoggedRequest};

#[wasm_bindgen]
extern "C" {
    /// The data set: `Metrics` of `metrics.js`.
    pub type Metrics;

    #[wasm_bindgen(method, catch)]
    fn write(
        this: &Metrics,
        route: &str,
        status: u16,
        client_key: &str,
        source: &str,
        document_age_ms: f64,
        objects: u32,
        duration_ms: f64,
    ) -> Result<(), JsValue>;
}

/// The facts about a request, collected by its handlers through shared references.
#[derive(Default)]
pub struct Trace {
    route: Cell<&'static str>,
    environment: OnceCell<Rc<CachedEnvironment>>,
    source: Cell<Option<&'static str>>,
    document_age_ms: Cell<u64>,
    objects: Cell<u32>,
}

impl Trace {
    /// Records the name of the route: a fixed word, never a part of the path.
    pub fn set_route(&self, route: &'static str) {
        self.route.set(route);
    }

    /// Records the environment that answers the request.
    pub fn set_environment(&self, loaded: &LoadedEnvironment) {
        let _ = self.environment.set(loaded.environment.clone());
        self.source.set(Some(loaded.source.name()));
        self.document_age_ms.set(loaded.age);
    }

    /// Records that the origin answers the request.
    pub fn set_source_origin(&self) {
        self.source.set(Some("origin"));
    }

    /// Records the number of objects that are called for the request.
    pub fn count_objects(&self, objects: usize) {
        let objects = u32::try_from(objects).unwrap_or(u32::MAX);
        self.objects.set(self.objects.get().saturating_add(objects));
    }
}

/// The record of one request, written when it is answered.
pub struct Telemetry {
    metrics: Option<Metrics>,
    is_logged: bool,
    began_at: u64,
}

impl Telemetry {
    /// Starts the record of a request. One in `log_requests` is logged; none if that is 0.
    pub fn begin(metrics: Option<Metrics>, log_requests: u64) -> Telemetry {
        let is_logged = log_requests > 0 && Math::random() * (log_requests as f64) < 1.0;
        let began_at = if metrics.is_some() || is_logged { now_ms() } else { 0 };
        Telemetry { metrics, is_logged, began_at }
    }

    /// Writes the record if it is needed; `status` is read only then.
    pub fn end(&self, trace: &Trace, status: impl FnOnce() -> u16) {
        if self.metrics.is_none() && !self.is_logged {
            return;
        }
        let client_key = trace.environment.get().map(|served| served.environment.key());
        let request = LoggedRequest {
            route: trace.route.get(),
            status: status(),
            client_key: client_key.map(ClientKey::as_str),
            source: trace.source.get(),
            document_age_ms: trace.document_age_ms.get(),
            objects: trace.objects.get(),
            duration_ms: now_ms().saturating_sub(self.began_at),
        };
        if let Some(metrics) = &self.metrics
            && let Err(error) = write(metrics, &request)
        {
            Failure::new(Source::Metrics, worker::Error::from(error)).log(client_key);
        }
        if self.is_logged {
            LogLine::Request(request).write();
        }
    }
}

fn write(metrics: &Metrics, request: &LoggedRequest<'_>) -> Result<(), JsValue> {
    metrics.write(
        request.route,
        request.status,
        request.client_key.unwrap_or_default(),
        request.source.unwrap_or_default(),
        request.document_age_ms as f64,
        request.objects,
        request.duration_ms as f64,
    )
}
