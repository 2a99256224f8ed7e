//! POST and PUT /api/v1/bulk-identities/: traits of many identities at once (contract §A.7).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::error::Error;
use super::fields::{Fields, TRAIT_KEY, all, check_identities};
use super::response::Response;
use super::traits::{self, Commands};
use crate::document::json::{Json, Kind};
use crate::document::{Environment, Identifier, KeyKind};
use crate::identity::{Command, CommandError, Identity, TraitValue};

/// The changes to an identity's traits: the last value for each key, null to delete it.
type Changes = BTreeMap<Box<str>, Option<TraitValue>>;

/// An upload before its commands are executed: the index of the command for each item.
#[derive(Debug, PartialEq)]
pub struct BulkUpload {
    commands: Vec<usize>,
}

/// Reads a whole upload before any command is executed. POST replaces an identity's traits, and PUT adds traits; a null
/// deletes a trait. If an identity has several items, POST uses the last one. PUT merges the items, and later items
/// win.
pub fn read(
    environment: &Environment,
    key: KeyKind,
    method: &str,
    body: Json<'_>,
) -> Result<(Commands, BulkUpload), Error> {
    let replaces = method == "POST";
    let mut fields = Fields::of_body(body)?;
    let items = fields.read("data", |data| items(data));
    check_identities(items.len()).map_err(Error::Invalid)?;
    let sent = fields.read("data", |_| all(items, read_item));
    fields.finish(()).map_err(Error::Invalid)?;
    traits::check_client(environment, key)?;
    // An upload has at most 100 identities, so a linear search suffices.
    let mut by_identity: Vec<(Identifier, Changes)> = Vec::new();
    let mut commands = Vec::with_capacity(sent.len());
    for (identifier, traits) in sent {
        let known = by_identity.iter().position(|(known, _)| *known == identifier);
        let command = known.unwrap_or(by_identity.len());
        if known.is_none() {
            by_identity.push((identifier, Changes::new()));
        }
        commands.push(command);
        let Some((_, changes)) = by_identity.get_mut(command) else { continue };
        if replaces {
            changes.clear();
        }
        let (deletions, sets): (Vec<_>, Vec<_>) = traits.into_iter().partition(|(_, value)| value.is_none());
        changes.extend(deletions.into_iter().chain(sets));
    }
    let command = |(identifier, changes): (Identifier, Changes)| {
        let changes = changes.into_iter().collect();
        (identifier, if replaces { Command::ReplaceTraits(changes) } else { Command::SetTraits(changes) })
    };
    Ok((by_identity.into_iter().map(command).collect(), BulkUpload { commands }))
}

fn items(data: Option<Json<'_>>) -> Result<Vec<Json<'_>>, Value> {
    let data = data.ok_or_else(|| json!([super::fields::REQUIRED]))?;
    data.list().ok_or_else(|| match data.kind() {
        Kind::Null => json!([super::fields::NOT_NULL]),
        kind => {
            let problem = format!("Expected a list of items but got type \"{}\".", kind.python_name());
            json!({"non_field_errors": [problem]})
        }
    })
}

type BulkItem = (Identifier, Vec<(Box<str>, Option<TraitValue>)>);

fn read_item(item: Json<'_>) -> Result<BulkItem, Value> {
    let mut fields = Fields::of(item)?;
    let identifier = fields.identifier("identifier", false);
    let read = |item: Json<'_>| {
        let mut fields = Fields::of(item)?;
        let key = fields.text("trait_key", TRAIT_KEY).into();
        let value = fields.trait_value("trait_value", true);
        fields.finish((key, value))
    };
    let traits = if fields.has("traits") { fields.list("traits", read) } else { Vec::new() };
    fields.finish((identifier, traits))
}

impl BulkUpload {
    /// Returns 202 if all commands succeeded. Otherwise returns a report by item, with an empty object for each item
    /// that succeeded. A client may send the same request again.
    pub fn answer(&self, outcomes: &[Result<Identity, CommandError>]) -> Response<'static> {
        let refusal = |index: &usize| match outcomes.get(*index) {
            Some(Ok(_)) => None,
            Some(Err(refusal)) => Some(*refusal),
            None => Some(CommandError::Unavailable),
        };
        let refusals: Vec<_> = self.commands.iter().map(refusal).collect();
        if refusals.iter().all(Option::is_none) {
            return Response::empty(202);
        }
        let problem = |refusal: &Option<CommandError>| match refusal {
            None => json!({}),
            Some(refusal) => traits::refusal(*refusal).body(),
        };
        let problems = refusals.iter().map(problem).collect();
        Response::by_item(problems, refusals.contains(&Some(CommandError::Unavailable)))
    }
}
