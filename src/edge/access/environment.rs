//! Admin access to an environment on routes that Flagsmith does not have. Checks the permission, the method and that
//! the environment exists.

use worker::{Context, Env};

use crate::admin::AdminError;
use crate::admin::access_decision::AccessDecision;
use crate::admin::permission::Permission;
use crate::api::{EnvironmentKey, Error, Response, check_method};
use crate::document::is_client_key;
use crate::edge::access::authorize::authorize;
use crate::edge::cache::environments::{Environments, LoadedEnvironment};
use crate::edge::http::incoming::IncomingRequest;
use crate::edge::platform::config::Config;

/// Returns the environment, or the answer to a refused caller. `allow` is the route's `Allow` header.
pub async fn open(
    incoming: &IncomingRequest,
    env: &Env,
    context: &Context,
    client_key: String,
    permission: Permission,
    allow: &'static str,
) -> Result<Result<LoadedEnvironment, Response<'static>>, AdminError> {
    let header = |name: &str| incoming.header(name);
    let decision = if is_client_key(&client_key) {
        authorize(env, &header, &client_key, permission).await?
    } else {
        AccessDecision::NoEnvironment
    };
    if let Some(refusal) = decision.refusal() {
        return Ok(Err(refusal));
    }
    if let Err(refusal) = check_method(&incoming.method, allow) {
        return Ok(Err(refusal));
    }
    let environments = Environments::new(env, Config::of(env));
    match environments.load(&EnvironmentKey::Client(client_key), context).await {
        Err(Error::KeyUnknown) => {
            let missing = || Response::error(&Error::NotFound);
            Ok(Err(AccessDecision::NoEnvironment.refusal().unwrap_or_else(missing)))
        }
        Err(error) => Err(error.into()),
        Ok(loaded) => {
            incoming.trace.set_environment(&loaded);
            Ok(Ok(loaded))
        }
    }
}
