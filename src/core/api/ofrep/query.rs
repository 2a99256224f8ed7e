//! A request for flags, before the stored state of its identity is read.

use super::super::error::Error;
use super::super::etag;
use super::super::request::{Request, body};
use super::super::response::Response;
use super::super::subject::{EvaluatedFlags, Subject, accepted};
use super::context::EvaluationContext;
use super::path::{candidates, flag_key};
use super::{bulk, error, flag};
use crate::document::ruleset::FeatureIndex;
use crate::document::{Environment, KeyKind};
use crate::identity::{Command, Identity};

/// A request for flags.
#[derive(Debug, PartialEq)]
pub struct OfrepQuery {
    /// The identity; `None` for the environment's flags.
    pub subject: Option<Subject>,
    wanted: Wanted,
}

#[derive(Debug, PartialEq)]
enum Wanted {
    /// One flag, and the key in the request.
    Flag(FeatureIndex, String),
    /// All flags, unless the client has those with one of the tags of `If-None-Match`. `names_stream`: true if the answer
    /// names the event stream.
    All { if_none_match: Option<String>, names_stream: bool },
}

/// Reads a request for one flag, and returns the command for the stored identity if the answer needs it. An unknown flag
/// needs no identity.
pub fn read_flag(
    environment: &Environment,
    key: KeyKind,
    request: &Request<'_>,
) -> Result<(OfrepQuery, Option<Command>), Error> {
    let context = EvaluationContext::read(body(request)?)?;
    let feature = find(environment, key, request).ok_or(Error::FeatureNotFound)?;
    let wanted = Wanted::Flag(feature, flag_key(request.path).into_owned());
    Ok(read(environment, key, request, context, wanted))
}

/// Reads a request for all flags.
pub fn read_bulk(
    environment: &Environment,
    key: KeyKind,
    request: &Request<'_>,
) -> Result<(OfrepQuery, Option<Command>), Error> {
    let context = EvaluationContext::read(body(request)?)?;
    let if_none_match = (request.header)("if-none-match");
    let wanted = Wanted::All { if_none_match, names_stream: request.has_streams };
    Ok(read(environment, key, request, context, wanted))
}

fn read(
    environment: &Environment,
    key: KeyKind,
    request: &Request<'_>,
    context: EvaluationContext,
    wanted: Wanted,
) -> (OfrepQuery, Option<Command>) {
    let traits = accepted(environment, key, context.traits);
    let (subject, command) = if !context.identifier.is_empty() {
        let is_transient = !request.persists_ofrep_traits;
        let (subject, command) = Subject::identified(environment, context.identifier, traits, is_transient);
        (Some(subject), Some(command))
    } else if traits.is_empty() {
        (None, None)
    } else {
        (Some(Subject::anonymous(traits, request.random)), None)
    };
    (OfrepQuery { subject, wanted }, command)
}

/// The feature that a request means, if this kind of key may see it.
fn find(environment: &Environment, key: KeyKind, request: &Request<'_>) -> Option<FeatureIndex> {
    let features = &environment.ruleset.features;
    let named = |name: &str| features.iter().position(|feature| &*feature.name == name);
    let found = candidates(request.path, request.query).find_map(|name| named(&name));
    found.filter(|feature| environment.flags.shows(*feature, true, key))
}

impl OfrepQuery {
    /// The answer, given the stored state of the identity.
    pub fn answer<'e>(&self, environment: &'e Environment, key: KeyKind, stored: &Identity) -> Response<'e> {
        let tag = match &self.wanted {
            Wanted::Flag(..) => None,
            Wanted::All { if_none_match, .. } => {
                let tag = etag::of_ofrep(environment, key, self.subject.as_ref(), stored);
                if if_none_match.as_ref().is_some_and(|kept| etag::matches(kept, &tag)) {
                    return Response::empty(304).tagged(tag);
                }
                Some(tag)
            }
        };
        let render = |flags: &EvaluatedFlags<'_>| {
            let response = match &self.wanted {
                Wanted::Flag(feature, name) => flag::answer(flags, key, *feature)
                    .unwrap_or_else(|| error::flag_error(name, &Error::FeatureNotFound)),
                Wanted::All { names_stream, .. } => bulk::answer(flags, key, *names_stream),
            };
            response.updated_at(environment).exhausted(flags.evaluation.exhausted)
        };
        let response = match &self.subject {
            Some(subject) => subject.evaluate(environment, stored, render),
            None => EvaluatedFlags::of_environment(environment, render),
        };
        match tag {
            Some(tag) => response.tagged(tag),
            None => response,
        }
    }
}
