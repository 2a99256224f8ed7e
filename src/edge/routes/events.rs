//! `POST /v1/events`: forwards experiments' events to the server that keeps them.

use worker::Env;
use worker::web_sys;

use crate::admin::{AdminError, Origin, events, proxy_headers};
use crate::api::{Error, Response};
use crate::document::ClientKey;
use crate::edge::http::body::{content_length, read_at_most};
use crate::edge::http::incoming::{IncomingRequest, split_url};
use crate::edge::origin::client::{Exchange, OriginError};
use crate::edge::platform::config::Config;
use crate::edge::platform::failure::{Failure, Source};
use crate::edge::routes::proxy::{Outgoing, outgoing_body, outgoing_headers};

/// The maximum length of an answer's body in bytes. A longer one is left out, since SDKs read none.
const MAX_ANSWER_LENGTH: usize = 64 * 1024;
/// The maximum length of a request's body in bytes.
const MAX_LENGTH: usize = proxy_headers::MAX_CHUNKED_BODY;

/// Forwards the events of an environment, and returns the answer to the client.
pub async fn forward(
    incoming: &IncomingRequest,
    env: &Env,
    config: &Config,
    client_key: &ClientKey,
) -> Response<'static> {
    let Some(server) = &config.events else { return events::discarded() };
    let failed = |cause: &dyn std::fmt::Display, status, text| {
        Failure::new(Source::Events, cause).log(Some(client_key));
        Response::detail(status, text)
    };
    let answer = match send(incoming, env, config, server).await {
        Err(error) => return error.response(),
        Ok(Err(error)) => {
            let (status, text) = match error {
                OriginError::Unreachable(_) => {
                    (502, "The server for events cannot be reached; try again later.")
                }
                OriginError::Timeout(_) => {
                    (504, "The server for events did not answer in time; try again later.")
                }
            };
            return failed(&error, status, text);
        }
        Ok(Ok(answer)) => answer,
    };
    let header = |name| answer.headers.get(name).ok().flatten();
    let content_type = header("content-type");
    let is_missing = |media_type| events::is_missing_endpoint(answer.status, media_type);
    if config.origin.as_ref() == Some(server) && is_missing(content_type.as_deref().unwrap_or_default()) {
        return events::discarded();
    }
    if matches!(answer.status, 300..=399) {
        // The Python SDK would take this for success.
        return failed(
            &"it answered with a redirect",
            502,
            "EVENTS_URL leads to a redirect; set it to the final address.",
        );
    }
    let mut response = Response::empty(answer.status);
    let content_type = content_type.filter(|_| !answer.body.is_empty());
    for (name, value) in [("content-type", content_type), ("retry-after", header("retry-after"))] {
        if let Some(value) = value {
            response = response.with(name, value);
        }
    }
    response.body = answer.body.into();
    response
}

/// The server's answer.
struct Answer {
    status: u16,
    headers: web_sys::Headers,
    body: Vec<u8>,
}

async fn send(
    incoming: &IncomingRequest,
    env: &Env,
    config: &Config,
    server: &Origin,
) -> Result<Result<Answer, OriginError>, AdminError> {
    let via = proxy_headers::via(incoming.header("via")).ok_or(AdminError::Loop)?;
    if content_length(incoming.header("content-length")).is_some_and(|length| length > MAX_LENGTH as u64) {
        return Err(Error::BodyTooLarge(MAX_LENGTH).into());
    }
    let url = incoming.request.url();
    let (here, _) = split_url(&url);
    let Outgoing { body, length, upload } = outgoing_body(incoming, config).await?;
    // The platform's text may contain a part of the request.
    let impossible = |_| OriginError::Unreachable("the request cannot be created".to_owned());
    let exchange = outgoing_headers(incoming, config, here, &via, &events::is_forwarded)
        .and_then(|headers| Exchange::new(env, server, events::PATH, "POST", &headers, body))
        .map_err(impossible);
    let exchange = match exchange {
        Ok(exchange) => exchange,
        Err(error) => return Ok(Err(error)),
    };
    let answer = exchange
        .within(proxy_headers::timeout(config.origin_timeout, length), async {
            let response = exchange.send().await?;
            let body = match response.body() {
                None => Vec::new(),
                Some(body) => read_at_most(body, MAX_ANSWER_LENGTH).await?.unwrap_or_else(|_| {
                    exchange.abort();
                    Vec::new()
                }),
            };
            Ok(Answer { status: response.status(), headers: response.headers(), body })
        })
        .await;
    drop(upload);
    Ok(answer)
}
