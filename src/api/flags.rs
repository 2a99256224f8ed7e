//! GET /api/v1/flags/: the environment's defaults, for nobody in particular (contract §A.1).

use super::error::Error;
use super::query;
use super::response::Response;
use crate::document::{Environment, KeyKind};

/// All flags; with `?feature=` one, found without regard to case, and for an empty name the first.
pub fn answer<'e>(environment: &'e Environment, key: KeyKind, query: &str) -> Result<Response<'e>, Error> {
    let flags = &environment.flags;
    let Some(name) = query::last(query, "feature") else {
        return Ok(Response::json(flags.list(key)).updated_at(environment));
    };
    let ruleset = &environment.ruleset;
    let shown = || {
        let features = ruleset.features.iter().enumerate();
        features.filter(|(id, feature)| {
            ruleset.states.get(feature.default).is_some_and(|state| flags.shows(*id, state.enabled, key))
        })
    };
    let lower = name.to_lowercase();
    let exact = shown().find(|(_, feature)| *feature.name == *name);
    let found = exact
        .or_else(|| shown().find(|(_, feature)| name.is_empty() || feature.name.to_lowercase() == lower));
    let (feature, _) = found.ok_or(Error::FeatureNotFound)?;
    Ok(Response::json(flags.default(feature)))
}
