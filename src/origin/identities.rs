//! `/environments/{key}/identities/`: identities with numbers, as in a Flagsmith without the Edge API.

use serde_json::{Value, json};

use crate::call::{self, Call, Outcome, deleted, number};
use crate::pages::{self, page};
use crate::refusal::Refusal;
use crate::rows::{FeatureState, Identity, Trait};
use crate::state::Row;

const MAX_IDENTIFIER_LENGTH: usize = 2000;

/// Lists the identities. `q` is a part of the identifier, or all of it in quotes.
pub fn list(call: &mut Call<'_>, api_key: &str) -> Outcome {
    let environment = environment(call, api_key)?;
    let search = call.query("q").unwrap_or_default();
    let exact = search.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let part = search.to_lowercase();
    let matches = |identity: &&Identity| {
        identity.environment == environment
            && match exact {
                Some(exact) => identity.identifier == exact,
                None => identity.identifier.to_lowercase().contains(&part),
            }
    };
    page(call, pages::SIZED, call.state.identities.values().filter(matches).collect(), render)
}

/// Creates an identity.
pub fn create(call: &mut Call<'_>, api_key: &str) -> Outcome {
    let environment = environment(call, api_key)?;
    let fresh = Identity {
        id: 0,
        uuid: call.uuid(),
        environment,
        identifier: String::new(),
        created_date: call.now(),
    };
    let mut identity = read(call, fresh, false)?;
    identity.id = call.state.next_id(Identity::KIND);
    call.state.put(identity.clone());
    call::json(201, &render(&identity))
}

/// Reads an identity.
pub fn get(call: &mut Call<'_>, api_key: &str, id: &str) -> Outcome {
    call::json(200, &render(&find(call, api_key, id)?))
}

/// Changes the identifier.
pub fn update(call: &mut Call<'_>, api_key: &str, id: &str) -> Outcome {
    let identity = find(call, api_key, id)?;
    let identity = read(call, identity, call.is_partial())?;
    call.state.put(identity.clone());
    call::json(200, &render(&identity))
}

/// Deletes an identity with its traits and overrides.
pub fn delete(call: &mut Call<'_>, api_key: &str, id: &str) -> Outcome {
    let id = find(call, api_key, id)?.id;
    call.state.delete::<FeatureState>(|state| state.identity == Some(id));
    call.state.delete::<Trait>(|row| row.identity == id);
    call.state.delete::<Identity>(|identity| identity.id == id);
    deleted()
}

/// The id of an environment that the caller's key reaches.
fn environment(call: &Call<'_>, api_key: &str) -> Result<i64, Refusal> {
    Ok(call.environment(api_key).map_err(|_| Refusal::Forbidden)?.id)
}

/// An identity of an environment.
pub fn find(call: &Call<'_>, api_key: &str, id: &str) -> Result<Identity, Refusal> {
    let (environment, id) = (environment(call, api_key)?, number(id)?);
    let identity = call.state.identities.get(&id).filter(|identity| identity.environment == environment);
    identity.cloned().ok_or(Refusal::Missing("Identity"))
}

fn read(call: &Call<'_>, old: Identity, is_partial: bool) -> Result<Identity, Refusal> {
    let mut input = call.input()?;
    let keep = is_partial.then_some(old.identifier.as_str());
    let identifier = input.text("identifier", MAX_IDENTIFIER_LENGTH, keep);
    let identity = input.finish(Identity { identifier, ..old })?;
    let is_same = |other: &Identity| {
        other.environment == identity.environment
            && other.identifier == identity.identifier
            && other.id != identity.id
    };
    if call.state.identities.values().any(is_same) {
        let problem =
            format!("Identity with identifier '{}' already exists in this environment", identity.identifier);
        return Err(Refusal::Invalid(json!({"identifier": problem})));
    }
    Ok(identity)
}

fn render(identity: &Identity) -> Value {
    json!({"id": identity.id, "identifier": identity.identifier, "environment": identity.environment})
}
