//! A deployment: a state, and the rows that a store would have of it.

use std::cell::Cell;
use std::collections::BTreeMap;

use flagsmith_edge_origin::{Changes, Context, Request, State, answer, refuse_by_head, set_deployment_key};
use serde_json::Value;

/// The key that stands for the administrator of the recordings.
pub const KEY: &str = "deployed.with-a-secret";

const BEGIN: u64 = 1_800_000_000_000;

/// A state, with the rows that its changes have written.
#[derive(Clone)]
pub struct Deployment {
    pub state: State,
    /// The rows of a store, as the text of their JSON.
    pub rows: BTreeMap<(&'static str, i64), String>,
    now: u64,
    random: Cell<u128>,
}

/// The parts of an answer that the tests compare.
pub struct Answer {
    pub status: u16,
    pub body: Value,
    pub changes: Changes,
}

impl Answer {
    /// The client keys of the environments with a new row.
    pub fn environments(&self) -> impl Iterator<Item = &str> {
        let environments = self.changes.rows().filter(|(kind, ..)| *kind == "environment");
        environments.filter_map(|(_, _, row)| row?["api_key"].as_str())
    }
}

impl Deployment {
    /// A deployment that has only its own key.
    pub fn new() -> Deployment {
        let mut deployment =
            Deployment { state: State::default(), rows: BTreeMap::new(), now: BEGIN, random: Cell::new(1) };
        let changes = set_deployment_key(&mut deployment.state, KEY, BEGIN).changes;
        deployment.write(&changes);
        deployment
    }

    /// A deployment with rows of a store.
    pub fn of_rows(rows: &[(&str, &str)]) -> Deployment {
        let state = load(rows.iter().copied());
        let rows = state.rows().map(|(kind, id, row)| ((kind, id), row.to_string())).collect();
        Deployment { state, rows, now: BEGIN, random: Cell::new(1) }
    }

    /// Sends a request, and writes what it changed.
    pub fn send(&mut self, method: &str, target: &str, headers: &[(String, String)], body: &[u8]) -> Answer {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let header = |name: &str| {
            headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
        };
        let host = header("host").unwrap_or("127.0.0.1:8001".to_owned());
        let base = format!("{}://{host}", header("x-forwarded-proto").unwrap_or("http".to_owned()));
        let random = || {
            let next =
                self.random.get().wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645).wrapping_add(1);
            self.random.set(next);
            next.rotate_right(64).to_be_bytes()
        };
        let request = Request { method, path, query, base: &base, header: &header, body };
        self.now += 1000;
        let refusal = refuse_by_head(&self.state, &Request { body: &[], ..request }, self.now);
        let (response, changes) =
            answer(&mut self.state, &request, &Context { now: self.now, random: &random });
        // A refusal without the body is the answer to the whole request.
        let refusal = refusal.map(|refusal| (refusal.status, refusal.body));
        assert!(refusal.is_none_or(|refusal| refusal == (response.status, response.body.clone())));
        assert!(!matches!(response.status, 401 | 405) || changes.is_empty());
        let text = std::str::from_utf8(&response.body).unwrap();
        let body = serde_json::from_str(text).unwrap_or(Value::Null);
        let status = response.status;
        self.write(&changes);
        Answer { status, body, changes }
    }

    /// The document of an environment; `None` if it was deleted.
    pub fn document(&mut self, client_key: &str) -> Option<Value> {
        let headers = [("Authorization".to_owned(), format!("Api-Key {KEY}"))];
        let target = format!("/api/v1/environments/{client_key}/document/");
        let answer = self.send("GET", &target, &headers, b"");
        (answer.status == 200).then_some(answer.body)
    }

    /// The state as it is after reading all rows again.
    pub fn reloaded(&self) -> State {
        load(self.rows.iter().map(|((kind, _), text)| (*kind, text.as_str())))
    }

    fn write(&mut self, changes: &Changes) {
        for (kind, id, row) in changes.rows() {
            match row {
                Some(row) => drop(self.rows.insert((kind, id), row.to_string())),
                None => drop(self.rows.remove(&(kind, id))),
            }
        }
    }
}

/// The state of rows, as a store reads them.
fn load<'a>(rows: impl Iterator<Item = (&'a str, &'a str)>) -> State {
    let mut state = State::default();
    for (kind, text) in rows {
        state.load_row(kind, text).unwrap();
    }
    state
}
