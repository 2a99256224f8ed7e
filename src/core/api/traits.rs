//! The endpoints below /api/v1/traits/: traits are set, and no flags are returned (contract §A.4).

use serde_json::{Value, json};

use super::error::{Dependency, Error};
use super::fields::{Fields, TRAIT_KEY, all, check_identities};
use super::response::Response;
use crate::document::json::{Json, Kind};
use crate::document::{Environment, Identifier, KeyKind};
use crate::identity::{Command, CommandError, Identity, MAX_TRAITS_LENGTH, TraitValue};

/// Commands, each with its identity.
pub type Commands = Vec<(Identifier, Command)>;

/// One trait of one identity.
struct IdentityTrait {
    identifier: Identifier,
    key: String,
    value: Option<TraitValue>,
}

impl IdentityTrait {
    fn read(item: Json<'_>, nullable: bool) -> Result<IdentityTrait, Value> {
        let mut fields = Fields::of(item)?;
        let identifier = fields.object("identity", |identity| {
            let mut fields = Fields::of(identity)?;
            let identifier = fields.identifier("identifier", false);
            fields.finish(identifier)
        });
        let value = fields.trait_value("trait_value", nullable);
        let key = fields.text("trait_key", TRAIT_KEY);
        fields.finish(IdentityTrait { identifier, key, value })
    }

    fn echo(&self) -> Value {
        json!({"identity": {"identifier": self.identifier}, "trait_value": self.value, "trait_key": self.key})
    }
}

/// Checks that the organisation stores traits, before the body is read.
pub fn check_persistence(environment: &Environment) -> Result<(), Error> {
    environment.persist_trait_data.then_some(()).ok_or(Error::TraitsNotStored)
}

/// Checks that this key may set traits, after all other checks.
pub(super) fn check_client(environment: &Environment, key: KeyKind) -> Result<(), Error> {
    if key == KeyKind::Client && !environment.allow_client_traits {
        let problem = "Setting traits not allowed with client key.";
        return Err(Error::Invalid(json!({"non_field_errors": [problem]})));
    }
    Ok(())
}

/// POST /traits/: sets one trait and echoes it.
pub fn set(environment: &Environment, key: KeyKind, body: Json<'_>) -> Result<(Commands, Value), Error> {
    if body.kind() == Kind::Null {
        Fields::of_body(body)?;
    }
    let sent = IdentityTrait::read(body, false).map_err(Error::Invalid)?;
    check_client(environment, key)?;
    let echo = sent.echo();
    let command = Command::SetTraits(vec![(sent.key.into(), sent.value)]);
    Ok((vec![(sent.identifier, command)], echo))
}

/// PUT /traits/bulk/: sets and deletes traits of any identities and echoes those that were set.
pub fn set_bulk(environment: &Environment, key: KeyKind, body: Json<'_>) -> Result<(Commands, Value), Error> {
    let items = match body.kind() {
        Kind::List => body.list(),
        // An empty object is accepted like an empty list.
        Kind::Object => body.object().filter(|members| members.is_empty()).map(|_| Vec::new()),
        _ => None,
    };
    let items = items.filter(|items| items.iter().all(|item| item.kind() == Kind::Object));
    let items = items.ok_or_else(|| Error::Invalid(json!({"detail": "Invalid request data"})))?;
    let sent = all(items, |item| IdentityTrait::read(item, true)).map_err(Error::Invalid)?;
    check_client(environment, key)?;
    let echo = sent.iter().filter(|sent| sent.value.is_some()).map(IdentityTrait::echo).collect();
    // There are few, so a linear search suffices.
    let mut by_identity: Vec<(Identifier, Vec<_>)> = Vec::new();
    for IdentityTrait { identifier, key, value } in sent {
        let set = (key.into(), value);
        match by_identity.iter_mut().find(|(known, _)| *known == identifier) {
            Some((_, traits)) => traits.push(set),
            None => by_identity.push((identifier, vec![set])),
        }
        check_identities(by_identity.len()).map_err(Error::Invalid)?;
    }
    let command = |(identifier, traits)| (identifier, Command::SetTraits(traits));
    Ok((by_identity.into_iter().map(command).collect(), Value::Array(echo)))
}

/// An increment, which is answered after its execution.
#[derive(Debug, PartialEq)]
pub struct Increment {
    identifier: Identifier,
    key: String,
}

/// POST /traits/increment-value/: adds to a whole-number trait.
pub fn increment(
    environment: &Environment,
    key: KeyKind,
    body: Json<'_>,
) -> Result<(Commands, Increment), Error> {
    let mut fields = Fields::of_body(body)?;
    let trait_key = fields.text("trait_key", TRAIT_KEY);
    let identifier = fields.identifier("identifier", false);
    let by = fields.integer("increment_by");
    fields.finish(()).map_err(Error::Invalid)?;
    check_client(environment, key)?;
    let command = Command::Increment(trait_key.as_str().into(), by);
    Ok((vec![(identifier.clone(), command)], Increment { identifier, key: trait_key }))
}

impl Increment {
    /// The trait's new value.
    pub fn answer(&self, identity: &Identity) -> Response<'static> {
        let value = identity.traits.get(self.key.as_str());
        let body = json!({"trait_key": self.key, "trait_value": value, "identifier": self.identifier});
        Response::json(body.to_string().into_bytes())
    }
}

/// The error for a command that was refused.
pub fn refusal(refusal: CommandError) -> Error {
    Error::Invalid(match refusal {
        CommandError::Unavailable => return Error::Unavailable(Dependency::Identity),
        CommandError::NotAnInteger => json!(["Trait is not an integer."]),
        CommandError::TooLarge => {
            json!({"traits": [format!("The traits of an identity must not be more than {MAX_TRAITS_LENGTH} bytes.")]})
        }
        CommandError::OutOfRange => json!({"increment_by": ["A valid integer is required."]}),
        // These commands have no other reasons to be refused.
        CommandError::TooManyOverrides
        | CommandError::EnvironmentFull
        | CommandError::Missing
        | CommandError::Exists
        | CommandError::OverrideExists => {
            json!({"detail": "The identity changed during the request; send it again."})
        }
    })
}
