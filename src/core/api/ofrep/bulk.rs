//! `POST /ofrep/v1/evaluate/flags`: all flags.

use super::super::response::Response;
use super::super::subject::EvaluatedFlags;
use super::super::write_json::{without_comma, write_text};
use super::answer::write_flag;
use crate::document::KeyKind;

/// All flags that this kind of key may see.
pub fn answer<'e>(flags: &EvaluatedFlags<'_>, key: KeyKind) -> Response<'e> {
    let environment = flags.environment;
    let mut body = Vec::with_capacity(environment.flags.list(key).len() * 2 + 256);
    body.extend_from_slice(br#"{"flags":["#);
    for (feature, decision) in flags.evaluation.decisions.iter().enumerate() {
        if flags.shows(feature, decision, key) {
            write_flag(&mut body, flags, feature, decision);
            body.push(b',');
        }
    }
    without_comma(&mut body);
    body.extend_from_slice(br#"],"metadata":{"environment":"#);
    write_text(&mut body, environment.key());
    body.extend_from_slice(br#","version":"#);
    match &environment.updated_at {
        Some(updated_at) => write_text(&mut body, &updated_at.timestamp.iso()),
        None => write_text(&mut body, &environment.version),
    }
    // `eventStreams` would be the next member.
    body.extend_from_slice(b"}}");
    Response::json(body)
}
