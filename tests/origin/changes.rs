//! The effects of changes beyond their own rows: audit rows, documents to publish, copies and the order of overrides.

use crate::support::project::Project;
use serde_json::{Value, json};

#[test]
fn a_change_is_dated_in_the_documents_that_have_it() {
    let mut project = Project::new();
    let both = project.client_keys.clone();
    let [development, production] = both.clone();
    let state = format!("environments/{development}/featurestates/1/");
    assert_eq!(project.changed("PATCH", &state, json!({"enabled": true})), [&*development]);
    assert_eq!(project.changed("PATCH", "projects/1/segments/1/", json!({"name": "x"})), both);
    assert_eq!(project.changed("PATCH", "organisations/1/", json!({"name": "x"})), both);
    let identities = format!("environments/{production}/identities/");
    assert!(project.changed("POST", &identities, json!({"identifier": "x"})).is_empty());
    let overrides = format!("{identities}1/featurestates/");
    assert_eq!(project.changed("POST", &overrides, json!({"feature": 1})), [&*production]);
    assert_eq!(
        project.changed("PATCH", &format!("{identities}1/"), json!({"identifier": "y"})),
        [production]
    );
    let deleted = format!("environments/{development}/");
    assert_eq!(project.changed("DELETE", &deleted, json!({})), [development]);
}

#[test]
fn each_request_that_changes_something_leaves_one_audit_row() {
    let mut project = Project::new();
    let development = project.client_keys[0].clone();
    let state = format!("environments/{development}/featurestates/1/");
    project.send("PATCH", &state, &json!({"enabled": true}));
    project.send("PATCH", &state, &json!({"enabled": "no boolean"}));
    project.get(&state);
    project.send("DELETE", "projects/1/features/1/", &Value::Null);
    let logs = |list: Value| -> Vec<String> {
        let rows = list["results"].as_array().unwrap();
        rows.iter().map(|row| row["log"].as_str().unwrap().to_owned()).collect()
    };
    let all = logs(project.get("audit/?project=1"));
    let expected = [
        "Flag / Remote Config banner deleted",
        "Flag state / Remote Config value of banner updated",
        "Segment c created",
        "Segment b created",
        "Segment a created",
        "Flag / Remote Config banner created",
        "Environment Production created",
        "Environment Development created",
        "Project Web created",
    ];
    assert_eq!(all, expected);
    assert_eq!(logs(project.get("audit/?environment=1")), [expected[1], expected[7]]);
    assert_eq!(logs(project.get("audit/?search=SEGMENT&page_size=2")), expected[2..4]);
}

#[test]
fn the_newest_audit_rows_of_each_organisation_are_kept() {
    let mut project = Project::new();
    project.post("organisations/", json!({"name": "Busy"}));
    let count = |project: &mut Project, organisation: i64| {
        project.get(&format!("organisations/{organisation}/audit/"))["count"].as_i64().unwrap()
    };
    let before = count(&mut project, 1);
    for number in 0..10_010 {
        let name = format!("Busy {number}");
        assert_eq!(project.send("PUT", "organisations/2/", &json!({"name": name})).status, 200);
    }
    assert_eq!((count(&mut project, 1), count(&mut project, 2)), (before, 10_000));
    assert_eq!(
        project.get("organisations/2/audit/?page_size=1")["results"][0]["log"],
        "Organisation Busy 10009 updated"
    );
    assert!(project.deployment.reloaded() == project.deployment.state);
    assert_eq!(project.send("DELETE", "organisations/2/", &json!({})).status, 204);
    assert_eq!((count(&mut project, 1), count(&mut project, 2)), (before, 0));
    assert!(project.deployment.rows.iter().all(|((kind, _), row)| {
        let row: Value = serde_json::from_str(row).unwrap();
        *kind != "audit" || row["organisation"] == 1
    }));
}

#[test]
fn several_moves_put_each_override_where_it_was_asked_for() {
    let mut project = Project::new();
    for number in 4..=6 {
        project.post("projects/1/segments/", json!({"name": number.to_string(), "rules": [{"type": "ALL"}]}));
    }
    for segment in 1..=6 {
        let feature_segment = json!({"feature": 1, "segment": segment, "environment": 1});
        project.post("features/feature-segments/", feature_segment);
    }
    for (moves, order) in [
        (vec![(6, 0), (1, 5)], [6, 2, 3, 4, 5, 1]),
        (vec![(2, 3), (6, 1)], [3, 6, 4, 2, 5, 1]),
        (vec![(1, 99), (5, 99)], [3, 6, 4, 2, 5, 1]),
        (vec![(5, 0), (5, 5), (3, 2)], [6, 4, 3, 2, 1, 5]),
        ((1..=6).map(|id| (id, id - 1)).collect(), [1, 2, 3, 4, 5, 6]),
    ] {
        let body: Vec<Value> =
            moves.iter().map(|(id, priority)| json!({"id": id, "priority": priority})).collect();
        project.post("features/feature-segments/update-priorities/", json!(body));
        assert_eq!(project.order(1), order, "{moves:?}");
    }
}

#[test]
fn a_moved_override_makes_room_and_leaves_no_gap() {
    let mut project = Project::new();
    let development = project.client_keys[0].clone();
    let path = format!("environments/{development}/features/1/create-segment-override/");
    let value = json!({"type": "unicode", "string_value": "new"});
    for (segment, priority) in [(1, None), (2, None), (3, Some(0))] {
        let mut feature_segment = json!({"segment": segment});
        if let Some(priority) = priority {
            feature_segment["priority"] = json!(priority);
        }
        project.post(&path, json!({"feature_segment": feature_segment, "feature_state_value": value}));
    }
    assert_eq!(project.order(1), [3, 1, 2]);
    let moves = json!([{"id": 2, "priority": 0}, {"id": 3, "priority": 9}]);
    project.post("features/feature-segments/update-priorities/", moves);
    assert_eq!(project.order(1), [2, 1, 3]);
    project.send("DELETE", "features/feature-segments/1/", &Value::Null);
    assert_eq!(project.order(1), [2, 3]);
}

#[test]
fn a_cloned_environment_has_copies_of_states_and_overrides() {
    let mut project = Project::new();
    let development = project.client_keys[0].clone();
    let state = format!("environments/{development}/featurestates/1/");
    project.send("PATCH", &state, &json!({"enabled": true, "feature_state_value": 7}));
    let path = format!("environments/{development}/features/1/create-segment-override/");
    let value = json!({"type": "bool", "boolean_value": true});
    project.post(&path, json!({"feature_segment": {"segment": 2}, "feature_state_value": value}));
    let clone = project.post(&format!("environments/{development}/clone/"), json!({"name": "Copy"}));
    let clone = project.deployment.document(clone["api_key"].as_str().unwrap()).unwrap();
    let original = project.deployment.document(&development).unwrap();
    let without_ids = |document: &Value| {
        let mut states = vec![document["feature_states"][0].clone()];
        let segments = document["project"]["segments"].as_array().unwrap();
        states.extend(
            segments.iter().flat_map(|segment| segment["feature_states"].as_array().unwrap().clone()),
        );
        for state in &mut states {
            state["django_id"].take();
            state["featurestate_uuid"].take();
        }
        states
    };
    assert_eq!(without_ids(&clone), without_ids(&original));
    assert_ne!(clone["feature_states"][0]["django_id"], original["feature_states"][0]["django_id"]);
}

#[test]
fn the_flags_of_an_identity_name_the_segment_that_overrides_them() {
    let mut project = Project::new();
    let development = project.client_keys[0].clone();
    let condition = json!({"operator": "EQUAL", "property": "plan", "value": "gold"});
    let rules = json!([{"type": "ALL", "conditions": [condition]}]);
    project.post("projects/1/segments/", json!({"name": "gold", "rules": rules}));
    let path = format!("environments/{development}/features/1/create-segment-override/");
    let value = json!({"type": "unicode", "string_value": "shiny"});
    let feature_segment = json!({"segment": 4});
    project.post(
        &path,
        json!({"feature_segment": feature_segment, "enabled": true, "feature_state_value": value}),
    );
    let identities = format!("environments/{development}/identities/");
    project.post(&identities, json!({"identifier": "ada"}));
    let flags = |project: &mut Project| project.get(&format!("{identities}1/featurestates/all/"))[0].clone();
    // A rule without conditions matches every identity.
    let segments = |project: &mut Project| -> Vec<String> {
        let list = project.get("projects/1/segments/?identity=1");
        let results = list["results"].as_array().unwrap();
        results.iter().map(|segment| segment["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(segments(&mut project), ["a", "b", "c"]);
    let before = flags(&mut project);
    assert_eq!((&before["overridden_by"], &before["feature_state_value"]), (&Value::Null, &json!("old")));
    let traits = format!("{identities}1/traits/");
    project.post(&traits, json!({"trait_key": "plan", "value_type": "unicode", "string_value": "gold"}));
    let after = flags(&mut project);
    assert_eq!(
        (&after["overridden_by"], &after["feature_state_value"]),
        (&json!("SEGMENT"), &json!("shiny"))
    );
    assert_eq!(after["segment"], json!({"id": 4, "name": "gold"}));
    assert_eq!(segments(&mut project), ["a", "b", "c", "gold"]);
}

#[test]
fn a_deleted_feature_takes_its_segments_along() {
    let mut project = Project::new();
    project.post("projects/1/segments/", json!({"name": "d", "feature": 1, "rules": [{"type": "ALL"}]}));
    assert_eq!(project.send("DELETE", "projects/1/features/1/", &Value::Null).status, 204);
    let segments = project.get("projects/1/segments/");
    let names: Vec<_> =
        segments["results"].as_array().unwrap().iter().map(|segment| &segment["name"]).collect();
    assert_eq!(names, ["a", "b", "c"]);
}

#[test]
fn a_feature_name_matches_the_projects_pattern_as_a_whole() {
    let mut project = Project::new();
    for (pattern, name, status) in
        [("[a-z]+", "abc-DEF 1", 400), ("[a-z]+", "abc", 201), ("", "abc-DEF 2", 201)]
    {
        let settings = json!({"name": "Web", "organisation": 1, "feature_name_regex": pattern});
        assert_eq!(project.send("PATCH", "projects/1/", &settings).status, 200);
        let answer = project.send("POST", "projects/1/features/", &json!({"name": name}));
        assert_eq!(answer.status, status, "{pattern} {name}: {}", answer.body);
    }
}

#[test]
fn rules_and_options_are_limited() {
    let mut project = Project::new();
    let rules = |count: usize| json!([{"type": "ALL", "rules": vec![json!({"type": "ANY"}); count - 1]}]);
    let options = |count: usize| {
        let option = json!({"type": "unicode", "string_value": "x", "default_percentage_allocation": 0});
        json!(vec![option; count])
    };
    for (count, status) in [(100, 201), (101, 400)] {
        let segment = json!({"name": format!("s{count}"), "rules": rules(count)});
        let answer = project.send("POST", "projects/1/segments/", &segment);
        assert_eq!(answer.status, status, "{count} rules: {}", answer.body);
        let name = format!("f{count}");
        let feature = json!({"name": name, "type": "MULTIVARIATE", "multivariate_options": options(count)});
        let answer = project.send("POST", "projects/1/features/", &feature);
        assert_eq!(answer.status, status, "{count} options: {}", answer.body);
    }
    let option = json!({"type": "unicode", "string_value": "y", "default_percentage_allocation": 0});
    assert_eq!(project.send("POST", "projects/1/features/2/mv-options/", &option).status, 400);
}

#[test]
fn a_put_needs_no_last_slash() {
    let mut project = Project::new();
    let path = format!("environments/{}/featurestates/1", project.client_keys[0]);
    let answer = project.send("PUT", &path, &json!({"enabled": true, "feature_state_value": "new"}));
    assert_eq!((answer.status, &answer.body["feature_state_value"]), (200, &json!("new")));
    assert_eq!(project.send("PATCH", &path, &json!({"enabled": false})).status, 301);
    assert_eq!(project.get(&format!("{path}/"))["enabled"], true);
    assert_eq!(project.send("PUT", "nothing", &json!({})).status, 404);
}
