//! The options of multivariate features, and the default states that give percentages to them.

use crate::support::project::Project;
use serde_json::{Value, json};

const OPTIONS: &str = "projects/1/features/1/mv-options/";

fn option(text: &str, percentage: i64, key: &str) -> Value {
    json!({"type": "unicode", "string_value": text, "default_percentage_allocation": percentage, "key": key})
}

fn kind(project: &mut Project, feature: i64) -> Value {
    project.get(&format!("projects/1/features/{feature}/"))["type"].clone()
}

#[test]
fn a_feature_is_multivariate_as_long_as_it_has_options() {
    let mut project = Project::new();
    assert_eq!(kind(&mut project, 1), "STANDARD");
    for key in ["a", "b"] {
        project.post(OPTIONS, option("x", 10, key));
        assert_eq!(kind(&mut project, 1), "MULTIVARIATE");
    }
    for (id, rest) in [(1, "MULTIVARIATE"), (2, "STANDARD")] {
        assert_eq!(project.send("DELETE", &format!("{OPTIONS}{id}/"), &Value::Null).status, 204);
        assert_eq!(kind(&mut project, 1), rest);
    }
    let feature = json!({"name": "new", "multivariate_options": [option("x", 10, "a")]});
    assert_eq!(project.post("projects/1/features/", feature)["type"], "MULTIVARIATE");
}

#[test]
fn keys_of_options_are_slugs_and_differ_within_a_feature() {
    let mut project = Project::new();
    project.post(OPTIONS, option("x", 10, "blue-2_B"));
    for key in ["", " ", "a b", "a.b", "ü", &"k".repeat(256)] {
        let answer = project.send("POST", OPTIONS, &option("x", 10, key));
        assert_eq!(answer.status, 400, "{key}");
        assert!(answer.body["key"][0].is_string(), "{key}: {}", answer.body);
    }
    let twice = json!({"non_field_errors": ["The fields feature, key must make a unique set."]});
    assert_eq!(project.send("POST", OPTIONS, &option("y", 10, "blue-2_B")).body, twice);
    project.post(OPTIONS, option("y", 10, "red"));
    let answer = project.send("PUT", &format!("{OPTIONS}2/"), &option("y", 10, "blue-2_B"));
    assert_eq!((answer.status, answer.body), (400, twice.clone()));
    assert_eq!(project.send("PUT", &format!("{OPTIONS}1/"), &option("z", 10, "blue-2_B")).status, 200);
    let feature = json!({"name": "new", "multivariate_options": [option("x", 1, "a"), option("y", 1, "a")]});
    assert_eq!(project.send("POST", "projects/1/features/", &feature).body, twice);
    // Another feature, and options without keys, are free.
    let unnamed = json!({"string_value": "x", "default_percentage_allocation": 1});
    let feature = json!({"name": "new", "multivariate_options": [option("x", 1, "red"), unnamed, unnamed]});
    project.post("projects/1/features/", feature);
}

#[test]
fn an_option_that_would_exceed_the_percentages_of_an_environment_is_refused() {
    let mut project = Project::new();
    project.post(OPTIONS, option("x", 10, "a"));
    let key = project.client_keys[0].clone();
    let multivariate_values = json!([{"multivariate_feature_option": 1, "percentage_allocation": 95}]);
    let path = format!("environments/{key}/featurestates/1/");
    let body = json!({"multivariate_feature_state_values": multivariate_values});
    assert_eq!(project.send("PATCH", &path, &body).status, 200);
    let refused = json!({"percentage_allocation": ["Invalid percentage allocation"]});
    assert_eq!(project.send("POST", OPTIONS, &option("y", 10, "b")).body, refused);
    project.post(OPTIONS, option("y", 5, "b"));
}

#[test]
fn a_default_state_that_is_created_again_has_the_features_value_and_percentages() {
    let mut project = Project::new();
    project.post(OPTIONS, option("x", 30, "a"));
    let key = project.client_keys[0].clone();
    let states = format!("environments/{key}/featurestates/");
    let percentage =
        |state: &Value| state["multivariate_feature_state_values"][0]["percentage_allocation"].clone();
    let delete = |project: &mut Project, id: &Value| {
        assert_eq!(project.send("DELETE", &format!("{states}{id}/"), &Value::Null).status, 204);
    };
    delete(&mut project, &json!(1));
    let state = project.post(&states, json!({"feature": 1}));
    assert_eq!((&state["feature_state_value"], percentage(&state)), (&json!("old"), json!(30.0)));
    delete(&mut project, &state["id"]);
    let state = project.post(&states, json!({"feature": 1, "feature_state_value": null}));
    assert_eq!((&state["feature_state_value"], percentage(&state)), (&Value::Null, json!(30.0)));
    delete(&mut project, &state["id"]);
    let state = project.post("features/featurestates/", json!({"feature": 1, "environment": 1}));
    assert_eq!(
        (&state["feature_state_value"]["string_value"], percentage(&state)),
        (&json!("old"), json!(30.0))
    );
    delete(&mut project, &state["id"]);
    let body = json!({
        "feature": {"id": 1},
        "enabled": true,
        "value": {"type": "string", "value": "new"},
    });
    let path = format!("/api/experiments/environments/{key}/update-flag-v1/");
    assert_eq!(project.send_to("POST", &path, &body).status, 204);
    let state = project.get(&states)["results"][0].clone();
    assert_eq!((&state["feature_state_value"], percentage(&state)), (&json!("new"), json!(30.0)));
}

#[test]
fn a_state_overrides_a_segment_or_an_identity() {
    let mut project = Project::new();
    let key = project.client_keys[0].clone();
    project.post(&format!("environments/{key}/identities/"), json!({"identifier": "x"}));
    project.post("features/feature-segments/", json!({"feature": 1, "segment": 1, "environment": 1}));
    let both = json!({"feature": 1, "environment": 1, "feature_segment": 1, "identity": 1});
    for (left_out, status) in [("", 400), ("identity", 201), ("feature_segment", 201)] {
        let mut body = both.clone();
        body.as_object_mut().unwrap().remove(left_out);
        let answer = project.send("POST", "features/featurestates/", &body);
        assert_eq!(answer.status, status, "without {left_out}: {}", answer.body);
    }
}
