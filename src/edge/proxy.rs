//! Passes requests on to the origin and its answers back, as streams.

use std::time::Duration;

use worker::js_sys::Uint8Array;
use worker::wasm_bindgen::JsValue;
use worker::wasm_bindgen_futures::JsFuture;
use worker::{Context, Env, web_sys};

use super::body::{Upload, read_at_most, read_while, rejoin, told_length};
use super::config::Config;
use super::edge_identities;
use super::entry::Incoming;
use super::inspection;
use super::origin::{Exchange, Fault};
use super::publishing;
use super::rate_limit;
use super::respond::respond;
use super::timeout::within;
use super::transfer;
use crate::admin::admin_key::{has_admin_key, without_admin_key};
use crate::admin::transfer::Transfer;
use crate::admin::{self, Destination, Origin, passage};
use crate::api::{Error, Part, Response};

/// How long a write may take to end after its client was told that it is late; the platform gives it 30 s.
const MAX_LATE: Duration = Duration::from_secs(25);

/// Answers a request that is not the SDK API's.
pub async fn answer(incoming: &Incoming, env: &Env, context: &Context) -> web_sys::Response {
    let config = Config::of(env);
    let origin = config.origin.as_ref();
    match admin::direct(&incoming.method, &incoming.path, origin, &|name| incoming.header(name)) {
        Destination::Answered(response) => {
            incoming.trace.goes_to(if incoming.method == "OPTIONS" { "preflight" } else { "none" });
            respond(response)
        }
        Destination::Transfer(environment, transfer) => {
            incoming.trace.goes_to("transfer");
            let admitted = match transfer {
                // Without a limit: it has many requests, each for many identities.
                Transfer::Import => Ok(()),
                Transfer::Export | Transfer::Repair => admit(incoming, env).await,
            };
            let answer = match admitted {
                Ok(()) => transfer::answer(incoming, env, context, environment, transfer).await,
                Err(error) => Response::error(&error),
            };
            respond(answer.finish(None, &incoming.method))
        }
        Destination::Inspection(environment, inspection) => {
            incoming.trace.goes_to("inspection");
            let answer = match admit(incoming, env).await {
                Ok(()) => inspection::answer(incoming, env, context, environment, inspection).await,
                Err(error) => Err(error),
            };
            let answer = answer.unwrap_or_else(|error| Response::error(&error));
            respond(answer.finish(None, &incoming.method))
        }
        Destination::EdgeIdentities(address) => {
            incoming.trace.goes_to("edge-identities");
            let answer = match admit(incoming, env).await {
                Ok(()) => edge_identities::answer(incoming, env, context, address).await,
                Err(error) => Response::error(&error),
            };
            respond(answer.finish(None, &incoming.method))
        }
        Destination::Origin(origin) => {
            incoming.trace.goes_to("origin");
            let answer = match admit(incoming, env).await {
                Ok(()) => forward(incoming, origin, config, env, context).await,
                Err(error) => Err(error),
            };
            let failed = |error| respond(Response::error(&error).finish(None, &incoming.method));
            answer.unwrap_or_else(failed)
        }
    }
}

/// Whether the credentials may send one more request.
pub async fn admit(incoming: &Incoming, env: &Env) -> Result<(), Error> {
    let (authorization, cookies) = (incoming.header("authorization"), incoming.header("cookie"));
    for key in passage::rate_keys(authorization.as_deref(), cookies.as_deref()) {
        if !rate_limit::has_room(env, &key).await {
            return Err(Error::Throttled);
        }
    }
    Ok(())
}

/// Sends a request to the origin. Every outcome but an error of before that, and a refusal of the origin's, may have
/// changed something there, which the publishers are told.
async fn forward(
    incoming: &Incoming,
    origin: &Origin,
    config: &Config,
    env: &Env,
    context: &Context,
) -> Result<web_sys::Response, Error> {
    let url = incoming.request.url();
    let (here, target) = split(&url);
    let via = passage::via(incoming.header("via")).ok_or(Error::Loop)?;
    // What the platform says of it may name what was sent.
    let impossible = |_| Fault::Broken("the request cannot be made".to_owned()).report();
    let headers = outgoing_headers(incoming, config, here, &via).map_err(impossible)?;
    let Outgoing { body, length, upload } = outgoing_body(incoming, config).await?;
    incoming.trace.is_passed_on();
    let method = passage::method(&incoming.method);
    let url = origin.url(&passage::target(target));
    let exchange = Exchange::new(&url, method, &headers, body).map_err(impossible)?;
    let back = async {
        let response = exchange.send().await?;
        Ok(bring_back(&incoming.method, response, origin, here, context).await?)
    };
    let timeout = passage::timeout(config.origin_timeout, length);
    let answer = within(timeout, back).await.unwrap_or(Err(Fault::Late(timeout)));
    let status = answer.as_ref().ok().map(web_sys::Response::status);
    let affected = admin::publishing::after_write(&incoming.method, &incoming.path);
    let affected = affected.filter(|_| admin::publishing::may_have_changed(status));
    let is_late = matches!(answer, Err(Fault::Late(_)));
    if answer.is_err() && !(is_late && affected.is_some()) {
        exchange.abort();
    }
    // Held until now, or as long as it may have to be sent yet.
    let upload = upload.filter(|_| is_late);
    if let Some(affected) = affected {
        let (env, patience) = (env.clone(), config.origin_timeout.min(MAX_LATE));
        context.wait_until(async move {
            publishing::refresh(env.clone(), affected.clone()).await;
            if is_late {
                exchange.settle(patience).await;
                publishing::refresh(env, affected).await;
            }
            drop(upload);
        });
    }
    answer.map_err(Fault::report)
}

/// Scheme and host of a URL, and what follows them.
fn split(url: &str) -> (&str, &str) {
    url.match_indices('/').nth(2).and_then(|(at, _)| url.split_at_checked(at)).unwrap_or((url, "/"))
}

fn outgoing_headers(
    incoming: &Incoming,
    config: &Config,
    here: &str,
    via: &str,
) -> Result<web_sys::Headers, JsValue> {
    let connection = incoming.header("connection").unwrap_or_default();
    let headers = web_sys::Headers::new_with_headers(&incoming.headers())?;
    remove(&headers, |name| passage::goes_to_origin(name, &connection))?;
    if let Some(sha256) = &config.admin_key_sha256 {
        let all = worker::Headers(headers.clone()).entries();
        let found: Vec<(String, String)> = all.filter(|(_, value)| has_admin_key(value, sha256)).collect();
        for (name, value) in found {
            match without_admin_key(&name, value, sha256) {
                Some(value) => headers.set(&name, &value)?,
                None => headers.delete(&name)?,
            }
        }
    }
    let (scheme, host) = here.split_once("://").unwrap_or(("https", here));
    headers.set("via", via)?;
    headers.set("x-forwarded-host", host)?;
    headers.set("x-forwarded-proto", scheme)?;
    if let Some(client) = incoming.header("cf-connecting-ip") {
        headers.set("x-forwarded-for", &client)?;
    }
    Ok(headers)
}

/// Removes what is not to be kept.
fn remove(headers: &web_sys::Headers, keep: impl Fn(&str) -> bool) -> Result<(), JsValue> {
    let names: Vec<String> = worker::Headers(headers.clone()).keys().filter(|name| !keep(name)).collect();
    names.iter().try_for_each(|name| headers.delete(name))
}

/// A body on its way to the origin.
#[derive(Default)]
struct Outgoing {
    body: Option<JsValue>,
    /// How much of it is still to come.
    length: u64,
    upload: Option<Upload>,
}

/// A body as it came. One whose length nobody told is read first, since the origin must be told.
async fn outgoing_body(incoming: &Incoming, config: &Config) -> Result<Outgoing, Error> {
    // The platform sends no body with these.
    if matches!(incoming.method.as_str(), "GET" | "HEAD") {
        return Ok(Outgoing::default());
    }
    let Some(body) = incoming.request.body() else { return Ok(Outgoing::default()) };
    if let Some(length) = told_length(incoming.header("content-length")) {
        return Ok(Outgoing { body: Some(body.into()), length, upload: None });
    }
    let limit = passage::MAX_UNTOLD_LENGTH;
    let timeout = passage::timeout(config.origin_timeout, limit as u64);
    let upload = Upload::begin(timeout.saturating_add(config.origin_timeout.saturating_mul(2)));
    let read = read_while(body, |length| length <= limit && upload.grow(length));
    match within(timeout, read).await {
        // It is here already, so nobody has to wait for it.
        Some(Ok(Ok(body))) => {
            let body = Some(Uint8Array::from(body.as_slice()).into());
            Ok(Outgoing { body, length: 0, upload: Some(upload) })
        }
        Some(Ok(Err(longer))) if longer.start.len() > limit => Err(Error::LengthRequired(limit)),
        Some(Ok(Err(_))) => Err(Error::Unavailable(Part::Uploads)),
        Some(Err(_)) => Err(Error::Malformed("the request body broke off".to_owned())),
        None => Err(Error::BodyLate),
    }
}

/// The origin's answer as the client gets it.
async fn bring_back(
    method: &str,
    response: web_sys::Response,
    origin: &Origin,
    here: &str,
    context: &Context,
) -> Result<web_sys::Response, JsValue> {
    let headers = web_sys::Headers::new_with_headers(&response.headers())?;
    let header = |name| headers.get(name).ok().flatten();
    let connection = header("connection").unwrap_or_default();
    remove(&headers, |name| passage::comes_back(name, &connection))?;
    if let Some(location) = header("location").and_then(|location| passage::location(&location, origin, here))
    {
        headers.set("location", &location)?;
    }
    let init = web_sys::ResponseInit::new();
    init.set_status(response.status());
    init.set_headers(&headers);
    let is_bodiless = method == "HEAD" || matches!(response.status(), 204 | 205 | 304);
    let body = match response.body() {
        Some(body) if is_bodiless => {
            // It closes the connection, so that nothing of the body is taken for the next answer.
            let cancelled = JsFuture::from(body.cancel());
            context.wait_until(async move { drop(cancelled.await) });
            None
        }
        body => body,
    };
    let Some(body) = body else { return web_sys::Response::new_with_opt_str_and_init(None, &init) };
    let may_have_pages = passage::is_json(&header("content-type").unwrap_or_default())
        && told_length(header("content-length"))
            .is_none_or(|length| length <= passage::MAX_PAGE_LENGTH as u64);
    if !may_have_pages {
        return web_sys::Response::new_with_opt_readable_stream_and_init(Some(&body), &init);
    }
    // It may be another now, and the platform tells it.
    headers.delete("content-length")?;
    match read_at_most(body, passage::MAX_PAGE_LENGTH).await? {
        Ok(body) => {
            let body = passage::pages(&body, origin, here).unwrap_or(body);
            web_sys::Response::new_with_opt_js_u8_array_and_init(Some(&body.as_slice().into()), &init)
        }
        Err(longer) => {
            let body = rejoin(longer, context)?;
            web_sys::Response::new_with_opt_readable_stream_and_init(Some(&body), &init)
        }
    }
}
