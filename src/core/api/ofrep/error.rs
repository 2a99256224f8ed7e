//! Failures in the form of OFREP.

use serde_json::{Value, json};

use super::super::error::Error;
use super::super::response::Response;

/// The answer to a request for one flag that failed. All providers read the key.
pub fn flag_error(key: &str, error: &Error) -> Response<'static> {
    let (status, code, details) = parts(error);
    answer(error, status, &json!({"key": key, "errorCode": code, "errorDetails": details}))
}

/// The answer to a request for all flags that failed.
pub fn bulk_error(error: &Error) -> Response<'static> {
    let (status, code, details) = parts(error);
    answer(error, status, &json!({"errorCode": code, "errorDetails": details}))
}

/// The status, the code that OFREP has for an error, and its text.
fn parts(error: &Error) -> (u16, &'static str, String) {
    let code = match error {
        Error::Malformed(_) => "PARSE_ERROR",
        Error::Invalid(_) => "INVALID_CONTEXT",
        Error::FeatureNotFound => "FLAG_NOT_FOUND",
        _ => "GENERAL",
    };
    let details = match error {
        Error::Invalid(Value::String(problem)) => problem.clone(),
        Error::FeatureNotFound => "The environment has no such flag, or hides it from this key.".to_owned(),
        Error::KeyMissing => NO_KEY.to_owned(),
        Error::KeyUnknown => "The environment key is unknown, inactive or expired.".to_owned(),
        error => error.to_string(),
    };
    let status = if *error == Error::KeyMissing { 401 } else { error.status() };
    (status, code, details)
}

const NO_KEY: &str =
    "The environment key is missing: send it as X-API-Key, Authorization: Bearer or X-Environment-Key.";

fn answer(error: &Error, status: u16, body: &Value) -> Response<'static> {
    let mut response = Response::error(error);
    response.status = status;
    response.body = body.to_string().into_bytes().into();
    if status == 401 {
        // RFC 9110 §11.6.1
        response = response.with("www-authenticate", "Bearer");
    }
    response
}
