//! The settings of a deployment. Each text becomes a value, or a fault and a default.
//!
//! An isolate applies these rules at its first request. `make dev` and `make deploy` apply them, too, and refuse faulty
//! settings with the same sentences.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::admin::Origin;
use crate::document::is_server_key;
use crate::document::ruleset::Engine;

/// The worker's settings. Some are secret, so the type has no `Debug`.
pub struct Config {
    /// `FLAG_ENGINE`: `10` (default) or `11`.
    pub engine: Engine,
    /// `DOCUMENT_SOFT_AGE_SECONDS`: older documents are served and revalidated in the background.
    pub soft_age_seconds: u64,
    /// `DOCUMENT_HARD_AGE_SECONDS`: older documents are revalidated before they are served.
    pub hard_age_seconds: u64,
    /// The Flagsmith behind this worker, if there is one: `ORIGIN_URL`, else the worker that is bound as `ORIGIN`.
    pub origin: Option<Origin>,
    /// The server that keeps experiments' events: `EVENTS_URL`, else the origin.
    pub events: Option<Origin>,
    /// `ORIGIN_API_TOKEN`: a master API key of the origin.
    pub origin_api_token: Option<String>,
    /// `SERVER_KEYS`: server keys of the environments to publish, if there is no token.
    pub server_keys: Vec<String>,
    /// `FRESHNESS_SECONDS`: a document older than this is revalidated, if there is an origin.
    pub freshness_seconds: u64,
    /// `REFRESH_SECONDS`: the interval between fetches of a document without a notification of a change.
    pub refresh_seconds: u64,
    /// `DISCOVERY_SECONDS`: the interval between discoveries of environments and server keys at the origin.
    pub discovery_seconds: u64,
    /// `SSE_AUTHENTICATION_TOKEN`: the token that the origin sends with its notifications to a realtime server.
    pub sse_authentication_token: Option<String>,
    /// `WEBHOOK_SECRET`: the secret with which the origin signs its webhooks.
    pub webhook_secret: Option<String>,
    /// `ORIGIN_TIMEOUT_SECONDS`: the time limit for the origin to begin an answer.
    pub origin_timeout: Duration,
    /// `ANALYTICS_INTERVAL_SECONDS`: the time for which evaluations are collected before they are sent to the origin.
    pub analytics_interval: Duration,
    /// `ADMIN_KEY_SHA256`: the SHA-256, in hex, of this worker's own admin key.
    pub admin_key_sha256: Option<String>,
    /// `LOG_ROWS`: true if each call of an identity's object and of the directory is logged, with the number of rows
    /// read and written.
    pub log_rows: bool,
    /// `LOG_PANIC_MESSAGES`: true if a panic's message is logged, which may quote the data of a request. The place of a
    /// panic is always logged.
    pub log_panic_messages: bool,
    /// `LOG_REQUESTS`: one of this many requests is logged; 0 for none.
    pub log_requests: u64,
    /// `OFREP_PERSIST_TRAITS`: true if requests of OFREP store the context's members as traits.
    pub ofrep_persists_traits: bool,
    /// `SHARD_REQUESTS_PER_SECOND`: with more requests a second to one object, isolates ask shards. The entry module reads it.
    pub shard_requests_per_second: u64,
    /// True if objects for event streams are bound. [`Config::read`] leaves it false.
    pub has_streams: bool,
    /// The faults in the settings.
    pub faults: Vec<SettingFault>,
}

/// A setting with a value that is not used. The fault never quotes the value, which may be secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingFault {
    /// The name of the setting.
    pub setting: &'static str,
    /// The problem, and the value used instead.
    pub problem: String,
    /// True if the value is valid, but has no effect because of another setting.
    pub is_conflict: bool,
}

impl fmt::Display for SettingFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}.", self.setting, self.problem)
    }
}

/// The maximum of all times. The platform's timers would fire at once with a longer time.
const MAX_SECONDS: u64 = 1_000_000;
const FROM_0: RangeInclusive<u64> = 0..=MAX_SECONDS;
const FROM_1: RangeInclusive<u64> = 1..=MAX_SECONDS;
const SAMPLES: RangeInclusive<u64> = 0..=1_000_000_000;

/// The binding of an origin that is a worker. It is optional.
pub const ORIGIN_BINDING: &str = "ORIGIN";

/// The bindings that a worker needs, and the effect of each missing one.
const BINDINGS: [(&str, &str); 8] = [
    ("ENVIRONMENTS", "no environment document and no server key can be read"),
    ("IDENTITIES", "no identity can be read or written"),
    ("DIRECTORY", "no identity can be listed, and overrides made at this worker are missing"),
    ("PUBLISHERS", "nothing can be published from a Flagsmith"),
    ("REGISTRY", "nothing can be published from a Flagsmith"),
    ("ANALYTICS", "no evaluation can be sent to a Flagsmith"),
    ("STREAMS", "no event stream can be opened"),
    ("ASSETS", "the pages and the API's description are missing"),
];

impl Config {
    /// Reads the settings from the texts in `given`. An empty text counts as absent. `is_origin_bound`: true if
    /// there is the binding [`ORIGIN_BINDING`].
    pub fn read(given: &dyn Fn(&str) -> Option<String>, is_origin_bound: bool) -> Config {
        let mut reader = Reader { given, is_origin_bound, faults: Vec::new() };
        let origin_api_token = reader.secret("ORIGIN_API_TOKEN", |key| match is_server_key(key) {
            true => Some("is a server key, which belongs in SERVER_KEYS; otherwise it is ignored"),
            false if is_word(key) => None,
            false => {
                Some("must be one word: the key alone, without Api-Key before it; otherwise it is ignored")
            }
        });
        let origin = reader.origin();
        let mut config = Config {
            engine: match reader.word("FLAG_ENGINE", "10", "11") {
                true => Engine::V11,
                false => Engine::V10,
            },
            soft_age_seconds: reader.number("DOCUMENT_SOFT_AGE_SECONDS", FROM_0, 10),
            hard_age_seconds: reader.number("DOCUMENT_HARD_AGE_SECONDS", FROM_0, 60),
            events: reader.events(origin.as_ref()),
            origin,
            origin_api_token,
            server_keys: reader.server_keys(),
            freshness_seconds: reader.number("FRESHNESS_SECONDS", FROM_0, 2),
            refresh_seconds: reader.number("REFRESH_SECONDS", FROM_1, 60),
            discovery_seconds: reader.number("DISCOVERY_SECONDS", FROM_1, 300),
            sse_authentication_token: reader.secret("SSE_AUTHENTICATION_TOKEN", |token| {
                let is_text = token.bytes().all(|byte| (b' '..=b'~').contains(&byte));
                (!is_text).then_some("has characters that a header cannot carry; otherwise it is ignored")
            }),
            webhook_secret: reader.secret("WEBHOOK_SECRET", |_| None),
            // Flagsmith itself has the same time limit.
            origin_timeout: Duration::from_secs(reader.number("ORIGIN_TIMEOUT_SECONDS", FROM_1, 30)),
            analytics_interval: Duration::from_secs(reader.number("ANALYTICS_INTERVAL_SECONDS", FROM_0, 10)),
            admin_key_sha256: reader.secret("ADMIN_KEY_SHA256", |hash| {
                let is_hash = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
                (!is_hash).then_some(
                    "must be the key's SHA-256, 64 hexadecimal digits, and not the key; otherwise there is no admin key",
                )
            }),
            log_rows: reader.word("LOG_ROWS", "false", "true"),
            log_panic_messages: reader.word("LOG_PANIC_MESSAGES", "false", "true"),
            log_requests: reader.number("LOG_REQUESTS", SAMPLES, 0),
            ofrep_persists_traits: reader.word("OFREP_PERSIST_TRAITS", "false", "true"),
            shard_requests_per_second: reader.number("SHARD_REQUESTS_PER_SECOND", FROM_1, 100),
            has_streams: false,
            faults: Vec::new(),
        };
        reader.add_conflicts(&config);
        config.faults = reader.faults;
        config
    }

    /// True if documents are published here: there are an origin and a credential for it.
    pub fn publishes(&self) -> bool {
        self.origin.is_some() && (self.origin_api_token.is_some() || !self.server_keys.is_empty())
    }

    /// The origin that receives evaluations. A bound origin keeps no statistics.
    pub fn analytics_origin(&self) -> Option<&Origin> {
        self.origin.as_ref().filter(|origin| !origin.is_bound())
    }

    /// Returns a fault for each necessary binding that is missing.
    pub fn missing_bindings(is_bound: &dyn Fn(&str) -> bool) -> Vec<SettingFault> {
        let missing = BINDINGS.iter().filter(|(name, _)| !is_bound(name));
        missing
            .map(|&(setting, effect)| SettingFault {
                setting,
                problem: format!("is not bound: {effect}"),
                is_conflict: false,
            })
            .collect()
    }
}

struct Reader<'a> {
    given: &'a dyn Fn(&str) -> Option<String>,
    is_origin_bound: bool,
    faults: Vec<SettingFault>,
}

impl Reader<'_> {
    fn text(&self, name: &str) -> Option<String> {
        (self.given)(name).filter(|value| !value.trim().is_empty())
    }

    fn add(&mut self, setting: &'static str, problem: impl Into<String>) {
        self.faults.push(SettingFault { setting, problem: problem.into(), is_conflict: false });
    }

    /// Reads a whole number in the range.
    fn number(&mut self, name: &'static str, range: RangeInclusive<u64>, default: u64) -> u64 {
        let Some(text) = self.text(name) else { return default };
        let digits = text.bytes().all(|byte| byte.is_ascii_digit()).then_some(text);
        let number = digits.and_then(|digits| digits.parse().ok()).filter(|number| range.contains(number));
        if number.is_none() {
            let (from, to) = (range.start(), range.end());
            self.add(
                name,
                format!("must be a whole number from {from} to {to}; otherwise {default} is used"),
            );
        }
        number.unwrap_or(default)
    }

    /// True if the value is `other`, and not `default`.
    fn word(&mut self, name: &'static str, default: &str, other: &str) -> bool {
        let text = self.text(name).unwrap_or_default();
        if !["", default, other].contains(&text.as_str()) {
            self.add(name, format!("must be {default} or {other}; otherwise {default} is used"));
        }
        text == other
    }

    /// Reads a text without surrounding white space; `None` if it has a problem.
    fn secret(
        &mut self,
        name: &'static str,
        problem: impl Fn(&str) -> Option<&'static str>,
    ) -> Option<String> {
        let value = self.text(name)?.trim().to_owned();
        match problem(&value) {
            None => Some(value),
            Some(problem) => {
                self.add(name, problem);
                None
            }
        }
    }

    fn origin(&mut self) -> Option<Origin> {
        let Some(url) = self.text("ORIGIN_URL") else {
            return self.is_origin_bound.then_some(Origin::Bound);
        };
        self.url("ORIGIN_URL", &url, "this worker has no origin")
    }

    /// A faulty URL never falls back to the origin, which events may not be meant for.
    fn events(&mut self, origin: Option<&Origin>) -> Option<Origin> {
        let Some(url) = self.text("EVENTS_URL") else { return origin.cloned() };
        self.url("EVENTS_URL", &url, "events are discarded")
    }

    fn url(&mut self, name: &'static str, url: &str, otherwise: &str) -> Option<Origin> {
        let origin = Origin::parse(url);
        if origin.is_none() {
            let form = "must be http:// or https://, a host, and optionally a port (1 to 65535) and a path";
            self.add(name, format!("{form}; otherwise {otherwise}"));
        }
        origin
    }

    fn server_keys(&mut self) -> Vec<String> {
        let text = self.text("SERVER_KEYS").unwrap_or_default();
        let all = text.split(',').map(str::trim).filter(|key| !key.is_empty());
        let (keys, others): (Vec<&str>, Vec<&str>) = all.partition(|key| is_server_key(key));
        if !others.is_empty() {
            let form = "must be server keys, which begin with ser., separated by commas";
            self.add("SERVER_KEYS", format!("{form}; other entries are ignored"));
        }
        keys.into_iter().map(str::to_owned).collect()
    }

    /// Finds the settings without effect because of others.
    fn add_conflicts(&mut self, config: &Config) {
        let has_origin = self.is_origin_bound || self.text("ORIGIN_URL").is_some();
        let mut add = |setting, problem: &str| {
            self.faults.push(SettingFault { setting, problem: problem.to_owned(), is_conflict: true });
        };
        let has_keys = !config.server_keys.is_empty();
        // An invalid URL is then the only fault.
        if !has_origin {
            for (setting, is_given) in [
                ("ORIGIN_API_TOKEN", config.origin_api_token.is_some()),
                ("SERVER_KEYS", has_keys),
                ("SSE_AUTHENTICATION_TOKEN", config.sse_authentication_token.is_some()),
                ("WEBHOOK_SECRET", config.webhook_secret.is_some()),
            ] {
                if is_given {
                    add(setting, "has no effect without ORIGIN_URL");
                }
            }
        } else if has_keys && config.origin_api_token.is_some() {
            add("SERVER_KEYS", "is ignored because ORIGIN_API_TOKEN is set");
        }
    }
}

/// True if the text is one word of characters that a header allows.
fn is_word(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}
