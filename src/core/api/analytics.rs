//! POST /api/v1/analytics/flags/ and /api/v2/analytics/flags/: reports of evaluated flags (contract §A.6).

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::error::Error;
use super::fields::{Fields, TextRules, integer_value};
use super::response::Response;
use crate::document::Environment;
use crate::document::json::{Json, Kind};

/// Evaluations and their counts, in the form of the origin's API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evaluations {
    /// The endpoint of the report.
    pub version: AnalyticsVersion,
    /// Each evaluation as JSON, with its count: in v1 a feature's name, in v2 an object without its `count`.
    pub counts: BTreeMap<String, u32>,
}

/// The two endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum AnalyticsVersion {
    V1,
    V2,
}

/// The maximum of a count: the largest number of Flagsmith's database column.
pub const MAX_COUNT: u32 = i32::MAX as u32;

impl Evaluations {
    fn new(version: AnalyticsVersion) -> Evaluations {
        Evaluations { version, counts: BTreeMap::new() }
    }

    fn add(&mut self, item: String, count: i64) {
        let count = u32::try_from(count).ok().filter(|count| (1..=MAX_COUNT).contains(count));
        let Some(count) = count else { return };
        let sum = self.counts.entry(item).or_default();
        *sum = sum.saturating_add(count).min(MAX_COUNT);
    }
}

/// Reads counts by feature name. Unknown features and invalid counts are ignored.
pub fn answer_v1(
    environment: &Environment,
    body: Json<'_>,
) -> Result<(Evaluations, Response<'static>), Error> {
    let Some(members) = body.object() else {
        let problem = if body.kind() == Kind::Null { "No data provided" } else { "Expected a JSON object." };
        return Err(Error::Invalid(json!({"non_field_errors": [problem]})));
    };
    let features = features(environment);
    let mut evaluations = Evaluations::new(AnalyticsVersion::V1);
    for (name, count) in members.iter() {
        if let Some(count) = integer_value(count).filter(|_| features.contains(name)) {
            evaluations.add(json!(name).to_string(), count);
        }
    }
    Ok((evaluations, Response::empty(200)))
}

/// Reads a list of evaluations. Unknown features are ignored.
pub fn answer_v2(
    environment: &Environment,
    body: Json<'_>,
) -> Result<(Evaluations, Response<'static>), Error> {
    let features = features(environment);
    let mut evaluations = Evaluations::new(AnalyticsVersion::V2);
    let mut fields = Fields::of_body(body)?;
    fields.list("evaluations", |item| {
        let mut fields = Fields::of(item)?;
        let rules = |max_length| TextRules { max_length, optional: false };
        let name = fields.text("feature_name", rules(MAX_FEATURE_NAME_LENGTH));
        let identifier =
            fields.has("identity_identifier").then(|| fields.identifier("identity_identifier", false));
        let enabled = fields.required_bool("enabled_when_evaluated");
        let count = fields.integer("count");
        fields.finish(())?;
        if features.contains(&*name) {
            let mut item = json!({"feature_name": name, "enabled_when_evaluated": enabled});
            if let (Some(identifier), Some(item)) = (identifier, item.as_object_mut()) {
                item.insert("identity_identifier".to_owned(), json!(identifier));
            }
            evaluations.add(item.to_string(), count);
        }
        Ok(())
    });
    fields.finish(()).map_err(Error::Invalid)?;
    Ok((evaluations, Response::empty(204)))
}

fn features(environment: &Environment) -> HashSet<&str> {
    environment.ruleset.features.iter().map(|feature| &*feature.name).collect()
}

/// The maximum length of Flagsmith's feature names.
const MAX_FEATURE_NAME_LENGTH: usize = 2000;
