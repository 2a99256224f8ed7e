//! Client and server keys that a request chooses, so that a move from another Flagsmith keeps them.

use crate::support::deployment::Answer;
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

/// A request with a master API key of one organisation.
fn send_as(project: &mut Project, key: &str, method: &str, path: &str, body: &Value) -> Answer {
    let headers =
        [("authorization", format!("Api-Key {key}")), ("content-type", "application/json".to_owned())];
    let headers = headers.map(|(name, value)| (name.to_owned(), value));
    project.deployment.send(method, &format!("/api/v1/{path}"), &headers, body.to_string().as_bytes())
}

/// A new master API key of an organisation.
fn master_key(project: &mut Project, organisation: i64) -> String {
    let path = format!("organisations/{organisation}/master-api-keys/");
    project.post(&path, json!({"name": "key"}))["key"].as_str().unwrap().to_owned()
}

#[test]
fn the_client_key_of_a_deleted_environment_stays_with_its_organisation() {
    let mut project = Project::new();
    let other = other_project(&mut project);
    let (own_key, other_key) = (master_key(&mut project, 1), master_key(&mut project, 2));
    let [development, production] = project.client_keys.clone();
    let body =
        |name: &str, project: i64, key: &str| json!({"name": name, "project": project, "api_key": key});
    for deleted in [format!("environments/{development}/"), "projects/1/".to_owned()] {
        assert_eq!(project.send("DELETE", &deleted, &Value::Null).status, 204);
    }
    let own = project.post("projects/", json!({"name": "Next", "organisation": 1}))["id"].as_i64().unwrap();
    for key in [&development, &production] {
        let path = "environments/";
        let answer = send_as(&mut project, &other_key, "POST", path, &body("x", other, key));
        assert_eq!((answer.status, answer.body), (400, json!({"api_key": [TAKEN]})));
        let answer = send_as(&mut project, &own_key, "POST", path, &body(key, own, key));
        assert_eq!((answer.status, answer.body["api_key"].as_str()), (201, Some(key.as_str())));
    }
    assert!(project.deployment.reloaded() == project.deployment.state);
    // The deployment's own key may move a key, which then belongs to the other organisation.
    let path = format!("environments/{development}/");
    assert_eq!(project.send("DELETE", &path, &Value::Null).status, 204);
    project.post("environments/", body("moved", other, &development));
    assert_eq!(project.send("DELETE", &path, &Value::Null).status, 204);
    let answer = send_as(&mut project, &own_key, "POST", "environments/", &body("x", own, &development));
    assert_eq!(answer.status, 400);
    // No organisation may take the keys of one that is deleted.
    assert_eq!(project.send("DELETE", "organisations/1/", &Value::Null).status, 204);
    let answer = send_as(&mut project, &other_key, "POST", "environments/", &body("x", other, &production));
    assert_eq!((answer.status, answer.body), (400, json!({"api_key": [TAKEN]})));
    project.post("environments/", body("x", other, &production));
}

#[test]
fn the_keys_of_the_newest_deleted_environments_are_kept() {
    let mut project = Project::new();
    for id in 1..=10_000 {
        let row = json!({"id": id, "api_key": format!("key{id}"), "organisation": 9});
        project.deployment.rows.insert(("deleted_environment", id), row.to_string());
    }
    let sequences = project.deployment.rows.get_mut(&("sequences", 0)).unwrap();
    *sequences = sequences.replacen('{', "{\"deleted_environment\":10000,", 1);
    project.deployment.state = project.deployment.reloaded();
    assert_eq!(project.send("DELETE", "projects/1/", &Value::Null).status, 204);
    let kept = project.deployment.rows.range(("deleted_environment", 0)..=("deleted_environment", i64::MAX));
    let ids: Vec<i64> = kept.map(|((_, id), _)| *id).collect();
    assert_eq!(ids, (3..=10_002).collect::<Vec<i64>>());
    assert!(project.deployment.reloaded() == project.deployment.state);
}
