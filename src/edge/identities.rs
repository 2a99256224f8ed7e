//! Sends commands to identities' objects.

use futures_util::future::try_join_all;
use worker::{Env, Method, Request, RequestInit};

use super::failure::{Failure, Source};
use crate::api::{Error, Part};
use crate::identity::{Command, Identity, Refusal};

/// Carries out each command on its identity, all at once; gives their outcomes in order.
pub async fn carry_out(
    env: &Env,
    environment_key: &str,
    commands: Vec<(String, Command)>,
) -> Result<Vec<Result<Identity, Refusal>>, Error> {
    let sent = commands.iter().map(|(identifier, command)| send(env, environment_key, identifier, command));
    try_join_all(sent).await.map_err(|failure| {
        failure.log(Some(environment_key));
        Error::Unavailable(Part::Identity)
    })
}

async fn send(
    env: &Env,
    environment_key: &str,
    identifier: &str,
    command: &Command,
) -> Result<Result<Identity, Refusal>, Failure> {
    let failed = |cause: &dyn std::fmt::Display| Failure::new(Source::IdentityObject, cause);
    let command = serde_json::to_string(command).map_err(|error| failed(&error))?;
    let mut init = RequestInit::new();
    init.with_method(Method::Post).with_body(Some(command.into()));
    // The object looks at the body alone; a request needs some URL.
    let request = Request::new_with_init("https://identity/", &init).map_err(|error| failed(&error))?;
    let namespace = env.durable_object("IDENTITIES").map_err(|error| failed(&error))?;
    let object =
        namespace.get_by_name(&format!("{environment_key}_{identifier}")).map_err(|error| failed(&error))?;
    let mut response = object.fetch_with_request(request).await.map_err(|error| failed(&error))?;
    let body = response.bytes().await.map_err(|error| failed(&error))?;
    serde_json::from_slice(&body).map_err(|_| failed(&"its answer cannot be read"))
}
