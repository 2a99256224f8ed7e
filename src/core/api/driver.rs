//! The steps of an SDK request: key, environment, method, body, [`plan`], identities, answer.
//!
//! The same driver runs on the Workers platform and in tests. A [`Backend`] has the stores and the form of answers.

use std::borrow::Cow;

use super::analytics::Evaluations;
use super::cached_response::CachedResponse;
use super::error::{Dependency, Error};
use super::health;
use super::key::EnvironmentKey;
use super::ofrep::{self, ConfigHint};
use super::plan::{Plan, check, plan};
use super::request::Request;
use super::response::Response;
use super::route::{HealthRoute, KeyedRoute, SdkRoute};
use crate::document::{Environment, Identifier, KeyKind, Timestamp};
use crate::identity::{Command, CommandError, Identity};

/// The stores of a deployment, and its form of answers.
#[expect(async_fn_in_trait, reason = "a request stays in one thread")]
pub trait Backend {
    /// An environment to answer from.
    type Loaded;
    /// The stored overrides of an environment.
    type Overrides;
    /// An answer.
    type Answer;

    /// True if environments can be read, and the time of the latest confirmation of one.
    async fn readiness(&self) -> (bool, Option<Timestamp>);

    /// Returns the environment of a key. With a hint, it is revalidated first if it may be older than that.
    async fn load(&self, key: &EnvironmentKey, hint: Option<&ConfigHint>) -> Result<Self::Loaded, Error>;

    /// The compiled environment, and its age in seconds if confirming it failed.
    fn environment<'l>(&self, loaded: &'l Self::Loaded) -> (&'l Environment, Option<u64>);

    /// Reads the body of the request, at most `max_length` bytes.
    async fn body(&self, max_length: usize) -> Result<Vec<u8>, Error>;

    /// Executes each command on its identity, and returns the outcomes in the same order. The identities come with their
    /// state only if `needs_identity`.
    async fn execute(
        &self,
        environment: &Environment,
        commands: Vec<(Identifier, Command)>,
        needs_identity: bool,
    ) -> Result<Vec<Result<Identity, CommandError>>, Error>;

    /// Keeps evaluations until the origin has them, if there is one.
    async fn record(&self, environment: &Environment, evaluations: &Evaluations) -> Result<(), Error>;

    /// Forwards the request's body, experiments' events, and returns the answer.
    async fn forward_events(&self, environment: &Environment) -> Response<'static>;

    /// Returns the stored overrides.
    async fn overrides(&self, environment: &Environment) -> Result<KnownOverrides<Self::Overrides>, Error>;

    /// Reserves memory for an answer of this length. Returns false if there is not enough, and then reserves none.
    fn reserve(&self, length: usize) -> bool;

    /// Returns an answer that was made before, if it was kept.
    fn cached(&self, loaded: &Self::Loaded, cached: CachedResponse, key: KeyKind) -> Option<Self::Answer>;

    /// Makes an answer.
    fn answer(&self, loaded: Option<&Self::Loaded>, response: Response<'_>) -> Self::Answer;

    /// Makes an answer whose body is the document with the stored overrides.
    fn answer_with_document(
        &self,
        environment: &Environment,
        overrides: &Self::Overrides,
        response: Response<'_>,
    ) -> Self::Answer;
}

/// The stored overrides of an environment, as a [`Backend`] has them.
pub struct KnownOverrides<O> {
    /// The overrides in the backend's form.
    pub overrides: O,
    /// The number of changes so far.
    pub version: u64,
    /// The age in seconds, if confirming the overrides failed.
    pub stale_seconds: Option<u64>,
}

/// Answers a request; preflights are answered before, for all APIs alike. The backend reads the body, and only where the
/// route has one.
pub async fn answer<B: Backend>(backend: &B, route: SdkRoute, request: &Request<'_>) -> B::Answer {
    let response = match route {
        SdkRoute::Health(health) => answer_health(backend, health, request.method).await,
        SdkRoute::Keyed(keyed) => {
            let loaded = match environment_key(keyed, request) {
                Ok(key) => {
                    let hint = if keyed.is_ofrep() { ConfigHint::read(request.query) } else { None };
                    backend.load(&key, hint.as_ref()).await.map(|loaded| (loaded, key.kind()))
                }
                Err(error) => Err(error),
            };
            match loaded {
                Ok((loaded, key)) => return answer_keyed(backend, &loaded, keyed, key, request).await,
                Err(error) => error_response(keyed, request, &error),
            }
        }
    };
    backend.answer(None, response.finish(Some(route), request.method))
}

async fn answer_health<B: Backend>(backend: &B, route: HealthRoute, method: &str) -> Response<'static> {
    match SdkRoute::Health(route).check_method(method) {
        Err(error) => Response::error(&error),
        Ok(()) => match route {
            HealthRoute::Liveness => health::liveness(),
            HealthRoute::ProxyLiveness => Response::empty(200),
            HealthRoute::Version => health::version(),
            HealthRoute::Health | HealthRoute::Readiness | HealthRoute::ProxyReadiness => {
                let (is_ready, last_update) = backend.readiness().await;
                health::readiness(route, is_ready, last_update)
            }
        },
    }
}

/// Reads the key. A client key is refused before its lookup where a server key is needed.
fn environment_key(route: KeyedRoute, request: &Request<'_>) -> Result<EnvironmentKey, Error> {
    if route.is_ofrep() {
        return ofrep::environment_key(request);
    }
    let key = EnvironmentKey::parse((request.header)("x-environment-key"))?;
    if key.kind() == KeyKind::Client && route.needs_server_key() { Err(Error::KeyMissing) } else { Ok(key) }
}

/// The answer to a request that failed, in the form of its API.
fn error_response(route: KeyedRoute, request: &Request<'_>, error: &Error) -> Response<'static> {
    match route {
        KeyedRoute::OfrepFlag => ofrep::flag_error(&ofrep::flag_key(request.path), error),
        KeyedRoute::OfrepFlags => ofrep::bulk_error(error),
        _ => Response::error(error),
    }
}

async fn answer_keyed<B: Backend>(
    backend: &B,
    loaded: &B::Loaded,
    route: KeyedRoute,
    key: KeyKind,
    request: &Request<'_>,
) -> B::Answer {
    let (environment, stale_seconds) = backend.environment(loaded);
    // A stale answer has one more header.
    let kept = |cached| if stale_seconds.is_none() { backend.cached(loaded, cached, key) } else { None };
    let mut overrides = None;
    let response = match plan_keyed(backend, environment, route, key, request).await {
        Ok(Plan::CachedResponse(cached)) => match kept(cached) {
            Some(answer) => return answer,
            None => Ok(cached.response(environment, key)),
        },
        Ok(Plan::Answered(response)) => Ok(response),
        Ok(Plan::Document(conditions)) => match backend.overrides(environment).await {
            Ok(KnownOverrides { version: 0, stale_seconds: None, .. }) => {
                let cached = CachedResponse::of_document(&conditions, environment, key);
                match kept(cached) {
                    Some(answer) => return answer,
                    None => Ok(cached.response(environment, key)),
                }
            }
            Ok(stored) => {
                let response = conditions.answer(environment, key, stored.version, Cow::default);
                overrides = (response.status != 304).then_some(stored.overrides);
                Ok(response.stale(stored.stale_seconds))
            }
            Err(error) => Err(error),
        },
        Ok(Plan::Evaluations(evaluations, response)) => {
            backend.record(environment, &evaluations).await.map(|()| response)
        }
        Ok(Plan::Events) => Ok(backend.forward_events(environment).await),
        Ok(Plan::Identities(commands, continuation)) => {
            let outcomes = backend.execute(environment, commands, continuation.needs_identity()).await;
            outcomes.and_then(|outcomes| continuation.answer(environment, key, &outcomes))
        }
        Err(error) => Err(error),
    };
    let response = match response {
        Ok(response) if backend.reserve(response.body.len()) => response,
        Ok(response) => {
            let error = Error::Unavailable(Dependency::Answers);
            error_response(route, request, &error).exhausted(response.exhausted)
        }
        Err(error) => error_response(route, request, &error),
    };
    let response = response.stale(stale_seconds).finish(Some(route.into()), request.method);
    match overrides {
        Some(overrides) => backend.answer_with_document(environment, &overrides, response),
        None => backend.answer(Some(loaded), response),
    }
}

async fn plan_keyed<'e, B: Backend>(
    backend: &B,
    environment: &'e Environment,
    route: KeyedRoute,
    key: KeyKind,
    request: &Request<'_>,
) -> Result<Plan<'e>, Error> {
    check(environment, route, request.method)?;
    let body = if route.takes_body(request.method) {
        backend.body(route.max_body_length()).await?
    } else {
        Vec::new()
    };
    plan(environment, route, key, &Request { body: &body, ..*request })
}
