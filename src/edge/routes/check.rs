//! Checks documents, keys and settings by the worker's own rules. `make dev`, `make publish` and `make deploy` call
//! these functions of the built worker before they write anything.

use serde_json::{Map, Value, json};
use worker::wasm_bindgen::{self, prelude::wasm_bindgen};

use crate::document::json;
use crate::edge::platform::clock::now_ms;
use crate::edge::platform::config::Config;
use crate::publish;
use crate::settings::ORIGIN_BINDING;

/// Returns the JSON of [`publish::check_document`].
#[wasm_bindgen]
pub fn check_document(document: Vec<u8>) -> String {
    publish::check_document(document, now_ms()).to_string()
}

/// Returns the text of [`publish::check_server_key`].
#[wasm_bindgen]
pub fn check_server_key(entry: &str) -> Option<String> {
    publish::check_server_key(entry)
}

/// Returns the faults of settings as `[{"name", "text", "is_conflict"}]`. `settings`: JSON of names and texts. The
/// name of the binding of an origin has `true` instead.
#[wasm_bindgen]
pub fn setting_faults(settings: &str) -> String {
    let settings: Map<String, Value> = json::read(settings.as_bytes()).unwrap_or_default();
    let is_origin_bound = settings.get(ORIGIN_BINDING).is_some_and(|value| *value == true);
    let config = Config::read(&|name| settings.get(name)?.as_str().map(str::to_owned), is_origin_bound);
    let faults = config.faults.iter();
    let faults = faults.map(
        |fault| json!({"name": fault.setting, "text": fault.to_string(), "is_conflict": fault.is_conflict}),
    );
    faults.collect::<Value>().to_string()
}
