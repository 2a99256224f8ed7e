//! GET and POST /api/v1/identities/: the flags of one identity (contract §A.2, §A.3).

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::error::Error;
use super::etag;
use super::fields::{Fields, query_identifier};
use super::flags;
use super::query;
use super::response::Response;
use super::subject::{EvaluatedFlags, SentTrait, Subject, accepted};
use super::write_json::{without_comma, write_json, write_text};
use crate::document::json::Json;
use crate::document::{Environment, Identifier, KeyKind};
use crate::evaluate::Decision;
use crate::identity::{Command, Identity, TraitValue, Traits};

/// A request for one identity, parsed, before the stored state is read.
#[derive(Debug, PartialEq)]
pub struct IdentityQuery {
    /// The identity.
    pub subject: Subject,
    /// The requested feature; none for all.
    feature: Option<String>,
    /// True if each flag has its reason.
    reasons: bool,
    /// The tags of `If-None-Match`; `None` for a POST, which has no tags.
    if_none_match: Option<String>,
}

/// Reads a GET: the query, and the command for the stored identity. A transient request has no command, unless the
/// identity's number in the origin's database is hashed.
///
/// A blank identifier is answered untrimmed, as by Flagsmith. It is treated as transient, so that nothing is stored.
pub fn read_get(
    environment: &Environment,
    query: &str,
    if_none_match: Option<String>,
) -> Result<(IdentityQuery, Option<Command>), Error> {
    let [identifier, transient, feature, reasons] =
        query::last_of(query, ["identifier", "transient", "feature", "reasons"]);
    let sent = identifier.filter(|identifier| !identifier.is_empty()).ok_or(Error::IdentifierMissing)?;
    let normalized = query_identifier(&sent)?;
    let blank = normalized.is_empty();
    let transient = blank || query::is_yes(transient.as_deref());
    let identifier = if blank { Identifier::verbatim(sent) } else { normalized };
    let question = IdentityQuery {
        subject: Subject { identifier, transient: Vec::new(), overridden: !transient },
        feature: feature.filter(|feature| !feature.is_empty()).map(Cow::into_owned),
        reasons: query::is_yes(reasons.as_deref()),
        if_none_match: Some(if_none_match.unwrap_or_default()),
    };
    let command = match transient {
        false => Some(Command::Create),
        true => (environment.hashes_django_ids() && !blank).then_some(Command::Read),
    };
    Ok((question, command))
}

/// Reads a POST: the query, and the command for the stored identity; `None` for an anonymous request.
///
/// `random` creates the identifier of an anonymous request without traits.
pub fn read_post(
    environment: &Environment,
    key: KeyKind,
    query: &str,
    body: Json<'_>,
    random: impl FnOnce() -> [u8; 16],
) -> Result<(IdentityQuery, Option<Command>), Error> {
    let mut fields = Fields::of_body(body)?;
    let identifier = fields.identifier("identifier", true);
    let traits = if fields.has("traits") { fields.list("traits", SentTrait::read) } else { Vec::new() };
    let transient = fields.bool("transient");
    fields.finish(()).map_err(Error::Invalid)?;

    let traits = accepted(environment, key, traits);
    let (subject, command) = if identifier.is_empty() {
        (Subject::anonymous(traits, random), None)
    } else {
        let (subject, command) = Subject::identified(environment, identifier, traits, transient);
        (subject, Some(command))
    };
    let reasons = query::is_yes(query::last(query, "reasons").as_deref());
    Ok((IdentityQuery { subject, feature: None, reasons, if_none_match: None }, command))
}

/// The answer, or 304 if the client has it. A matching tag needs no evaluation. `*` needs one in a request for a single
/// feature, since the feature may not exist.
pub fn answer<'e>(
    environment: &'e Environment,
    key: KeyKind,
    question: &IdentityQuery,
    stored: &Identity,
) -> Response<'e> {
    let Some(kept) = &question.if_none_match else { return evaluated(environment, key, question, stored) };
    let IdentityQuery { subject: Subject { identifier, overridden, .. }, feature, reasons, .. } = question;
    let tag = etag::of_identity(environment, key, &(identifier, overridden, feature, reasons), stored);
    let not_modified = etag::matches(kept, &tag);
    let unmodified = |tag| Response::empty(304).tagged(tag);
    if not_modified && (feature.is_none() || !etag::is_any(kept)) {
        return unmodified(tag);
    }
    let response = evaluated(environment, key, question, stored);
    match response.status {
        200 if not_modified => unmodified(tag),
        200 => response.tagged(tag),
        _ => response,
    }
}

/// Evaluates the flags and renders the answer.
fn evaluated<'e>(
    environment: &'e Environment,
    key: KeyKind,
    question: &IdentityQuery,
    stored: &Identity,
) -> Response<'e> {
    question.subject.evaluate(environment, stored, |flags| {
        let response = rendered(key, question, flags);
        response.updated_at(environment).exhausted(flags.evaluation.exhausted)
    })
}

#[inline(always)]
fn rendered<'e>(key: KeyKind, question: &IdentityQuery, flags: &EvaluatedFlags<'_>) -> Response<'e> {
    let environment = flags.environment;
    let explain = |body: &mut Vec<u8>, feature: usize| {
        if question.reasons {
            flags::write_reason(body, &flags.reason(feature));
        }
    };
    let decisions = flags.evaluation.decisions.iter().enumerate();
    if let Some(name) = &question.feature {
        let features = &environment.ruleset.features;
        let named = |feature: usize| features.get(feature).is_some_and(|feature| *feature.name == **name);
        let is_found =
            |&(feature, decision): &(usize, &Decision)| named(feature) && flags.shows(feature, decision, key);
        return match decisions.into_iter().find(is_found) {
            Some((feature, decision)) => {
                let mut body = flags.flag(decision).to_vec();
                explain(&mut body, feature);
                Response::json(body)
            }
            None => Response::error(&Error::FeatureNotFound),
        };
    }
    let mut body = Vec::with_capacity(environment.flags.list(key).len() * 5 / 4 + 256);
    body.extend_from_slice(br#"{"identifier":"#);
    write_text(&mut body, &question.subject.identifier);
    body.extend_from_slice(br#","traits":["#);
    if !environment.hide_sensitive_data {
        write_traits(&mut body, flags.stored_traits, &question.subject.transient);
    }
    body.extend_from_slice(br#"],"flags":["#);
    // A loop, since iterator adapters compiled for size would cost a call for each flag.
    for (feature, decision) in decisions {
        if flags.shows(feature, decision, key) {
            body.extend_from_slice(flags.flag(decision));
            explain(&mut body, feature);
            body.push(b',');
        }
    }
    without_comma(&mut body);
    body.extend_from_slice(b"]}");
    Response::json(body)
}

/// Stored and sent traits by key, with a mark for transient ones. The last of several for one key counts.
fn write_traits(body: &mut Vec<u8>, stored: &Traits, transient: &[(Box<str>, Option<TraitValue>)]) {
    if transient.is_empty() {
        for (key, value) in stored {
            write_trait(body, key, Some(value), false);
        }
    } else {
        let stored = stored.iter().map(|(key, value)| (&**key, (Some(value), false)));
        let sent = transient.iter().map(|(key, value)| (&**key, (value.as_ref(), true)));
        let mut last = BTreeMap::new();
        last.extend(stored.chain(sent));
        for (key, (value, transient)) in last {
            write_trait(body, key, value, transient);
        }
    }
    without_comma(body);
}

fn write_trait(body: &mut Vec<u8>, key: &str, value: Option<&TraitValue>, transient: bool) {
    body.extend_from_slice(br#"{"trait_key":"#);
    write_text(body, key);
    body.extend_from_slice(br#","trait_value":"#);
    match value {
        Some(TraitValue::Text(text)) => write_text(body, text),
        other => write_json(body, &other),
    }
    body.extend_from_slice(if transient { br#","transient":true},"# } else { b"}," });
}
