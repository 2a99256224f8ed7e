//! Any request to an environment with a part of every kind has a JSON answer, and never a 5xx. The scanner accepts the bodies
//! that serde_json accepts, with the same content.

#![no_main]

use std::cell::LazyCell;

use flagsmith_edge_worker::api::{self, Plan, Request, Response, Route};
use flagsmith_edge_worker::document::json::{Json, Kind};
use flagsmith_edge_worker::document::ruleset::Engine;
use flagsmith_edge_worker::document::{Environment, KeyKind};
use flagsmith_edge_worker::identity::{CommandRequest, ExecutionContext, Identity};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

thread_local! {
    static ENVIRONMENT: LazyCell<Environment> = LazyCell::new(|| {
        let document = include_bytes!("../../../fixtures/environments/production.json");
        Environment::parse(document, Engine::V10).unwrap()
    });
}

// The input is a method, a path with its query and a body, each ended by a new line but the last.
fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.splitn(3, |&byte| byte == b'\n');
    let mut text = || parts.next().map(String::from_utf8_lossy).unwrap_or_default();
    let (method, target) = (text(), text());
    let body = parts.next().unwrap_or_default();
    check_json(body);
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let Ok(Some(Route::Keyed(route))) = Route::parse(path) else { return };
    let header = |name: &str| (name == "content-type").then(|| "application/json".to_owned());
    let request = Request { method: &method, query, header: &header, body, random: &|| [1; 16] };
    ENVIRONMENT.with(|environment| {
        for key in [KeyKind::Client, KeyKind::Server] {
            let answered = api::check(environment, route, &method)
                .and_then(|()| api::plan(environment, route, key, &request))
                .and_then(|step| match step {
                    Plan::Answered(response) | Plan::Evaluations(_, response) => Ok(response),
                    Plan::CachedResponse(fixed) => Ok(fixed.response(environment, key)),
                    Plan::Document(question) => {
                        Ok(question.answer(environment, key, 0, || environment.document().into()))
                    }
                    Plan::Identities(commands, pending) => {
                        let outcomes: Vec<_> = commands
                            .into_iter()
                            .map(|(_, command)| {
                                let mut identity = Identity::default();
                                let order = CommandRequest::new("k", "a", command);
                                let context = ExecutionContext { now: 0, random: &|| [1; 16] };
                                identity.apply(order, context).map(|_| identity)
                            })
                            .collect();
                        pending.answer(environment, key, &outcomes)
                    }
                });
            let response =
                answered.unwrap_or_else(|error| Response::error(&error)).finish(Some(route.into()), &method);
            assert!(response.status < 500, "{}", response.status);
            if !response.body.is_empty() {
                serde_json::from_slice::<serde_json::Value>(&response.body).unwrap();
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
