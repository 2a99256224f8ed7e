//! GET and POST /api/v1/identities/: the flags of one identity (contract §A.2, §A.3).

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::error::Error;
use super::etag;
use super::fields::{Fields, TRAIT_KEY, query_identifier};
use super::flags;
use super::query;
use super::response::Response;
use crate::document::json::Json;
use crate::document::{Environment, Identifier, KeyKind, StoredOverrides};
use crate::evaluate::{Decision, EvaluatedIdentity, evaluate};
use crate::identity::{Command, Identity, TraitValue, Traits, anonymous_identifier, uuid_hex};

/// A request for one identity, parsed, before the stored state is read.
#[derive(Debug, PartialEq)]
pub struct IdentityQuery {
    /// The identifier; a generated one for an anonymous request.
    pub identifier: Identifier,
    /// Transient traits of this request. Null traits are in the answer, and unset for conditions.
    transient: Vec<(Box<str>, Option<TraitValue>)>,
    /// True if the traits and overrides of the identifier apply.
    overridden: bool,
    /// The requested feature; none for all.
    feature: Option<String>,
    /// True if each flag has its reason.
    reasons: bool,
    /// The tags of `If-None-Match`; `None` for a POST, which has no tags.
    if_none_match: Option<String>,
}

/// A trait in a request.
struct SentTrait {
    key: Box<str>,
    value: Option<TraitValue>,
    transient: bool,
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
    let question = IdentityQuery {
        identifier: if blank { Identifier::verbatim(sent) } else { normalized },
        transient: Vec::new(),
        overridden: !transient,
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
    let mut traits = if fields.has("traits") { fields.list("traits", read_trait) } else { Vec::new() };
    let transient = fields.bool("transient");
    fields.finish(()).map_err(Error::Invalid)?;

    if key == KeyKind::Client && !environment.allow_client_traits {
        traits.clear();
    }
    let reasons = query::is_yes(query::last(query, "reasons").as_deref());
    let question = |identifier, transient| IdentityQuery {
        identifier,
        transient,
        overridden: true,
        feature: None,
        reasons,
        if_none_match: None,
    };
    if identifier.is_empty() {
        let set = traits.iter().filter_map(|sent| Some((&*sent.key, sent.value.as_ref()?)));
        let identifier =
            anonymous_identifier(set).unwrap_or_else(|| Identifier::normalize(uuid_hex(random())));
        let mut question = question(identifier, without_nulls(traits));
        question.overridden = false;
        return Ok((question, None));
    }
    if transient {
        return Ok((question(identifier, without_nulls(traits)), Some(Command::Read)));
    }
    if !environment.persist_trait_data {
        return Ok((question(identifier, without_nulls(traits)), Some(Command::Create)));
    }
    let (transient, lasting): (Vec<_>, Vec<_>) = traits.into_iter().partition(|sent| sent.transient);
    let pair = |sent: SentTrait| (sent.key, sent.value);
    let lasting: Vec<_> = lasting.into_iter().map(pair).collect();
    let command = if lasting.is_empty() { Command::Create } else { Command::SetTraits(lasting) };
    Ok((question(identifier, transient.into_iter().map(pair).collect()), Some(command)))
}

fn read_trait(item: Json<'_>) -> Result<SentTrait, serde_json::Value> {
    let mut fields = Fields::of(item)?;
    let key = fields.text("trait_key", TRAIT_KEY).into();
    let value = fields.trait_value("trait_value", true);
    let transient = fields.bool("transient");
    fields.finish(SentTrait { key, value, transient })
}

fn without_nulls(traits: Vec<SentTrait>) -> Vec<(Box<str>, Option<TraitValue>)> {
    traits.into_iter().filter(|sent| sent.value.is_some()).map(|sent| (sent.key, sent.value)).collect()
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
    let IdentityQuery { identifier, overridden, feature, reasons, .. } = question;
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
    let none = Traits::new();
    let stored_traits = if question.overridden { &stored.traits } else { &none };
    let traits = merge(stored_traits, &question.transient);
    let identity_key = environment.identity_key(&question.identifier, stored.django_id);
    let compiled;
    let stored_overrides = if stored.overrides.is_empty() || !question.overridden {
        StoredOverrides::none()
    } else {
        compiled = StoredOverrides::new(environment, &stored.overrides);
        &compiled
    };
    let mut identity =
        EvaluatedIdentity::new(environment, &question.identifier, &identity_key, &traits, stored_overrides);
    if !question.overridden {
        identity.overrides = &[];
    }
    let evaluation = evaluate(&environment.ruleset, Some(identity));
    let ruleset = &environment.ruleset;
    let shown = |feature: usize, decision: &Decision| {
        let enabled = stored_overrides.state(ruleset, decision.state).is_some_and(|state| state.enabled);
        environment.flags.shows(feature, enabled, key)
    };
    let flag = |decision: &Decision| {
        let stored = stored_overrides.outcome(decision.state, decision.variant());
        stored.unwrap_or_else(|| environment.flags.outcome(decision.state, decision.variant()))
    };
    let explain = |body: &mut Vec<u8>, feature: usize| {
        if question.reasons {
            flags::write_reason(body, &evaluation.reason(ruleset, Some(identity), feature));
        }
    };
    let decisions = evaluation.decisions.iter().enumerate();
    if let Some(name) = &question.feature {
        let named =
            |feature: usize| ruleset.features.get(feature).is_some_and(|feature| *feature.name == **name);
        let found =
            decisions.into_iter().find(|&(feature, decision)| named(feature) && shown(feature, decision));
        let response = match found {
            Some((feature, decision)) => {
                let mut body = flag(decision).to_vec();
                explain(&mut body, feature);
                Response::json(body)
            }
            None => Response::error(&Error::FeatureNotFound),
        };
        return response.updated_at(environment).exhausted(evaluation.exhausted);
    }
    let mut body = Vec::with_capacity(environment.flags.list(key).len() * 5 / 4 + 256);
    body.extend_from_slice(br#"{"identifier":"#);
    write_text(&mut body, &question.identifier);
    body.extend_from_slice(br#","traits":["#);
    if !environment.hide_sensitive_data {
        write_traits(&mut body, stored_traits, &question.transient);
    }
    body.extend_from_slice(br#"],"flags":["#);
    // A loop, since iterator adapters compiled for size would cost a call for each flag.
    for (feature, decision) in decisions {
        if shown(feature, decision) {
            body.extend_from_slice(flag(decision));
            explain(&mut body, feature);
            body.push(b',');
        }
    }
    without_comma(&mut body);
    body.extend_from_slice(b"]}");
    Response::json(body).updated_at(environment).exhausted(evaluation.exhausted)
}

/// The stored traits, overridden by those of the request.
fn merge<'t>(stored: &'t Traits, transient: &[(Box<str>, Option<TraitValue>)]) -> Cow<'t, Traits> {
    let mut traits = Cow::Borrowed(stored);
    for (key, value) in transient {
        match value {
            Some(value) => {
                traits.to_mut().insert(key.clone(), value.clone());
            }
            None => {
                traits.to_mut().remove(key);
            }
        }
    }
    traits
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

/// Each part of a list is followed by a comma; the last comma is removed.
fn without_comma(body: &mut Vec<u8>) {
    if body.ends_with(b",") {
        body.pop();
    }
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

/// Nearly every text is written unchanged, and scanning its bytes costs less than a serializer.
fn write_text(body: &mut Vec<u8>, text: &str) {
    if text.bytes().any(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
        return write_json(body, text);
    }
    body.push(b'"');
    body.extend_from_slice(text.as_bytes());
    body.push(b'"');
}

fn write_json(body: &mut Vec<u8>, value: &(impl serde::Serialize + ?Sized)) {
    // Serializing texts and traits into a Vec cannot fail.
    let _ = serde_json::to_writer(body, value);
}
