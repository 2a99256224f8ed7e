//! A request's way through the worker: open, load, check, begin, answer.

use worker::{Context, Env, web_sys};

use super::analytics;
use super::body;
use super::config::Config;
use super::environments::{Environments, Loaded};
use super::identities;
use super::notices;
use super::proxy;
use super::respond::{respond, respond_with};
use crate::api::{self, EnvironmentKey, Error, Opened, Response, Route, Step};
use crate::publish::Endpoint;

/// What a request is made of, taken from the platform once.
pub struct Incoming {
    /// In the platform's form.
    pub request: web_sys::Request,
    /// In the platform's form.
    pub headers: web_sys::Headers,
    /// As it was sent.
    pub method: String,
    /// As it was sent.
    pub path: String,
    /// Without the question mark.
    pub query: String,
}

impl Incoming {
    /// The platform's own method and URL texts: its bindings turn methods that they do not know into GET, and
    /// resolve the dot segments of paths.
    fn new(request: web_sys::Request) -> Incoming {
        let (method, url) = (request.method(), request.url());
        // Behind `https://` and the host; a fragment is never sent.
        let target = url.match_indices('/').nth(2).and_then(|(at, _)| url.get(at..)).unwrap_or("/");
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Incoming {
            method,
            path: path.to_owned(),
            query: query.to_owned(),
            headers: request.headers(),
            request,
        }
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).ok().flatten()
    }
}

/// Answers a request, whatever comes.
pub async fn answer(request: web_sys::Request, env: Env, context: Context) -> web_sys::Response {
    let incoming = Incoming::new(request);
    let method = incoming.method.clone();
    let environments = Environments::new(env.clone(), Config::of(&env));
    match api::open(&method, &incoming.path, &|name| incoming.header(name)) {
        Opened::Elsewhere => match Endpoint::parse(&incoming.path) {
            Some(endpoint) => notices::answer(endpoint, incoming, &env).await,
            None => proxy::answer(incoming, &env, &context).await,
        },
        Opened::Answered(response) => respond(response),
        Opened::Readiness(route) => {
            let ready = environments.are_readable().await;
            respond(api::readiness(ready).finish(Some(route), &method))
        }
        Opened::Keyed(route, key) => {
            let finish = |response: Response<'_>| respond(response.finish(Some(route), &method));
            let loaded = match environments.load(&key, &context).await {
                Err(error) => return finish(Response::error(&error)),
                Ok(loaded) => loaded,
            };
            let answer = answer_for(&loaded, incoming, route, &key, &env).await;
            let response = answer.unwrap_or_else(|error| Response::error(&error)).stale(loaded.stale_seconds);
            respond_with(response.finish(Some(route), &method), |body| {
                loaded.environment.body(body, key.kind())
            })
        }
    }
}

async fn answer_for<'e>(
    loaded: &'e Loaded,
    incoming: Incoming,
    route: Route,
    key: &EnvironmentKey,
    env: &Env,
) -> Result<Response<'e>, Error> {
    let environment = &loaded.environment.environment;
    api::check(environment, route, &incoming.method)?;
    let body = if route.takes_body(&incoming.method) {
        body::read(&incoming.request, api::MAX_BODY_LENGTH).await?
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
    match api::begin(environment, route, key.kind(), &request)? {
        Step::Answered(response) => Ok(response),
        Step::Evaluations(evaluations, response) => {
            analytics::record(env, environment.key(), &evaluations).await?;
            Ok(response)
        }
        Step::Identities(commands, pending) => {
            let outcomes = identities::carry_out(env, environment.key(), commands).await?;
            pending.answer(environment, key.kind(), &outcomes)
        }
    }
}

fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    // The platform's source of randomness does not fail; zeros would still be an identifier.
    let _ = getrandom::fill(&mut bytes);
    bytes
}
