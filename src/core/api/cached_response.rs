//! Answers that depend only on the environment and the kind of key. Each is built once for a version of the
//! environment, not for each request.

use super::environment_document::{self, DocumentConditions};
use super::etag;
use super::response::Response;
use super::route::KeyedRoute;
use crate::document::{Environment, KeyKind};

/// The kind of answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CachedResponse {
    /// All flags.
    Flags,
    /// 304 for all flags.
    FlagsUnmodified,
    /// The environment document without overrides that were made through the worker.
    Document,
    /// 304 for the document.
    DocumentUnmodified,
}

impl CachedResponse {
    /// The number of variants. As integers the variants count from 0.
    pub const COUNT: usize = 4;

    /// The answer to a request for the document, if no override was ever made through the worker.
    pub fn of_document(
        conditions: &DocumentConditions,
        environment: &Environment,
        key: KeyKind,
    ) -> CachedResponse {
        let tag = etag::of_document(environment, key, 0);
        let is_unmodified = conditions.not_modified(environment, &tag, 0);
        if is_unmodified { CachedResponse::DocumentUnmodified } else { CachedResponse::Document }
    }

    /// The whole answer.
    pub fn response(self, environment: &Environment, key: KeyKind) -> Response<'_> {
        let (response, tag, route) = match self {
            CachedResponse::Flags | CachedResponse::FlagsUnmodified => {
                let response = match self {
                    CachedResponse::Flags => {
                        Response::json(environment.flags.list(key)).updated_at(environment)
                    }
                    _ => Response::empty(304),
                };
                (response, etag::of_flags(environment, key), KeyedRoute::Flags)
            }
            CachedResponse::Document | CachedResponse::DocumentUnmodified => {
                let document = (self == CachedResponse::Document).then(|| environment.document().into());
                let response = environment_document::answer(environment, 0, document);
                (response, etag::of_document(environment, key, 0), KeyedRoute::EnvironmentDocument)
            }
        };
        response.tagged(tag).finish(Some(route.into()), "GET")
    }
}
