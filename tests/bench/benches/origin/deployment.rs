//! A deployment of 1,000 features, 500 segments and 20 environments, made through the Admin API.

use std::cell::Cell;

use flagsmith_edge_origin::{Changes, Context, Request, State, answer, set_deployment_key};
use serde_json::{Value, json};

const KEY: &str = "bench.mark";
const NOW: u64 = 1_800_000_000_000;
const FEATURES: usize = 1000;
/// Each tenth feature has two options.
const MULTIVARIATE_EVERY: usize = 10;
const SEGMENTS: usize = 500;
const CONDITIONS: usize = 10;
const ENVIRONMENTS: usize = 20;
/// Identities with an override, in the first environment.
const IDENTITIES: usize = 1000;

/// A state, and the client key of its first environment.
pub struct Deployment {
    pub state: State,
    pub client_key: String,
    random: Cell<u128>,
}

impl Deployment {
    /// A deployment with so many segment overrides in each environment.
    pub fn new(overrides: usize) -> Deployment {
        let mut state = State::default();
        assert!(set_deployment_key(&mut state, KEY, NOW).is_valid);
        let mut deployment = Deployment { state, client_key: String::new(), random: Cell::new(1) };
        deployment.post("organisations/", &json!({"name": "Shop"}));
        deployment.post("projects/", &json!({"name": "Web", "organisation": 1}));
        for number in 1..=FEATURES {
            deployment.post("projects/1/features/", &feature(number));
        }
        for number in 1..=SEGMENTS {
            deployment.post("projects/1/segments/", &segment(number));
        }
        let environment = deployment.post("environments/", &json!({"name": "Production", "project": 1}));
        environment["api_key"].as_str().expect("a client key").clone_into(&mut deployment.client_key);
        let first = format!("environments/{}/", deployment.client_key);
        for number in 0..overrides {
            let feature = number % FEATURES + 1;
            let feature_segment = json!({"segment": number * 7 % SEGMENTS + 1});
            let value = json!({"type": "unicode", "string_value": format!("override {number}")});
            let body =
                json!({"feature_segment": feature_segment, "enabled": true, "feature_state_value": value});
            deployment.post(&format!("{first}features/{feature}/create-segment-override/"), &body);
        }
        for number in 2..=ENVIRONMENTS {
            deployment.post(&format!("{first}clone/"), &json!({"name": format!("Copy {number}")}));
        }
        for number in 1..=IDENTITIES {
            deployment.post(&format!("{first}identities/"), &json!({"identifier": format!("user-{number}")}));
            let body =
                json!({"feature": number % FEATURES + 1, "enabled": true, "feature_state_value": number});
            deployment.post(&format!("{first}identities/{number}/featurestates/"), &body);
        }
        deployment
    }

    /// The rows as a store has them: the kind, and the text of the JSON.
    pub fn rows(&self) -> Vec<(&'static str, String)> {
        self.state.rows().map(|(kind, _, row)| (kind, row.to_string())).collect()
    }

    /// The answer's body and the changes of a request that succeeds.
    pub fn send(&mut self, method: &str, path: &str, body: &Value) -> (Vec<u8>, Changes) {
        let header = |name: &str| match name {
            "authorization" => Some(format!("Api-Key {KEY}")),
            "content-type" => Some("application/json".to_owned()),
            _ => None,
        };
        let random = || {
            let next =
                self.random.get().wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645).wrapping_add(1);
            self.random.set(next);
            next.rotate_right(64).to_be_bytes()
        };
        let (path, body) = (format!("/api/v1/{path}"), body.to_string());
        let base = "http://127.0.0.1";
        let request =
            Request { method, path: &path, query: "", base, header: &header, body: body.as_bytes() };
        let (response, changes) = answer(&mut self.state, &request, &Context { now: NOW, random: &random });
        assert!(response.status < 300, "{method} {path}: {}", String::from_utf8_lossy(&response.body));
        (response.body.into_owned(), changes)
    }

    fn post(&mut self, path: &str, body: &Value) -> Value {
        serde_json::from_slice(&self.send("POST", path, body).0).expect("JSON")
    }
}

fn feature(number: usize) -> Value {
    let name = format!("feature_{number}");
    if !number.is_multiple_of(MULTIVARIATE_EVERY) {
        return json!({"name": name, "initial_value": format!("value of feature {number}")});
    }
    let option = |text: &str| json!({"string_value": text, "default_percentage_allocation": 30});
    json!({"name": name, "type": "MULTIVARIATE", "multivariate_options": [option("a"), option("b")]})
}

fn segment(number: usize) -> Value {
    let condition = |index: usize| {
        let (operator, property, value) = match index % 3 {
            0 => ("GREATER_THAN", format!("num_{index}"), number.to_string()),
            1 => ("IN", format!("trait_{index}"), "v1,v2,v3,v4,v5,v6,v7,v8".to_owned()),
            _ => ("REGEX", "email".to_owned(), r"[a-z]+\.[a-z0-9]+@example\.(com|org)".to_owned()),
        };
        json!({"operator": operator, "property": property, "value": value})
    };
    let conditions: Vec<Value> = (0..CONDITIONS).map(condition).collect();
    let rules = json!([{"type": "ALL", "rules": [{"type": "ANY", "conditions": conditions}]}]);
    json!({"name": format!("segment_{number}"), "rules": rules})
}
