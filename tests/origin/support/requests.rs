//! Random admin requests about the rows of a project.

use serde_json::{Value, json};

use super::project::Project;
use super::random::Random;

/// A source of requests. Names are numbered, so that most of them are new.
#[derive(Default)]
pub struct Requests {
    count: u64,
}

/// The method, the path below `/api/`, and the body of a request.
type Request = (&'static str, String, Value);

impl Requests {
    /// The traits that conditions read.
    pub const TRAITS: [&'static str; 5] = ["plan", "age", "score", "beta", "version"];

    /// A probable value of a trait.
    pub fn trait_value(random: &mut Random, name: &str) -> Value {
        match name {
            "plan" => json!(random.pick(&["free", "gold", "Gold", "golden", ""])),
            "age" => json!(random.below(40)),
            "score" => json!(random.below(400) as f64 / 8.0 + 0.0625),
            "beta" => json!(random.chance(50)),
            _ => json!(random.pick(&["1.2.3", "1.10.0", "2.0.0-rc.1", "2.0.0"])),
        }
    }

    /// The next request. It names rows that exist, if there are any of the kind.
    pub fn next(&mut self, random: &mut Random, project: &Project) -> Request {
        self.count += 1;
        let (feature, segment) = (id(random, project, "feature"), id(random, project, "segment"));
        let feature_segment = id(random, project, "feature_segment");
        let key = random.pick(&project.client_keys).clone();
        let features = "v1/projects/1/features/";
        let options = format!("{features}{feature}/mv-options/");
        let segments = "v1/projects/1/segments/";
        match random.below(100) {
            0..12 => ("POST", features.to_owned(), self.feature(random)),
            12..14 => ("DELETE", format!("{features}{feature}/"), Value::Null),
            14..20 => ("POST", options, self.option(random, 25)),
            20..23 => ("PUT", option_path(random, project), self.option(random, 5)),
            23..25 => ("DELETE", option_path(random, project), Value::Null),
            25..42 => change_of_a_state(random, project),
            42..44 => delete_default(random, project),
            44..58 => ("POST", segments.to_owned(), self.segment(random)),
            58..62 => ("PUT", format!("{segments}{segment}/"), self.segment(random)),
            62..63 => ("DELETE", format!("{segments}{segment}/"), Value::Null),
            63..65 => ("POST", format!("{segments}{segment}/clone/"), json!({"name": self.name("clone")})),
            65..76 => {
                let path = format!("v1/environments/{key}/features/{feature}/create-segment-override/");
                ("POST", path, segment_override(random, segment))
            }
            76..78 => ("DELETE", format!("v1/features/feature-segments/{feature_segment}/"), Value::Null),
            78..81 => {
                let moves = json!([{"id": feature_segment, "priority": random.below(4)}]);
                ("POST", "v1/features/feature-segments/update-priorities/".to_owned(), moves)
            }
            81..85 => update_flag(random, &key, feature, segment),
            85..89 => {
                let body = json!({"identifier": format!("user {}", random.below(8))});
                ("POST", format!("v1/environments/{key}/identities/"), body)
            }
            89..98 => identity_override(random, project, feature),
            _ => ("POST", format!("v1/environments/{key}/clone/"), json!({"name": self.name("environment")})),
        }
    }

    fn name(&self, kind: &str) -> String {
        format!("{kind} {}", self.count)
    }

    fn feature(&self, random: &mut Random) -> Value {
        let mut options = Vec::new();
        if random.chance(40) {
            options = (0..=random.below(2)).map(|_| self.option(random, 40)).collect();
        }
        json!({
            "name": self.name("feature"),
            "initial_value": random.pick(&[json!(null), json!(""), json!("blue"), json!("12"), json!("true")]),
            "default_enabled": random.chance(50),
            "multivariate_options": options,
        })
    }

    fn option(&self, random: &mut Random, percent: u64) -> Value {
        let mut option = typed_value(random);
        option["default_percentage_allocation"] = json!(random.below(percent + 1));
        option
    }

    fn segment(&self, random: &mut Random) -> Value {
        let rules: Vec<Value> = (0..=random.below(3) / 2).map(|_| rule(random, true)).collect();
        json!({"name": self.name("segment"), "rules": rules})
    }
}

/// The rows of a kind.
fn rows(project: &Project, kind: &'static str) -> Vec<Value> {
    let rows = project.deployment.rows.range((kind, i64::MIN)..=(kind, i64::MAX));
    rows.map(|(_, row)| serde_json::from_str(row).unwrap()).collect()
}

/// The id of a row of a kind, often one of the first, so that rows meet; 1 if there is none.
fn id(random: &mut Random, project: &Project, kind: &'static str) -> i64 {
    let rows = project.deployment.rows.range((kind, i64::MIN)..=(kind, i64::MAX));
    let mut ids: Vec<i64> = rows.map(|((_, id), _)| *id).collect();
    if random.chance(60) {
        ids.truncate(3);
    }
    if ids.is_empty() { 1 } else { *random.pick(&ids) }
}

/// The client key of the environment of a row.
fn client_key(project: &Project, row: &Value) -> String {
    let id = row["environment"].as_i64().unwrap_or(1);
    let environment: Value = serde_json::from_str(&project.deployment.rows[&("environment", id)]).unwrap();
    environment["api_key"].as_str().unwrap().to_owned()
}

fn option_path(random: &mut Random, project: &Project) -> String {
    let options = rows(project, "multivariate_option");
    let (feature, id) = match options.is_empty() {
        true => (json!(1), json!(1)),
        false => {
            let option = random.pick(&options);
            (option["feature"].clone(), option["id"].clone())
        }
    };
    format!("v1/projects/1/features/{feature}/mv-options/{id}/")
}

fn typed_value(random: &mut Random) -> Value {
    match random.below(4) {
        0 => json!({"type": "int", "integer_value": random.below(100)}),
        1 => json!({"type": "bool", "boolean_value": random.chance(50)}),
        _ => json!({"type": "unicode", "string_value": random.pick(&["red", "", "{\"a\": 1}", "ключ"])}),
    }
}

/// A value of an identity's override, but not 0, 1 or the empty text. The SDK names sets of overrides by Python's
/// hashes, which are equal for these and for booleans.
fn scalar(random: &mut Random) -> Value {
    match random.below(4) {
        0 => json!(random.below(100) + 2),
        1 => json!(random.chance(50)),
        2 => Value::Null,
        _ => json!(random.pick(&["red", "{\"a\": 1}", "ключ"])),
    }
}

/// A request instead of one whose rows do not exist.
fn read_projects() -> Request {
    ("GET", "v1/projects/".to_owned(), Value::Null)
}

/// A change of any state, with new percentages if it has multivariate values.
fn change_of_a_state(random: &mut Random, project: &Project) -> Request {
    let states = rows(project, "feature_state");
    if states.is_empty() {
        return read_projects();
    }
    let state = random.pick(&states);
    if !state["identity"].is_null() {
        let path = format!(
            "v1/environments/{}/identities/{}/featurestates/{}/",
            client_key(project, state),
            state["identity"],
            state["id"]
        );
        return ("PATCH", path, json!({"enabled": random.chance(50), "feature_state_value": scalar(random)}));
    }
    let mut body = json!({"enabled": random.chance(50), "feature_state_value": typed_value(random)});
    let values = state["multivariate_feature_state_values"].as_array();
    let multivariate_values = values.map(Vec::as_slice).unwrap_or_default();
    if !multivariate_values.is_empty() {
        let new = |multivariate_value: &Value| {
            let percentage = random.below(101) as f64 / multivariate_values.len() as f64;
            let (id, option) = (&multivariate_value["id"], &multivariate_value["option"]);
            json!({"id": id, "multivariate_feature_option": option, "percentage_allocation": percentage})
        };
        body["multivariate_feature_state_values"] = multivariate_values.iter().map(new).collect();
    }
    ("PUT", format!("v1/features/featurestates/{}/", state["id"]), body)
}

/// The deletion of a default state.
fn delete_default(random: &mut Random, project: &Project) -> Request {
    let mut states = rows(project, "feature_state");
    states.retain(|state| state["identity"].is_null() && state["feature_segment"].is_null());
    if states.is_empty() {
        return read_projects();
    }
    let state = random.pick(&states);
    let path = format!("v1/environments/{}/featurestates/{}/", client_key(project, state), state["id"]);
    ("DELETE", path, Value::Null)
}

fn segment_override(random: &mut Random, segment: i64) -> Value {
    let mut feature_segment = json!({"segment": segment});
    if random.chance(50) {
        feature_segment["priority"] = json!(random.below(4));
    }
    json!({
        "feature_segment": feature_segment,
        "enabled": random.chance(50),
        "feature_state_value": typed_value(random),
    })
}

fn update_flag(random: &mut Random, key: &str, feature: i64, segment: i64) -> Request {
    let mut body = json!({
        "feature": {"id": feature},
        "enabled": random.chance(50),
        "value": {"type": "string", "value": random.pick(&["one", "two"])},
    });
    if random.chance(60) {
        body["segment"] = json!({"id": segment, "priority": random.below(3)});
    }
    ("POST", format!("experiments/environments/{key}/update-flag-v1/"), body)
}

/// A request about the overrides of an identity, or about the identity.
fn identity_override(random: &mut Random, project: &Project, feature: i64) -> Request {
    let identities = rows(project, "identity");
    if identities.is_empty() {
        let key = random.pick(&project.client_keys);
        return ("POST", format!("v1/environments/{key}/identities/"), json!({"identifier": "user 0"}));
    }
    let identity = random.pick(&identities);
    let path = format!("v1/environments/{}/identities/{}/", client_key(project, identity), identity["id"]);
    match random.below(10) {
        0 => ("DELETE", path, Value::Null),
        1 => ("PATCH", path, json!({"identifier": format!("user {}", random.below(8))})),
        2 => {
            let source = random.pick(&identities)["id"].clone();
            let path = format!("{path}featurestates/clone-from-given-identity/");
            ("POST", path, json!({"source_identity_id": source}))
        }
        _ => {
            let body = json!({"feature": feature, "enabled": random.chance(50), "feature_state_value": scalar(random)});
            ("POST", format!("{path}featurestates/"), body)
        }
    }
}

fn rule(random: &mut Random, is_outer: bool) -> Value {
    let conditions: Vec<Value> =
        (0..random.below(2) + u64::from(!is_outer)).map(|_| condition(random)).collect();
    let mut outer =
        json!({"type": random.pick(&["ALL", "ALL", "ANY", "ANY", "NONE"]), "conditions": conditions});
    if is_outer {
        outer["rules"] = (0..random.below(2)).map(|_| rule(random, false)).collect();
    }
    outer
}

fn condition(random: &mut Random) -> Value {
    let trait_name = *random.pick(&Requests::TRAITS);
    let value = Requests::trait_value(random, trait_name);
    let value = value.as_str().map_or(value.to_string(), str::to_owned);
    let is_version = trait_name == "version";
    let semver = if is_version { ":semver" } else { "" };
    let (property, operator, value) = match random.below(12) {
        0 | 1 => (trait_name, "EQUAL", format!("{value}{semver}")),
        2 => (trait_name, "NOT_EQUAL", value),
        3 => (trait_name, *random.pick(&["GREATER_THAN", "LESS_THAN"]), format!("{value}{semver}")),
        4 => (trait_name, *random.pick(&["GREATER_THAN_INCLUSIVE", "LESS_THAN_INCLUSIVE"]), value),
        5 => (trait_name, "IN", format!("{value},free,12,2.0.0")),
        6 => (
            trait_name,
            *random.pick(&["CONTAINS", "NOT_CONTAINS"]),
            random.pick(&["old", "1", "."]).to_string(),
        ),
        7 => (trait_name, "REGEX", random.pick(&["^g", "gold$", r"^\d+$", "o+l"]).to_string()),
        8 => ("age", "MODULO", format!("{}|{}", random.below(4) + 1, random.below(3))),
        9 => (trait_name, *random.pick(&["IS_SET", "IS_NOT_SET"]), String::new()),
        10 => ("", "PERCENTAGE_SPLIT", random.below(101).to_string()),
        _ => ("$.identity.identifier", "IN", format!("user {},guest 1", random.below(8))),
    };
    json!({"property": property, "operator": operator, "value": value})
}
