//! The SDK API: bytes in, bytes out.
//!
//! Every request goes the same way: [`open`], then its environment is loaded, [`check`], then its body is read,
//! [`plan`]; what that needs of stored identities is named in a [`Plan`], and [`Continuation::answer`] finishes.

mod analytics;
mod bulk_identities;
mod cached_response;
mod environment_document;
mod error;
mod etag;
pub mod fields;
mod flags;
mod health;
mod identities;
mod key;
mod preflight;
pub mod query;
mod response;
mod route;
mod traits;

use serde_json::Value;

use crate::document::json::Json;
use crate::document::{Environment, KeyKind};
use crate::identity::{Command, CommandError, Identity};

pub use analytics::{Evaluations, MAX_COUNT, Version};
pub use cached_response::CachedResponse;
pub use environment_document::{DocumentConditions, render as render_document};
pub use error::{Dependency, Error};
pub use health::readiness;
pub use key::EnvironmentKey;
pub use preflight::answer as preflight;
pub use response::Response;
pub use route::{HealthRoute, KeyedRoute, MAX_BODY_LENGTH, Route};

/// The parts of a request that endpoints read.
pub struct Request<'a> {
    /// In upper case.
    pub method: &'a str,
    /// Without the question mark.
    pub query: &'a str,
    /// A header's value by its name in lower case; only those that matter are asked for.
    pub header: &'a dyn Fn(&str) -> Option<String>,
    /// Empty for none.
    pub body: &'a [u8],
    /// Sixteen random bytes; rarely needed.
    pub random: &'a dyn Fn() -> [u8; 16],
}

/// The match of a request, before anything is loaded for it.
pub enum RouteMatch {
    /// It is answered.
    Answered(Response<'static>),
    /// A readiness check.
    Readiness(HealthRoute),
    /// A request that needs an environment.
    NeedsEnvironment(KeyedRoute, EnvironmentKey),
    /// It is not the SDK API's. Its path has no dot segments.
    NotSdkRoute,
}

/// Matches a request by its path, method and key.
pub fn open(method: &str, path: &str, header: &dyn Fn(&str) -> Option<String>) -> RouteMatch {
    let answered = |response: Response<'static>, route| RouteMatch::Answered(response.finish(route, method));
    let failed = |error, route| answered(Response::error(&error), route);
    let route = match Route::parse(path) {
        Err(error) => return failed(error, None),
        Ok(None) => return RouteMatch::NotSdkRoute,
        Ok(Some(_)) if method == "OPTIONS" => {
            return RouteMatch::Answered(preflight(header("access-control-request-headers")));
        }
        Ok(Some(route)) => route,
    };
    match route {
        Route::Keyed(keyed) => match EnvironmentKey::parse(header("x-environment-key")) {
            Err(error) => failed(error, Some(route)),
            // Refused before the key lookup and before the method check.
            Ok(EnvironmentKey::Client(_)) if keyed.needs_server_key() => {
                failed(Error::KeyMissing, Some(route))
            }
            Ok(key) => RouteMatch::NeedsEnvironment(keyed, key),
        },
        Route::Health(health) => match (route.check_method(method), health) {
            (Err(error), _) => failed(error, Some(route)),
            (Ok(()), HealthRoute::Liveness) => answered(health::liveness(), Some(route)),
            (Ok(()), HealthRoute::ProxyLiveness) => answered(Response::empty(200), Some(route)),
            (Ok(()), HealthRoute::Version) => answered(health::version(), Some(route)),
            (Ok(()), HealthRoute::Health | HealthRoute::Readiness | HealthRoute::ProxyReadiness) => {
                RouteMatch::Readiness(health)
            }
        },
    }
}

/// The plan for a request.
#[derive(Debug)]
pub enum Plan<'e> {
    /// The same answer for every key of this kind.
    CachedResponse(CachedResponse),
    /// It is answered.
    Answered(Response<'e>),
    /// These commands are to be carried out, each on its identity; then it can be answered.
    Identities(Vec<(String, Command)>, Continuation),
    /// These are to be kept for the origin, if there is one; then this is the answer.
    Evaluations(Evaluations, Response<'static>),
    /// The environment's overrides that were made here have to be known; then it can be answered.
    Document(DocumentConditions),
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
}

impl Continuation {
    /// True if the answer is made of everything that is stored of the identity.
    pub fn needs_identity(&self) -> bool {
        matches!(self, Continuation::Flags(_))
    }
}

/// Checks that the environment is served and that the route has the method, before the body is read.
pub fn check(environment: &Environment, route: KeyedRoute, method: &str) -> Result<(), Error> {
    if environment.stop_serving_flags {
        Err(Error::ServingStopped)
    } else {
        Route::Keyed(route).check_method(method)
    }
}

/// Answers a request that passed [`check`], or returns what the answer needs.
pub fn plan<'e>(
    environment: &'e Environment,
    route: KeyedRoute,
    key: KeyKind,
    request: &Request<'_>,
) -> Result<Plan<'e>, Error> {
    let evaluated = |(evaluations, response)| Plan::Evaluations(evaluations, response);
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
            let (question, command) = if request.method == "POST" {
                identities::read_post(environment, key, request.query, body(request)?, request.random)?
            } else {
                identities::read_get(environment, request.query, (request.header)("if-none-match"))?
            };
            Ok(match command {
                None => Plan::Answered(identities::answer(environment, key, &question, &Identity::default())),
                Some(command) => Plan::Identities(
                    vec![(question.identifier.clone(), command)],
                    Continuation::Flags(question),
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
    }
}

impl Continuation {
    /// Answers with what the commands made of their identities, in their order.
    pub fn answer<'e>(
        &self,
        environment: &'e Environment,
        key: KeyKind,
        outcomes: &[Result<Identity, CommandError>],
    ) -> Result<Response<'e>, Error> {
        let missing = Identity::default();
        let identity = || first_of(outcomes).map(|identity| identity.unwrap_or(&missing));
        Ok(match self {
            Continuation::Flags(question) => identities::answer(environment, key, question, identity()?),
            Continuation::Echo(echo) => {
                identity()?;
                Response::json(echo.to_string().into_bytes())
            }
            Continuation::Increment(increment) => increment.answer(identity()?),
            // It reports each identity that was refused.
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

/// Checks that a body is not encoded, by its `Content-Encoding`; asked before it is read.
pub fn check_encoding(content_encoding: Option<String>) -> Result<(), Error> {
    let Some(encoding) = content_encoding else { return Ok(()) };
    let is_plain =
        |coding: &str| matches!(coding.trim(), "") || coding.trim().eq_ignore_ascii_case("identity");
    if encoding.split(',').all(is_plain) { Ok(()) } else { Err(Error::UnsupportedEncoding(encoding)) }
}

/// A media type without its parameters.
pub fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim()
}

/// The body's JSON; an empty body is an empty object, whatever its type.
pub fn body<'a>(request: &Request<'a>) -> Result<Json<'a>, Error> {
    if request.body.is_empty() {
        return Json::parse(b"{}").map_err(Error::Malformed);
    }
    let media_type = (request.header)("content-type").unwrap_or_default();
    if !essence(&media_type).eq_ignore_ascii_case("application/json") {
        return Err(Error::UnsupportedMediaType(media_type));
    }
    Json::parse(request.body).map_err(Error::Malformed)
}
