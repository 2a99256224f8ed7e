//! The edge-identities Admin API: authorizes, reads the directory, executes commands, and answers.

use worker::{Context, Env};

use crate::admin::AdminError;
use crate::admin::access_decision::AccessDecision;
use crate::admin::edge_identities::{self, Action, Endpoint, Reply, TargetIdentity, answer};
use crate::api::{Dependency, EnvironmentKey, Error, MAX_BODY_LENGTH, Request, Response, check_method};
use crate::document::{ClientKey, Environment, Identifier};
use crate::edge::access::authorize::authorize;
use crate::edge::access::limit::admit;
use crate::edge::cache::environments::Environments;
use crate::edge::http::body;
use crate::edge::http::incoming::IncomingRequest;
use crate::edge::objects::directory::client::Directory;
use crate::edge::objects::identity::client as identities;
use crate::edge::platform::config::Config;
use crate::edge::platform::failure::Failure;
use crate::identity::{Command, CommandError, CommandRequest, Identity};
use flagsmith_edge_platform::random::random;

/// Answers a request to one of these endpoints.
pub async fn answer(
    incoming: &IncomingRequest,
    env: &Env,
    context: &Context,
    client_key: Option<ClientKey>,
    endpoint: Endpoint,
) -> Result<Response<'static>, AdminError> {
    admit(incoming, env).await?;
    let header = |name: &str| incoming.header(name);
    let method = incoming.method.as_str();
    let permission = endpoint.permission(method);
    let no_environment = || Ok(endpoint.no_environment().refusal().unwrap_or_else(answer::missing));
    let Some(client_key) = client_key else { return no_environment() };
    let decision = authorize(env, &header, &client_key, permission).await?;
    let decision =
        if decision == AccessDecision::NoEnvironment { endpoint.no_environment() } else { decision };
    if let Some(refusal) = decision.refusal() {
        return Ok(refusal);
    }
    if let Err(refusal) = check_method(method, endpoint.allow()) {
        return Ok(refusal);
    }
    let environments = Environments::new(env, Config::of(env));
    let loaded = match environments.load(&EnvironmentKey::Client(client_key), context).await {
        Err(Error::KeyUnknown) => return no_environment(),
        loaded => loaded?,
    };
    incoming.trace.set_environment(&loaded);
    let environment = &loaded.environment.environment;
    let takes_body = matches!(method, "POST" | "PUT" | "PATCH" | "DELETE");
    let body = if takes_body { body::read(incoming, MAX_BODY_LENGTH).await? } else { Vec::new() };
    let request = Request {
        query: &incoming.query,
        body: &body,
        random: &random,
        ..Request::of_headers(method, &header)
    };
    let action = edge_identities::read(environment, endpoint, &request)?;
    let response = act(env, environment, action).await?;
    loaded.environment.log_exhausted(response.exhausted);
    Ok(response)
}

async fn act(env: &Env, environment: &Environment, action: Action) -> Result<Response<'static>, Error> {
    let directory = Directory::new(env, environment.key());
    let failed = |failure: Failure| failure.unavailable(Dependency::Directory, Some(environment.key()));
    Ok(match action {
        Action::Nothing => answer::nothing(),
        Action::List(query) => {
            let (entries, next) = directory.find(&query).await.map_err(failed)?;
            answer::page(&entries, next.as_ref())
        }
        // An unknown feature has no overrides. SQLite could not search for every number.
        Action::Overrides(Some(feature)) if environment.feature_with_id(feature).is_none() => {
            answer::overrides(environment, Vec::new())
        }
        Action::Overrides(feature) => {
            let known = directory.overrides(feature, None).await.map_err(failed)?;
            answer::overrides(environment, known.overrides.unwrap_or_default())
        }
        Action::Execute(target, command, reply) => match execute(env, environment, &target, command).await? {
            Err(refusal) => answer::refused(refusal, &target, &reply),
            Ok((identifier, identity)) => answer::reply(environment, &identifier, &identity, &reply),
        },
        Action::Clone(target, source) => {
            let source = execute(env, environment, &TargetIdentity::Uuid(source), Command::Read).await?;
            let Ok((_, source)) = source else { return Ok(answer::missing()) };
            let states = edge_identities::cloned(&source.overrides, &random);
            let (target, reply) = (TargetIdentity::Uuid(target), Reply::AllFeatureStates);
            match execute(env, environment, &target, Command::ReplaceOverrides(states)).await? {
                Err(refusal) => answer::refused(refusal, &target, &reply),
                Ok((identifier, identity)) => answer::reply(environment, &identifier, &identity, &reply),
            }
        }
    })
}

/// Executes a command on the requested identity. Returns its identifier, too.
async fn execute(
    env: &Env,
    environment: &Environment,
    target: &TargetIdentity,
    command: Command,
) -> Result<Result<(Identifier, Identity), CommandError>, Error> {
    let directory = Directory::new(env, environment.key());
    if command.adds_overrides() && !directory.takes_overrides().await {
        return Ok(Err(CommandError::EnvironmentFull));
    }
    let (identifier, uuid) = match target {
        TargetIdentity::Identifier(identifier) => (identifier.clone(), None),
        TargetIdentity::Uuid(uuid) => {
            let found = directory.resolve(uuid).await;
            let found = found
                .map_err(|failure| failure.unavailable(Dependency::Directory, Some(environment.key())))?;
            let Some(entry) = found else { return Ok(Err(CommandError::Missing)) };
            (entry.identifier, Some(uuid.as_str().into()))
        }
    };
    let request =
        CommandRequest { uuid, ..CommandRequest::new(environment.key(), identifier.clone(), command) };
    let outcome = identities::execute_and_sync(env, request).await?;
    Ok(outcome.map(|identity| (identifier, identity)))
}
