//! What the deployment can set, read once per isolate.

use std::cell::OnceCell;
use std::time::Duration;

use worker::Env;

use super::failure::{Failure, Source};
use crate::admin::Origin;
use crate::document::ruleset::Engine;

/// The worker's settings; some are secret, so it has no `Debug`.
pub struct Config {
    /// `FLAG_ENGINE`: `10` (default) or `11`.
    pub engine: Engine,
    /// `DOCUMENT_SOFT_AGE_SECONDS`: older documents are served and looked up again in the background.
    pub soft_age_seconds: u64,
    /// `DOCUMENT_HARD_AGE_SECONDS`: older documents are looked up again before they are served.
    pub hard_age_seconds: u64,
    /// `ORIGIN_URL`: the Flagsmith behind this worker, if there is one.
    pub origin: Option<Origin>,
    /// `ORIGIN_API_TOKEN`: a master key of the origin's.
    pub origin_api_token: Option<String>,
    /// `SERVER_KEYS`: server keys of the environments to publish, where there is no token.
    pub server_keys: Vec<String>,
    /// `FRESHNESS_SECONDS`: a document that is older is asked about again, where there is an origin.
    pub freshness_seconds: u64,
    /// `REFRESH_SECONDS`: how often the origin is asked for each document, without any notice of a change.
    pub refresh_seconds: u64,
    /// `DISCOVERY_SECONDS`: how often the origin is asked which environments and server keys there are.
    pub discovery_seconds: u64,
    /// `SSE_AUTHENTICATION_TOKEN`: what the origin sends with its notices to a realtime server.
    pub sse_authentication_token: Option<String>,
    /// `WEBHOOK_SECRET`: what the origin signs its webhooks with.
    pub webhook_secret: Option<String>,
    /// `ORIGIN_TIMEOUT_SECONDS`: how long the origin may take to begin an answer.
    pub origin_timeout: Duration,
    /// `ANALYTICS_INTERVAL_SECONDS`: how long evaluations are collected before they go to the origin.
    pub analytics_interval: Duration,
    /// `ADMIN_KEY_SHA256`: hex SHA-256 of the one admin key that is this worker's own.
    pub admin_key_sha256: Option<String>,
    /// `LOG_ROWS`: whether to log each call of an identity's object with the rows that it touched, and each call of the
    /// directory.
    pub log_rows: bool,
    /// `LOG_REQUESTS`: one request in as many is logged; 0, none.
    pub log_requests: u64,
}

const DEFAULT_SOFT_AGE_SECONDS: u64 = 10;
const DEFAULT_HARD_AGE_SECONDS: u64 = 60;
const DEFAULT_FRESHNESS_SECONDS: u64 = 2;
const DEFAULT_REFRESH_SECONDS: u64 = 60;
const DEFAULT_DISCOVERY_SECONDS: u64 = 300;
/// Flagsmith itself gives up after as long.
const DEFAULT_ORIGIN_TIMEOUT_SECONDS: u64 = 30;
const DEFAULT_ANALYTICS_INTERVAL_SECONDS: u64 = 10;

thread_local! {
    static CONFIG: OnceCell<&'static Config> = const { OnceCell::new() };
}

impl Config {
    /// The settings of this deployment.
    pub fn of(env: &Env) -> &'static Config {
        // Leaked once for each isolate: it is needed as long as that lives.
        CONFIG.with(|config| *config.get_or_init(|| Box::leak(Box::new(Config::read(env)))))
    }

    /// Whether documents are published here: there is an origin, and something to ask it with.
    pub fn publishes(&self) -> bool {
        self.origin.is_some() && (self.origin_api_token.is_some() || !self.server_keys.is_empty())
    }

    fn read(env: &Env) -> Config {
        let text = |name: &str| env.var(name).ok().map(|value| value.to_string());
        // Secrets are texts to the worker, too. One that is empty is none.
        let secret =
            |name: &str| text(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let number = |name: &str, default| text(name).and_then(|value| value.parse().ok()).unwrap_or(default);
        let keys = secret("SERVER_KEYS").unwrap_or_default();
        Config {
            log_rows: text("LOG_ROWS").as_deref() == Some("true"),
            log_requests: number("LOG_REQUESTS", 0),
            engine: if text("FLAG_ENGINE").as_deref() == Some("11") { Engine::V11 } else { Engine::V10 },
            soft_age_seconds: number("DOCUMENT_SOFT_AGE_SECONDS", DEFAULT_SOFT_AGE_SECONDS),
            hard_age_seconds: number("DOCUMENT_HARD_AGE_SECONDS", DEFAULT_HARD_AGE_SECONDS),
            origin: text("ORIGIN_URL").filter(|url| !url.trim().is_empty()).and_then(|url| {
                let origin = Origin::parse(&url);
                if origin.is_none() {
                    Failure::new(Source::Settings, "ORIGIN_URL cannot be read").log(None);
                }
                origin
            }),
            origin_api_token: secret("ORIGIN_API_TOKEN"),
            server_keys: keys
                .split(',')
                .map(|key| key.trim().to_owned())
                .filter(|key| !key.is_empty())
                .collect(),
            freshness_seconds: number("FRESHNESS_SECONDS", DEFAULT_FRESHNESS_SECONDS),
            refresh_seconds: number("REFRESH_SECONDS", DEFAULT_REFRESH_SECONDS).max(1),
            discovery_seconds: number("DISCOVERY_SECONDS", DEFAULT_DISCOVERY_SECONDS).max(1),
            sse_authentication_token: secret("SSE_AUTHENTICATION_TOKEN"),
            admin_key_sha256: secret("ADMIN_KEY_SHA256"),
            webhook_secret: secret("WEBHOOK_SECRET"),
            origin_timeout: Duration::from_secs(number(
                "ORIGIN_TIMEOUT_SECONDS",
                DEFAULT_ORIGIN_TIMEOUT_SECONDS,
            )),
            analytics_interval: Duration::from_secs(number(
                "ANALYTICS_INTERVAL_SECONDS",
                DEFAULT_ANALYTICS_INTERVAL_SECONDS,
            )),
        }
    }
}
