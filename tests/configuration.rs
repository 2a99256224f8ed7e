//! The settings of a deployment: the value of each text, and the faults of unusable texts.

use std::collections::HashMap;

use flagsmith_edge_worker::admin::Origin;
use flagsmith_edge_worker::document::ruleset::Engine;
use flagsmith_edge_worker::settings::Config;

const ORIGIN: (&str, &str) = ("ORIGIN_URL", "https://flagsmith.example.com");
const HASH: &str = "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD";

fn read(settings: &[(&str, &str)]) -> Config {
    read_with(settings, false)
}

fn read_with(settings: &[(&str, &str)], is_origin_bound: bool) -> Config {
    let settings: HashMap<&str, &str> = settings.iter().copied().collect();
    Config::read(&|name| settings.get(name).map(|value| (*value).to_owned()), is_origin_bound)
}

/// The reported faults of settings.
fn faults(settings: &[(&str, &str)]) -> Vec<String> {
    read(settings).faults.iter().map(ToString::to_string).collect()
}

#[test]
fn unset_variables_take_their_defaults_without_a_fault() {
    let names = [
        "ADMIN_KEY_SHA256",
        "ANALYTICS_INTERVAL_SECONDS",
        "DISCOVERY_SECONDS",
        "DOCUMENT_HARD_AGE_SECONDS",
        "DOCUMENT_SOFT_AGE_SECONDS",
        "EVENTS_URL",
        "FLAG_ENGINE",
        "FRESHNESS_SECONDS",
        "LOG_PANIC_MESSAGES",
        "LOG_REQUESTS",
        "LOG_ROWS",
        "OFREP_PERSIST_TRAITS",
        "ORIGIN_API_TOKEN",
        "ORIGIN_TIMEOUT_SECONDS",
        "ORIGIN_URL",
        "REFRESH_SECONDS",
        "SERVER_KEYS",
        "SHARD_REQUESTS_PER_SECOND",
        "SSE_AUTHENTICATION_TOKEN",
        "WEBHOOK_SECRET",
    ];
    for settings in [vec![], names.map(|name| (name, "")).to_vec(), names.map(|name| (name, " ")).to_vec()] {
        let config = read(&settings);
        assert_eq!(config.faults, []);
        let seconds = [
            config.soft_age_seconds,
            config.hard_age_seconds,
            config.freshness_seconds,
            config.refresh_seconds,
            config.discovery_seconds,
            config.origin_timeout.as_secs(),
            config.analytics_interval.as_secs(),
        ];
        assert_eq!(seconds, [10, 60, 2, 60, 300, 30, 10]);
        assert_eq!(config.shard_requests_per_second, 100);
        assert_eq!((config.engine, config.log_rows, config.log_requests), (Engine::V10, false, 0));
        assert!(!config.log_panic_messages && !config.ofrep_persists_traits);
        assert!(!config.publishes() && config.origin.is_none() && config.admin_key_sha256.is_none());
        assert!(config.events.is_none());
        assert!(config.sse_authentication_token.is_none() && config.webhook_secret.is_none());
    }
}

#[test]
fn a_bound_origin_is_used_without_an_url() {
    let token = ("ORIGIN_API_TOKEN", "prefix.secret");
    let config = read_with(&[token], true);
    assert_eq!(config.faults, []);
    assert!(config.publishes() && config.origin.as_ref().is_some_and(Origin::is_bound));
    // It receives no evaluations.
    assert_eq!(config.analytics_origin(), None);

    let config = read_with(&[token, ORIGIN], true);
    assert_eq!(config.faults, []);
    assert!(config.origin.as_ref().is_some_and(|origin| !origin.is_bound()));
    assert_eq!(config.analytics_origin(), config.origin.as_ref());

    // A faulty URL never falls back to the binding.
    let config = read_with(&[token, ("ORIGIN_URL", "flagsmith")], true);
    assert_eq!((config.origin, config.faults.len()), (None, 1));
}

#[test]
fn events_go_to_their_own_server_or_else_to_the_origin() {
    let server = ("EVENTS_URL", "https://events.example.com");
    assert_eq!(read(&[ORIGIN]).events, Origin::parse(ORIGIN.1));
    assert_eq!(read_with(&[], true).events, Some(Origin::Bound));
    for (settings, is_origin_bound) in
        [(vec![server], false), (vec![server, ORIGIN], false), (vec![server], true)]
    {
        let config = read_with(&settings, is_origin_bound);
        assert_eq!((config.events, config.faults), (Origin::parse(server.1), vec![]), "{settings:?}");
    }
    // A faulty URL never falls back to the origin.
    for url in ["events.example.com", "https://events.example.com/?a=b"] {
        let config = read(&[ORIGIN, ("EVENTS_URL", url)]);
        let said: Vec<_> = config.faults.iter().map(ToString::to_string).collect();
        let expected = "EVENTS_URL must be http:// or https://, a host, and optionally a port (1 to 65535) and a path; \
            otherwise events are discarded.";
        assert_eq!((said, config.events), (vec![expected.to_owned()], None), "{url}");
    }
    assert_eq!(read(&[ORIGIN, ("ORIGIN_URL", "flagsmith")]).events, None);
}

#[test]
fn valid_values_are_used_without_a_fault() {
    let config = read(&[
        ORIGIN,
        ("ORIGIN_API_TOKEN", " prefix.secret\n"),
        ("SSE_AUTHENTICATION_TOKEN", "two words"),
        ("WEBHOOK_SECRET", "any thing, ü"),
        ("ADMIN_KEY_SHA256", HASH),
        ("REFRESH_SECONDS", "1"),
        ("FRESHNESS_SECONDS", "0"),
        ("DISCOVERY_SECONDS", "1000000"),
        ("LOG_PANIC_MESSAGES", "true"),
        ("LOG_REQUESTS", "1000"),
        ("LOG_ROWS", "true"),
        ("OFREP_PERSIST_TRAITS", "true"),
        ("FLAG_ENGINE", "11"),
    ]);
    assert_eq!(config.faults, []);
    assert!(config.publishes() && config.log_panic_messages && config.ofrep_persists_traits);
    assert_eq!(config.origin_api_token.as_deref(), Some("prefix.secret"));
    assert_eq!(config.admin_key_sha256.as_deref(), Some(HASH));
    assert_eq!(
        (config.refresh_seconds, config.freshness_seconds, config.discovery_seconds),
        (1, 0, 1_000_000)
    );
    assert_eq!((config.engine, config.log_rows, config.log_requests), (Engine::V11, true, 1000));
    let config = read(&[ORIGIN, ("SERVER_KEYS", "ser.a, ser.b,")]);
    assert_eq!((config.server_keys, config.faults), (vec!["ser.a".to_owned(), "ser.b".to_owned()], vec![]));
}

#[test]
fn invalid_values_are_faults_that_name_the_replacement() {
    let numbers = [
        ("ANALYTICS_INTERVAL_SECONDS", "from 0 to 1000000; otherwise 10"),
        ("DISCOVERY_SECONDS", "from 1 to 1000000; otherwise 300"),
        ("DOCUMENT_HARD_AGE_SECONDS", "from 0 to 1000000; otherwise 60"),
        ("DOCUMENT_SOFT_AGE_SECONDS", "from 0 to 1000000; otherwise 10"),
        ("FRESHNESS_SECONDS", "from 0 to 1000000; otherwise 2"),
        ("LOG_REQUESTS", "from 0 to 1000000000; otherwise 0"),
        ("ORIGIN_TIMEOUT_SECONDS", "from 1 to 1000000; otherwise 30"),
        ("REFRESH_SECONDS", "from 1 to 1000000; otherwise 60"),
        ("SHARD_REQUESTS_PER_SECOND", "from 1 to 1000000; otherwise 100"),
    ];
    for (name, range) in numbers {
        for value in
            ["1m", "2s", "-1", "+1", "1.5", " 2", "1e3", "sixty", "18446744073709551616", "9999999999"]
        {
            let expected = format!("{name} must be a whole number {range} is used.");
            assert_eq!(faults(&[(name, value)]), [expected], "{value}");
        }
        assert_eq!(faults(&[(name, "0")]).is_empty(), range.starts_with("from 0"), "{name}");
    }
    assert_eq!(faults(&[("FLAG_ENGINE", "12")]), ["FLAG_ENGINE must be 10 or 11; otherwise 10 is used."]);
    for value in ["yes", "1", "TRUE", "true "] {
        for name in ["LOG_ROWS", "LOG_PANIC_MESSAGES", "OFREP_PERSIST_TRAITS"] {
            let expected = format!("{name} must be false or true; otherwise false is used.");
            assert_eq!(faults(&[(name, value)]), [expected], "{value}");
        }
    }
    for value in ["an admin key", "ba7816bf", &format!("{HASH}0"), &HASH.replace('B', "g")] {
        let expected = "ADMIN_KEY_SHA256 must be the key's SHA-256, 64 hexadecimal digits, and not the key; \
            otherwise there is no admin key.";
        assert_eq!(faults(&[("ADMIN_KEY_SHA256", value)]), [expected], "{value}");
        assert!(read(&[("ADMIN_KEY_SHA256", value)]).admin_key_sha256.is_none());
    }
    for url in ["flagsmith.example.com", "http://flags:99999", "http://fla gs", "http://a..b", "https://"] {
        let config = read(&[("ORIGIN_URL", url), ("ORIGIN_API_TOKEN", "a.b")]);
        let said: Vec<_> = config.faults.iter().map(ToString::to_string).collect();
        let expected = "ORIGIN_URL must be http:// or https://, a host, and optionally a port (1 to 65535) and a path; \
            otherwise this worker has no origin.";
        assert_eq!((said, config.publishes()), (vec![expected.to_owned()], false), "{url}");
    }
    for (name, value, expected) in [
        ("ORIGIN_API_TOKEN", "Api-Key a.b", "must be one word: the key alone, without Api-Key before it"),
        ("ORIGIN_API_TOKEN", "schlüssel", "must be one word: the key alone, without Api-Key before it"),
        ("ORIGIN_API_TOKEN", "ser.key", "is a server key, which belongs in SERVER_KEYS"),
        ("SSE_AUTHENTICATION_TOKEN", "to\tken", "has characters that a header cannot carry"),
    ] {
        assert_eq!(
            faults(&[ORIGIN, (name, value)]),
            [format!("{name} {expected}; otherwise it is ignored.")]
        );
        assert!(!read(&[ORIGIN, (name, value)]).publishes());
    }
    for value in ["a.b", "clientKey, ser.a", "ser.a ser.b"] {
        let config = read(&[ORIGIN, ("SERVER_KEYS", value)]);
        assert_eq!(config.faults.len(), 1, "{value}");
        assert!(config.faults[0].problem.ends_with("other entries are ignored"));
        assert_eq!(config.server_keys.len(), usize::from(value.ends_with(", ser.a")), "{value}");
    }
}

#[test]
fn settings_without_effect_are_faults() {
    for (name, value) in [
        ("ORIGIN_API_TOKEN", "a.b"),
        ("SERVER_KEYS", "ser.a"),
        ("SSE_AUTHENTICATION_TOKEN", "token"),
        ("WEBHOOK_SECRET", "secret"),
    ] {
        assert_eq!(faults(&[(name, value)]), [format!("{name} has no effect without ORIGIN_URL.")]);
        assert_eq!(faults(&[ORIGIN, (name, value)]), [""; 0], "{name}");
    }
    let both = read(&[ORIGIN, ("ORIGIN_API_TOKEN", "a.b"), ("SERVER_KEYS", "ser.a")]);
    let said: Vec<_> = both.faults.iter().map(ToString::to_string).collect();
    assert_eq!(said, ["SERVER_KEYS is ignored because ORIGIN_API_TOKEN is set."]);
    assert!(both.faults[0].is_conflict && both.publishes());
}

#[test]
fn missing_required_bindings_are_faults() {
    let missing = |is_bound: &dyn Fn(&str) -> bool| -> Vec<String> {
        Config::missing_bindings(is_bound).iter().map(ToString::to_string).collect()
    };
    assert_eq!(missing(&|_| true), [""; 0]);
    assert_eq!(
        missing(&|name| name != "ASSETS"),
        ["ASSETS is not bound: the pages and the API's description are missing."]
    );
    assert_eq!(missing(&|_| false).len(), 8);
}

#[test]
fn faults_never_quote_a_value() {
    let names = read(&[]);
    assert_eq!(names.faults, []);
    for name in [
        "ADMIN_KEY_SHA256",
        "EVENTS_URL",
        "FLAG_ENGINE",
        "LOG_ROWS",
        "ORIGIN_API_TOKEN",
        "ORIGIN_URL",
        "REFRESH_SECONDS",
        "SERVER_KEYS",
        "SSE_AUTHENTICATION_TOKEN",
    ] {
        for value in ["hush hush\u{7f}", "hush\u{1f}", "ser.hush hush\u{0}"] {
            for said in faults(&[(name, value)]) {
                assert!(!said.contains("hush"), "{said}");
            }
        }
        assert!(!faults(&[(name, "hush hush\u{7f}")]).is_empty(), "{name}");
    }
}
