//! Counts and explains an environment's identities (see [`crate::admin::identity_insight`]). Read only.

use serde_json::json;
use worker::{Context, Env};

use crate::admin::AdminError;
use crate::admin::explanation::explain;
use crate::admin::identity_insight::{ALLOW, IdentityInsight, PERMISSION, read_identifier};
use crate::api::{Dependency, Error, Response};
use crate::document::ClientKey;
use crate::edge::access::environment as access;
use crate::edge::access::limit::admit;
use crate::edge::http::incoming::IncomingRequest;
use crate::edge::objects::directory::client::Directory;
use crate::edge::objects::identity::client as identities;
use crate::edge::platform::failure::Failure;
use crate::identity::{Command, CommandRequest};

/// Answers a request to one of these endpoints.
pub async fn answer(
    incoming: &IncomingRequest,
    env: &Env,
    context: &Context,
    client_key: Option<ClientKey>,
    insight: IdentityInsight,
) -> Result<Response<'static>, AdminError> {
    admit(incoming, env).await?;
    let opened = access::open(incoming, env, context, client_key, PERMISSION, ALLOW).await?;
    let loaded = match opened {
        Ok(loaded) => loaded,
        Err(refusal) => return Ok(refusal),
    };
    let environment = &loaded.environment.environment;
    let answer = match insight {
        IdentityInsight::Count => {
            let unavailable =
                |failure: Failure| failure.unavailable(Dependency::Directory, Some(environment.key()));
            let directory = Directory::new(env, environment.key());
            let count = directory.count().await.map_err(unavailable)?;
            // Other environments do not use these numbers.
            let without_django_id = match environment.hashes_django_ids() {
                true => Some(directory.count_without_django_id().await.map_err(unavailable)?),
                false => None,
            };
            let updated_at = environment.updated_at.as_ref().map(|updated_at| updated_at.timestamp.iso());
            // The status does not read the documents of environments that are only in KV; here the document is loaded
            // already.
            json!({
                "identities": count, "without_django_id": without_django_id,
                "name": environment.ruleset.environment_name, "updated_at": updated_at,
            })
        }
        IdentityInsight::Explain => {
            let identifier = read_identifier(&incoming.query)?;
            let request = CommandRequest::new(environment.key(), identifier.clone(), Command::Read);
            let outcome = identities::execute_and_sync(env, request).await?;
            let identity = outcome.map_err(|_| Error::Unavailable(Dependency::Identity))?;
            explain(environment, &identifier, &identity)
        }
    };
    Ok(Response::json(answer.to_string().into_bytes()).stale(loaded.stale_seconds))
}
