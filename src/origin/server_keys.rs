//! `/environments/{key}/api-keys/`: the server keys of an environment.

use serde_json::{Value, json};

use crate::call::{self, Call, Outcome, deleted, number};
use crate::input::Input;
use crate::keys;
use crate::refusal::Refusal;
use crate::rows::ServerKey;
use crate::state::Row;

const MAX_KEY_NAME_LENGTH: usize = 100;

/// Lists the server keys, without pages.
pub fn list(call: &mut Call<'_>, api_key: &str) -> Outcome {
    let environment = call.environment(api_key)?.id;
    let keys = call.state.server_keys.values().filter(|key| key.environment == environment);
    call::json(200, &keys.map(render).collect())
}

/// Creates a server key. The request may choose it, so that a move from a Flagsmith keeps it.
pub fn create(call: &mut Call<'_>, api_key: &str) -> Outcome {
    let environment = call.environment(api_key)?.id;
    let mut input = call.input()?;
    let key = keys::chosen_server_key(&call.state, &mut input);
    let key = ServerKey {
        id: 0,
        environment,
        key: key.unwrap_or_else(|| keys::server_key(call.context.random)),
        name: String::new(),
        active: true,
        created_at: call.now(),
        expires_at: None,
    };
    let mut key = read(input, key, false)?;
    key.id = call.state.next_id(ServerKey::KIND);
    call.state.put(key.clone());
    call::json(201, &render(&key))
}

/// Changes a server key; the key itself stays.
pub fn update(call: &mut Call<'_>, api_key: &str, id: &str) -> Outcome {
    let key = find(call, api_key, id)?;
    let key = read(call.input()?, key, call.is_partial())?;
    call.state.put(key.clone());
    call::json(200, &render(&key))
}

/// Deletes a server key.
pub fn delete(call: &mut Call<'_>, api_key: &str, id: &str) -> Outcome {
    let id = find(call, api_key, id)?.id;
    call.state.delete::<ServerKey>(|key| key.id == id);
    deleted()
}

fn find(call: &Call<'_>, api_key: &str, id: &str) -> Result<ServerKey, Refusal> {
    let (environment, id) = (call.environment(api_key)?.id, number(id)?);
    let key = call.state.server_keys.get(&id).filter(|key| key.environment == environment);
    key.cloned().ok_or(Refusal::Missing("EnvironmentAPIKey"))
}

fn read(mut input: Input<'_>, old: ServerKey, is_partial: bool) -> Result<ServerKey, Refusal> {
    let keep = is_partial.then_some(old.name.as_str());
    let key = ServerKey {
        name: input.text("name", MAX_KEY_NAME_LENGTH, keep),
        active: input.bool("active", old.active),
        expires_at: input.optional_time("expires_at", old.expires_at),
        ..old
    };
    input.finish(key)
}

fn render(key: &ServerKey) -> Value {
    json!({
        "id": key.id,
        "key": key.key,
        "active": key.active,
        "created_at": key.created_at,
        "name": key.name,
        "expires_at": key.expires_at,
    })
}
