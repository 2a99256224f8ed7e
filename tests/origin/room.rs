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

/// The length of the answer to a body that is refused.
fn refusal_length(project: &mut Project, path: &str, body: &Value) -> (Value, usize) {
    let answer = project.send("POST", path, body);
    assert_eq!(answer.status, 400, "{path}");
    let length = answer.body.to_string().len();
    (answer.body, length)
}

#[test]
fn a_body_with_many_faults_gets_a_short_answer() {
    let mut project = Project::new();
    let segments = "projects/1/segments/";
    let rule = json!({"type": "x", "conditions": vec![json!({}); 32_000]});
    let (report, length) =
        refusal_length(&mut project, segments, &json!({"name": "x", "rules": vec![rule; 100]}));
    assert_eq!(
        report["segment"][0],
        "The segment has 101 conditions, which exceeds the maximum condition count of 100."
    );
    assert!(length < 64 * 1024, "{length} bytes");
    // One list of faults, rules within rules, and deleted rules.
    let nested = json!({"type": "ALL", "rules": vec![json!({"type": "x"}); 1000]});
    let deleted = json!({"type": "ALL", "delete": true, "conditions": vec![json!({}); 50]});
    for rules in [
        json!([{"type": "x", "conditions": vec![json!({}); 32_000]}]),
        json!(vec![nested; 100]),
        json!(vec![json!({}); 32_000]),
        json!(vec![deleted; 1000]),
        json!(vec![json!({"type": "ALL", "delete": true}); 3000]),
        json!([{"type": "x".repeat(100_000)}]),
    ] {
        let (_, length) = refusal_length(&mut project, segments, &json!({"name": "x", "rules": rules}));
        assert!(length < 64 * 1024, "{length} bytes");
    }
    let features = "projects/1/features/";
    let refused = json!({"multivariate_options": ["A feature must not have more than 100 options."]});
    let body = json!({"name": "x", "multivariate_options": vec![json!({"type": "x"}); 32_000]});
    assert_eq!(refusal_length(&mut project, features, &body).0, refused);
    let (report, _) =
        refusal_length(&mut project, features, &json!({"name": "x", "tags": ["t".repeat(100_000)]}));
    assert!(report.to_string().len() < 1000, "{report}");
    let moves = json!(vec![json!({}); 32_000]);
    let path = "features/feature-segments/update-priorities/";
    assert!(refusal_length(&mut project, path, &moves).1 < 64 * 1024);
    let state = format!("environments/{}/featurestates/1/", project.client_keys[0]);
    let answer =
        project.send("PUT", &state, &json!({"multivariate_feature_state_values": vec![json!({}); 101]}));
    let refused = "A feature must not have more than 100 options.";
    assert_eq!(answer.body, json!({"multivariate_feature_state_values": [refused]}));
}

#[test]
fn rules_that_a_request_deletes_do_not_count() {
    let mut project = Project::new();
    let condition = |delete: bool| json!({"operator": "IS_SET", "property": "x", "delete": delete});
    let deleted = json!({"type": "ALL", "delete": true, "conditions": vec![condition(false); 60]});
    let conditions = [vec![condition(true); 60], vec![condition(false); 100]].concat();
    let rules = [vec![deleted; 120], vec![json!({"type": "ALL", "conditions": conditions})]].concat();
    let body = json!({"name": "x", "rules": rules});
    let segment = project.post("projects/1/segments/", body);
    assert_eq!(segment["rules"].as_array().unwrap().len(), 1);
    assert_eq!(segment["rules"][0]["conditions"].as_array().unwrap().len(), 100);
}
