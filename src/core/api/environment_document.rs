//! GET /api/v1/environment-document/: the document for local evaluation in SDKs (contract §A.5).
//!
//! The document has the published identity overrides and those that were made through the worker. For the same feature,
//! an override made through the worker wins.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::json;

use super::etag;
use super::response::Response;
use crate::document::identity_overrides::with_states;
use crate::document::json::{Json, Members};
use crate::document::{Environment, FeatureState, KeyKind, Timestamp};
use crate::identity::directory::DirectoryOverride;

/// The conditions of a request for the document (RFC 9110 §13).
#[derive(Debug, PartialEq)]
pub struct DocumentConditions {
    /// The tags of `If-None-Match`.
    pub if_none_match: Option<String>,
    /// The date of `If-Modified-Since`, which counts only without tags (RFC 9110 §13.1.3).
    pub if_modified_since: Option<String>,
}

impl DocumentConditions {
    /// The document, or 304 if the client has it. `version` is the number of changes to overrides made through the
    /// worker. `document` returns the text if it is needed.
    pub fn answer<'e>(
        &self,
        environment: &'e Environment,
        key: KeyKind,
        version: u64,
        document: impl FnOnce() -> Cow<'e, [u8]>,
    ) -> Response<'e> {
        let tag = etag::of_document(environment, key, version);
        let document = if self.not_modified(environment, &tag, version) { None } else { Some(document()) };
        answer(environment, version, document).tagged(tag)
    }

    /// True if the client has the document with this tag.
    pub(super) fn not_modified(&self, environment: &Environment, tag: &str, version: u64) -> bool {
        if let Some(tags) = &self.if_none_match {
            return etag::matches(tags, tag);
        }
        let since = self.if_modified_since.as_ref().and_then(|date| Timestamp::from_http_date(date));
        let modified = modified(environment, version);
        modified.zip(since).is_some_and(|(modified, since)| modified.seconds() <= since.seconds())
    }
}

/// The answer with the document, or 304 without one.
pub fn answer<'e>(
    environment: &'e Environment,
    version: u64,
    document: Option<Cow<'e, [u8]>>,
) -> Response<'e> {
    let mut response = match document {
        Some(document) => Response::json(document).updated_at(environment),
        None => Response::empty(304),
    };
    let modified = modified(environment, version).and_then(Timestamp::http_date);
    response.headers.extend(modified.map(|modified| ("last-modified", modified.into())));
    response
}

/// Returns the time of the document's latest change.
///
/// Each change to the overrides made through the worker adds a second to the document's own time. So a change of the
/// document or of these overrides always makes the result later. Otherwise two changes in one second, or a document
/// time from a clock that is ahead, would hide a change.
///
/// A date before 1970 counts as none: programs without a date write `0001-01-01`.
fn modified(environment: &Environment, version: u64) -> Option<Timestamp> {
    let updated_at = environment.updated_at.as_ref()?.timestamp;
    if updated_at.seconds() < 0 || version == 0 {
        return (updated_at.seconds() >= 0).then_some(updated_at);
    }
    updated_at.seconds_later(version)
}

/// The maximum length of an identity in a document, without its identifier and overrides.
const IDENTITY_LENGTH: usize = 400;

/// The document with overrides that were made through the worker. `overrides` is grouped by identifier.
pub fn render(environment: &Environment, overrides: &[DirectoryOverride]) -> Vec<u8> {
    let document = environment.document();
    let members = Json::parse(document).ok().and_then(Json::object);
    let (Some(members), false) = (members, overrides.is_empty()) else { return document.to_vec() };
    let mut made_here: BTreeMap<&str, Vec<&DirectoryOverride>> = BTreeMap::new();
    for known in overrides {
        if environment.feature_with_id(known.state.feature.id).is_some() {
            made_here.entry(&known.identifier).or_default().push(known);
        }
    }
    // The normalized document has no duplicates, so each identity is found once. The text is allocated with its final
    // capacity, since it may nearly fill the isolate's memory.
    let added =
        overrides.iter().map(|known| known.state.length() + 2 * known.identifier.len() + IDENTITY_LENGTH);
    let mut text = String::with_capacity(document.len() + added.sum::<usize>());
    text.push('{');
    for (name, value) in members.iter().filter(|(name, _)| *name != "identity_overrides") {
        text.extend([&json!(name).to_string(), ":", value.source(), ","]);
    }
    text.push_str(r#""identity_overrides":["#);
    let published = members.get("identity_overrides").and_then(|overrides| overrides.list());
    for identity in published.unwrap_or_default() {
        let fields = identity.object().unwrap_or_default();
        let identifier =
            fields.get("identifier").and_then(|identifier| identifier.text()).unwrap_or_default();
        match made_here.remove(&*identifier) {
            None => text.push_str(identity.source()),
            Some(overrides) => text.push_str(&merged(environment, &fields, &overrides)),
        }
        text.push(',');
    }
    for (identifier, overrides) in &made_here {
        text.push_str(&new(environment, identifier, overrides));
        text.push(',');
    }
    if text.ends_with(',') {
        text.pop();
    }
    text.push_str("]}");
    text.into_bytes()
}

/// The JSON of a published identity, with overrides that were made through the worker in place of its own for the same
/// features.
fn merged(environment: &Environment, fields: &Members<'_>, overrides: &[&DirectoryOverride]) -> String {
    let states: Vec<FeatureState> = overrides.iter().map(|known| served(environment, &known.state)).collect();
    let is_overridden = |state: &Json<'_>| {
        let state = serde_json::from_str::<FeatureState>(state.source());
        // SDKs identify features by name, and the state of a deleted feature may have the name of an overridden one.
        state.is_ok_and(|state| {
            let same = |known: &FeatureState| {
                known.feature.id == state.feature.id || known.feature.name == state.feature.name
            };
            states.iter().any(same)
        })
    };
    let published = fields.get("identity_features").and_then(|states| states.list()).unwrap_or_default();
    let kept = published.iter().filter(|state| !is_overridden(state)).map(|state| state.source().to_owned());
    let texts: Vec<String> = kept.chain(states.iter().map(text)).collect();
    with_states(fields, &texts)
}

/// The JSON of an identity that the published document lacks, with all fields that any SDK needs.
fn new(environment: &Environment, identifier: &str, overrides: &[&DirectoryOverride]) -> String {
    let states: Vec<FeatureState> = overrides.iter().map(|known| served(environment, &known.state)).collect();
    let first = overrides.first();
    let identity = json!({
        "identifier": identifier,
        "identity_uuid": first.map(|known| &known.uuid),
        "created_date": first.map(|known| &known.created_date),
        "environment_api_key": environment.key(),
        "composite_key": format!("{}_{identifier}", environment.key()),
        "identity_features": states,
        "identity_traits": [],
        "dashboard_alias": null,
        "django_id": null,
    });
    identity.to_string()
}

/// An override for SDKs. It has the current name of its feature, by which SDKs find the feature. Multivariate values
/// without a number get one.
fn served(environment: &Environment, state: &FeatureState) -> FeatureState {
    let mut served = state.clone();
    let feature = environment.feature_with_id(state.feature.id);
    if let Some(feature) = feature.and_then(|feature| environment.ruleset.features.get(feature)) {
        served.feature.name = feature.name.clone();
    }
    served.numbered()
}

fn text(state: &FeatureState) -> String {
    serde_json::to_string(state).unwrap_or_default()
}
