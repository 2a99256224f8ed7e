//! The plan for a request to an environment: its answer, or the stored state that the answer needs.

use serde_json::Value;

use super::analytics::Evaluations;
use super::cached_response::CachedResponse;
use super::environment_document::DocumentConditions;
use super::error::Error;
use super::request::{Request, body};
use super::response::Response;
use super::route::{KeyedRoute, SdkRoute};
use super::{analytics, bulk_identities, flags, identities, ofrep, query, traits};
use crate::document::{Environment, Identifier, KeyKind};
use crate::identity::{Command, CommandError, Identity};

/// The plan for a request.
#[derive(Debug)]
pub enum Plan<'e> {
    /// An answer that is the same for every key of this kind.
    CachedResponse(CachedResponse),
    /// The answer.
    Answered(Response<'e>),
    /// Commands to execute, each on its identity, and the continuation with their outcomes.
    Identities(Vec<(Identifier, Command)>, Continuation),
    /// Evaluations to keep for the origin, if there is one, and the answer after that.
    Evaluations(Evaluations, Response<'static>),
    /// The environment document with the stored overrides.
    Document(DocumentConditions),
    /// Events to forward with the request's body.
    Events,
}

/// An answer that waits for identities.
#[derive(Debug)]
pub enum Continuation {
    /// The flags of one identity.
    Flags(identities::IdentityQuery),
    /// The traits that were set.
    Echo(Value),
    /// An upload of many identities.
    Upload(bulk_identities::BulkUpload),
    /// A trait's new value.
    Increment(traits::Increment),
    /// Flags for OpenFeature.
    Ofrep(ofrep::OfrepQuery),
}

impl Continuation {
    /// True if the answer needs the complete stored state of the identity.
    pub fn needs_identity(&self) -> bool {
        matches!(self, Continuation::Flags(_) | Continuation::Ofrep(_))
    }
}

/// Checks that the environment is served and that the route has the method, before the body is read.
pub fn check(environment: &Environment, route: KeyedRoute, method: &str) -> Result<(), Error> {
    if environment.stop_serving_flags {
        Err(Error::ServingStopped)
    } else {
        SdkRoute::Keyed(route).check_method(method)
    }
}

/// Answers a request that passed the check of its environment and method, or returns what the answer needs.
pub fn plan<'e>(
    environment: &'e Environment,
    route: KeyedRoute,
    key: KeyKind,
    request: &Request<'_>,
) -> Result<Plan<'e>, Error> {
    let evaluated = |(evaluations, response)| Plan::Evaluations(evaluations, response);
    let open_feature =
        |(query, command): (ofrep::OfrepQuery, Option<Command>)| match (&query.subject, command) {
            (Some(subject), Some(command)) => {
                Plan::Identities(vec![(subject.identifier.clone(), command)], Continuation::Ofrep(query))
            }
            _ => Plan::Answered(query.answer(environment, key, &Identity::default())),
        };
    let set = |(commands, echo)| Plan::Identities(commands, Continuation::Echo(echo));
    match route {
        KeyedRoute::Flags => {
            let tags = (request.header)("if-none-match");
            let [name, reasons] = query::last_of(request.query, ["feature", "reasons"]);
            let reasons = query::is_yes(reasons.as_deref());
            Ok(match name {
                _ if reasons => {
                    Plan::Answered(flags::answer_with_reasons(environment, key, name.as_deref(), tags)?)
                }
                None => Plan::CachedResponse(flags::list(environment, key, tags)),
                Some(name) => Plan::Answered(flags::answer(environment, key, &name, tags)?),
            })
        }
        KeyedRoute::EnvironmentDocument => {
            let if_none_match = (request.header)("if-none-match");
            let if_modified_since = (request.header)("if-modified-since");
            Ok(Plan::Document(DocumentConditions { if_none_match, if_modified_since }))
        }
        KeyedRoute::Identities => {
            let (query, command) = if request.method == "POST" {
                identities::read_post(environment, key, request.query, body(request)?, request.random)?
            } else {
                identities::read_get(environment, request.query, (request.header)("if-none-match"))?
            };
            Ok(match command {
                None => Plan::Answered(identities::answer(environment, key, &query, &Identity::default())),
                Some(command) => Plan::Identities(
                    vec![(query.subject.identifier.clone(), command)],
                    Continuation::Flags(query),
                ),
            })
        }
        KeyedRoute::Traits => {
            traits::check_persistence(environment)?;
            traits::set(environment, key, body(request)?).map(set)
        }
        KeyedRoute::TraitsBulk => {
            traits::check_persistence(environment)?;
            traits::set_bulk(environment, key, body(request)?).map(set)
        }
        KeyedRoute::TraitsIncrement => {
            traits::check_persistence(environment)?;
            let (commands, increment) = traits::increment(environment, key, body(request)?)?;
            Ok(Plan::Identities(commands, Continuation::Increment(increment)))
        }
        KeyedRoute::AnalyticsV1 => analytics::answer_v1(environment, body(request)?).map(evaluated),
        KeyedRoute::AnalyticsV2 => analytics::answer_v2(environment, body(request)?).map(evaluated),
        KeyedRoute::BulkIdentities => {
            traits::check_persistence(environment)?;
            let (commands, upload) = bulk_identities::read(environment, key, request.method, body(request)?)?;
            Ok(Plan::Identities(commands, Continuation::Upload(upload)))
        }
        KeyedRoute::OfrepFlag => ofrep::read_flag(environment, key, request).map(open_feature),
        KeyedRoute::OfrepFlags => ofrep::read_bulk(environment, key, request).map(open_feature),
        KeyedRoute::Events => Ok(Plan::Events),
    }
}

impl Continuation {
    /// Answers the request. `outcomes` has the outcome of each command, in the order of the commands.
    pub fn answer<'e>(
        &self,
        environment: &'e Environment,
        key: KeyKind,
        outcomes: &[Result<Identity, CommandError>],
    ) -> Result<Response<'e>, Error> {
        let missing = Identity::default();
        let identity = || first_of(outcomes).map(|identity| identity.unwrap_or(&missing));
        Ok(match self {
            Continuation::Flags(query) => identities::answer(environment, key, query, identity()?),
            Continuation::Echo(echo) => {
                identity()?;
                Response::json(echo.to_string().into_bytes())
            }
            Continuation::Increment(increment) => increment.answer(identity()?),
            Continuation::Ofrep(query) => query.answer(environment, key, identity()?),
            // The answer to an upload reports each identity that was refused.
            Continuation::Upload(upload) => upload.answer(outcomes),
        })
    }
}

/// The first identity, if no command was refused.
fn first_of(outcomes: &[Result<Identity, CommandError>]) -> Result<Option<&Identity>, Error> {
    match outcomes.iter().find_map(|outcome| outcome.as_ref().err()) {
        Some(refusal) => Err(traits::refusal(*refusal)),
        None => Ok(outcomes.first().and_then(|outcome| outcome.as_ref().ok())),
    }
}
