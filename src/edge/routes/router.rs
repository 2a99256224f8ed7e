//! Routes requests: parse, load, authorize, plan, answer.

use std::borrow::Cow;

use futures_util::future::FutureExt;
use worker::{Context, Env, web_sys};

use crate::api::{
    self, CachedResponse, Dependency, EnvironmentKey, Error, KeyedRoute, Plan, Response, Route, RouteMatch,
};
use crate::edge::cache::environments::{Environments, LoadedEnvironment};
use crate::edge::cache::overrides;
use crate::edge::http::body;
use crate::edge::http::incoming::IncomingRequest;
use crate::edge::http::response::{respond, respond_held, respond_with};
use crate::edge::objects::analytics::client as analytics;
use crate::edge::objects::identity::client as identities;
use crate::edge::platform::config::Config;
use crate::edge::platform::random::random;
use crate::edge::routes::assets as pages;
use crate::edge::routes::notifications;
use crate::edge::routes::proxy;
use crate::page::Page;
use crate::publish::Endpoint;

/// Answers any request.
///
/// The futures of rare requests are boxed. Unboxed, their code would be in this function, which V8 compiles before the
/// first answer, and in its state, which each request copies.
pub async fn answer(incoming: &IncomingRequest, env: &Env, context: &Context) -> web_sys::Response {
    let method = &*incoming.method;
    let config = Config::of(env);
    let environments = Environments::new(env, config);
    match api::open(method, &incoming.path, &|name| incoming.header(name)) {
        RouteMatch::NotSdkRoute => match (Endpoint::parse(&incoming.path), page(incoming)) {
            (Some(endpoint), _) => notifications::answer(endpoint, incoming, env).boxed_local().await,
            (None, Some(page)) => {
                incoming.trace.set_route("page");
                pages::answer(page, incoming, env).boxed_local().await
            }
            (None, None) => proxy::answer(incoming, env, context).boxed_local().await,
        },
        RouteMatch::Answered(response) => {
            incoming.trace.set_route(match Route::parse(&incoming.path) {
                _ if method == "OPTIONS" => "preflight",
                Ok(Some(route)) => route.name(),
                _ => "none",
            });
            respond(response)
        }
        RouteMatch::Readiness(health) => {
            let route = Route::Health(health);
            incoming.trace.set_route(route.name());
            let ready = environments.are_readable().boxed_local().await;
            let last_update = environments.last_update();
            respond(api::readiness(health, ready, last_update).finish(Some(route), method))
        }
        RouteMatch::NeedsEnvironment(keyed, key) => {
            let route = Route::Keyed(keyed);
            incoming.trace.set_route(route.name());
            let finish = |response: Response<'_>| respond(response.finish(Some(route), method));
            let loaded = match environments.load(&key, context).await {
                Err(error) => return finish(Response::error(&error)),
                Ok(loaded) => loaded,
            };
            incoming.trace.set_environment(&loaded);
            let plan = plan(&loaded, incoming, keyed, &key).await;
            let environment = &loaded.environment.environment;
            // In the platform's form, where the environment is confirmed.
            let prepared = |cached: CachedResponse| match loaded.stale_seconds {
                None => loaded.environment.fixed(cached, key.kind()),
                Some(_) => None,
            };
            let mut hold = None;
            let response = match plan {
                Ok(Plan::CachedResponse(cached)) => match prepared(cached) {
                    Some(response) => return response,
                    None => Ok(cached.response(environment, key.kind())),
                },
                Ok(Plan::Answered(response)) => Ok(response),
                Ok(Plan::Document(conditions)) => {
                    match overrides::of(env, environment, context).boxed_local().await {
                        Ok((known, None)) if known.version == 0 => {
                            let cached = CachedResponse::of_document(&conditions, environment, key.kind());
                            match prepared(cached) {
                                Some(response) => return response,
                                None => Ok(cached.response(environment, key.kind())),
                            }
                        }
                        Ok((known, stale_seconds)) => {
                            let response =
                                conditions.answer(environment, key.kind(), known.version, Cow::default);
                            let response = response.stale(stale_seconds).stale(loaded.stale_seconds);
                            let response = response.finish(Some(route), method);
                            if response.status == 304 {
                                return respond(response);
                            }
                            return respond_with(&response, known.document(environment));
                        }
                        Err(error) => Err(error),
                    }
                }
                Ok(Plan::Evaluations(evaluations, response)) => {
                    incoming.trace.count_objects(usize::from(config.origin.is_some()));
                    analytics::record(env, environment.key(), &evaluations)
                        .boxed_local()
                        .await
                        .map(|()| response)
                }
                Ok(Plan::Identities(commands, pending)) => {
                    incoming.trace.count_objects(commands.len());
                    let outcomes = if pending.needs_identity() {
                        identities::execute_and_read(env, environment.key(), commands).await
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
                // The length was an estimate before.
                Some(hold) if !hold.grow(response.body.len()) => {
                    finish(Response::error(&Error::Unavailable(Dependency::Answers)))
                }
                Some(hold) => {
                    let response = response.stale(loaded.stale_seconds).finish(Some(route), method);
                    respond_held(&response, hold, context)
                }
            }
        }
    }
}

fn page(incoming: &IncomingRequest) -> Option<Page<'_>> {
    Page::find(&incoming.method, &incoming.path, || incoming.header("accept"))
}

async fn plan<'e>(
    loaded: &'e LoadedEnvironment,
    incoming: &IncomingRequest,
    route: KeyedRoute,
    key: &EnvironmentKey,
) -> Result<Plan<'e>, Error> {
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
    api::plan(environment, route, key.kind(), &request)
}
