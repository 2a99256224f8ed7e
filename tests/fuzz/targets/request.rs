//! Any request to an environment with a part of every kind has a JSON answer, and never a 5xx. The scanner accepts the
//! bodies that serde_json accepts, with the same content.

#![no_main]

use std::cell::RefCell;
use std::collections::HashMap;

use flagsmith_edge_worker::api::SdkRoute;
use flagsmith_edge_worker::document::json::{Json, Kind};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

#[path = "../../support/mod.rs"]
mod support;

use support::worker::Worker;

thread_local! {
    static WORKER: RefCell<Worker> = {
        let document = include_bytes!("../../../fixtures/environments/production.json");
        RefCell::new(Worker::with_document(document).unwrap())
    };
}

// The input is a method, a path with its query and a body, each ended by a new line but the last.
fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.splitn(3, |&byte| byte == b'\n');
    let mut text = || parts.next().map(String::from_utf8_lossy).unwrap_or_default();
    let (method, target) = (text(), text());
    let body = parts.next().unwrap_or_default();
    check_json(body);
    let (path, _) = target.split_once('?').unwrap_or((&target, ""));
    let Some(SdkRoute::Keyed(route)) = SdkRoute::parse(path) else { return };
    if body.len() > route.max_body_length() {
        return;
    }
    WORKER.with_borrow_mut(|worker| {
        let client_key = worker.client_keys().next().unwrap().clone();
        for key in [&client_key, Worker::SERVER_KEY] {
            let headers = [("content-type", "application/json"), ("x-environment-key", key)];
            let headers = HashMap::from(headers.map(|(name, value)| (name.to_owned(), value.to_owned())));
            // Each input meets an identity without traits.
            worker.forget_identities();
            let answer = worker.answer(&method, &target, &headers, body);
            assert!(answer.status < 500, "{}", answer.status);
            if !answer.body.is_empty() {
                serde_json::from_slice::<Value>(&answer.body).unwrap();
            }
        }
    });
});

fn check_json(body: &[u8]) {
    let theirs = serde_json::from_slice::<Value>(body).ok();
    match (Json::parse(body), theirs) {
        (Ok(ours), Some(theirs)) => assert_eq!(value(ours), theirs),
        // Deeper than serde_json goes.
        (Ok(_), None) => assert!(serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok()),
        (Err(problem), Some(_)) => panic!("{problem}"),
        (Err(_), None) => {}
    }
}

fn value(json: Json<'_>) -> Value {
    match json.kind() {
        Kind::List => json.list().unwrap().into_iter().map(value).collect(),
        Kind::Object => {
            json.object().unwrap().iter().map(|(key, member)| (key.to_owned(), value(member))).collect()
        }
        Kind::String => json.text().unwrap().into(),
        Kind::Null | Kind::Bool | Kind::Integer | Kind::Float => serde_json::from_str(json.source()).unwrap(),
    }
}
