//! `POST /ofrep/v1/evaluate/flags/{key}`: one flag.

use super::super::response::Response;
use super::super::subject::EvaluatedFlags;
use super::answer::write_flag;
use crate::document::KeyKind;
use crate::document::ruleset::FeatureIndex;

/// The flag of a feature; `None` if it is hidden from this kind of key.
pub fn answer<'e>(flags: &EvaluatedFlags<'_>, key: KeyKind, feature: FeatureIndex) -> Option<Response<'e>> {
    let decision = flags.evaluation.decisions.get(feature)?;
    if !flags.shows(feature, decision, key) {
        return None;
    }
    let mut body = Vec::new();
    write_flag(&mut body, flags, feature, decision);
    Some(Response::json(body))
}
