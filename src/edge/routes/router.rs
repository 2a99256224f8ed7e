//! Routes requests to their handlers.

use futures_util::future::FutureExt;
use worker::{Context, Env, web_sys};

use crate::admin::{AdminError, not_served};
use crate::api::{Response, check_method, preflight};
use crate::edge::http::incoming::IncomingRequest;
use crate::edge::http::response::respond;
use crate::edge::platform::config::Config;
use crate::edge::routes::{
    assets, edge_identities, identity_insight, import_export, notifications, proxy, sdk, status, stream,
};
use crate::route::{EdgeRoute, Route};

/// Answers any request.
///
/// The futures of rare requests are boxed. Unboxed, their code would be in this function, which V8 compiles before the
/// first answer, and in its state, which each request copies.
pub async fn answer(incoming: &IncomingRequest, env: &Env, context: &Context) -> web_sys::Response {
    let is_preflight = incoming.method == "OPTIONS";
    let route = Route::parse(&incoming.path);
    incoming.trace.set_route(match &route {
        Ok(Some(route)) if !is_preflight => route.name(),
        Ok(_) if is_preflight => "preflight",
        _ => "none",
    });
    match route {
        Ok(Some(route @ Route::Origin)) if let Some(origin) = &Config::of(env).origin => {
            incoming.trace.set_route(route.name());
            let answer = proxy::forward(incoming, origin, env, context).boxed_local().await;
            answer.unwrap_or_else(|error| finish(error.response(), incoming))
        }
        Ok(_) if is_preflight => respond(preflight(incoming.header("access-control-request-headers"))),
        Ok(Some(Route::Sdk(route))) => sdk::answer(route, incoming, env, context).await,
        Ok(Some(Route::Asset(page))) if page.exists_for(&incoming.method, || incoming.header("accept")) => {
            assets::answer(page, incoming, env).boxed_local().await
        }
        Ok(Some(Route::Stream(client_key, kind))) => {
            stream::answer(client_key, kind, incoming, env, context).boxed_local().await
        }
        Ok(Some(Route::Edge(route))) => {
            let answer = answer_edge(route, incoming, env, context).boxed_local().await;
            finish(answer.unwrap_or_else(|error| error.response()), incoming)
        }
        Ok(Some(Route::Admin(client_key, endpoint))) => {
            let answer = edge_identities::answer(incoming, env, context, client_key, endpoint);
            finish(answer.boxed_local().await.unwrap_or_else(|error| error.response()), incoming)
        }
        Ok(Some(Route::Asset(_) | Route::Origin) | None) => refuse(not_served(&incoming.path), incoming),
        Err(error) => refuse(error.into(), incoming),
    }
}

async fn answer_edge(
    route: EdgeRoute,
    incoming: &IncomingRequest,
    env: &Env,
    context: &Context,
) -> Result<Response<'static>, AdminError> {
    let allow = route.allow();
    let check = || check_method(&incoming.method, allow);
    match route {
        // Import, export and insight check the permission before the method.
        EdgeRoute::ImportExport(client_key, route) => {
            import_export::answer(incoming, env, context, client_key, route).await
        }
        EdgeRoute::IdentityInsight(client_key, insight) => {
            identity_insight::answer(incoming, env, context, client_key, insight).await
        }
        EdgeRoute::Status => match check() {
            Ok(()) => status::answer(incoming, env).await,
            Err(refusal) => Ok(refusal),
        },
        EdgeRoute::QueueChange(client_key) => match check() {
            Ok(()) => Ok(notifications::take_queue_change(client_key, incoming, env).await?),
            Err(refusal) => Ok(refusal),
        },
        EdgeRoute::Webhook(id) => match check() {
            Ok(()) => Ok(notifications::take_webhook(&id, incoming, env).await?),
            Err(refusal) => Ok(refusal),
        },
    }
}

/// Answers a request that has no handler.
fn refuse(error: AdminError, incoming: &IncomingRequest) -> web_sys::Response {
    incoming.trace.set_route("none");
    finish(error.response(), incoming)
}

fn finish(response: Response<'static>, incoming: &IncomingRequest) -> web_sys::Response {
    respond(response.finish(None, &incoming.method))
}
