//! Answers that the environment and the kind of key alone decide: made once, not for each request.

use super::environment_document;
use super::response::Response;
use super::route::Route;
use super::validator;
use crate::document::{Environment, KeyKind};

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fixed {
    /// All flags.
    Flags,
    /// That all flags are as they were.
    FlagsUnmodified,
    /// The environment document, while no override was made here.
    Document,
    /// That the document is as it was.
    DocumentUnmodified,
}

impl Fixed {
    /// How many there are, numbered from 0 on.
    pub const COUNT: usize = 4;

    /// The whole answer.
    pub fn response(self, environment: &Environment, key: KeyKind) -> Response<'_> {
        let (response, route) = match self {
            Fixed::Flags => {
                (Response::json(environment.flags.list(key)).updated_at(environment), Route::Flags)
            }
            Fixed::FlagsUnmodified => (Response::empty(304), Route::Flags),
            Fixed::Document | Fixed::DocumentUnmodified => {
                let document = (self == Fixed::Document).then(|| environment.document().into());
                (environment_document::answer(environment, 0, document), Route::EnvironmentDocument)
            }
        };
        response.tagged(validator::of_environment(environment, key)).finish(Some(route), "GET")
    }
}
