//! The reasons for refusing a request, in Flagsmith's words.

use flagsmith_edge_core::api::{Error, Response};
use serde_json::{Value, json};

/// A refused request. It has changed nothing.
#[derive(Debug)]
pub enum Refusal {
    /// No credentials, or bad ones.
    Unauthorized(&'static str),
    /// The key does not reach what the request concerns, or nothing such exists.
    Forbidden,
    /// No row of this model has the id, the key or the UUID of the request.
    Missing(&'static str),
    /// The path has a text in place of a number.
    NotANumber,
    /// A text about the whole request.
    Detail(u16, &'static str),
    /// The faults of a body or query.
    Invalid(Value),
    /// A failure that the SDK API has, too.
    Api(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        Refusal::Api(error)
    }
}

impl Refusal {
    /// The fault of one field.
    pub fn field(name: &str, problem: &str) -> Refusal {
        Refusal::Invalid(json!({name: [problem]}))
    }

    /// The answer to the client.
    pub fn response(&self) -> Response<'static> {
        match self {
            Refusal::Unauthorized(text) => {
                Response::detail(401, text).with("www-authenticate", "Cookie realm=\"api\"")
            }
            Refusal::Forbidden => Response::detail(403, "You do not have permission to perform this action."),
            Refusal::Missing(model) => Response::detail(404, &format!("No {model} matches the given query.")),
            Refusal::NotANumber => Response::detail(404, "Not found."),
            Refusal::Detail(status, text) => Response::detail(*status, text),
            Refusal::Invalid(problems) => Response::error(&Error::Invalid(problems.clone())),
            Refusal::Api(error) => Response::error(error),
        }
    }
}
