//! GET /api/v1/flags/: the environment's defaults, for nobody in particular (contract §A.1).

use super::error::Error;
use super::response::Response;
use super::validator;
use crate::document::{Environment, KeyKind};

/// The flag of this name, found without regard to case; of an empty name the first.
pub fn answer<'e>(environment: &'e Environment, key: KeyKind, name: &str) -> Result<Response<'e>, Error> {
    let flags = &environment.flags;
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
    Ok(Response::json(flags.default(feature)).tagged(validator::of_environment(environment, key)))
}
