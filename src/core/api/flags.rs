//! GET /api/v1/flags/: the environment's defaults, without an identity (contract §A.1).
//!
//! The list without reasons is built once, as a [`super::CachedResponse`].

use super::cached_response::CachedResponse;
use super::error::Error;
use super::etag;
use super::response::Response;
use crate::document::ruleset::FeatureIndex;
use crate::document::{Environment, KeyKind};
use crate::evaluate::default_reason;

/// The flag with this name in any letter case; the first flag for an empty name. 304 if the client has it.
pub fn answer<'e>(
    environment: &'e Environment,
    key: KeyKind,
    name: &str,
    if_none_match: Option<String>,
) -> Result<Response<'e>, Error> {
    let feature = find(environment, key, name)?;
    let tag = etag::of_flag(environment, key, feature);
    let not_modified = if_none_match.is_some_and(|kept| etag::matches(&kept, &tag));
    let response =
        if not_modified { Response::empty(304) } else { Response::json(environment.flags.default(feature)) };
    Ok(response.tagged(tag))
}

/// All flags, or 304 if the client has them. Without tags in the request no tag is computed.
pub fn list(environment: &Environment, key: KeyKind, if_none_match: Option<String>) -> CachedResponse {
    let not_modified =
        if_none_match.is_some_and(|kept| etag::matches(&kept, &etag::of_flags(environment, key)));
    if not_modified { CachedResponse::FlagsUnmodified } else { CachedResponse::Flags }
}

/// All flags, or the one with this name, with reasons; 304 if the client has them.
pub fn answer_with_reasons<'e>(
    environment: &'e Environment,
    key: KeyKind,
    name: Option<&str>,
    if_none_match: Option<String>,
) -> Result<Response<'e>, Error> {
    let feature = name.map(|name| find(environment, key, name)).transpose()?;
    let tag = etag::with_reasons(match feature {
        Some(feature) => etag::of_flag(environment, key, feature),
        None => etag::of_flags(environment, key),
    });
    if if_none_match.is_some_and(|kept| etag::matches(&kept, &tag)) {
        return Ok(Response::empty(304).tagged(tag));
    }
    let reason = default_reason(environment.ruleset.engine);
    let mut body = Vec::new();
    let response = match feature {
        Some(feature) => {
            body.extend_from_slice(environment.flags.default(feature));
            write_reason(&mut body, reason);
            Response::json(body)
        }
        None => {
            let mut separator = b'[';
            for feature in shown(environment, key) {
                body.push(separator);
                body.extend_from_slice(environment.flags.default(feature));
                write_reason(&mut body, reason);
                separator = b',';
            }
            if body.is_empty() {
                body.push(b'[');
            }
            body.push(b']');
            Response::json(body).updated_at(environment)
        }
    };
    Ok(response.tagged(tag))
}

/// Adds the member `reason` to the last written flag (contract §C.0).
pub fn write_reason(body: &mut Vec<u8>, reason: &str) {
    // The end of the flag's object.
    body.pop();
    body.extend_from_slice(br#","reason":"#);
    body.extend_from_slice(serde_json::Value::from(reason).to_string().as_bytes());
    body.push(b'}');
}

/// The features that are visible to this kind of key.
fn shown(environment: &Environment, key: KeyKind) -> impl Iterator<Item = FeatureIndex> {
    let Environment { ruleset, flags, .. } = environment;
    let features = ruleset.features.iter().enumerate();
    let shown = features.filter(move |(id, feature)| {
        ruleset.states.get(feature.default).is_some_and(|state| flags.shows(*id, state.enabled, key))
    });
    shown.map(|(id, _)| id)
}

fn find(environment: &Environment, key: KeyKind, name: &str) -> Result<FeatureIndex, Error> {
    let name_of =
        |id: &FeatureIndex| environment.ruleset.features.get(*id).map_or("", |feature| &feature.name);
    let lower = name.to_lowercase();
    let exact = shown(environment, key).find(|id| name_of(id) == name);
    let found = exact.or_else(|| {
        shown(environment, key).find(|id| name.is_empty() || name_of(id).to_lowercase() == lower)
    });
    found.ok_or(Error::FeatureNotFound)
}
