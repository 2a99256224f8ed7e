//! The rows that a request changed, and the only way to change them.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::ops::Deref;

use serde_json::Value;

use crate::limits::{MAX_AUDIT_ROWS, MAX_ROW_BYTES, MAX_STATE_BYTES, STATE_RESERVE_BYTES};
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

/// Reverts one change.
type Undo = Box<dyn FnOnce(&mut State)>;

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
            self.undo.push(Box::new(move |state| drop(state.insert(row))));
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
    pub fn commit(self, now: &str) -> Result<Changes, Refusal> {
        self.check_room()?;
        Ok(self.commit_without_limit(now))
    }

    /// The recorded changes, with an audit row. The environments that they concern get the time of the change.
    pub fn commit_without_limit(mut self, now: &str) -> Changes {
        self.audit(now);
        let environments = self.state.environments.values().filter(|environment| {
            let project = self.state.projects.get(&environment.project);
            let organisation = project.map(|project| Scope::Organisation(project.organisation));
            self.scopes.contains(&Scope::Environment(environment.id))
                || self.scopes.contains(&Scope::Project(environment.project))
                || organisation.is_some_and(|organisation| self.scopes.contains(&organisation))
        });
        let environments: Vec<Environment> = environments.cloned().collect();
        for environment in environments {
            self.store(Environment { updated_at: now.to_owned(), ..environment });
        }
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

    /// Adds the audit row. The oldest of the organisation give way if they are too many, or if the state is full.
    fn audit(&mut self, now: &str) {
        let Some(Event { subject, verb, id: related_object_id, .. }) = self.event.take() else { return };
        let Some(organisation) = subject.organisation else { return };
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
        self.undo.push(Box::new(move |state| match old {
            Some(old) => drop(state.insert(old)),
            None => drop(state.remove::<R>(id)),
        }));
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        for undo in mem::take(&mut self.undo).into_iter().rev() {
            undo(self.state);
        }
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
