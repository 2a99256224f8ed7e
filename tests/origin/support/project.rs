//! A small project for tests of single endpoints.

use serde_json::{Value, json};

use super::deployment::{Answer, Deployment, KEY};

/// An organisation with a project of two environments, a feature and three segments.
pub struct Project {
    pub deployment: Deployment,
    pub client_keys: [String; 2],
}

impl Project {
    /// The example, made through the API.
    pub fn new() -> Project {
        let mut project = Project { deployment: Deployment::new(), client_keys: Default::default() };
        project.post("organisations/", json!({"name": "Shop"}));
        project.post("projects/", json!({"name": "Web", "organisation": 1}));
        for (index, name) in ["Development", "Production"].into_iter().enumerate() {
            let environment = project.post("environments/", json!({"name": name, "project": 1}));
            project.client_keys[index] = environment["api_key"].as_str().unwrap().to_owned();
        }
        project.post("projects/1/features/", json!({"name": "banner", "initial_value": "old"}));
        for name in ["a", "b", "c"] {
            project.post("projects/1/segments/", json!({"name": name, "rules": [{"type": "ALL"}]}));
        }
        project
    }

    /// Sends a request with the deployment's key.
    pub fn send(&mut self, method: &str, path: &str, body: &Value) -> Answer {
        self.send_to(method, &format!("/api/v1/{path}"), body)
    }

    /// Sends a request to a whole path.
    pub fn send_to(&mut self, method: &str, path: &str, body: &Value) -> Answer {
        let headers =
            [("authorization", format!("Api-Key {KEY}")), ("content-type", "application/json".into())];
        let headers = headers.map(|(name, value)| (name.to_owned(), value));
        self.deployment.send(method, path, &headers, body.to_string().as_bytes())
    }

    /// The answer to a POST that succeeds.
    pub fn post(&mut self, path: &str, body: Value) -> Value {
        let answer = self.send("POST", path, &body);
        assert!(answer.status < 300, "{path}: {}", answer.body);
        answer.body
    }

    /// The body of the answer to a GET.
    pub fn get(&mut self, path: &str) -> Value {
        self.send("GET", path, &Value::Null).body
    }

    /// The client keys of the environments whose documents have a later time after a request, or are deleted.
    pub fn changed(&mut self, method: &str, path: &str, body: Value) -> Vec<String> {
        let before = self.times();
        let answer = self.send(method, path, &body);
        assert!(answer.status < 300, "{path}: {}", answer.body);
        let after = self.times();
        let times = before.iter().zip(&after);
        assert!(times.clone().all(|(before, after)| after.is_none() || after >= before), "{path}");
        let changed = self.client_keys.iter().zip(times).filter(|(_, (before, after))| before != after);
        changed.map(|(key, _)| key.clone()).collect()
    }

    /// The times in the documents of the environments; `None` for a deleted one.
    fn times(&mut self) -> Vec<Option<String>> {
        let documents = self.client_keys.iter().map(|key| self.deployment.document(key));
        let time = |document: Value| document["updated_at"].as_str().unwrap().to_owned();
        documents.map(|document| document.map(time)).collect()
    }

    /// The segments with overrides of the feature in an environment, the winning one first.
    pub fn order(&mut self, environment: i64) -> Vec<i64> {
        let list = self.get(&format!("features/feature-segments/?environment={environment}&feature=1"));
        let results = list["results"].as_array().unwrap();
        for (priority, feature_segment) in results.iter().enumerate() {
            assert_eq!(feature_segment["priority"], priority, "{list}");
        }
        results.iter().map(|feature_segment| feature_segment["segment"].as_i64().unwrap()).collect()
    }
}
