//! Admin access to an environment on routes that Flagsmith does not have. Checks permission, method and existence of
//! the environment.

use worker::{Context, Env};

use crate::admin::AdminError;
use crate::admin::access_decision::AccessDecision;
use crate::admin::permission::Permission;
use crate::api::{EnvironmentKey, Error, Response, check_method};
use crate::document::ClientKey;
use crate::edge::access::authorize::authorize;
use crate::edge::cache::environments::{Environments, LoadedEnvironment};
use crate::edge::http::incoming::IncomingRequest;
use crate::edge::platform::config::Config;

/// Returns the environment, or the answer to a refused caller. `client_key`: `None` if the path has none. `allow`: the
/// `Allow` header of the route.
pub async fn open(
    incoming: &IncomingRequest,
    env: &Env,
    context: &Context,
    client_key: Option<ClientKey>,
    permission: Permission,
    allow: &'static str,
) -> Result<Result<LoadedEnvironment, Response<'static>>, AdminError> {
    let header = |name: &str| incoming.header(name);
    let no_environment = || {
        let refusal = AccessDecision::NoEnvironment.refusal();
        Ok(Err(refusal.unwrap_or_else(|| Response::error(&Error::NotFound))))
    };
    let Some(client_key) = client_key else { return no_environment() };
    if let Some(refusal) = authorize(env, &header, &client_key, permission).await?.refusal() {
        return Ok(Err(refusal));
    }
    if let Err(refusal) = check_method(&incoming.method, allow) {
        return Ok(Err(refusal));
    }
    let environments = Environments::new(env, Config::of(env));
    match environments.load(&EnvironmentKey::Client(client_key), context).await {
        Err(Error::KeyUnknown) => no_environment(),
        Err(error) => Err(error.into()),
        Ok(loaded) => {
            incoming.trace.set_environment(&loaded);
            Ok(Ok(loaded))
        }
    }
}
