//! Forwards requests to the origin and its answers to the client, as streams.

use std::time::Duration;

use worker::js_sys::Uint8Array;
use worker::wasm_bindgen::JsValue;
use worker::wasm_bindgen_futures::JsFuture;
use worker::{Context, Env, web_sys};

use crate::admin::admin_key::{has_admin_key, without_admin_key};
use crate::admin::{self, AdminError, Origin, proxy_headers};
use crate::api::Error;
use crate::edge::access::limit::admit;
use crate::edge::http::body::{ChunkedUpload, content_length, read_at_most, read_while, restream};
use crate::edge::http::incoming::{IncomingRequest, split_url};
use crate::edge::objects::publishing;
use crate::edge::origin::client::{Exchange, OriginError};
use crate::edge::platform::config::Config;
use crate::edge::platform::timeout::with_timeout;

/// The time limit for a write to end after its client got a timeout; the platform allows 30 s.
const MAX_LATE: Duration = Duration::from_secs(25);

/// Forwards a request to the origin. The publishers are notified of every outcome that may have changed something
/// there. An error before the request is sent, or a refusal, changes nothing.
pub async fn forward(
    incoming: &IncomingRequest,
    origin: &Origin,
    env: &Env,
    context: &Context,
) -> Result<web_sys::Response, AdminError> {
    admit(incoming, env).await?;
    let config = Config::of(env);
    let url = incoming.request.url();
    let (here, target) = split_url(&url);
    let via = proxy_headers::via(incoming.header("via")).ok_or(AdminError::Loop)?;
    // The platform's text may contain a part of the request.
    let impossible = |_| OriginError::Unreachable("the request cannot be created".to_owned()).report();
    let connection = incoming.header("connection").unwrap_or_default();
    let is_forwarded = |name: &str| proxy_headers::is_forwarded(name, &connection);
    let headers = outgoing_headers(incoming, config, here, &via, &is_forwarded).map_err(impossible)?;
    let Outgoing { body, length, upload } = outgoing_body(incoming, config).await?;
    incoming.trace.set_source_origin();
    let method = proxy_headers::method(&incoming.method);
    let target = proxy_headers::target(target);
    let exchange = Exchange::new(env, origin, &target, method, &headers, body).map_err(impossible)?;
    let back = async {
        let response = exchange.send().await?;
        Ok(proxy_response(&incoming.method, response, origin, here, context).await?)
    };
    let timeout = proxy_headers::timeout(config.origin_timeout, length);
    let answer = with_timeout(timeout, back).await.unwrap_or(Err(OriginError::Timeout(timeout)));
    let status = answer.as_ref().ok().map(web_sys::Response::status);
    let affected = admin::publishing::after_write(&incoming.method, &incoming.path);
    let affected = affected.filter(|_| admin::publishing::may_have_changed(status));
    let is_late = matches!(answer, Err(OriginError::Timeout(_)));
    if answer.is_err() && !(is_late && affected.is_some()) {
        exchange.abort();
    }
    // The body's memory is released here, unless a late request still has to send it.
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
    answer.map_err(OriginError::report)
}

/// The request's headers that `is_forwarded` accepts, without the worker's admin key, and those that the worker adds.
pub fn outgoing_headers(
    incoming: &IncomingRequest,
    config: &Config,
    here: &str,
    via: &str,
    is_forwarded: &dyn Fn(&str) -> bool,
) -> Result<web_sys::Headers, JsValue> {
    let headers = web_sys::Headers::new_with_headers(&incoming.headers())?;
    remove(&headers, is_forwarded)?;
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

/// Removes the headers that `keep` rejects.
fn remove(headers: &web_sys::Headers, keep: &dyn Fn(&str) -> bool) -> Result<(), JsValue> {
    let names: Vec<String> = worker::Headers(headers.clone()).keys().filter(|name| !keep(name)).collect();
    names.iter().try_for_each(|name| headers.delete(name))
}

/// A body on its way to the origin.
#[derive(Default)]
pub struct Outgoing {
    /// The body in the platform's form.
    pub body: Option<JsValue>,
    /// The number of bytes still to come.
    pub length: u64,
    /// The memory of a buffered body, held until the body is sent.
    pub upload: Option<ChunkedUpload>,
}

/// The body as it came. A body without a `Content-Length` is buffered first, since the origin needs one.
pub async fn outgoing_body(incoming: &IncomingRequest, config: &Config) -> Result<Outgoing, AdminError> {
    // The platform sends no body with these methods.
    if matches!(incoming.method.as_str(), "GET" | "HEAD") {
        return Ok(Outgoing::default());
    }
    let Some(body) = incoming.request.body() else { return Ok(Outgoing::default()) };
    if let Some(length) = content_length(incoming.header("content-length")) {
        return Ok(Outgoing { body: Some(body.into()), length, upload: None });
    }
    let limit = proxy_headers::MAX_CHUNKED_BODY;
    let timeout = proxy_headers::timeout(config.origin_timeout, limit as u64);
    let upload = ChunkedUpload::begin(timeout.saturating_add(config.origin_timeout.saturating_mul(2)));
    let read = read_while(body, |length| length <= limit && upload.grow(length));
    match with_timeout(timeout, read).await {
        // The body is in memory already, so the origin's time limit does not depend on the client.
        Some(Ok(Ok(body))) => {
            let body = Some(Uint8Array::from(body.as_slice()).into());
            Ok(Outgoing { body, length: 0, upload: Some(upload) })
        }
        Some(Ok(Err(longer))) if longer.start.len() > limit => Err(AdminError::LengthRequired(limit)),
        Some(Ok(Err(_))) => Err(AdminError::TooManyUploads),
        Some(Err(_)) => {
            Err(Error::Malformed("the request body ended early; send it again".to_owned()).into())
        }
        None => Err(AdminError::BodyTimeout),
    }
}

/// Returns the origin's answer in the form for the client.
async fn proxy_response(
    method: &str,
    response: web_sys::Response,
    origin: &Origin,
    here: &str,
    context: &Context,
) -> Result<web_sys::Response, JsValue> {
    let headers = web_sys::Headers::new_with_headers(&response.headers())?;
    let header = |name| headers.get(name).ok().flatten();
    let connection = header("connection").unwrap_or_default();
    remove(&headers, &|name| proxy_headers::is_returned(name, &connection))?;
    if let Some(location) =
        header("location").and_then(|location| proxy_headers::location(&location, origin, here))
    {
        headers.set("location", &location)?;
    }
    let init = web_sys::ResponseInit::new();
    init.set_status(response.status());
    init.set_headers(&headers);
    let is_bodiless = method == "HEAD" || matches!(response.status(), 204 | 205 | 304);
    let body = match response.body() {
        Some(body) if is_bodiless => {
            // The connection is closed, so that no rest of the body is taken for the next answer.
            let cancelled = JsFuture::from(body.cancel());
            context.wait_until(async move { drop(cancelled.await) });
            None
        }
        body => body,
    };
    let Some(body) = body else { return web_sys::Response::new_with_opt_str_and_init(None, &init) };
    let may_have_pages = proxy_headers::is_json(&header("content-type").unwrap_or_default())
        && content_length(header("content-length"))
            .is_none_or(|length| length <= proxy_headers::MAX_PAGE_LENGTH as u64);
    if !may_have_pages {
        return web_sys::Response::new_with_opt_readable_stream_and_init(Some(&body), &init);
    }
    // The length may change, and the platform sets it.
    headers.delete("content-length")?;
    match read_at_most(body, proxy_headers::MAX_PAGE_LENGTH).await? {
        Ok(body) => {
            let body = proxy_headers::rewrite_pagination_links(&body, origin, here).unwrap_or(body);
            web_sys::Response::new_with_opt_js_u8_array_and_init(Some(&body.as_slice().into()), &init)
        }
        Err(longer) => {
            let body = restream(longer, context)?;
            web_sys::Response::new_with_opt_readable_stream_and_init(Some(&body), &init)
        }
    }
}
