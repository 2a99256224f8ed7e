//! Moves of identities: in from elsewhere and out again, in the shape that Flagsmith stores them in (contract §D), and
//! the directory's repair. These are no routes of Flagsmith's.

use serde_json::{Value, json};

use super::authorization::Permission;
use crate::api::fields::{Fields, MAX_IDENTIFIER_LENGTH, MAX_TRAIT_KEY_LENGTH, TextRules};
use crate::document::json::Json;
use crate::document::{Environment, FeatureKey, FeatureState, Timestamp};
use crate::identity::{Identity, Import};

/// The longest body, in bytes.
pub const MAX_BODY_LENGTH: usize = 8 * 1024 * 1024;
/// The most identities of one request: each is an object to be called.
pub const MAX_IDENTITIES: usize = 100;
/// The permission that all of these take.
pub const PERMISSION: Permission = Permission::Admin;

/// What is to be moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// POST `…/import/`: JSON lines, an identity each.
    Import,
    /// GET `…/export/`: a page of identities.
    Export,
    /// POST `…/repair/`: has identities tell the directory again, and removes those that there are not.
    Repair,
}

impl Transfer {
    /// The environment and the route of a path `/edge/environments/{key}/identities/…`.
    pub fn parse(path: &str) -> Option<(String, Transfer)> {
        let path = path.strip_prefix("/edge/environments/")?;
        let (environment, rest) = path.strip_suffix('/').unwrap_or(path).split_once('/')?;
        let transfer = match rest {
            "identities/import" => Transfer::Import,
            "identities/export" => Transfer::Export,
            "identities/repair" => Transfer::Repair,
            _ => return None,
        };
        Some((environment.to_owned(), transfer))
    }

    /// The `Allow` header.
    pub fn allow(self) -> &'static str {
        match self {
            Transfer::Import | Transfer::Repair => "POST, OPTIONS",
            Transfer::Export => "GET, OPTIONS",
        }
    }
}

/// Whether a body of this media type is read. Those that a page of another site can send in a visitor's name, without
/// being asked whether it may, are not.
pub fn takes(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    ["application/json", "application/x-ndjson"].iter().any(|known| essence.eq_ignore_ascii_case(known))
}

/// Reads the lines of an import: all of them, before anything is done. The error reports by line.
pub fn read_import(environment: &Environment, body: &[u8]) -> Result<Vec<(String, Import)>, Value> {
    let lines: Vec<&[u8]> =
        body.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).collect();
    if lines.len() > MAX_IDENTITIES {
        return Err(
            json!({"detail": format!("Number of identities must not be more than {MAX_IDENTITIES}")}),
        );
    }
    let read: Vec<_> = lines.iter().map(|line| read_line(environment, line)).collect();
    if read.iter().any(Result::is_err) {
        let report: Vec<Value> =
            read.into_iter().map(|line| line.err().unwrap_or_else(|| json!({}))).collect();
        return Err(json!({"data": report}));
    }
    Ok(read.into_iter().flatten().collect())
}

/// An identity as Flagsmith stores it. Features are found by their number where it is that of a feature of the same
/// name, else by their name, else by their number.
fn read_line(environment: &Environment, line: &[u8]) -> Result<(String, Import), Value> {
    let json = Json::parse(line).map_err(|problem| json!({"detail": problem}))?;
    let text = |max_length, optional| TextRules { max_length, optional };
    let mut fields = Fields::of(json)?;
    let identifier = fields.text("identifier", text(MAX_IDENTIFIER_LENGTH, false));
    let [uuid, created_date, alias] = [("identity_uuid", 36), ("created_date", 64), ("dashboard_alias", 100)]
        .map(|(name, length)| Some(fields.text(name, text(length, true))).filter(|text| !text.is_empty()));
    let uuid = uuid.map(|uuid| checked(&mut fields, "identity_uuid", uuid, is_uuid));
    let created_date = created_date
        .map(|date| checked(&mut fields, "created_date", date, |date| Timestamp::from_iso(date).is_some()));
    let read_trait = |item: Json<'_>| {
        let mut fields = Fields::of(item)?;
        let key: Box<str> = fields.text("trait_key", text(MAX_TRAIT_KEY_LENGTH, false)).into();
        let value = fields.trait_value("trait_value", true);
        fields.finish((key, value))
    };
    let traits =
        if fields.has("identity_traits") { fields.list("identity_traits", read_trait) } else { Vec::new() };
    let read_state = |item: Json<'_>| {
        let state = serde_json::from_str::<FeatureState>(item.source());
        let state = state.ok().filter(|state| is_uuid(&state.featurestate_uuid));
        let mut state = state.ok_or_else(|| json!({"non_field_errors": ["This is no feature state."]}))?;
        let numbered = environment.feature_with_id(state.feature.id);
        let numbered = numbered.and_then(|id| environment.ruleset.features.get(id));
        if numbered.is_none_or(|feature| *feature.name != *state.feature.name) {
            // Of another origin, where numbers mean other features; or renamed since.
            let defined = |key| environment.feature_definition(&key);
            let name = FeatureKey::Name(state.feature.name.to_string());
            let definition = defined(name).or_else(|| defined(FeatureKey::Id(state.feature.id)));
            state.feature = definition.map_or(state.feature, |definition| definition.feature);
        }
        Ok::<_, Value>(Some(state))
    };
    let overrides = if fields.has("identity_features") {
        fields.list("identity_features", read_state)
    } else {
        Vec::new()
    };
    let import = Import {
        uuid: uuid.map(Into::into),
        created_date: created_date.map(Into::into),
        dashboard_alias: alias.map(|alias| alias.to_lowercase().into()),
        traits,
        overrides: overrides.into_iter().flatten().collect(),
    };
    fields.finish((identifier, import))
}

/// A text that names something in paths and in documents.
fn is_uuid(text: &str) -> bool {
    (1..=36).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

fn checked(fields: &mut Fields<'_>, name: &str, text: String, is_right: impl Fn(&str) -> bool) -> String {
    fields.read(name, |_| if is_right(&text) { Ok(text) } else { Err(json!(["This value is not valid."])) })
}

/// An identity in the shape that an import takes.
pub fn render(environment_key: &str, identifier: &str, identity: &Identity) -> Value {
    let pair = |(key, value)| json!({"trait_key": key, "trait_value": value});
    let traits: Vec<Value> = identity.traits.iter().map(pair).collect();
    let details = identity.details.as_ref();
    let mut document = json!({
        "composite_key": format!("{environment_key}_{identifier}"),
        "environment_api_key": environment_key,
        "identifier": identifier,
        "identity_uuid": details.map(|details| &details.uuid),
        "created_date": details.map(|details| &details.created_date),
        "identity_traits": traits,
        "identity_features": identity.overrides,
        "django_id": null,
    });
    let alias = details.and_then(|details| details.dashboard_alias.as_deref());
    if let (Some(alias), Some(members)) = (alias, document.as_object_mut()) {
        members.insert("dashboard_alias".to_owned(), alias.into());
    }
    document
}

/// Reads which identities are to be looked at again.
pub fn read_repair(body: &[u8]) -> Result<Vec<String>, Value> {
    let json = Json::parse(body).map_err(|problem| json!({"detail": problem}))?;
    let mut fields = Fields::of(json)?;
    let identifiers = fields.list("identifiers", |item| {
        item.text().map(|text| text.into_owned()).ok_or_else(|| json!(["Not a valid string."]))
    });
    if identifiers.len() > MAX_IDENTITIES {
        return Err(
            json!({"detail": format!("Number of identities must not be more than {MAX_IDENTITIES}")}),
        );
    }
    fields.finish(identifiers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::ruleset::Engine;
    use crate::identity::{Command, Moment, Order};

    fn environment() -> Environment {
        let document = json!({"api_key": "k", "project": {}, "feature_states": [
            {"feature": {"id": 7, "name": "f"}, "enabled": true, "feature_state_value": "x"},
            {"feature": {"id": 8, "name": "g"}, "enabled": true, "feature_state_value": "y"},
        ]});
        Environment::parse(document.to_string().as_bytes(), Engine::V10).unwrap()
    }

    #[test]
    fn what_goes_out_comes_in_again() {
        let line = json!({
            "composite_key": "k_ada", "environment_api_key": "k", "identifier": "ada",
            "identity_uuid": "00000000-0000-4000-8000-000000000001", "created_date": "2020-01-01T00:00:00+00:00",
            "identity_traits": [
                {"trait_key": "b", "trait_value": true}, {"trait_key": "f", "trait_value": 1.5},
                {"trait_key": "i", "trait_value": 9_007_199_254_740_993_i64}, {"trait_key": "t", "trait_value": "ü"},
            ],
            "identity_features": [{
                "feature": {"id": 7, "name": "f", "type": "STANDARD"}, "enabled": false,
                "feature_state_value": null, "django_id": 3, "featurestate_uuid": "00000000-0000-4000-8000-000000000002",
                "multivariate_feature_state_values": [{
                    "id": null, "mv_fs_value_uuid": "m", "percentage_allocation": 10.5,
                    "multivariate_feature_option": {"id": 1, "value": 3, "key": "key"},
                }],
            }],
            "django_id": null, "dashboard_alias": "an alias",
        });
        let read = read_import(&environment(), line.to_string().as_bytes()).unwrap();
        let [(identifier, import)] = read.as_slice() else { panic!("{read:?}") };
        let command = Command::Import(Box::new(import.clone()));
        let order =
            Order { environment: "k".into(), identifier: identifier.as_str().into(), uuid: None, command };
        let mut identity = Identity::default();
        identity.apply(order, Moment { now: 5, random: &|| [1; 16] }).unwrap();
        assert_eq!(render("k", "ada", &identity), line);
    }

    #[test]
    fn features_are_found_by_number_else_by_name() {
        let id_of = |id: i64, name: &str| {
            let line = json!({"identifier": "a", "identity_features": [
                {"feature": {"id": id, "name": name}, "enabled": true, "featurestate_uuid": "00000000-0000-4000-8000-000000000002"},
            ]});
            let read = read_import(&environment(), line.to_string().as_bytes()).unwrap();
            read.first().unwrap().1.overrides.first().unwrap().feature.id
        };
        assert_eq!((id_of(7, "renamed"), id_of(1, "f"), id_of(1, "gone")), (7, 7, 1));
        // The number is another feature's here.
        assert_eq!((id_of(8, "f"), id_of(7, "g")), (7, 8));
    }

    #[test]
    fn an_import_is_right_as_a_whole() {
        for wrong in [
            json!({"identity_uuid": "../x"}),
            json!({"created_date": "yesterday"}),
            json!({"identity_features": [{"feature": {"id": 7, "name": "f"}, "enabled": true}]}),
            json!({"identity_features": [{"feature": {"id": 7, "name": "f"}, "feature_state_value": []}]}),
        ] {
            let mut line = wrong.clone();
            line["identifier"] = "a".into();
            assert!(read_import(&environment(), line.to_string().as_bytes()).is_err(), "{wrong}");
        }
        let body = "{\"identifier\": \"a\"}\n\n{\"identifier\": 1, \"identity_traits\": [{}]}\nno json\n";
        let report = read_import(&environment(), body.as_bytes()).unwrap_err();
        let [first, second, third] = report["data"].as_array().unwrap().as_slice() else {
            panic!("{report}")
        };
        assert_eq!(*first, json!({}));
        assert_eq!(second["identity_traits"][0]["trait_key"], json!(["This field is required."]));
        assert!(third["detail"].is_string());
        let many = "{\"identifier\": \"a\"}\n".repeat(101);
        assert!(read_import(&environment(), many.as_bytes()).unwrap_err()["detail"].is_string());
    }

    #[test]
    fn forms_are_not_taken() {
        for (media_type, expected) in [
            ("application/json", true),
            ("Application/X-NDJSON; charset=utf-8", true),
            ("text/plain", false),
            ("application/x-www-form-urlencoded", false),
            ("", false),
        ] {
            assert_eq!(takes(media_type), expected, "{media_type}");
        }
    }

    #[test]
    fn paths() {
        let parse = |path| Transfer::parse(path).map(|(_, transfer)| transfer);
        assert_eq!(parse("/edge/environments/k/identities/import/"), Some(Transfer::Import));
        assert_eq!(parse("/edge/environments/k/identities/export"), Some(Transfer::Export));
        assert_eq!(parse("/edge/environments/k/identities/repair/"), Some(Transfer::Repair));
        assert_eq!(parse("/edge/environments/k/identities/"), None);
        assert_eq!(parse("/edge/status"), None);
    }
}
