//! Caching by clients and proxies: ETag, Cache-Control, Vary, and conditional requests.

mod support;

use std::collections::HashMap;

use serde_json::json;
use support::exchange::Answer;
use support::worker::Worker;

const CLIENT_KEY: &str = "k";

fn worker(value: &str) -> Worker {
    let document = json!({
        "api_key": CLIENT_KEY, "updated_at": "2026-11-22T15:52:01Z", "project": {},
        "feature_states": [{"feature": {"id": 1, "name": "f"}, "enabled": true, "feature_state_value": value}],
    });
    Worker::with_document(document.to_string().as_bytes()).unwrap()
}

fn ask(worker: &mut Worker, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut all = HashMap::from([("content-type".to_owned(), "application/json".to_owned())]);
    all.extend(headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    worker.answer(method, target, &all, body.as_bytes())
}

fn get(worker: &mut Worker, target: &str, key: &str, kept: &str) -> Answer {
    ask(worker, "GET", target, &[("x-environment-key", key), ("if-none-match", kept)], "")
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

const TARGETS: [(&str, &str); 7] = [
    ("/api/v1/flags/", CLIENT_KEY),
    ("/api/v1/flags/?reasons=true", CLIENT_KEY),
    ("/api/v1/flags/?reasons=true&feature=f", CLIENT_KEY),
    ("/api/v1/identities/?identifier=a&reasons=true", CLIENT_KEY),
    ("/api/v1/flags/?feature=f", CLIENT_KEY),
    ("/api/v1/identities/?identifier=a", CLIENT_KEY),
    ("/api/v1/environment-document/", Worker::SERVER_KEY),
];

#[test]
fn if_modified_since_is_ignored_for_a_document_without_a_usable_date() {
    let zero = ("0001-01-01T00:00:00Z", Some("-62135596800.0"));
    let old = ("1969-12-31T23:59:59.5Z", Some("-0.5"));
    for (updated_at, seconds) in
        [zero, old, ("some day", None), ("2026-11-22T15:52:01Z", Some("1795362721.0"))]
    {
        let document = json!({"api_key": CLIENT_KEY, "updated_at": updated_at, "project": {}});
        let mut worker = Worker::with_document(document.to_string().as_bytes()).unwrap();
        let is_dated = updated_at.starts_with("2026");
        for since in [
            "Mon, 01 Jan 0001 00:00:00 GMT",
            "Thu, 01 Jan 1970 00:00:00 GMT",
            "Fri, 31 Dec 9999 23:59:59 GMT",
        ] {
            let headers = [("x-environment-key", Worker::SERVER_KEY), ("if-modified-since", since)];
            let answer = ask(&mut worker, "GET", "/api/v1/environment-document/", &headers, "");
            let status = if is_dated && since.contains("9999") { 304 } else { 200 };
            assert_eq!(answer.status, status, "{updated_at} {since}");
            let date = header(&answer, "last-modified");
            assert_eq!(date, is_dated.then_some("Sun, 22 Nov 2026 15:52:01 GMT"), "{updated_at}");
            if status == 200 {
                assert_eq!(header(&answer, "x-flagsmith-document-updated-at"), seconds, "{updated_at}");
            }
        }
        let answer = get(&mut worker, "/api/v1/flags/", CLIENT_KEY, "");
        assert_eq!((answer.status, header(&answer, "x-flagsmith-document-updated-at")), (200, seconds));
    }
}

#[test]
fn a_cached_answer_is_304_until_it_changes() {
    for (target, key) in TARGETS {
        let mut worker = worker("before");
        let first = get(&mut worker, target, key, "");
        assert_eq!(first.status, 200);
        let tag = header(&first, "etag").unwrap_or_else(|| panic!("{target} has no tag")).to_owned();
        assert!(tag.starts_with('"') && tag.ends_with('"'), "{tag}");
        for kept in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}")] {
            let again = get(&mut worker, target, key, &kept);
            assert_eq!((again.status, again.body.as_slice()), (304, &b""[..]), "{target} {kept}");
            assert_eq!(header(&again, "etag"), Some(tag.as_str()));
            assert_eq!(header(&again, "vary"), Some("X-Environment-Key"));
            assert_eq!(header(&again, "cache-control"), Some("private, no-cache"));
        }
        let mut changed = self::worker("after");
        assert_eq!(get(&mut changed, target, key, &tag).status, 200, "{target} after a change");
    }
}

#[test]
fn etags_differ_with_and_without_reasons() {
    let mut worker = worker("x");
    for (target, with) in [
        ("/api/v1/flags/", "?reasons=true"),
        ("/api/v1/flags/?feature=f", "&reasons=true"),
        ("/api/v1/identities/?identifier=a", "&reasons=true"),
    ] {
        let explained = format!("{target}{with}");
        for (kept, asked) in [(target, explained.as_str()), (&explained, target)] {
            let tag = header(&get(&mut worker, kept, CLIENT_KEY, ""), "etag").unwrap().to_owned();
            assert_eq!(get(&mut worker, asked, CLIENT_KEY, &tag).status, 200, "{asked}");
        }
    }
}

#[test]
fn a_missing_feature_is_404_with_any_condition() {
    let mut worker = worker("x");
    let key = Worker::SERVER_KEY;
    let identity = "/api/v1/identities/?identifier=a";
    let mut kept = vec!["*".to_owned()];
    for target in ["/api/v1/flags/", "/api/v1/flags/?feature=f", identity, &format!("{identity}&feature=f")] {
        let tag = header(&get(&mut worker, target, key, ""), "etag").unwrap().to_owned();
        kept.extend([tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}")]);
    }
    for missing in [
        "/api/v1/flags/?feature=no_such",
        "/api/v1/flags/?feature=no_such&reasons=true",
        "/api/v1/identities/?identifier=a&feature=no_such",
        "/api/v1/identities/?identifier=a&feature=no_such&reasons=true",
        "/api/v1/identities/?identifier=a&feature=no_such&transient=true",
    ] {
        for tags in &kept {
            for method in ["GET", "HEAD"] {
                let headers = [("x-environment-key", key), ("if-none-match", tags.as_str())];
                let answer = ask(&mut worker, method, missing, &headers, "");
                assert_eq!(answer.status, 404, "{method} {missing} {tags}");
                assert_eq!(header(&answer, "etag"), None, "{method} {missing} {tags}");
            }
        }
    }
}

#[test]
fn a_hidden_feature_is_404_with_any_condition() {
    let document = |enabled: bool| {
        let document = json!({
            "api_key": CLIENT_KEY, "project": {"hide_disabled_flags": true},
            "feature_states": [{"feature": {"id": 1, "name": "f"}, "enabled": enabled, "feature_state_value": "x"}],
        });
        Worker::with_document(document.to_string().as_bytes()).unwrap()
    };
    for target in ["/api/v1/flags/?feature=f", "/api/v1/identities/?identifier=a&feature=f"] {
        let tag = header(&get(&mut document(true), target, CLIENT_KEY, ""), "etag").unwrap().to_owned();
        for kept in ["*", tag.as_str()] {
            assert_eq!(get(&mut document(true), target, CLIENT_KEY, kept).status, 304, "{target} {kept}");
            assert_eq!(get(&mut document(false), target, CLIENT_KEY, kept).status, 404, "{target} {kept}");
        }
    }
}

#[test]
fn an_asterisk_matches_every_answer() {
    for (target, key) in TARGETS {
        for method in ["GET", "HEAD"] {
            let headers = [("x-environment-key", key), ("if-none-match", " * ")];
            let answer = ask(&mut worker("x"), method, target, &headers, "");
            assert_eq!((answer.status, answer.body.as_slice()), (304, &b""[..]), "{method} {target}");
            let tag = header(&get(&mut worker("x"), target, key, ""), "etag").unwrap().to_owned();
            assert_eq!(header(&answer, "etag"), Some(tag.as_str()), "{method} {target}");
        }
    }
}

#[test]
fn etags_differ_by_request() {
    let document = json!({
        "api_key": CLIENT_KEY, "project": {},
        "feature_states": [
            {"feature": {"id": 1, "name": "f"}, "enabled": true, "feature_state_value": "x"},
            {"feature": {"id": 2, "name": "g"}, "enabled": true, "feature_state_value": "x"},
        ],
    });
    let mut worker = Worker::with_document(document.to_string().as_bytes()).unwrap();
    let targets = [
        "/api/v1/flags/",
        "/api/v1/flags/?feature=f",
        "/api/v1/flags/?feature=g",
        "/api/v1/environment-document/",
        // Neither has traits.
        "/api/v1/identities/?identifier=alice",
        "/api/v1/identities/?identifier=bob",
        "/api/v1/identities/?identifier=bob&transient=true",
        "/api/v1/identities/?identifier=bob&feature=f",
        "/api/v1/identities/?identifier=bob&feature=g",
        "/api/v1/identities/?identifier=bobf&feature=g",
    ];
    let targets: Vec<String> = targets
        .iter()
        .flat_map(|target| {
            let separator = if target.contains('?') { '&' } else { '?' };
            [(*target).to_owned(), format!("{target}{separator}reasons=true")]
        })
        // The document has no reasons.
        .filter(|target| !target.ends_with("document/?reasons=true"))
        .collect();
    for kept in &targets {
        let first = get(&mut worker, kept, Worker::SERVER_KEY, "");
        assert_eq!(first.status, 200, "{kept}");
        let tag = header(&first, "etag").unwrap().to_owned();
        assert!(!tag.contains("alice") && !tag.contains("bob"), "{tag}");
        for asked in &targets {
            let status = get(&mut worker, asked, Worker::SERVER_KEY, &tag).status;
            assert_eq!(status, if asked == kept { 304 } else { 200 }, "{asked} with the tag of {kept}");
        }
    }
}

#[test]
fn the_etag_changes_with_the_identity() {
    let mut worker = worker("x");
    let target = "/api/v1/identities/?identifier=a";
    let tag = header(&get(&mut worker, target, CLIENT_KEY, ""), "etag").unwrap().to_owned();
    let set =
        |value| json!({"identifier": "a", "traits": [{"trait_key": "t", "trait_value": value}]}).to_string();
    let headers = [("x-environment-key", CLIENT_KEY), ("if-none-match", tag.as_str())];
    let posted = ask(&mut worker, "POST", "/api/v1/identities/", &headers, &set(json!(1)));
    assert_eq!(
        (posted.status, header(&posted, "etag"), header(&posted, "cache-control")),
        (200, None, Some("no-store"))
    );
    let changed = get(&mut worker, target, CLIENT_KEY, &tag);
    assert_eq!(changed.status, 200);
    // The former state has its former ETag again.
    ask(&mut worker, "POST", "/api/v1/identities/", &headers, &set(json!(null)));
    assert_eq!(get(&mut worker, target, CLIENT_KEY, &tag).status, 304);
}

#[test]
fn answers_vary_by_environment_key() {
    let mut worker = worker("x");
    for target in ["/api/v1/flags/", "/api/v1/identities/?identifier=a"] {
        let tags = [CLIENT_KEY, Worker::SERVER_KEY]
            .map(|key| header(&get(&mut worker, target, key, ""), "etag").unwrap().to_owned());
        assert_ne!(tags[0], tags[1], "{target}");
    }
    for (method, target, key, status) in [
        ("GET", "/api/v1/flags/", CLIENT_KEY, 200),
        ("GET", "/api/v1/flags/", "nobody's", 403),
        ("GET", "/api/v1/flags/?feature=none", CLIENT_KEY, 404),
        ("POST", "/api/v1/flags/", CLIENT_KEY, 405),
        ("POST", "/api/v1/identities/", CLIENT_KEY, 200),
    ] {
        let answer = ask(&mut worker, method, target, &[("x-environment-key", key)], "");
        assert_eq!(answer.status, status, "{method} {target}");
        assert_eq!(header(&answer, "vary"), Some("X-Environment-Key"), "{method} {target}");
        let keep = if method == "GET" && status == 200 { "private, no-cache" } else { "no-store" };
        assert_eq!(header(&answer, "cache-control"), Some(keep), "{method} {target} {key}");
        // A browser must not interpret an answer as anything but JSON.
        assert_eq!(header(&answer, "x-content-type-options"), Some("nosniff"), "{method} {target} {key}");
    }
}

#[test]
fn if_modified_since_is_used_only_without_if_none_match() {
    let mut worker = worker("x");
    let since = ("if-modified-since", "Sun, 22 Nov 2026 15:52:01 GMT");
    let key = ("x-environment-key", Worker::SERVER_KEY);
    let target = "/api/v1/environment-document/";
    assert_eq!(ask(&mut worker, "GET", target, &[key, since], "").status, 304);
    assert_eq!(ask(&mut worker, "GET", target, &[key, since, ("if-none-match", "\"x\"")], "").status, 200);
    assert_eq!(ask(&mut worker, "GET", "/api/v1/flags/", &[key, since], "").status, 200);
}
