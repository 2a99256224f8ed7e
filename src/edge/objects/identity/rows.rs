//! The rows of an identity in its object's database.
//!
//! Rows of earlier versions stay readable: those had only the tables `identity` and `trait`. Values of traits and
//! overrides are JSON texts, because SQL's numbers would lose whole numbers beyond 2^53.
//!
//! The number in a Flagsmith's database has a table of its own, created with the first number. Earlier versions of the
//! worker insert rows with a fixed number of values, so the other tables cannot get a column.

use serde::Deserialize;
use worker::{Result, SqlStorageValue};

use crate::document::{ClientKey, Identifier};
use crate::identity::{Change, CommandRequest, Details, Identity, Inherited, TraitValue, Traits};
use flagsmith_edge_platform::sqlite::Database;

/// The state of an object.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// The identity.
    pub identity: Identity,
    /// The identity's names; `None` until the first write.
    pub owner: Option<IdentityRef>,
    /// The updates that the directory does not have yet.
    pub pending: PendingUpdates,
}

/// The names of an object's identity. The object cannot read them from its own name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityRef {
    /// The client key of its environment.
    pub client_key: ClientKey,
    /// The identifier of the identity.
    pub identifier: Identifier,
    /// The identity's UUID in the Admin API, also after the identity's deletion.
    pub uuid: Box<str>,
}

/// The updates that the directory does not have yet, each by the sequence number of its change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PendingUpdates {
    /// The sequence number for the directory entry.
    pub entry: Option<u64>,
    /// The sequence number for the overrides.
    pub overrides: Option<u64>,
}

impl PendingUpdates {
    /// True if no update is pending.
    pub fn is_empty(self) -> bool {
        self == PendingUpdates::default()
    }

    /// The updates that are still pending after these were sent: those of later changes.
    pub fn without(self, sent: PendingUpdates) -> PendingUpdates {
        PendingUpdates {
            entry: self.entry.filter(|pending| Some(*pending) != sent.entry),
            overrides: self.overrides.filter(|pending| Some(*pending) != sent.overrides),
        }
    }
}

#[derive(Deserialize)]
struct DetailsRow {
    #[serde(rename = "environment")]
    client_key: ClientKey,
    identifier: Identifier,
    uuid: Box<str>,
    created_date: Box<str>,
    dashboard_alias: Option<Box<str>>,
    sequence: u64,
    erased: u8,
    entry_due: Option<u64>,
    overrides_due: Option<u64>,
}

const TABLES: &str = "SELECT json_quote(name) FROM sqlite_master WHERE type = 'table'";
const READ_TRAITS: &str = "SELECT trait_key, trait_value FROM trait";
const READ_OVERRIDES: &str = "SELECT state FROM identity_override ORDER BY position";
const READ_DETAILS: &str = "
    SELECT json_object('environment', environment, 'identifier', identifier, 'uuid', uuid,
        'created_date', created_date, 'dashboard_alias', dashboard_alias, 'sequence', sequence, 'erased', erased,
        'entry_due', entry_due, 'overrides_due', overrides_due) FROM details";

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS trait (trait_key TEXT PRIMARY KEY, trait_value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS details (id INTEGER PRIMARY KEY CHECK (id = 1), environment TEXT NOT NULL,
        identifier TEXT NOT NULL, uuid TEXT NOT NULL, created_date TEXT NOT NULL, dashboard_alias TEXT,
        sequence INTEGER NOT NULL, erased INTEGER NOT NULL, entry_due INTEGER, overrides_due INTEGER)";
const OVERRIDES_SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS identity_override (position INTEGER PRIMARY KEY, feature_id INTEGER NOT NULL UNIQUE,
        state TEXT NOT NULL)";
/// Exists while a move to this object is unfinished.
const MOVING_SCHEMA: &str = "CREATE TABLE IF NOT EXISTS moving (id INTEGER PRIMARY KEY)";
const DELETE_ALL: &str = "DELETE FROM trait; DELETE FROM identity_override";
const SET_DETAILS: &str = "
    INSERT INTO details VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET environment = excluded.environment, identifier = excluded.identifier,
        uuid = excluded.uuid, created_date = excluded.created_date, dashboard_alias = excluded.dashboard_alias,
        sequence = excluded.sequence, erased = excluded.erased, entry_due = excluded.entry_due,
        overrides_due = excluded.overrides_due";
const SET_PENDING: &str = "UPDATE details SET entry_due = ?, overrides_due = ?";

/// The number of traits in one statement. A text bound to a statement may have 2 MB; a trait of 2,000 characters has up
/// to some 24 kB.
const ROWS_A_STATEMENT: usize = 64;
/// Takes a JSON list of pairs.
const SET_TRAITS: &str = "
    INSERT INTO trait (trait_key, trait_value)
    SELECT value ->> 0, value ->> 1 FROM json_each(?) WHERE true
    ON CONFLICT (trait_key) DO UPDATE SET trait_value = excluded.trait_value";
/// Parameter: a JSON list of keys.
const DELETE_TRAITS: &str = "DELETE FROM trait WHERE trait_key IN (SELECT value FROM json_each(?))";
/// An existing override keeps its position.
const SET_OVERRIDE: &str = "
    INSERT INTO identity_override (feature_id, state) VALUES (?, ?)
    ON CONFLICT (feature_id) DO UPDATE SET state = excluded.state";
/// A row without a key belongs to an override.
const INHERITED_SCHEMA: &str = "CREATE TABLE IF NOT EXISTS inherited (position INTEGER PRIMARY KEY, trait_key TEXT, value TEXT NOT NULL)";
const READ_INHERITED: &str = "SELECT trait_key, value FROM inherited ORDER BY position";
/// Takes a JSON list of pairs.
const ADD_INHERITED_TRAITS: &str =
    "INSERT INTO inherited (trait_key, value) SELECT value ->> 0, value ->> 1 FROM json_each(?)";
const ADD_INHERITED_OVERRIDE: &str = "INSERT INTO inherited (value) VALUES (?)";
const READ_DJANGO_ID: &str = "SELECT django_id FROM django_id";
const DJANGO_ID_SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS django_id (id INTEGER PRIMARY KEY CHECK (id = 1), django_id TEXT NOT NULL)";
const SET_DJANGO_ID: &str = "INSERT OR REPLACE INTO django_id VALUES (1, ?)";
const DELETE_OVERRIDE: &str = "DELETE FROM identity_override WHERE feature_id = ?";

/// Reads the stored state. An identity that was never written has no tables, and a read creates none.
pub fn read(sql: &Database) -> Result<Record> {
    let tables: Vec<String> = sql.read(TABLES, vec![])?;
    let has = |name: &str| tables.iter().any(|table| table == name);
    let details = if has("details") { sql.read(READ_DETAILS, vec![])?.pop() } else { None };
    let mut record = record(details, has("identity"));
    if record.identity.exists {
        record.identity.traits = traits(sql.rows(READ_TRAITS, vec![])?)?;
        if has("identity_override") {
            record.identity.overrides = sql.read(READ_OVERRIDES, vec![])?;
        }
        if has("inherited") {
            record.identity.inherited = inherited(sql.rows(READ_INHERITED, vec![])?)?;
        }
        if has("django_id") {
            record.identity.django_id = sql.read(READ_DJANGO_ID, vec![])?.pop();
        }
    }
    Ok(record)
}

/// The state in the row of `details`. Without one, the identity exists if there is the table `identity`.
fn record(details: Option<DetailsRow>, has_identity_table: bool) -> Record {
    let mut record = Record::default();
    if let Some(row) = details {
        let DetailsRow { client_key, identifier, uuid, created_date, dashboard_alias, sequence, .. } = row;
        record.identity.sequence = sequence;
        record.identity.exists = row.erased == 0;
        record.pending = PendingUpdates { entry: row.entry_due, overrides: row.overrides_due };
        if record.identity.exists {
            let details = Details { uuid: uuid.clone(), created_date, dashboard_alias };
            record.identity.details = Some(details);
        }
        record.owner = Some(IdentityRef { client_key, identifier, uuid });
    } else {
        record.identity.exists = has_identity_table;
    }
    record
}

fn traits(rows: Vec<Vec<SqlStorageValue>>) -> Result<Traits> {
    let mut traits = Traits::new();
    for row in rows {
        if let [SqlStorageValue::String(key), SqlStorageValue::String(value)] = row.as_slice() {
            traits.insert(key.as_str().into(), serde_json::from_str(value)?);
        }
    }
    Ok(traits)
}

fn inherited(rows: Vec<Vec<SqlStorageValue>>) -> Result<Inherited> {
    let mut inherited = Inherited::default();
    for row in rows {
        match row.as_slice() {
            [SqlStorageValue::String(key), SqlStorageValue::String(value)] => {
                inherited.traits.insert(key.as_str().into(), serde_json::from_str(value)?);
            }
            [_, SqlStorageValue::String(state)] => inherited.overrides.push(serde_json::from_str(state)?),
            _ => {}
        }
    }
    Ok(inherited)
}

/// Writes a change in one transaction.
pub fn write(sql: &Database, record: &Record, change: &Change) -> Result<()> {
    sql.transaction(|| write_rows(sql, record, change))
}

fn write_rows(sql: &Database, record: &Record, change: &Change) -> Result<()> {
    let identity = &record.identity;
    if change.created || change.details {
        sql.execute(SCHEMA, vec![])?;
    }
    if change.erased {
        sql.execute("DELETE FROM trait", vec![])?;
    }
    if change.django_id {
        sql.execute(DJANGO_ID_SCHEMA, vec![])?;
        match identity.django_id {
            Some(id) => sql.execute(SET_DJANGO_ID, vec![id.to_string().into()])?,
            None => sql.execute("DELETE FROM django_id", vec![])?,
        }
    }
    for keys in change.deleted.chunks(ROWS_A_STATEMENT) {
        sql.execute(DELETE_TRAITS, vec![serde_json::to_string(keys)?.into()])?;
    }
    let set = change.set.iter().map(|key| (key, identity.traits.get(key)));
    for_each_statement(set, |pairs| sql.execute(SET_TRAITS, vec![pairs.into()]))?;
    if !change.overrides_set.is_empty() || !change.overrides_deleted.is_empty() {
        sql.execute(OVERRIDES_SCHEMA, vec![])?;
    }
    for feature in &change.overrides_deleted {
        sql.execute(DELETE_OVERRIDE, vec![(*feature).into()])?;
    }
    for feature in &change.overrides_set {
        let state = identity.overrides.iter().find(|state| state.feature.id == *feature);
        if let Some(state) = state {
            sql.execute(SET_OVERRIDE, vec![(*feature).into(), serde_json::to_string(state)?.into()])?;
        }
    }
    if change.inherited {
        write_inherited(sql, &identity.inherited)?;
    }
    if change.concerns_entry() || change.concerns_overrides() {
        write_details(sql, record)?;
    }
    Ok(())
}

/// Passes on traits for one statement after another, as a JSON list of pairs: their keys, and their values as JSON
/// texts.
fn for_each_statement<'t>(
    traits: impl Iterator<Item = (&'t Box<str>, Option<&'t TraitValue>)>,
    mut write: impl FnMut(String) -> Result<()>,
) -> Result<()> {
    let mut pairs: Vec<(&Box<str>, String)> = Vec::new();
    let mut traits = traits.peekable();
    while let Some((key, value)) = traits.next() {
        pairs.push((key, serde_json::to_string(&value)?));
        if pairs.len() == ROWS_A_STATEMENT || traits.peek().is_none() {
            write(serde_json::to_string(&pairs)?)?;
            pairs.clear();
        }
    }
    Ok(())
}

fn write_inherited(sql: &Database, inherited: &Inherited) -> Result<()> {
    sql.execute(INHERITED_SCHEMA, vec![])?;
    sql.execute("DELETE FROM inherited", vec![])?;
    let traits = inherited.traits.iter().map(|(key, value)| (key, Some(value)));
    for_each_statement(traits, |pairs| sql.execute(ADD_INHERITED_TRAITS, vec![pairs.into()]))?;
    for state in &inherited.overrides {
        sql.execute(ADD_INHERITED_OVERRIDE, vec![serde_json::to_string(state)?.into()])?;
    }
    Ok(())
}

fn write_details(sql: &Database, record: &Record) -> Result<()> {
    match details_row(record) {
        Some(row) => sql.execute(SET_DETAILS, row),
        None => Ok(()),
    }
}

/// The columns of `details` after its id, in their order.
fn details_row(record: &Record) -> Option<Vec<SqlStorageValue>> {
    let owner = record.owner.as_ref()?;
    let details = record.identity.details.as_ref();
    let number = |number: u64| SqlStorageValue::from(number as i64);
    Some(vec![
        owner.client_key.as_str().into(),
        owner.identifier.as_str().into(),
        (&*owner.uuid).into(),
        details.map_or("", |details| &*details.created_date).into(),
        details.and_then(|details| details.dashboard_alias.as_deref()).into(),
        number(record.identity.sequence),
        i32::from(!record.identity.exists).into(),
        record.pending.entry.map(number).into(),
        record.pending.overrides.map(number).into(),
    ])
}

/// Writes the state from another object in place of the present one, and marks the move as unfinished.
pub fn replace(sql: &Database, record: &Record) -> Result<()> {
    let Identity { traits, overrides, .. } = &record.identity;
    let all = Change {
        created: true,
        resync: true,
        set: traits.keys().cloned().collect(),
        overrides_set: overrides.iter().map(|state| state.feature.id).collect(),
        ..Change::default()
    };
    sql.transaction(|| {
        for statement in [SCHEMA, OVERRIDES_SCHEMA, MOVING_SCHEMA, DELETE_ALL] {
            sql.execute(statement, vec![])?;
        }
        write_rows(sql, record, &all)
    })
}

/// True if a move to this object is unfinished.
pub fn is_moving(sql: &Database) -> Result<bool> {
    sql.has("moving")
}

/// Marks the move as complete.
pub fn end_move(sql: &Database) -> Result<()> {
    sql.execute("DROP TABLE IF EXISTS moving", vec![])
}

/// Writes the pending updates.
pub fn write_pending(sql: &Database, pending: PendingUpdates) -> Result<()> {
    let number = |number: u64| SqlStorageValue::from(number as i64);
    sql.execute(SET_PENDING, vec![pending.entry.map(number).into(), pending.overrides.map(number).into()])
}

impl Record {
    /// Records a change: the identity's names, and the updates that are pending now.
    pub fn record_change(&mut self, owner: IdentityRef, change: &Change) {
        let uuid = self.identity.uuid().map(Box::from);
        let uuid = uuid.or_else(|| self.owner.as_ref().map(|owner| owner.uuid.clone())).unwrap_or_default();
        self.owner = Some(IdentityRef { uuid, ..owner });
        let sequence = Some(self.identity.sequence);
        if change.concerns_entry() {
            self.pending.entry = sequence;
        }
        // The identity's names are stored with each of its overrides.
        let renamed = (change.details || change.django_id) && !self.identity.overrides.is_empty();
        if change.concerns_overrides() || renamed {
            self.pending.overrides = sequence;
        }
    }
}

impl IdentityRef {
    /// True if a request names this identity.
    pub fn is_of(&self, request: &CommandRequest) -> bool {
        self.client_key == request.client_key && self.identifier == request.identifier
    }

    /// True if both name the same identity.
    pub fn is_same(&self, other: &IdentityRef) -> bool {
        self.client_key == other.client_key && self.identifier == other.identifier
    }
}

impl From<&CommandRequest> for IdentityRef {
    fn from(request: &CommandRequest) -> IdentityRef {
        let (client_key, identifier) = (request.client_key.clone(), request.identifier.clone());
        IdentityRef { client_key, identifier, uuid: Box::default() }
    }
}

#[cfg(test)]
mod tests;
