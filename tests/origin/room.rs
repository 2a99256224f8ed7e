//! The room that rows may take: of all together, and of a single one.

use crate::support::deployment::Answer;
use crate::support::project::Project;
use serde_json::{Value, json};

const MAX_STATE_BYTES: usize = 32 * 1024 * 1024;
const MAX_ROW_BYTES: usize = 1_800_000;

/// A segment with so many conditions, each with a description of so many characters.
fn segment(name: &str, conditions: usize, length: usize) -> Value {
    let condition = json!({"operator": "IS_SET", "property": "x", "description": "d".repeat(length)});
    json!({"name": name, "rules": [{"type": "ALL", "conditions": vec![condition; conditions]}]})
}

/// Fills the deployment until not even an identity has room. Returns the last answer.
fn fill(project: &mut Project) -> Answer {
    let id = project.post("projects/1/segments/", segment("filler", 85, 20_000))["id"].as_i64().unwrap();
    // Copies in the store, since reading 32 MB of bodies takes long.
    let row = project.deployment.rows[&("segment", id)].clone();
    let own = format!("\"id\":{id}");
    for copy in 0..17 {
        let id = 1000 + copy;
        let row = row.replacen(&own, &format!("\"id\":{id}"), 1);
        project.deployment.rows.insert(("segment", id), row);
    }
    project.deployment.state = project.deployment.reloaded();
    for (conditions, length) in [(8, 20_000), (1, 20_000), (1, 2000)] {
        let body = segment("filler", conditions, length);
        let mut count = 0;
        while project.send("POST", "projects/1/segments/", &body).status == 201 {
            count += 1;
        }
        assert!(count > 0, "{conditions} conditions of {length} characters have no room");
    }
    let path = format!("environments/{}/identities/", project.client_keys[0]);
    (0..)
        .map(|number| project.send("POST", &path, &json!({"identifier": format!("i{number}")})))
        .find(|answer| answer.status != 201)
        .unwrap()
}

#[test]
fn a_full_deployment_refuses_new_rows_until_others_are_deleted() {
    let mut project = Project::new();
    let before = project.deployment.state.bytes();
    let refused = fill(&mut project);
    assert_eq!(refused.status, 400);
    assert!(refused.body["non_field_errors"][0].as_str().unwrap().starts_with("The deployment is full"));
    assert!(refused.changes.is_empty());
    let full = project.deployment.state.bytes();
    assert!((MAX_STATE_BYTES - 1000..=MAX_STATE_BYTES).contains(&full), "{full} bytes");
    assert_eq!(project.deployment.reloaded().bytes(), full);

    // Reading, switching and deleting still work, and their audit rows replace older ones.
    let key = project.client_keys[0].clone();
    let switch = format!("environments/{key}/featurestates/1/");
    for enabled in [true, false, true, false] {
        assert_eq!(project.send("PATCH", &switch, &json!({"enabled": enabled})).status, 200);
    }
    let audit = project.get("audit/?page_size=1");
    assert_eq!(audit["results"][0]["log"], "Flag state / Remote Config value of banner updated");
    let switched = project.deployment.state.bytes();
    assert!(switched <= MAX_STATE_BYTES + 1000, "{switched} bytes");
    assert!(project.deployment.document(&key).is_some());
    assert!(project.deployment.reloaded() == project.deployment.state);
    let value = json!({"feature_state_value": "v".repeat(20_000)});
    assert_eq!(project.send("PATCH", &switch, &value).status, 200, "changes have a reserve");

    assert_eq!(project.send("DELETE", "projects/1/segments/4/", &Value::Null).status, 204);
    let segment = project.post("projects/1/segments/", segment("again", 1, 20_000));
    assert_eq!(segment["name"], "again");
    assert_eq!(project.send("DELETE", "projects/1/", &Value::Null).status, 204);
    let rest = project.deployment.state.bytes();
    assert!(rest < before + 1_000_000, "{rest} bytes");
    assert_eq!(project.deployment.reloaded().bytes(), rest);
}

#[test]
fn a_row_that_no_store_can_keep_is_refused() {
    let mut project = Project::new();
    let before = project.deployment.state.clone();
    for (method, path) in [("POST", "projects/1/segments/"), ("PUT", "projects/1/segments/1/")] {
        let answer = project.send(method, path, &segment("long", 100, MAX_ROW_BYTES / 100));
        let problem = "The segment is too long: more than 1800000 bytes of JSON. Shorten its texts.";
        assert_eq!((answer.status, answer.body), (400, json!({"non_field_errors": [problem]})));
        assert!(answer.changes.is_empty() && project.deployment.state == before);
    }
    // The same number of characters is longer, if JSON escapes them.
    let mut escaped = segment("escaped", 50, 0);
    for condition in escaped["rules"][0]["conditions"].as_array_mut().unwrap() {
        condition["description"] = json!("\u{1}".repeat(20_000));
    }
    assert_eq!(project.send("POST", "projects/1/segments/", &escaped).status, 400);
    project.post("projects/1/segments/", segment("short", 90, MAX_ROW_BYTES / 100));
}
