//! Import and export of identities in the form that Flagsmith stores (contract §D), and the repair of the directory.
//! Flagsmith has no such routes.

use serde_json::{Value, json};

use super::edge_identities::MAX_ALIAS_LENGTH;
use super::permission::Permission;
use crate::api::essence;
use crate::api::fields::{
    Fields, INVALID_INTEGER, MAX_IDENTIFIER_LENGTH, MAX_TRAIT_KEY_LENGTH, NOT_BLANK, REQUIRED, TextRules,
    check_identities, check_text, integer_value,
};
use crate::document::json::{Json, Kind};
use crate::document::{Environment, Identifier, Timestamp, python};
use crate::identity::directory::Entry;
use crate::identity::{Command, Import};
use state::{Definitions, is_uuid};

pub use export::{ExportPage, render};

mod export;
mod state;

/// The maximum length of the body in bytes.
pub const MAX_IMPORT_LENGTH: usize = 8 * 1024 * 1024;
/// The media type of JSON lines.
const LINES: &str = "application/x-ndjson";
/// The permission for all of these routes.
pub const PERMISSION: Permission = Permission::Admin;

/// The kind of request: import, export, or repair of the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportExport {
    /// POST `…/import/`: JSON lines, one identity each.
    Import,
    /// GET `…/export/`: a page of identities.
    Export,
    /// POST `…/repair/`: makes identities send their directory entries again, and removes entries without an identity.
    Repair,
}

impl ImportExport {
    /// The `Allow` header.
    pub fn allow(self) -> &'static str {
        match self {
            ImportExport::Import | ImportExport::Repair => "POST, OPTIONS",
            ImportExport::Export => "GET, OPTIONS",
        }
    }
}

/// True if a body of this media type is read. Types that a page of another site can send without a preflight are
/// refused.
pub fn is_supported(media_type: &str) -> bool {
    ["application/json", LINES].iter().any(|known| essence(media_type).eq_ignore_ascii_case(known))
}

/// A line of an import.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportLine {
    /// The normalized identifier.
    pub identifier: Identifier,
    /// The imported identity.
    pub import: Import,
    /// True if the identifier in the line differs from its normalized form. Such a line only adds traits and overrides
    /// that the identity lacks.
    pub only_missing: bool,
}

impl ImportLine {
    /// Returns the identifier, and the command that imports the identity.
    pub fn into_command(self) -> (Identifier, Command) {
        let import = Box::new(self.import);
        let command =
            if self.only_missing { Command::ImportMissing(import) } else { Command::Import(import) };
        (self.identifier, command)
    }
}

/// True if the `Accept` header requests JSON lines.
pub fn wants_lines(accept: &str) -> bool {
    accept.split(',').any(|media_type| essence(media_type).eq_ignore_ascii_case(LINES))
}

/// Reads all lines of an import before anything is stored. The error has a report for each line.
///
/// A line is `None` if its identifier is only white space. Earlier versions stored such identities, but no request can
/// reach them.
pub fn read_import(environment: &Environment, body: &[u8]) -> Result<Vec<Option<ImportLine>>, Value> {
    let lines: Vec<&[u8]> =
        body.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).collect();
    check_identities(lines.len())?;
    let definitions = Definitions::of(environment);
    let read: Vec<Result<Option<ImportLine>, Value>> =
        lines.iter().map(|line| read_line(&definitions, line)).collect();
    if read.iter().any(Result::is_err) {
        let report: Vec<Value> =
            read.into_iter().map(|line| line.err().unwrap_or_else(|| json!({}))).collect();
        return Err(json!({"data": report}));
    }
    Ok(read.into_iter().flatten().collect())
}

/// An identity in Flagsmith's stored form.
fn read_line(definitions: &Definitions<'_>, line: &[u8]) -> Result<Option<ImportLine>, Value> {
    let json = Json::parse(line).map_err(|problem| json!({"detail": problem}))?;
    let sent = json.object().and_then(|members| members.get("identifier")?.text());
    if sent.as_deref().is_some_and(|sent| !sent.is_empty() && Identifier::normalize(sent).is_empty()) {
        return Ok(None);
    }
    let text = |max_length, optional| TextRules { max_length, optional };
    let mut fields = Fields::of(json)?;
    let identifier = fields.identifier("identifier", false);
    let [uuid, created_date, alias] =
        [("identity_uuid", 36), ("created_date", 64), ("dashboard_alias", 2 * MAX_ALIAS_LENGTH)].map(
            |(name, length)| Some(fields.text(name, text(length, true))).filter(|text| !text.is_empty()),
        );
    // A UUID in capitals is the same UUID: Flagsmith's engine parses it and writes small letters.
    let uuid = uuid.map(|uuid| checked(&mut fields, "identity_uuid", uuid, is_uuid).to_ascii_lowercase());
    let created_date = created_date
        .map(|date| checked(&mut fields, "created_date", date, |date| Timestamp::from_iso(date).is_some()));
    let alias = alias.map(|alias| fields.read("dashboard_alias", |_| stored_alias(&alias)));
    let read_trait = |item: Json<'_>| {
        let mut fields = Fields::of(item)?;
        let key = fields.read("trait_key", trait_key);
        let value = fields.trait_value("trait_value", true);
        fields.finish((key, value))
    };
    let traits =
        if fields.has("identity_traits") { fields.list("identity_traits", read_trait) } else { Vec::new() };
    let overrides = if fields.has("identity_features") {
        fields.list("identity_features", |item| definitions.read(item))
    } else {
        Vec::new()
    };
    let django_id = fields.read("django_id", |json| match json {
        Some(json) if json.kind() != Kind::Null => {
            integer_value(json).map(Some).ok_or_else(|| json!([INVALID_INTEGER]))
        }
        _ => Ok(None),
    });
    let import = Import {
        uuid: uuid.map(Into::into),
        created_date: created_date.map(Into::into),
        dashboard_alias: alias.map(Into::into),
        traits,
        overrides,
        django_id,
    };
    let only_missing = sent.is_some_and(|sent| *sent != *identifier);
    fields.finish(Some(ImportLine { identifier, import, only_missing }))
}

/// Returns an alias in lower case. Earlier versions checked the length before the conversion. Lower case turns `İ` into
/// two characters, so these aliases may exceed the limit by one character for each `İ`.
fn stored_alias(alias: &str) -> Result<String, Value> {
    let alias = alias.to_lowercase();
    let length = alias.chars().count() - alias.matches("i\u{307}").count();
    if length <= MAX_ALIAS_LENGTH { Ok(alias) } else { check_text(&alias, MAX_ALIAS_LENGTH).map(|()| alias) }
}

/// Returns a trait's key as stored. The Admin API keeps white space at its ends.
fn trait_key(json: Option<Json<'_>>) -> Result<Box<str>, Value> {
    let json = json.ok_or_else(|| json!([REQUIRED]))?;
    let text = match json.kind() {
        Kind::String | Kind::Integer | Kind::Float => python::json_text(json).unwrap_or_default(),
        Kind::Null | Kind::Bool | Kind::List | Kind::Object => return Err(json!(["Not a valid string."])),
    };
    if text.is_empty() {
        return Err(json!([NOT_BLANK]));
    }
    check_text(&text, MAX_TRAIT_KEY_LENGTH).map(|()| text.into())
}

/// Refuses identities with the UUID of another identity in the directory or in an earlier line. A UUID must identify
/// one identity.
///
/// A line with `only_missing` is not refused; its UUID is dropped. An earlier version stored a separate identity under
/// the line's unnormalized identifier, and that identity may still have the UUID.
pub fn check_uuids(lines: &mut [Option<ImportLine>], known: &[Entry]) -> Result<(), Value> {
    // Sorted and not hashed: a client chooses the UUIDs and knows the seed of std's hasher on wasm32.
    let mut owners: Vec<(Box<str>, Identifier)> =
        known.iter().map(|entry| (entry.uuid.clone(), entry.identifier.clone())).collect();
    owners.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut is_taken = |line: &ImportLine| {
        let Some(uuid) = &line.import.uuid else { return false };
        match owners.binary_search_by(|(known, _)| known.cmp(uuid)) {
            Ok(place) => owners.get(place).is_some_and(|(_, owner)| *owner != line.identifier),
            Err(place) => {
                owners.insert(place, (uuid.clone(), line.identifier.clone()));
                false
            }
        }
    };
    let mut report = Vec::with_capacity(lines.len());
    for line in lines {
        let mut problem = json!({});
        if let Some(line) = line
            && is_taken(line)
        {
            if line.only_missing {
                line.import.uuid = None;
            } else {
                problem = json!({"identity_uuid": ["Another identity of this environment has this UUID."]});
            }
        }
        report.push(problem);
    }
    if report.iter().all(|problem| *problem == json!({})) { Ok(()) } else { Err(json!({"data": report})) }
}

fn checked(fields: &mut Fields<'_>, name: &str, text: String, is_right: impl Fn(&str) -> bool) -> String {
    fields.read(name, |_| if is_right(&text) { Ok(text) } else { Err(json!(["This value is not valid."])) })
}

/// Reads the identifiers of a repair request: the names under which identities are stored, normalized or not.
pub fn read_repair(body: &[u8]) -> Result<Vec<Identifier>, Value> {
    let json = Json::parse(body).map_err(|problem| json!({"detail": problem}))?;
    let mut fields = Fields::of(json)?;
    let identifiers = fields.list("identifiers", |item| {
        let text = item.text().ok_or_else(|| json!(["Not a valid string."]))?;
        check_text(&text, MAX_IDENTIFIER_LENGTH).map(|()| Identifier::verbatim(text))
    });
    check_identities(identifiers.len())?;
    fields.finish(identifiers)
}

#[cfg(test)]
mod tests;
