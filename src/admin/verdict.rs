//! What is answered to whom something is not permitted (contract §E).

use super::authorization::Verdict;
use crate::api::{Error, Response};
use serde_json::json;

impl Verdict {
    /// The answer to who may not; none if it may.
    pub fn refusal(&self) -> Option<Response<'static>> {
        let detail = |status, text: &str| {
            let mut response = Response::error(&Error::Invalid(json!({"detail": text})));
            response.status = status;
            response
        };
        match self {
            Verdict::Allowed => None,
            Verdict::Forbidden => Some(detail(403, "You do not have permission to perform this action.")),
            Verdict::NoEnvironment => Some(detail(404, "No Environment matches the given query.")),
            Verdict::Unauthenticated(challenge) => {
                let mut response = Response::json(challenge.body.to_vec());
                response.status = 401;
                Some(response.with("www-authenticate", challenge.www_authenticate.to_string()))
            }
        }
    }
}
