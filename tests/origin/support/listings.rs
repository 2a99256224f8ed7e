//! An environment document made of the Admin API's lists, without the origin's own document.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::project::Project;

/// The document of an environment, with the members that SDKs read.
pub fn listed_document(project: &mut Project, key: &str) -> Value {
    let environment = project.get(&format!("environments/{key}/"));
    let id = &environment["id"];
    let features = list(project, "projects/1/features/");
    let mut feature_segments = BTreeMap::new();
    for feature in features.values() {
        let path = format!("features/feature-segments/?environment={id}&feature={}", feature["id"]);
        feature_segments.extend(list(project, &path));
    }
    let identities = list(project, &format!("environments/{key}/identities/"));
    let states = list(project, &format!("features/featurestates/?environment={id}"));
    let rendered = |filter: &dyn Fn(&Value) -> bool| -> Value {
        let states = states.values().filter(|state| filter(state));
        states.map(|state| state_of(state, &features, &feature_segments)).collect()
    };
    let of_segment = |state: &Value, segment: &Value| {
        let feature_segment = state["feature_segment"].as_i64().and_then(|id| feature_segments.get(&id));
        feature_segment.is_some_and(|feature_segment| feature_segment["segment"] == *segment)
    };
    let segments = list(project, "projects/1/segments/").into_values().map(|segment| {
        json!({
            "id": segment["id"],
            "name": segment["name"],
            "rules": rules(&segment["rules"]),
            "feature_states": rendered(&|state| of_segment(state, &segment["id"])),
        })
    });
    let segments: Vec<Value> = segments.collect();
    let overrides = identities.values().map(|identity| {
        json!({
            "identifier": identity["identifier"],
            "identity_features": rendered(&|state| state["identity"] == identity["id"]),
        })
    });
    json!({
        "api_key": key,
        "name": environment["name"],
        "feature_states": rendered(&|state| state["identity"].is_null() && state["feature_segment"].is_null()),
        "project": {"segments": segments},
        "identity_overrides": overrides.collect::<Vec<_>>(),
    })
}

/// The items of a list by id.
fn list(project: &mut Project, path: &str) -> BTreeMap<i64, Value> {
    let page = project.get(path);
    assert!(page["next"].is_null(), "{path} has more pages");
    let items = page["results"].as_array().unwrap_or_else(|| panic!("{path}: {page}"));
    items.iter().map(|item| (item["id"].as_i64().unwrap(), item.clone())).collect()
}

fn state_of(
    state: &Value,
    features: &BTreeMap<i64, Value>,
    feature_segments: &BTreeMap<i64, Value>,
) -> Value {
    let feature = &features[&state["feature"].as_i64().unwrap()];
    let multivariate_values =
        state["multivariate_feature_state_values"].as_array().unwrap().iter().map(|multivariate_value| {
            let mut options = feature["multivariate_options"].as_array().unwrap().iter();
            let option = options
                .find(|option| option["id"] == multivariate_value["multivariate_feature_option"])
                .unwrap();
            json!({
                "id": multivariate_value["id"],
                "percentage_allocation": multivariate_value["percentage_allocation"],
                "multivariate_feature_option": {"value": scalar(option), "key": option["key"]},
            })
        });
    let feature_segment =
        state["feature_segment"].as_i64().map(|id| json!({"priority": feature_segments[&id]["priority"]}));
    json!({
        "feature": {"id": feature["id"], "name": feature["name"]},
        "django_id": state["id"],
        "enabled": state["enabled"],
        "feature_state_value": scalar(&state["feature_state_value"]),
        "feature_segment": feature_segment,
        "multivariate_feature_state_values": multivariate_values.collect::<Vec<_>>(),
    })
}

/// The value in the column that counts.
fn scalar(typed: &Value) -> Value {
    let column = match typed["type"].as_str() {
        Some("int") => "integer_value",
        Some("bool") => "boolean_value",
        _ => "string_value",
    };
    typed[column].clone()
}

fn rules(listed: &Value) -> Value {
    // Rules of the deepest level have no member for rules.
    let listed = listed.as_array().map(Vec::as_slice).unwrap_or_default();
    let rendered = listed.iter().map(|rule| {
        let conditions = rule["conditions"].as_array().unwrap().iter().map(|condition| {
            json!({
                "operator": condition["operator"],
                "property_": condition["property"],
                "value": condition["value"],
            })
        });
        json!({
            "type": rule["type"],
            "conditions": conditions.collect::<Vec<_>>(),
            "rules": rules(&rule["rules"]),
        })
    });
    rendered.collect()
}
