//! A request's way through the worker: open, load, check, begin, answer.

use std::borrow::Cow;

use futures_util::future::FutureExt;
use worker::{Context, Env, web_sys};

use super::analytics;
use super::body;
use super::config::Config;
use super::environments::{Environments, Loaded};
use super::identities;
use super::notifications;
use super::overrides;
use super::pages;
use super::proxy;
use super::random;
use super::respond::{respond, respond_held, respond_with};
use super::telemetry::Trace;
use crate::api::{self, EnvironmentKey, Error, Opened, Part, Response, Route, Step};
use crate::page::Page;
use crate::publish::Endpoint;

/// A request, with what the entry module has read of it: a text crosses into WebAssembly for less than the call that
/// would ask for it.
pub struct Incoming {
    /// In the platform's form.
    pub request: web_sys::Request,
    /// As it was sent: the platform's bindings turn methods that they do not know into GET.
    pub method: String,
    /// As it was sent, but for plain dot segments.
    pub path: String,
    /// Without the question mark.
    pub query: String,
    /// What has been learnt of it.
    pub trace: Trace,
    told: Headers,
}

/// Headers as the entry module has read them: one more call where they are asked for costs more.
pub struct Headers {
    /// Of any request.
    pub environment_key: Option<String>,
    /// Of a GET.
    pub if_none_match: Option<String>,
    /// Of any but a GET.
    pub content_type: Option<String>,
    /// Of any but a GET.
    pub content_length: Option<String>,
    /// Of any but a GET.
    pub content_encoding: Option<String>,
}

impl Incoming {
    /// `url` is the platform's own text: its bindings resolve encoded dot segments.
    pub fn new(request: web_sys::Request, method: String, url: &str, told: Headers) -> Incoming {
        // Behind `https://` and the host; a fragment is never sent.
        let target = url.match_indices('/').nth(2).and_then(|(at, _)| url.get(at..)).unwrap_or("/");
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (path, query) = (path.to_owned(), query.to_owned());
        let trace = Trace::default();
        Incoming { request, method, path, query, trace, told }
    }

    /// A header's value, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<String> {
        match name {
            "x-environment-key" => self.told.environment_key.clone(),
            "if-none-match" if self.method == "GET" => self.told.if_none_match.clone(),
            "content-type" if self.method != "GET" => self.told.content_type.clone(),
            "content-length" if self.method != "GET" => self.told.content_length.clone(),
            "content-encoding" if self.method != "GET" => self.told.content_encoding.clone(),
            _ => self.headers().get(name).ok().flatten(),
        }
    }

    /// All headers, in the platform's form.
    pub fn headers(&self) -> web_sys::Headers {
        self.request.headers()
    }
}

/// Answers a request, whatever comes.
///
/// What few requests need is in boxes: unboxed it would be in this function, which V8 compiles before the first answer, and
/// in its state, which each request copies.
pub async fn answer(incoming: &Incoming, env: &Env, context: &Context) -> web_sys::Response {
    let method = &*incoming.method;
    let environments = Environments::new(env.clone(), Config::of(env));
    match api::open(method, &incoming.path, &|name| incoming.header(name)) {
        Opened::Elsewhere => match (Endpoint::parse(&incoming.path), page(incoming)) {
            (Some(endpoint), _) => notifications::answer(endpoint, incoming, env).boxed_local().await,
            (None, Some(page)) => {
                incoming.trace.goes_to("page");
                pages::answer(page, incoming, env).boxed_local().await
            }
            (None, None) => proxy::answer(incoming, env, context).boxed_local().await,
        },
        Opened::Answered(response) => {
            incoming.trace.goes_to(match Route::parse(&incoming.path) {
                _ if method == "OPTIONS" => "preflight",
                Ok(Some(route)) => route.name(),
                _ => "none",
            });
            respond(response)
        }
        Opened::Readiness(route) => {
            incoming.trace.goes_to(route.name());
            let ready = environments.are_readable().boxed_local().await;
            let last_update = environments.last_update();
            respond(api::readiness(route, ready, last_update).finish(Some(route), method))
        }
        Opened::Keyed(route, key) => {
            incoming.trace.goes_to(route.name());
            let finish = |response: Response<'_>| respond(response.finish(Some(route), method));
            let loaded = match environments.load(&key, context).await {
                Err(error) => return finish(Response::error(&error)),
                Ok(loaded) => loaded,
            };
            incoming.trace.loads(&loaded);
            let mut step = begin(&loaded, incoming, route, &key).await;
            let environment = &loaded.environment.environment;
            if let Ok(Step::Document(question)) = &step {
                match overrides::of(env, environment, context).boxed_local().await {
                    Ok((known, None)) if known.version == 0 => {
                        step = Ok(Step::Fixed(question.fixed(environment, key.kind())));
                    }
                    Ok((known, stale_seconds)) => {
                        let response = question.answer(environment, key.kind(), known.version, Cow::default);
                        let response = response.stale(stale_seconds).stale(loaded.stale_seconds);
                        let response = response.finish(Some(route), method);
                        if response.status == 304 {
                            return respond(response);
                        }
                        return respond_with(&response, known.document(environment));
                    }
                    Err(error) => step = Err(error),
                }
            }
            if let (Ok(Step::Fixed(fixed)), None) = (&step, loaded.stale_seconds)
                && let Some(response) = loaded.environment.fixed(*fixed, key.kind())
            {
                return response;
            }
            let mut hold = None;
            let response = match step {
                Ok(Step::Fixed(fixed)) => Ok(fixed.response(environment, key.kind())),
                Ok(Step::Answered(response)) => Ok(response),
                // Answered above.
                Ok(Step::Document(_)) => Err(Error::NotFound),
                Ok(Step::Evaluations(evaluations, response)) => {
                    incoming.trace.asks(usize::from(environments.config.origin.is_some()));
                    analytics::record(env, environment.key(), &evaluations)
                        .boxed_local()
                        .await
                        .map(|()| response)
                }
                Ok(Step::Identities(commands, pending)) => {
                    incoming.trace.asks(commands.len());
                    let outcomes = if pending.needs_identity() {
                        identities::carry_out_and_read(env, environment.key(), commands).await
                    } else {
                        let outcomes = identities::execute(env, environment.key(), commands).await;
                        outcomes.map(|outcomes| (outcomes, None))
                    };
                    outcomes.and_then(|(outcomes, held)| {
                        hold = held;
                        pending.answer(environment, key.kind(), &outcomes)
                    })
                }
                Err(error) => Err(error),
            };
            let response = response.unwrap_or_else(|error| Response::error(&error));
            loaded.environment.log_exhausted(response.exhausted);
            match hold {
                None => finish(response.stale(loaded.stale_seconds)),
                // How long it is was an estimate before.
                Some(hold) if !hold.grow(response.body.len()) => {
                    finish(Response::error(&Error::Unavailable(Part::Answers)))
                }
                Some(hold) => {
                    let response = response.stale(loaded.stale_seconds).finish(Some(route), method);
                    respond_held(&response, hold, context)
                }
            }
        }
    }
}

fn page(incoming: &Incoming) -> Option<Page<'_>> {
    Page::find(&incoming.method, &incoming.path, || incoming.header("accept"))
}

async fn begin<'e>(
    loaded: &'e Loaded,
    incoming: &Incoming,
    route: Route,
    key: &EnvironmentKey,
) -> Result<Step<'e>, Error> {
    let environment = &loaded.environment.environment;
    api::check(environment, route, &incoming.method)?;
    let body = if route.takes_body(&incoming.method) {
        body::read(incoming, route.max_body_length()).await?
    } else {
        Vec::new()
    };
    let request = api::Request {
        method: &incoming.method,
        query: &incoming.query,
        header: &|name| incoming.header(name),
        body: &body,
        random: &random,
    };
    api::begin(environment, route, key.kind(), &request)
}
