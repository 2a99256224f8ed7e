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

/// The environment overrides of 40 options of 20,000 characters: each state has 0.8 MB in the document.
fn project_with_long_options() -> Project {
    let mut project = Project::new();
    let option = json!({"string_value": "o".repeat(20_000), "default_percentage_allocation": 0});
    let options = vec![option; 40];
    project.post("projects/1/features/", json!({"name": "long", "multivariate_options": options}));
    project
}

/// The override of the feature for a new identity, with all of its options.
fn override_for(project: &mut Project, identifier: &str) -> Answer {
    let path = format!("environments/{}/identities/", project.client_keys[0]);
    let identity = project.post(&path, json!({"identifier": identifier}))["id"].clone();
    let value = |option: i64| json!({"multivariate_feature_option": option, "percentage_allocation": 1});
    let values: Vec<Value> = (1..=40).map(value).collect();
    let body = json!({"feature": 2, "multivariate_feature_state_values": values});
    project.send("POST", &format!("{path}{identity}/featurestates/"), &body)
}

#[test]
fn a_document_that_the_edge_would_not_take_is_refused() {
    let mut project = project_with_long_options();
    let key = project.client_keys[0].clone();
    for count in 0..19 {
        assert_eq!(override_for(&mut project, &format!("i{count}")).status, 201, "override {count}");
    }
    let length = project.deployment.document(&key).unwrap().to_string().len();
    assert!((15_000_000..=16 * 1024 * 1024).contains(&length), "{length} bytes");
    let before = project.deployment.state.clone();
    for count in 0..2 {
        let refused = override_for(&mut project, &format!("j{count}"));
        assert_eq!(refused.status, 400);
        let problem = refused.body["non_field_errors"][0].as_str().unwrap();
        assert!(
            problem.starts_with("The document of the environment \"Development\" would have"),
            "{problem}"
        );
        assert!(refused.changes.is_empty());
    }
    assert_eq!(project.deployment.document(&key).unwrap().to_string().len(), length);
    assert!(project.deployment.reloaded() == project.deployment.state);
    assert!(project.deployment.state.bytes() < before.bytes() + 1000);
    // A longer option is repeated in each state.
    let option = json!({"string_value": "o".repeat(20_000), "default_percentage_allocation": 0});
    let created = project.send("POST", "projects/1/features/2/mv-options/", &option);
    assert_eq!(created.status, 201, "only default states get it: {}", created.body);
    let switch = format!("environments/{key}/featurestates/1/");
    assert_eq!(project.send("PATCH", &switch, &json!({"enabled": true})).status, 200);
    let all = format!("environments/{key}/identities/1/featurestates/all/");
    assert!(project.get(&all).is_array());
}

#[test]
fn a_document_that_is_too_long_already_is_not_served_and_may_shrink() {
    let mut project = project_with_long_options();
    let key = project.client_keys[0].clone();
    assert_eq!(override_for(&mut project, "i").status, 201);
    // Copies in the store, as a version without the limit made them.
    let identity = project.deployment.rows[&("identity", 1)].clone();
    let ((_, id), state) =
        project.deployment.rows.iter().rfind(|((kind, _), _)| *kind == "feature_state").unwrap();
    let (id, state) = (*id, state.clone());
    for copy in 0..22 {
        let (other, own) = (100 + copy, format!("\"id\":{id},"));
        let identity = identity.replacen("\"id\":1", &format!("\"id\":{other}"), 1);
        project
            .deployment
            .rows
            .insert(("identity", other), identity.replace("\"i\"", &format!("\"i{copy}\"")));
        let state = state.replacen(&own, &format!("\"id\":{other},"), 1);
        let state = state.replace("\"identity\":1", &format!("\"identity\":{other}"));
        project.deployment.rows.insert(("feature_state", other), state);
    }
    project.deployment.state = project.deployment.reloaded();
    let path = format!("environments/{key}/document/");
    let answer = project.send("GET", &path, &Value::Null);
    assert_eq!(answer.status, 400);
    assert!(answer.body["detail"].as_str().unwrap().starts_with("The document of the environment has more"));
    // The flags of one identity need the overrides of that one only.
    assert!(project.get(&format!("environments/{key}/identities/1/featurestates/all/")).is_array());
    let switch = format!("environments/{key}/featurestates/1/");
    let longer = json!({"feature_state_value": "longer than before"});
    assert_eq!(project.send("PATCH", &switch, &longer).status, 400);
    assert_eq!(project.send("PATCH", &switch, &json!({"feature_state_value": "x"})).status, 200);
    for copy in 0..22 {
        let path = format!("environments/{key}/identities/{}/", 100 + copy);
        assert_eq!(project.send("DELETE", &path, &Value::Null).status, 204, "{copy}");
    }
    assert!(project.deployment.document(&key).is_some());
    assert_eq!(project.send("PATCH", &switch, &longer).status, 200);
}
