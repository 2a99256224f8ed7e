//! Client and server keys that a request chooses, so that a move from another Flagsmith keeps them.

use crate::support::project::Project;
use serde_json::{Value, json};

const TAKEN: &str = "This key is taken; send another one, or leave the field out.";

/// A second organisation with a project, and the id of that project.
fn other_project(project: &mut Project) -> i64 {
    project.post("organisations/", json!({"name": "Other"}));
    project.post("projects/", json!({"name": "Other", "organisation": 2}))["id"].as_i64().unwrap()
}

#[test]
fn a_new_environment_has_the_chosen_client_key() {
    let mut project = Project::new();
    let body = json!({"name": "Moved", "project": 1, "api_key": "Gj9irrd2esRERD3aQLjn7j"});
    assert_eq!(project.post("environments/", body)["api_key"], "Gj9irrd2esRERD3aQLjn7j");
    let document = project.deployment.document("Gj9irrd2esRERD3aQLjn7j").unwrap();
    assert_eq!(
        (&document["name"], &document["api_key"]),
        (&json!("Moved"), &json!("Gj9irrd2esRERD3aQLjn7j"))
    );
    let body = json!({"name": "New", "project": 1, "api_key": null});
    assert_eq!(project.post("environments/", body)["api_key"].as_str().unwrap().len(), 22);
}

#[test]
fn a_new_server_key_has_the_chosen_text() {
    let mut project = Project::new();
    let path = format!("environments/{}/api-keys/", project.client_keys[0]);
    let body = json!({"name": "moved", "key": "ser.WcQ7eDjfHPRwW2BjwUPqX7", "active": false});
    let key = project.post(&path, body);
    assert_eq!((&key["key"], &key["active"]), (&json!("ser.WcQ7eDjfHPRwW2BjwUPqX7"), &json!(false)));
    let renamed = format!("{path}{}/", key["id"]);
    let answer = project.send("PUT", &renamed, &json!({"name": "x", "key": "ser.another"}));
    assert_eq!((answer.status, &answer.body["key"]), (200, &key["key"]));
}

#[test]
fn a_taken_key_is_refused_without_a_word_about_its_owner() {
    let mut project = Project::new();
    let other = other_project(&mut project);
    let [development, production] = project.client_keys.clone();
    let body = json!({"name": "Copy", "project": other, "api_key": development});
    let answer = project.send("POST", "environments/", &body);
    assert_eq!((answer.status, answer.body), (400, json!({"api_key": [TAKEN]})));
    let keys =
        [format!("environments/{development}/api-keys/"), format!("environments/{production}/api-keys/")];
    let body = json!({"name": "k", "key": "ser.k"});
    project.post(&keys[0], body.clone());
    let answer = project.send("POST", &keys[1], &body);
    assert_eq!((answer.status, answer.body), (400, json!({"key": [TAKEN]})));
    assert!(answer.changes.is_empty());
    assert_eq!(project.send("DELETE", &format!("{}1/", keys[0]), &Value::Null).status, 204);
    project.post(&keys[1], body);
}

#[test]
fn a_key_of_another_form_is_refused() {
    let mut project = Project::new();
    for key in
        [json!(""), json!("ser.x"), json!("a/b"), json!(".x"), json!("get-by-uuid"), json!(7), json!({})]
    {
        let answer =
            project.send("POST", "environments/", &json!({"name": "x", "project": 1, "api_key": key}));
        assert_eq!(answer.status, 400, "{key}: {}", answer.body);
        assert!(answer.body["api_key"][0].as_str().unwrap().starts_with("This is no valid key."), "{key}");
    }
    let path = format!("environments/{}/api-keys/", project.client_keys[0]);
    for key in [json!(""), json!("ser."), json!("Gj9irrd2esRERD3aQLjn7j"), json!("ser.a/b"), json!(true)] {
        let answer = project.send("POST", &path, &json!({"name": "x", "key": key}));
        assert_eq!(answer.status, 400, "{key}: {}", answer.body);
        assert!(answer.body["key"][0].as_str().unwrap().starts_with("This is no valid key."), "{key}");
    }
}
