//! Fetches an environment's published data from the origin: its document with all pages, and its server keys.

use std::time::Duration;

use worker::Env;

use crate::document::json::Json;
use crate::document::{ClientKey, ServerKey, ServerKeyHash, hash_of_server_key};
use crate::edge::origin::client::{self as origin, Call};
use crate::edge::platform::clock::now_ms;
use crate::edge::platform::config::Config;
use crate::publish::{
    Candidate, DocumentPages, MAX_DOCUMENT_LENGTH, parse_link_next, read_server_keys, same_origin_path,
};

/// The time limit for the list of server keys.
const KEYS_TIMEOUT: Duration = Duration::from_secs(20);
const MAX_KEYS_LENGTH: usize = 1024 * 1024;
/// Flagsmith's answer to an unknown server key.
const KEY_REFUSED: &str = "Invalid or missing Environment Key";

/// The reason why a document was not fetched.
pub struct FetchError {
    /// The cause, for logs.
    pub cause: String,
    /// True if the origin's answer was that the server key is unknown.
    pub is_refusal: bool,
}

impl<T: Into<String>> From<T> for FetchError {
    fn from(cause: T) -> FetchError {
        FetchError { cause: cause.into(), is_refusal: false }
    }
}

/// The environment whose document is fetched, and the credential for the request.
pub enum DocumentSource<'a> {
    /// The environment of this client key. The credential is `ORIGIN_API_TOKEN`.
    Environment(&'a ClientKey),
    /// The environment of the server key with this hash. The credential is that server key.
    ServerKey(&'a ServerKeyHash),
}

/// The checked document of an environment, or the reason for a failure.
///
/// The document is always fetched whole: for up to a minute after a change, an origin may answer that nothing has
/// changed (contract §A.5).
pub async fn fetch(env: &Env, source: DocumentSource<'_>) -> Result<Candidate, FetchError> {
    let config = Config::of(env);
    let origin = config.origin.as_ref().ok_or("there is no origin")?;
    let (header, mut target) = match source {
        DocumentSource::Environment(client_key) => {
            let token = config.origin_api_token.as_ref().ok_or("ORIGIN_API_TOKEN is not set")?;
            let target = format!("/api/v1/environments/{client_key}/document/");
            (("authorization", format!("Api-Key {token}")), target)
        }
        DocumentSource::ServerKey(hash) => {
            let key = config.server_keys.iter().find(|key| hash_of_server_key(key) == *hash);
            let key = key.ok_or("the server key is no longer among SERVER_KEYS")?;
            (("x-environment-key", key.clone()), "/api/v1/environment-document/".to_owned())
        }
    };
    let mut pages = DocumentPages::new(now_ms());
    loop {
        let call = Call {
            method: "GET",
            target: &target,
            headers: &[(header.0, &header.1)],
            body: None,
            timeout: pages.timeout(now_ms())?,
            max_length: MAX_DOCUMENT_LENGTH,
        };
        let answer = origin::call(env, origin, call).await.map_err(|fault| fault.to_string())?;
        if answer.status != 200 {
            let is_refusal = matches!(source, DocumentSource::ServerKey(_)) && refuses_key(&answer.body);
            return Err(FetchError { cause: format!("it answered {}", answer.status), is_refusal });
        }
        let link = answer.header("link");
        pages.add(answer.body, MAX_DOCUMENT_LENGTH)?;
        match link.as_deref().and_then(parse_link_next) {
            Some(next) => {
                target = same_origin_path(next, origin)
                    .ok_or("document: the link to its next page leads to another host")?
            }
            None => return Ok(Candidate::check(pages.join()?, config.engine)?),
        }
    }
}

/// Fetches the server keys of an environment with a token. An error names the cause.
pub async fn fetch_server_keys(
    env: &Env,
    client_key: &ClientKey,
) -> Result<Vec<(ServerKeyHash, ServerKey)>, String> {
    let config = Config::of(env);
    let origin = config.origin.as_ref().ok_or("there is no origin")?;
    let token = config.origin_api_token.as_ref().ok_or("ORIGIN_API_TOKEN is not set")?;
    let asked_at = now_ms();
    let call = Call {
        method: "GET",
        target: &format!("/api/v1/environments/{client_key}/api-keys/"),
        headers: &[("authorization", &format!("Api-Key {token}"))],
        body: None,
        timeout: KEYS_TIMEOUT,
        max_length: MAX_KEYS_LENGTH,
    };
    let answer = origin::call(env, origin, call).await.map_err(|fault| format!("server keys: {fault}"))?;
    if answer.status != 200 {
        return Err(format!("server keys: it answered {}", answer.status));
    }
    read_server_keys(&answer.body, client_key, asked_at)
}

/// True if this is Flagsmith's answer to an unknown key. A 403 by a proxy in front of the origin is different, and
/// removes no key.
fn refuses_key(body: &[u8]) -> bool {
    let members = Json::parse(body).ok().and_then(Json::object);
    members.is_some_and(|members| members.get("detail").and_then(Json::text).as_deref() == Some(KEY_REFUSED))
}
