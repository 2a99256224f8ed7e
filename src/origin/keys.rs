//! The keys of environments and organisations: made of random bytes, or chosen by the request.

use flagsmith_edge_core::document::{CLIENT_KEY_FORM, is_client_key, is_server_key};
use serde_json::json;

use crate::call::Call;
use crate::input::Input;
use crate::state::State;

/// The letters and digits that are not mistaken for each other, as in Flagsmith's keys.
const ALPHABET: &[u8; 57] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
/// The number of characters that 128 random bits fill.
const LENGTH: usize = 22;
const PREFIX_LENGTH: usize = 8;
/// A description of the form of a server key, for error texts.
const SERVER_KEY_FORM: &str = "ser. and 1 to 124 letters, digits, hyphens, underscores and dots";
/// A part of a path that stands in the place of a client key.
const NO_CLIENT_KEY: &str = "get-by-uuid";

/// A client key.
pub fn client_key(random: &dyn Fn() -> [u8; 16]) -> String {
    let mut number = u128::from_be_bytes(random());
    let mut key = String::with_capacity(LENGTH);
    for _ in 0..LENGTH {
        let digit = usize::try_from(number % ALPHABET.len() as u128).unwrap_or_default();
        key.extend(ALPHABET.get(digit).map(|letter| char::from(*letter)));
        number /= ALPHABET.len() as u128;
    }
    key
}

/// A server key.
pub fn server_key(random: &dyn Fn() -> [u8; 16]) -> String {
    format!("ser.{}", client_key(random))
}

/// A master API key, after its prefix.
pub fn master_api_key(random: &dyn Fn() -> [u8; 16]) -> (String, String) {
    let prefix: String = client_key(random).chars().take(PREFIX_LENGTH).collect();
    let key = format!("{prefix}.{}", client_key(random));
    (prefix, key)
}

/// The client key that a request chooses for a new environment; `None` if the origin makes one.
///
/// The key of a deleted environment leads to the identities that the edge stores. Only its organisation may take it.
pub fn chosen_client_key(call: &Call<'_>, input: &mut Input<'_>) -> Option<String> {
    let is_valid = |key: &str| is_client_key(key) && key != NO_CLIENT_KEY;
    let is_taken = |key: &str| {
        let mut deleted = call.state.deleted_environments.values();
        call.state.environments.values().any(|row| row.api_key == key)
            || deleted.any(|row| row.api_key == key && !call.caller.reaches(row.organisation))
    };
    chosen(input, "api_key", CLIENT_KEY_FORM, is_valid, is_taken)
}

/// The server key that a request chooses; `None` if the origin makes one.
pub fn chosen_server_key(state: &State, input: &mut Input<'_>) -> Option<String> {
    let mut keys = state.server_keys.values().map(|row| &row.key);
    chosen(input, "key", SERVER_KEY_FORM, is_server_key, |key| keys.any(|other| other == key))
}

/// Reads a key that no row of the deployment may have. The error does not reveal the row that
/// has the key.
fn chosen(
    input: &mut Input<'_>,
    field: &str,
    form: &str,
    is_valid: impl Fn(&str) -> bool,
    is_taken: impl FnOnce(&str) -> bool,
) -> Option<String> {
    input.optional(field, None, |json| {
        let key = json.text().filter(|key| is_valid(key));
        let key = key.ok_or_else(|| json!([format!("This is no valid key. A valid key has {form}.")]))?;
        if is_taken(&key) {
            return Err(json!(["This key is taken; send another one, or leave the field out."]));
        }
        Ok(key.into_owned())
    })
}
