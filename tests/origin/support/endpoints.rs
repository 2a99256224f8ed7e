//! All paths, each with a valid body. They name the rows of the deployment in `faults.rs`.

use serde_json::{Value, json};

/// The paths below `/api/v1/`, with places for keys and UUIDs, and a body that POST, PUT and PATCH accept.
pub fn endpoints() -> Vec<(&'static str, Value)> {
    let named = json!({"name": "x"});
    let environment = json!({"name": "x", "project": 1, "banner_text": "x", "hide_disabled_flags": null});
    let multivariate_values = json!([{"multivariate_feature_option": 1, "percentage_allocation": 30}]);
    let scalar = json!({"feature": 2, "enabled": true, "feature_state_value": "x"});
    let typed = json!({"type": "int", "integer_value": 1, "string_value": null});
    let state = json!({"feature": 2, "environment": 1, "enabled": true, "feature_state_value": typed});
    let multivariate_state = json!({"enabled": true, "multivariate_feature_state_values": [
        {"id": 1, "multivariate_feature_option": 1, "percentage_allocation": 30},
    ]});
    let feature_segment = json!({"feature": 2, "segment": 1, "environment": 1});
    let override_body = json!({
        "feature_segment": {"segment": 1, "priority": 0},
        "enabled": true,
        "feature_state_value": typed,
        "multivariate_feature_state_values": multivariate_values,
    });
    let option =
        json!({"type": "unicode", "string_value": "x", "default_percentage_allocation": 30, "key": "x"});
    let feature = json!({
        "name": "x",
        "type": "MULTIVARIATE",
        "initial_value": "x",
        "default_enabled": true,
        "multivariate_options": [option],
        "description": "x",
        "tags": [],
    });
    let condition = json!({"operator": "EQUAL", "property": "x", "value": "1"});
    let rules = json!([{"type": "ALL", "rules": [{"type": "ANY", "conditions": [condition]}]}]);
    let segment = json!({"name": "x", "rules": rules, "feature": 1, "description": "x"});
    let organisation = json!({"name": "x", "webhook_notification_email": "x@example.com"});
    let project = json!({"name": "x", "organisation": 1, "prevent_flag_defaults": true});
    let identity = json!({"identifier": "x"});
    let trait_body = json!({"trait_key": "x", "value_type": "float", "float_value": 1.5});
    let update_flag = json!({
        "feature": {"id": 1},
        "segment": {"id": 1, "priority": 0},
        "enabled": true,
        "value": {"type": "integer", "value": "1"},
    });
    let nothing = json!({});
    [
        ("organisations/", &organisation),
        ("organisations/1/", &organisation),
        ("organisations/1/master-api-keys/", &named),
        ("organisations/1/master-api-keys/{prefix}/", &nothing),
        ("audit/", &nothing),
        ("audit/1/", &nothing),
        ("organisations/1/audit/", &nothing),
        ("projects/1/audit/", &nothing),
        ("projects/", &project),
        ("projects/1/", &project),
        ("environments/", &environment),
        ("environments/?project=1", &environment),
        ("environments/{key}/", &environment),
        ("environments/get-by-uuid/{uuid}/", &nothing),
        ("environments/{key}/clone/", &named),
        ("environments/{key}/my-permissions/", &nothing),
        ("environments/{key}/document/", &nothing),
        ("environments/{key}/api-keys/", &json!({"name": "x", "key": "ser.x", "active": false})),
        ("environments/{key}/api-keys/1/", &json!({"name": "x", "expires_at": "2030-01-01T00:00:00Z"})),
        ("environments/{key}/featurestates/", &scalar),
        ("environments/{key}/featurestates/1/", &multivariate_state),
        ("environments/{key}/features/1/create-segment-override/", &override_body),
        ("environments/{key}/identities/", &identity),
        ("environments/{key}/identities/1/", &identity),
        ("environments/{key}/identities/1/traits/", &trait_body),
        ("environments/{key}/identities/1/traits/1/", &trait_body),
        ("environments/{key}/identities/1/featurestates/", &scalar),
        ("environments/{key}/identities/1/featurestates/3/", &scalar),
        ("environments/{key}/identities/1/featurestates/all/", &nothing),
        (
            "environments/{key}/identities/2/featurestates/clone-from-given-identity/",
            &json!({"source_identity_id": 1}),
        ),
        ("projects/1/features/", &feature),
        ("projects/1/features/?environment=1", &feature),
        ("projects/1/features/1/", &feature),
        ("projects/1/features/1/mv-options/", &option),
        ("projects/1/features/1/mv-options/1/", &option),
        ("projects/1/segments/", &segment),
        ("projects/1/segments/1/", &segment),
        ("projects/1/segments/1/clone/", &named),
        ("projects/1/segments/1/associated-features/", &nothing),
        ("features/feature-segments/", &feature_segment),
        ("features/feature-segments/?environment=1&feature=1", &feature_segment),
        ("features/feature-segments/1/", &feature_segment),
        ("features/feature-segments/update-priorities/", &json!([{"id": 1, "priority": 0}])),
        ("features/featurestates/", &state),
        ("features/featurestates/?environment=1", &state),
        ("features/featurestates/1/", &multivariate_state),
        ("../experiments/environments/{key}/update-flag-v1/", &update_flag),
    ]
    .map(|(path, body)| (path, body.clone()))
    .to_vec()
}
