//! The action of a request to one of the edge-identities endpoints (contract §D).

use serde_json::{Value, json};

use super::endpoint::Endpoint;
use super::{feature_state, trait_update};
use crate::api::fields::{Fields, MAX_IDENTIFIER_LENGTH, TextRules, check_text};
use crate::api::{Error, Request, body, query};
use crate::document::json::{Json, Kind};
use crate::document::{Environment, FeatureKey, FeatureState, Identifier};
use crate::identity::directory::{DirectoryQuery, PageKey};
use crate::identity::{Command, TraitValue};

/// An action: a read of the directory, or a command on an identity.
#[derive(Debug, PartialEq)]
pub enum Action {
    /// A page of the directory.
    List(DirectoryQuery),
    /// The environment's overrides, of one feature or of all.
    Overrides(Option<i64>),
    /// A command for one identity, and the form of its answer.
    Execute(TargetIdentity, Command, Reply),
    /// Copies the overrides of the second identity to the first; both are named by UUID.
    Clone(String, String),
    /// Nothing, because the override to delete cannot exist.
    Nothing,
}

/// The identity that a request names, by UUID or by identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetIdentity {
    /// The identity with this UUID.
    Uuid(String),
    /// The identity with this identifier.
    Identifier(Identifier),
}

/// The form of the answer after the command was executed.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// The identity; true for a new one.
    Identity(bool),
    /// An empty answer; if true, also if there was nothing to delete.
    Nothing(bool),
    /// The identity's traits.
    Traits,
    /// The trait that was set.
    Trait(Box<str>, Option<TraitValue>),
    /// The identity's overrides, of one feature or of all.
    FeatureStates(Option<i64>),
    /// The override with this UUID; true for a new one.
    FeatureState(Box<str>, bool),
    /// The override of a feature.
    FeatureStateOf(i64),
    /// All features with their values.
    AllFeatureStates,
}

const IDENTIFIER: TextRules = TextRules { max_length: MAX_IDENTIFIER_LENGTH, optional: false };
const ALIAS: TextRules = TextRules { max_length: MAX_ALIAS_LENGTH, optional: false };
/// The maximum length of an alias, in characters and in lower case.
pub const MAX_ALIAS_LENGTH: usize = 100;
/// The maximum number of entries on a page, which is also the default.
const PAGE_SIZE: usize = 100;

/// Parses a request with a method of its route.
pub fn read(environment: &Environment, endpoint: Endpoint, request: &Request<'_>) -> Result<Action, Error> {
    let method = request.method;
    let on = |uuid: String, command, reply| Ok(Action::Execute(TargetIdentity::Uuid(uuid), command, reply));
    match endpoint {
        Endpoint::Identities if method == "POST" => create(body(request)?),
        Endpoint::Identities => page_query(request.query).map(Action::List),
        Endpoint::Identity(uuid) => match method {
            "PUT" | "PATCH" => on(uuid, set_alias(body(request)?)?, Reply::Identity(false)),
            "DELETE" => on(uuid, Command::Delete, Reply::Nothing(false)),
            _ => on(uuid, Command::Read, Reply::Identity(false)),
        },
        Endpoint::ListTraits(uuid) => on(uuid, Command::Read, Reply::Traits),
        Endpoint::UpdateTraits(uuid) => {
            let (key, value) = trait_update::read(body(request)?)?;
            if !environment.persist_trait_data {
                // Flagsmith's status, with the text of another of its errors.
                return Err(Error::Invalid(json!({"detail": "A server error occurred."})));
            }
            let command = Command::SetTraits(vec![(key.clone(), value.clone())]);
            on(uuid, command, Reply::Trait(key, value))
        }
        Endpoint::FeatureStates(uuid) if method == "POST" => {
            let (state, _) = read_state(environment, request)?;
            let name = state.featurestate_uuid.clone();
            on(uuid, Command::CreateOverride(state), Reply::FeatureState(name, true))
        }
        Endpoint::FeatureStates(uuid) => {
            on(uuid, Command::Read, Reply::FeatureStates(feature_id(request.query)?))
        }
        Endpoint::FeatureState(uuid, name) => match method {
            "PUT" => {
                let (mut state, keep) = read_state(environment, request)?;
                state.featurestate_uuid = name.as_str().into();
                on(uuid, Command::UpdateOverride(state, keep), Reply::FeatureState(name.into(), false))
            }
            "DELETE" => on(uuid, Command::DeleteOverride(name.into()), Reply::Nothing(false)),
            _ => on(uuid, Command::Read, Reply::FeatureState(name.into(), false)),
        },
        Endpoint::AllFeatureStates(uuid) => on(uuid, Command::Read, Reply::AllFeatureStates),
        Endpoint::Clone(uuid) => {
            let mut fields = Fields::of_body(body(request)?)?;
            let source = fields.text("source_identity_uuid", IDENTIFIER);
            fields.finish(()).map_err(Error::Invalid)?;
            Ok(Action::Clone(uuid, source))
        }
        Endpoint::ByIdentifier if method == "DELETE" => delete_by_identifier(environment, body(request)?),
        Endpoint::ByIdentifier => put_by_identifier(environment, request),
        Endpoint::Overrides => feature_id(request.query).map(Action::Overrides),
    }
}

fn create(body: Json<'_>) -> Result<Action, Error> {
    let mut fields = Fields::of_body(body)?;
    let identifier = fields.identifier("identifier", false);
    let alias = fields.has("dashboard_alias").then(|| alias(&mut fields));
    fields.finish(()).map_err(Error::Invalid)?;
    let command = Command::CreateNew(alias.map(Into::into));
    Ok(Action::Execute(TargetIdentity::Identifier(identifier), command, Reply::Identity(true)))
}

fn set_alias(body: Json<'_>) -> Result<Command, Error> {
    let mut fields = Fields::of_body(body)?;
    if !fields.has("dashboard_alias") {
        return Ok(Command::Read);
    }
    let alias = alias(&mut fields);
    fields.finish(()).map_err(Error::Invalid)?;
    Ok(Command::SetAlias(alias.into()))
}

/// The stored alias in lower case. It can have more characters than the sent text.
fn alias(fields: &mut Fields<'_>) -> String {
    let alias = fields.text("dashboard_alias", ALIAS).to_lowercase();
    fields.read("dashboard_alias", |_| check_text(&alias, MAX_ALIAS_LENGTH).map(|()| alias))
}

/// Returns the requested page. An invalid or too large size becomes the default; an empty text counts as absent.
pub fn page_query(query: &str) -> Result<DirectoryQuery, Error> {
    let given = |name| query::last(query, name).filter(|text| !text.is_empty());
    let size = given("page_size").map(|text| {
        let size = text.trim().parse::<i64>();
        size.map_err(|_| Error::Invalid(json!({"page_size": ["A valid integer is required."]})))
    });
    let size = size.transpose()?.and_then(|size| usize::try_from(size).ok());
    let size = size.filter(|size| (1..=PAGE_SIZE).contains(size)).unwrap_or(PAGE_SIZE);
    let mut page = DirectoryQuery::search(&given("q").unwrap_or_default(), size);
    if let Some(text) = given("last_evaluated_key") {
        let key = PageKey::decode(&text, page.column);
        let wrong =
            || Error::Invalid(json!({"last_evaluated_key": ["This is no key of a page of this list."]}));
        page.after = Some(key.ok_or_else(wrong)?);
    }
    Ok(page)
}

/// The feature's number in the query.
fn feature_id(query: &str) -> Result<Option<i64>, Error> {
    let text = query::last(query, "feature").filter(|text| !text.is_empty());
    let id = text.map(|text| text.trim().parse());
    id.transpose().map_err(|_| Error::Invalid(json!({"feature": ["A valid integer is required."]})))
}

fn read_state(environment: &Environment, request: &Request<'_>) -> Result<(FeatureState, bool), Error> {
    let mut fields = Fields::of_body(body(request)?)?;
    let (state, keep) = feature_state::read(environment, &mut fields, request.random);
    fields.finish(()).map_err(Error::Invalid)?;
    // Without a state, its errors are already recorded.
    state.map(|state| (state, keep)).ok_or_else(|| Error::Invalid(Value::Object(Default::default())))
}

fn put_by_identifier(environment: &Environment, request: &Request<'_>) -> Result<Action, Error> {
    let mut fields = Fields::of_body(body(request)?)?;
    let identifier = fields.identifier("identifier", false);
    let (state, keep) = feature_state::read(environment, &mut fields, request.random);
    fields.finish(()).map_err(Error::Invalid)?;
    let state = state.ok_or_else(|| Error::Invalid(Value::Object(Default::default())))?;
    let reply = Reply::FeatureStateOf(state.feature.id);
    Ok(Action::Execute(TargetIdentity::Identifier(identifier), Command::PutOverride(state, keep), reply))
}

fn delete_by_identifier(environment: &Environment, body: Json<'_>) -> Result<Action, Error> {
    let mut fields = Fields::of_body(body)?;
    let identifier = fields.identifier("identifier", false);
    // A missing or unknown feature has no override to delete.
    let feature = fields.read("feature", |json| match json {
        Some(json) if json.kind() != Kind::Null => feature_state::feature_key(Some(json)).map(Some),
        _ => Ok(None),
    });
    fields.finish(()).map_err(Error::Invalid)?;
    let id = feature.and_then(|key| match key {
        // The feature may be one that the environment does not have any more.
        FeatureKey::Id(id) => Some(id),
        FeatureKey::Name(_) => environment.feature_definition(&key).map(|found| found.feature.id),
    });
    Ok(match id {
        None => Action::Nothing,
        Some(id) => {
            let command = Command::DeleteOverrideOf(id);
            Action::Execute(TargetIdentity::Identifier(identifier), command, Reply::Nothing(true))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_an_alias_is_that_of_its_stored_form() {
        let read = |alias: &str| {
            let body = json!({"identifier": "ada", "dashboard_alias": alias}).to_string().into_bytes();
            let created = create(Json::parse(&body).unwrap());
            let updated = set_alias(Json::parse(&body).unwrap());
            let problem = |error| match error {
                Error::Invalid(problem) => problem,
                error => panic!("{error:?}"),
            };
            match (created, updated) {
                (Ok(Action::Execute(_, Command::CreateNew(Some(a)), _)), Ok(Command::SetAlias(b))) => {
                    assert_eq!(a, b);
                    Ok(a.to_string())
                }
                (Err(a), Err(b)) => {
                    let (a, b) = (problem(a), problem(b));
                    assert_eq!(a, b);
                    Err(a)
                }
                other => panic!("{other:?}"),
            }
        };
        let too_long =
            || Err(json!({"dashboard_alias": ["Ensure this field has no more than 100 characters."]}));
        assert_eq!(read(&"Ä".repeat(100)), Ok("ä".repeat(100)));
        assert_eq!(read(&"Ä".repeat(101)), too_long());
        // Each is two characters in lower case.
        assert_eq!(read(&"İ".repeat(50)), Ok("i\u{307}".repeat(50)));
        assert_eq!(read(&"İ".repeat(51)), too_long());
        assert_eq!(read(" "), Err(json!({"dashboard_alias": ["This field may not be blank."]})));
    }
}
