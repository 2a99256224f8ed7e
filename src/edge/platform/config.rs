//! The deployment's settings, read once for each isolate. Their faults are logged at that time.

use std::cell::OnceCell;

use worker::Env;
use worker::js_sys::{JSON, Reflect};
use worker::wasm_bindgen::JsValue;

use crate::edge::platform::failure::{Failure, Source};
pub use crate::settings::Config;
use crate::settings::ORIGIN_BINDING;
use flagsmith_edge_platform::log::log_panic_messages;

thread_local! {
    static CONFIG: OnceCell<&'static Config> = const { OnceCell::new() };
}

impl Config {
    /// The settings of this deployment.
    pub fn of(env: &Env) -> &'static Config {
        // Leaked once for each isolate, which needs the settings until its end.
        CONFIG.with(|config| *config.get_or_init(|| Box::leak(Box::new(Config::found(env)))))
    }

    fn found(env: &Env) -> Config {
        // Secrets are strings; a variable of wrangler.toml may also be a number or a boolean.
        let text = |value: JsValue| value.as_string().or_else(|| JSON::stringify(&value).ok()?.as_string());
        let is_bound = |name: &str| Reflect::has(env, &name.into()).unwrap_or_default();
        let given = |name: &str| text(Reflect::get(env, &name.into()).ok()?);
        let mut config = Config::read(&given, is_bound(ORIGIN_BINDING));
        config.has_streams = is_bound("STREAMS");
        config.faults.extend(Config::missing_bindings(&is_bound));
        if config.log_panic_messages {
            log_panic_messages();
        }
        for fault in &config.faults {
            Failure::new(Source::Settings, fault).log(None);
        }
        config
    }
}
