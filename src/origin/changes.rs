//! The rows that a request changed, and the only way to change them.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::ops::Deref;

use serde_json::Value;

use crate::document_length;
use crate::input::quote;
use crate::limits::{
    MAX_AUDIT_ROWS, MAX_DOCUMENT_BYTES, MAX_ROW_BYTES, MAX_STATE_BYTES, STATE_RESERVE_BYTES,
};
use crate::refusal::Refusal;
use crate::rows::{AuditRow, Environment};
use crate::scope::{Scope, Scoped};
use crate::state::{Row, SEQUENCES, State, json_length, json_of};
use crate::subject::{Audited, Subject};

/// The effect of a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    rows: BTreeMap<(&'static str, i64), Option<Value>>,
}

impl Changes {
    /// True if the request changed nothing.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The rows to write in one transaction: the kind and the id of each with its JSON, or `None` if it is deleted.
    pub fn rows(&self) -> impl Iterator<Item = (&'static str, i64, Option<&Value>)> {
        self.rows.iter().map(|((kind, id), row)| (*kind, *id, row.as_ref()))
    }
}

/// A state that records each change of its rows. It is read like a [`State`]. A transaction that is dropped before
/// a commit leaves the state as it was.
pub struct Transaction<'s> {
    state: &'s mut State,
    changes: Changes,
    scopes: BTreeSet<Scope>,
    event: Option<Event>,
    /// The reversals of the changes, in the order of the changes.
    undo: Vec<Undo>,
    /// The first sequences, if there are new ids.
    old_sequences: Option<BTreeMap<String, i64>>,
    old_bytes: usize,
    has_new_rows: bool,
    /// The kind of a row whose JSON is too long.
    too_long: Option<&'static str>,
}

/// Reverts one change, and returns the reversal of that.
struct Undo(Box<dyn FnOnce(&mut State) -> Undo>);

impl Undo {
    /// Gives an id its old row; `None` if it had none.
    fn to<R: Row>(id: i64, old: Option<R>) -> Undo {
        Undo(Box::new(move |state| {
            let replaced = match old {
                Some(old) => state.insert(old),
                None => state.remove::<R>(id),
            };
            Undo::to(id, replaced)
        }))
    }

    /// Reverts changes, the last first, and returns the reversals in order.
    fn all(undo: Vec<Undo>, state: &mut State) -> Vec<Undo> {
        undo.into_iter().rev().map(|Undo(revert)| revert(state)).collect()
    }
}

/// The change that the audit row of a request is about.
struct Event {
    rank: u8,
    subject: Subject,
    verb: &'static str,
    id: i64,
}

impl<'s> Transaction<'s> {
    /// A transaction without changes.
    pub fn new(state: &'s mut State) -> Transaction<'s> {
        let old_bytes = state.bytes();
        Transaction {
            state,
            changes: Changes::default(),
            scopes: BTreeSet::new(),
            event: None,
            undo: Vec::new(),
            old_sequences: None,
            old_bytes,
            has_new_rows: false,
            too_long: None,
        }
    }

    /// The next id of a kind. Ids are never used again.
    pub fn next_id(&mut self, kind: &'static str) -> i64 {
        if self.old_sequences.is_none() {
            self.old_sequences = Some(self.state.sequences.clone());
        }
        let last = self.state.sequences.entry(kind.to_owned()).or_default();
        *last += 1;
        *last
    }

    /// Inserts a row, or replaces the row with its id.
    pub fn put<R: Row + Scoped + Audited>(&mut self, row: R) {
        let id = row.id();
        self.scopes.insert(row.scope(self.state));
        let verb = if R::table(self.state).contains_key(&id) { "updated" } else { "created" };
        self.note(&row, verb);
        self.store(row);
    }

    /// Deletes all rows of a kind that match.
    pub fn delete<R: Row + Scoped + Audited>(&mut self, matches: impl Fn(&R) -> bool) {
        let ids: Vec<i64> = R::table(self.state).values().filter(|row| matches(row)).map(Row::id).collect();
        for id in ids {
            self.remove::<R>(id);
        }
    }

    fn remove<R: Row + Scoped + Audited>(&mut self, id: i64) {
        if let Some(row) = self.state.remove::<R>(id) {
            self.scopes.insert(row.deletion_scope(self.state));
            self.note(&row, "deleted");
            self.undo.push(Undo::to(id, Some(row)));
        }
        self.changes.rows.insert((R::KIND, id), None);
    }

    /// Keeps the event whose subject contains the others; of equals, the first.
    fn note<R: Row + Audited>(&mut self, row: &R, verb: &'static str) {
        if self.event.as_ref().is_some_and(|event| event.rank <= R::RANK) {
            return;
        }
        if let Some(subject) = row.subject(self.state) {
            self.event = Some(Event { rank: R::RANK, subject, verb, id: row.id() });
        }
    }

    /// The recorded changes, with an audit row, unless the rows take too much room.
    pub fn commit(mut self, now: &str) -> Result<Changes, Refusal> {
        let environments = self.touch(now);
        self.check_room()?;
        self.check_documents(&environments)?;
        Ok(self.finish(now))
    }

    /// The recorded changes, with an audit row.
    pub fn commit_without_limit(mut self, now: &str) -> Changes {
        self.touch(now);
        self.finish(now)
    }

    /// Gives the environments that the changes concern the time of the change, and returns their ids.
    fn touch(&mut self, now: &str) -> Vec<i64> {
        let environments = self.state.environments.values().filter(|environment| {
            let project = self.state.projects.get(&environment.project);
            let organisation = project.map(|project| Scope::Organisation(project.organisation));
            self.scopes.contains(&Scope::Environment(environment.id))
                || self.scopes.contains(&Scope::Project(environment.project))
                || organisation.is_some_and(|organisation| self.scopes.contains(&organisation))
        });
        let environments: Vec<Environment> = environments.cloned().collect();
        let ids = environments.iter().map(Environment::id).collect();
        for environment in environments {
            self.store(Environment { updated_at: now.to_owned(), ..environment });
        }
        ids
    }

    fn finish(mut self, now: &str) -> Changes {
        self.audit(now);
        if self.old_sequences.take().is_some() {
            self.changes.rows.insert((SEQUENCES, 0), Some(json_of(&self.state.sequences)));
        }
        self.undo.clear();
        mem::take(&mut self.changes)
    }

    /// Refuses a row that is too long, and growth of a state that is full. Deletions always shrink it. Changes of rows
    /// have a reserve, so that flags of a full state can be switched.
    fn check_room(&self) -> Result<(), Refusal> {
        if let Some(kind) = self.too_long {
            let kind = kind.replace('_', " ");
            let problem = format!(
                "The {kind} is too long: more than {MAX_ROW_BYTES} bytes of JSON. Shorten its texts."
            );
            return Err(Refusal::field("non_field_errors", &problem));
        }
        let limit = MAX_STATE_BYTES + if self.has_new_rows { 0 } else { STATE_RESERVE_BYTES };
        if self.state.bytes() > self.old_bytes.max(limit) {
            let problem = format!(
                "The deployment is full: all rows together may take {MAX_STATE_BYTES} bytes of JSON. Delete what is not \
                 needed, and send the request again."
            );
            return Err(Refusal::field("non_field_errors", &problem));
        }
        Ok(())
    }

    /// Refuses changes that make the document of an environment too long. A document that was too long before may shrink.
    fn check_documents(&mut self, environments: &[i64]) -> Result<(), Refusal> {
        let too_long = document_length::too_long(self.state, environments);
        if too_long.is_empty() {
            return Ok(());
        }
        let redo = Undo::all(mem::take(&mut self.undo), self.state);
        let before: Vec<usize> = too_long.iter().map(|id| document_length::exact(self.state, *id)).collect();
        self.undo = Undo::all(redo, self.state);
        for (id, before) in too_long.into_iter().zip(before) {
            if !document_length::is_longer(self.state, id, before.max(MAX_DOCUMENT_BYTES)) {
                continue;
            }
            let name = self.state.environments.get(&id).map(|row| quote(&row.name)).unwrap_or_default();
            let problem = format!(
                "The document of the environment \"{name}\" would have more than {MAX_DOCUMENT_BYTES} bytes of JSON. \
                 Shorten values, or delete options, overrides or segments, and send the request again."
            );
            return Err(Refusal::field("non_field_errors", &problem));
        }
        Ok(())
    }

    /// Adds the audit row, unless its organisation is deleted. The oldest of the organisation give way if they are too many, or if the state is full.
    fn audit(&mut self, now: &str) {
        let Some(Event { subject, verb, id: related_object_id, .. }) = self.event.take() else { return };
        let organisation = subject.organisation.filter(|id| self.state.organisations.contains_key(id));
        let Some(organisation) = organisation else { return };
        let limit = self.state.bytes().max(MAX_STATE_BYTES);
        let id = self.next_id(AuditRow::KIND);
        self.store(AuditRow {
            id,
            created_date: now.to_owned(),
            log: format!("{} {verb}", subject.title),
            organisation,
            project: subject.project,
            environment: subject.environment,
            related_object_id,
            related_object_type: subject.kind.to_owned(),
        });
        let is_own = |row: &&AuditRow| row.organisation == organisation;
        // Counting is needed only if all rows together exceed the limit.
        let count = match self.state.audit.len() {
            all if all > MAX_AUDIT_ROWS => self.state.audit.values().filter(is_own).count(),
            all => all,
        };
        let mut surplus = count.saturating_sub(MAX_AUDIT_ROWS);
        while surplus > 0 || self.state.bytes() > limit {
            let oldest = self.state.audit.values().find(is_own).map(Row::id).filter(|oldest| *oldest != id);
            let Some(oldest) = oldest else { return };
            self.remove::<AuditRow>(oldest);
            surplus = surplus.saturating_sub(1);
        }
    }

    /// Inserts or replaces a row, and records only that.
    fn store<R: Row>(&mut self, row: R) {
        let id = row.id();
        self.changes.rows.insert((R::KIND, id), Some(json_of(&row)));
        if json_length(&row) > MAX_ROW_BYTES {
            self.too_long = Some(R::KIND);
        }
        let old = self.state.insert(row);
        self.has_new_rows |= old.is_none();
        self.undo.push(Undo::to(id, old));
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        Undo::all(mem::take(&mut self.undo), self.state);
        if let Some(sequences) = self.old_sequences.take() {
            self.state.sequences = sequences;
        }
    }
}

impl Deref for Transaction<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        self.state
    }
}
