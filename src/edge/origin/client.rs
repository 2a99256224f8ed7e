//! Requests to the origin, each with a time limit, and the kinds of their failures.

use std::cell::RefCell;
use std::fmt;
use std::time::Duration;

use worker::Env;
use worker::js_sys::{self, Object, Promise, Reflect, Uint8Array};
use worker::wasm_bindgen::{self, JsCast, JsValue, prelude::wasm_bindgen};
use worker::wasm_bindgen_futures::JsFuture;
use worker::web_sys::{
    AbortController, Headers, Request, RequestInit, RequestRedirect, Response, WorkerGlobalScope,
};

use crate::admin::{AdminError, Origin};
use crate::edge::http::body::read_at_most;
use crate::edge::platform::failure::{Failure, Source};
use crate::edge::platform::timeout::with_timeout;
use crate::settings::ORIGIN_BINDING;

#[wasm_bindgen]
extern "C" {
    /// The binding of an origin that is a worker.
    type Service;

    #[wasm_bindgen(method, catch)]
    fn fetch(this: &Service, request: &Request) -> Result<Promise, JsValue>;
}

/// The reason for a missing answer of the origin.
#[derive(Debug)]
pub enum OriginError {
    /// The connection was refused or broke off, or the answer is too long; the platform's own text.
    Unreachable(String),
    /// The time limit was exceeded.
    Timeout(Duration),
}

/// A request by the worker itself.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The method in upper case.
    pub method: &'a str,
    /// The path with the query.
    pub target: &'a str,
    /// The headers: name and value.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body; not for GET or HEAD.
    pub body: Option<&'a [u8]>,
    /// The time limit, the answer's body included.
    pub timeout: Duration,
    /// The maximum length of the answer's body in bytes.
    pub max_length: usize,
}

/// The origin's answer to a [`Call`], with any status.
pub struct OriginAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The headers in the platform's form.
    pub headers: Headers,
    /// The whole body.
    pub body: Vec<u8>,
}

impl OriginAnswer {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).ok().flatten()
    }
}

/// Sends a request to the origin and reads its answer. A redirect is an answer, too.
///
/// The platform reuses connections. Only the next request shows that the origin closed a connection, or that an answer
/// left bytes on the connection. A GET that fails for this reason is sent once more, which changes nothing at the
/// origin.
pub async fn call(env: &Env, origin: &Origin, call: Call<'_>) -> Result<OriginAnswer, OriginError> {
    // The platform's text may contain a part of the request.
    let exchange = begin(env, origin, call)
        .map_err(|_| OriginError::Unreachable("the request cannot be created".to_owned()))?;
    exchange
        .within(call.timeout, async {
            let response = match exchange.send().await {
                Err(OriginError::Unreachable(_)) if call.method == "GET" => exchange.send().await?,
                sent => sent?,
            };
            let body = match response.body() {
                None => Vec::new(),
                Some(body) => read_at_most(body, call.max_length).await?.map_err(|_| {
                    OriginError::Unreachable(format!("its answer is longer than {} bytes", call.max_length))
                })?,
            };
            Ok(OriginAnswer { status: response.status(), headers: response.headers(), body })
        })
        .await
}

fn begin(env: &Env, origin: &Origin, call: Call<'_>) -> Result<Exchange, JsValue> {
    let headers = Headers::new()?;
    for (name, value) in call.headers {
        headers.set(name, value)?;
    }
    let body = call.body.map(|body| Uint8Array::from(body).into());
    Exchange::new(env, origin, call.target, call.method, &headers, body)
}

/// A request on its way to the origin, and its answer.
pub struct Exchange {
    /// The binding to call; `None` for an origin at a URL.
    service: Option<Service>,
    request: Request,
    controller: AbortController,
    /// The answer's head, once the request was sent.
    answer: RefCell<Option<Promise>>,
}

impl Exchange {
    /// A request that is not sent yet.
    pub fn new(
        env: &Env,
        origin: &Origin,
        target: &str,
        method: &str,
        headers: &Headers,
        body: Option<JsValue>,
    ) -> Result<Exchange, JsValue> {
        let controller = AbortController::new()?;
        let init = RequestInit::new();
        init.set_method(method);
        init.set_headers(headers);
        init.set_redirect(RequestRedirect::Manual);
        // The platform caches some answers by itself. `cache: "no-store"` would change the headers.
        let cf = Object::new();
        Reflect::set(&cf, &"cacheTtl".into(), &(-1).into())?;
        Reflect::set(&init, &"cf".into(), &cf)?;
        init.set_signal(Some(&controller.signal()));
        if let Some(body) = body {
            init.set_body(&body);
        }
        let request = Request::new_with_str_and_init(&origin.url(target), &init)?;
        let service = match origin.is_bound() {
            true => Some(Reflect::get(env, &ORIGIN_BINDING.into())?.unchecked_into()),
            false => None,
        };
        Ok(Exchange { service, request, controller, answer: RefCell::default() })
    }

    /// Returns the answer as soon as its head has arrived.
    pub async fn send(&self) -> Result<Response, OriginError> {
        let answer = match &self.service {
            Some(service) => service.fetch(&self.request)?,
            None => {
                let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
                scope.fetch_with_request(&self.request)
            }
        };
        self.answer.replace(Some(answer.clone()));
        Ok(JsFuture::from(answer).await?.unchecked_into())
    }

    /// Waits until the origin has answered or closed the connection, up to this time. Then aborts the exchange.
    pub async fn settle(&self, patience: Duration) {
        if let Some(answer) = self.answer.take() {
            drop(with_timeout(patience, JsFuture::from(answer)).await);
        }
        self.abort();
    }

    /// Aborts the exchange, so that both sides stop their work.
    pub fn abort(&self) {
        self.controller.abort();
    }

    /// Awaits `work` on this exchange. If it fails or takes too long, the exchange is aborted.
    pub async fn within<T>(
        &self,
        timeout: Duration,
        work: impl Future<Output = Result<T, OriginError>>,
    ) -> Result<T, OriginError> {
        let outcome = with_timeout(timeout, work).await.unwrap_or(Err(OriginError::Timeout(timeout)));
        if outcome.is_err() {
            self.abort();
        }
        outcome
    }
}

impl fmt::Display for OriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OriginError::Unreachable(cause) => f.write_str(cause),
            OriginError::Timeout(timeout) => write!(f, "no answer within {timeout:?}"),
        }
    }
}

impl OriginError {
    /// Logs the failure and returns the client's error.
    pub fn report(self) -> AdminError {
        let cause = self.to_string();
        let error = match self {
            OriginError::Unreachable(_) => AdminError::OriginUnreachable,
            OriginError::Timeout(_) => AdminError::OriginTimeout,
        };
        Failure::new(Source::Origin, cause).log(None);
        error
    }
}

impl From<JsValue> for OriginError {
    fn from(error: JsValue) -> OriginError {
        OriginError::Unreachable(worker::Error::from(error).to_string())
    }
}
