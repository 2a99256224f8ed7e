//! Fetches an environment document from the origin, all of its pages.

use worker::Env;

use super::clock::milliseconds;
use super::config::Config;
use super::origin::{self, Call};
use crate::document::hash_of_server_key;
use crate::publish::{Candidate, Credential, MAX_DOCUMENT_LENGTH, Pages, linked_page, own_page};

/// The document of an environment, checked; an error says why there is none. With a server key the environment is that
/// key's, whatever `client_key` says.
///
/// Always the whole of it: an origin says that nothing has changed for up to a minute after something has (contract
/// §A.5).
pub async fn fetch(env: &Env, credential: &Credential, client_key: &str) -> Result<Candidate, String> {
    let config = Config::of(env);
    let origin = config.origin.as_ref().ok_or("ORIGIN_URL is not set")?;
    let (header, mut target) = match credential {
        Credential::Token => {
            let token = config.origin_api_token.as_ref().ok_or("ORIGIN_API_TOKEN is not set")?;
            let target = format!("/api/v1/environments/{client_key}/document/");
            (("authorization", format!("Api-Key {token}")), target)
        }
        Credential::ServerKey(hash) => {
            let key = config.server_keys.iter().find(|key| hash_of_server_key(key) == *hash);
            let key = key.ok_or("the server key is no longer among SERVER_KEYS")?;
            (("x-environment-key", key.clone()), "/api/v1/environment-document/".to_owned())
        }
    };
    let mut pages = Pages::new(milliseconds());
    loop {
        let call = Call {
            method: "GET",
            target: &target,
            headers: &[(header.0, &header.1)],
            body: None,
            timeout: pages.timeout(milliseconds())?,
            max_length: MAX_DOCUMENT_LENGTH,
        };
        let answer = origin::call(origin, call).await.map_err(|fault| fault.to_string())?;
        if answer.status != 200 {
            return Err(format!("it answered {}", answer.status));
        }
        let link = answer.header("link");
        pages.add(answer.body, MAX_DOCUMENT_LENGTH)?;
        match link.as_deref().and_then(linked_page) {
            Some(next) => {
                target = own_page(next, origin).ok_or("document: its next page is another host's")?
            }
            None => return Candidate::check(pages.join()?, config.engine),
        }
    }
}
