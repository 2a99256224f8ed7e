//! The binding of the ids, keys and UUIDs of recordings to those of this deployment.
//!
//! An id belongs to a kind, which its place tells: the path of its request, or the member that holds it. Each is bound
//! where it first appears in an answer, and replaced in later requests and expectations.

use std::collections::HashMap;

use serde_json::{Map, Value};

/// The kind of the ids after these parts of a path.
const PATH_KINDS: &[(&str, &str)] = &[
    ("organisations", "organisation"),
    ("projects", "project"),
    ("features", "feature"),
    ("segments", "segment"),
    ("featurestates", "feature_state"),
    ("feature-segments", "feature_segment"),
    ("identities", "identity"),
    ("traits", "trait"),
    ("mv-options", "option"),
    ("api-keys", "server_key"),
    ("environments", "environment"),
    ("audit", "audit"),
];

/// The kind of the ids in these members.
const MEMBER_KINDS: &[(&str, &str)] = &[
    ("feature", "feature"),
    ("segment", "segment"),
    ("segments", "segment"),
    ("environment", "environment"),
    ("project", "project"),
    ("feature_segment", "feature_segment"),
    ("identity", "identity"),
    ("organisation", "organisation"),
    ("multivariate_feature_option", "option"),
    ("source_identity_id", "identity"),
    ("version_of", "segment"),
    ("multivariate_options", "option"),
    ("multivariate_feature_state_values", "option_value"),
    ("rules", "rule"),
    ("conditions", "condition"),
    ("environment_feature_state", "feature_state"),
    ("segment_feature_state", "feature_state"),
    ("feature_state_value", "value"),
    ("django_id", "feature_state"),
];

/// The members whose number is an id.
const REFERENCES: &[&str] = &[
    "feature",
    "segment",
    "environment",
    "project",
    "feature_segment",
    "identity",
    "organisation",
    "multivariate_feature_option",
    "source_identity_id",
    "version_of",
    "django_id",
];

/// The members whose text is a key or a UUID.
const KEYS: &[&str] = &[
    "uuid",
    "identity_uuid",
    "environment_api_key",
    "api_key",
    "key",
    "prefix",
    "featurestate_uuid",
    "mv_fs_value_uuid",
    "id",
];

/// The members that are not compared, since they differ by deployment: people, plans, migrations. Times neither.
const NOT_COMPARED: &[&str] = &[
    "live_from",
    "created",
    "owners",
    "group_owners",
    "subscription",
    "author",
    "num_seats",
    "created_by",
    "metadata",
    "membership_counts",
    "role",
    "is_creating",
    "related_object_id",
    "related_object_uuid",
    "log",
    "migration_status",
    "enable_dynamo_db",
    "edge_v2_migration_status",
    "show_edge_identity_overrides_for_feature",
    "use_v2_feature_versioning",
    "use_edge_identities",
];

/// The ids and texts of this deployment by the recorded ones.
#[derive(Default)]
pub struct Binding {
    ids: HashMap<(String, i64), i64>,
    texts: Vec<(String, String)>,
}

impl Binding {
    /// A text with the keys and UUIDs of this deployment.
    pub fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (recorded, own) in &self.texts {
            text = text.replace(recorded, own);
        }
        text
    }

    /// A path and query with the ids of this deployment.
    pub fn target(&self, target: &str) -> String {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let recorded: Vec<&str> = path.split('/').collect();
        let own = |index: usize| -> String {
            let part = recorded[index];
            let kind = index.checked_sub(1).and_then(|before| find(PATH_KINDS, recorded[before]));
            match (kind, part.parse()) {
                (Some(kind), Ok(id)) => self.id(kind, id).to_string(),
                _ => part.to_owned(),
            }
        };
        let path: Vec<String> = (0..recorded.len()).map(own).collect();
        let path = self.text(&path.join("/"));
        if query.is_empty() {
            return path;
        }
        let pairs = form_urlencoded::parse(query.as_bytes()).map(|(name, value)| {
            let kind = find(MEMBER_KINDS, &name).unwrap_or(&name);
            let value = value.parse().map_or(value.to_string(), |id| self.id(kind, id).to_string());
            (name.to_string(), self.text(&value))
        });
        format!("{path}?{}", form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish())
    }

    /// A body with the ids and texts of this deployment.
    pub fn body(&self, value: &Value, kind: &str) -> Value {
        match value {
            Value::Array(items) => items.iter().map(|item| self.body(item, kind)).collect(),
            Value::Object(members) => {
                let member = |(name, value): (&String, &Value)| {
                    let own = match (name.as_str(), value) {
                        ("id", value) => self.scalar(kind, value),
                        (name, Value::Number(_) | Value::String(_)) if REFERENCES.contains(&name) => {
                            self.scalar(find(MEMBER_KINDS, name).unwrap_or(kind), value)
                        }
                        (name, value) => self.body(value, find(MEMBER_KINDS, name).unwrap_or(kind)),
                    };
                    (name.clone(), own)
                };
                Value::Object(members.iter().map(member).collect::<Map<_, _>>())
            }
            Value::String(text) => Value::String(self.text(text)),
            other => other.clone(),
        }
    }

    fn scalar(&self, kind: &str, value: &Value) -> Value {
        match value {
            Value::Number(number) => number.as_i64().map_or(value.clone(), |id| self.id(kind, id).into()),
            Value::String(text) => match text.parse() {
                Ok(id) => Value::String(self.id(kind, id).to_string()),
                Err(_) => Value::String(text.clone()),
            },
            other => other.clone(),
        }
    }

    fn id(&self, kind: &str, recorded: i64) -> i64 {
        self.ids.get(&(kind.to_owned(), recorded)).copied().unwrap_or(recorded)
    }

    /// The differences between a recorded value and this deployment's. New ids and texts are bound.
    pub fn differences(&mut self, want: &Value, got: &Value, kind: &str) -> Vec<String> {
        self.differ(want, got, kind, "", "$")
    }

    fn differ(&mut self, want: &Value, got: &Value, kind: &str, member: &str, place: &str) -> Vec<String> {
        if is_not_compared(member) {
            return Vec::new();
        }
        match (want, got) {
            (Value::Object(want), Value::Object(got)) => self.differ_in_members(want, got, kind, place),
            (Value::Array(want), Value::Array(got)) => self.differ_in_items(want, got, kind, member, place),
            (Value::Number(want), _) if member == "id" || REFERENCES.contains(&member) => {
                let kind = if member == "id" { kind } else { find(MEMBER_KINDS, member).unwrap_or(kind) };
                self.differ_in_id(want.as_i64(), got, kind, place)
            }
            (Value::Number(want), Value::Number(got)) if want.as_f64() == got.as_f64() => Vec::new(),
            (Value::String(want), Value::String(got)) => self.differ_in_text(want, got, member, place),
            _ if want == got => Vec::new(),
            _ => vec![format!("{place}: {want} wanted, got {got}")],
        }
    }

    fn differ_in_members(
        &mut self,
        want: &Map<String, Value>,
        got: &Map<String, Value>,
        kind: &str,
        place: &str,
    ) -> Vec<String> {
        // The variant is chosen by a hash of ids and UUIDs, which differ.
        let is_hashed = want.contains_key("overridden_by") && want["feature"]["type"] == "MULTIVARIATE";
        let mut differences = Vec::new();
        for (name, value) in want {
            let place = format!("{place}.{name}");
            if is_hashed && name == "feature_state_value" {
                continue;
            }
            match got.get(name) {
                Some(got) => {
                    let kind = find(MEMBER_KINDS, name).unwrap_or(kind);
                    differences.extend(self.differ(value, got, kind, name, &place));
                }
                None if is_not_compared(name) => {}
                None => differences.push(format!("{place}: missing")),
            }
        }
        let added = got.keys().filter(|name| !want.contains_key(*name));
        differences.extend(added.map(|name| format!("{place}.{name}: not in the recording")));
        differences
    }

    fn differ_in_items(
        &mut self,
        want: &[Value],
        got: &[Value],
        kind: &str,
        member: &str,
        place: &str,
    ) -> Vec<String> {
        if want.len() != got.len() {
            return vec![format!("{place}: {} items wanted, got {}", want.len(), got.len())];
        }
        let (mut want, mut got): (Vec<&Value>, Vec<&Value>) = (want.iter().collect(), got.iter().collect());
        // Flagsmith gives these in any order.
        let order: Option<fn(&&Value) -> String> = match member {
            "multivariate_feature_state_values" => Some(|item| {
                format!("{} {}", item["percentage_allocation"], item["multivariate_feature_option"]["value"])
            }),
            "feature_states" | "identity_features" => Some(|item| item["feature"]["name"].to_string()),
            "identity_overrides" => Some(|item| item["identifier"].to_string()),
            _ => None,
        };
        if let Some(order) = order {
            want.sort_by_key(order);
            got.sort_by_key(order);
        }
        let member = if member == "server_key_only_feature_ids" { "feature" } else { member };
        let items = want.iter().zip(got).enumerate();
        items
            .flat_map(|(at, (want, got))| self.differ(want, got, kind, member, &format!("{place}[{at}]")))
            .collect()
    }

    fn differ_in_id(&mut self, want: Option<i64>, got: &Value, kind: &str, place: &str) -> Vec<String> {
        let (Some(want), Some(got)) = (want, got.as_i64()) else {
            return vec![format!("{place}: a {kind} wanted, got {got}")];
        };
        let own = *self.ids.entry((kind.to_owned(), want)).or_insert(got);
        if own == got { Vec::new() } else { vec![format!("{place}: {kind} {own} wanted, got {got}")] }
    }

    fn differ_in_text(&mut self, want: &str, got: &str, member: &str, place: &str) -> Vec<String> {
        // The id of a master key is masked in the recordings.
        if member == "id" {
            return Vec::new();
        }
        if KEYS.contains(&member) && want.len() > 5 && !self.texts.iter().any(|(known, _)| known == want) {
            self.texts.push((want.to_owned(), got.to_owned()));
        }
        let own = if want.starts_with("http") { self.target(want) } else { self.text(want) };
        if own == got || own.contains("<<") {
            return Vec::new();
        }
        vec![format!("{place}: {own:?} wanted, got {got:?}")]
    }
}

/// The kind of the ids in a body, by the path of its request.
pub fn kind_of(target: &str) -> &'static str {
    let path = target.split('?').next().unwrap_or_default();
    if path.contains("/create-segment-override") {
        return "feature_state";
    }
    if path.contains("/mv-options") {
        return "option";
    }
    path.split('/').rev().find_map(|part| find(PATH_KINDS, part)).unwrap_or_default()
}

fn find(kinds: &'static [(&str, &str)], name: &str) -> Option<&'static str> {
    kinds.iter().find(|(key, _)| *key == name).map(|(_, kind)| *kind)
}

fn is_not_compared(member: &str) -> bool {
    let ends = ["_date", "_at", "_login", "live_from", "timestamp"];
    NOT_COMPARED.contains(&member)
        || member.starts_with("last_modified")
        || ends.iter().any(|end| member.ends_with(end))
}
