//! POST /api/v1/analytics/flags/ and /api/v2/analytics/flags/: how often flags were evaluated (contract §A.6).

use serde_json::json;

use super::error::Error;
use super::fields::{Fields, MAX_IDENTIFIER_LENGTH, TextRules};
use super::response::Response;
use crate::document::json::{Json, Kind};

/// Counts by feature name. Unknown features and counts that are none are passed over.
pub fn answer_v1(body: Json<'_>) -> Result<Response<'static>, Error> {
    match body.kind() {
        Kind::Object => Ok(Response::empty(200)),
        Kind::Null => Err(Error::Invalid(json!({"non_field_errors": ["No data provided"]}))),
        _ => Err(Error::Invalid(json!({"non_field_errors": ["Expected a JSON object."]}))),
    }
}

/// A list of evaluations. Unknown features are passed over.
pub fn answer_v2(body: Json<'_>) -> Result<Response<'static>, Error> {
    let mut fields = Fields::of_body(body)?;
    fields.list("evaluations", |item| {
        let mut fields = Fields::of(item)?;
        fields.text("feature_name", TextRules { max_length: MAX_FEATURE_NAME_LENGTH, optional: false });
        if fields.has("identity_identifier") {
            fields.text(
                "identity_identifier",
                TextRules { max_length: MAX_IDENTIFIER_LENGTH, optional: false },
            );
        }
        fields.required_bool("enabled_when_evaluated");
        fields.integer("count");
        fields.finish(())
    });
    fields.finish(()).map_err(Error::Invalid)?;
    Ok(Response::empty(204))
}

/// What Flagsmith's feature names are limited to.
const MAX_FEATURE_NAME_LENGTH: usize = 2000;
