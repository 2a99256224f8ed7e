//! What the deployment can set, read once per isolate.

use std::cell::OnceCell;

use worker::{Env, console_error};

use crate::admin::Origin;
use crate::document::ruleset::Engine;

/// The worker's settings.
#[derive(Debug)]
pub struct Config {
    /// `FLAG_ENGINE`: `10` (default) or `11`.
    pub engine: Engine,
    /// `DOCUMENT_SOFT_AGE_SECONDS`: older documents are served and looked up again in the background.
    pub soft_age_seconds: u64,
    /// `DOCUMENT_HARD_AGE_SECONDS`: older documents are looked up again before they are served.
    pub hard_age_seconds: u64,
    /// `ORIGIN_URL`: the Flagsmith behind this worker, if there is one.
    pub origin: Option<Origin>,
}

const DEFAULT_SOFT_AGE_SECONDS: u64 = 10;
const DEFAULT_HARD_AGE_SECONDS: u64 = 60;

thread_local! {
    static CONFIG: OnceCell<&'static Config> = const { OnceCell::new() };
}

impl Config {
    /// The settings of this deployment.
    pub fn of(env: &Env) -> &'static Config {
        // Leaked once for each isolate: it is needed as long as that lives.
        CONFIG.with(|config| *config.get_or_init(|| Box::leak(Box::new(Config::read(env)))))
    }

    fn read(env: &Env) -> Config {
        let text = |name: &str| env.var(name).ok().map(|value| value.to_string());
        let seconds =
            |name: &str, default| text(name).and_then(|value| value.parse().ok()).unwrap_or(default);
        Config {
            engine: if text("FLAG_ENGINE").as_deref() == Some("11") { Engine::V11 } else { Engine::V10 },
            soft_age_seconds: seconds("DOCUMENT_SOFT_AGE_SECONDS", DEFAULT_SOFT_AGE_SECONDS),
            hard_age_seconds: seconds("DOCUMENT_HARD_AGE_SECONDS", DEFAULT_HARD_AGE_SECONDS),
            origin: text("ORIGIN_URL").filter(|url| !url.trim().is_empty()).and_then(|url| {
                let origin = Origin::parse(&url);
                if origin.is_none() {
                    console_error!("{{\"failure\":\"settings\",\"cause\":\"ORIGIN_URL cannot be read\"}}");
                }
                origin
            }),
        }
    }
}
