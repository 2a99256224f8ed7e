//! The rows that a request changed, and the only way to change them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

use serde_json::Value;

use crate::limits::MAX_AUDIT_ROWS;
use crate::rows::{AuditRow, Environment};
use crate::scope::{Scope, Scoped};
use crate::state::{Row, SEQUENCES, State};
use crate::subject::{Audited, Subject};

/// The effect of a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    rows: BTreeMap<(&'static str, i64), Option<Value>>,
    environments: BTreeSet<String>,
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

    /// The client keys of the environments whose documents or server keys changed, also of deleted ones.
    pub fn environments(&self) -> impl Iterator<Item = &str> {
        self.environments.iter().map(String::as_str)
    }
}

/// A state that records each change of its rows. It is read like a [`State`].
pub struct Transaction<'s> {
    state: &'s mut State,
    changes: Changes,
    scopes: BTreeSet<Scope>,
    event: Option<Event>,
}

/// The change that the audit row of a request is about.
struct Event {
    subject: Subject,
    verb: &'static str,
    id: i64,
}

impl<'s> Transaction<'s> {
    /// A transaction without changes.
    pub fn new(state: &'s mut State) -> Transaction<'s> {
        Transaction { state, changes: Changes::default(), scopes: BTreeSet::new(), event: None }
    }

    /// The next id of a kind. Ids are never used again.
    pub fn next_id(&mut self, kind: &'static str) -> i64 {
        let last = self.state.sequences.entry(kind.to_owned()).or_default();
        *last += 1;
        let id = *last;
        self.record(SEQUENCES, 0, serde_json::to_value(&self.state.sequences));
        id
    }

    /// Inserts a row, or replaces the row with its id.
    pub fn put<R: Row + Scoped + Audited>(&mut self, row: R) {
        let id = row.id();
        self.scopes.insert(row.scope(self.state));
        let verb = if R::table(self.state).contains_key(&id) { "updated" } else { "created" };
        self.note(row.subject(self.state), verb, id);
        self.store(row);
    }

    /// Deletes an environment.
    pub fn delete_environment(&mut self, id: i64) {
        if let Some(environment) = self.state.environments.get(&id) {
            self.changes.environments.insert(environment.api_key.clone());
        }
        self.delete::<Environment>(|environment| environment.id == id);
    }

    /// Deletes all rows of a kind that match.
    pub fn delete<R: Row + Scoped + Audited>(&mut self, matches: impl Fn(&R) -> bool) {
        let ids: Vec<i64> = R::table(self.state).values().filter(|row| matches(row)).map(Row::id).collect();
        for id in ids {
            if let Some(row) = R::table(self.state).remove(&id) {
                self.scopes.insert(row.scope(self.state));
                self.note(row.subject(self.state), "deleted", id);
            }
            self.changes.rows.insert((R::KIND, id), None);
        }
    }

    /// Keeps the event whose subject contains the others; of equals, the first.
    fn note(&mut self, subject: Option<Subject>, verb: &'static str, id: i64) {
        let Some(subject) = subject else { return };
        if self.event.as_ref().is_none_or(|event| subject.rank < event.subject.rank) {
            self.event = Some(Event { subject, verb, id });
        }
    }

    /// The recorded changes, with an audit row. The environments that they concern get the time of the change.
    pub fn finish(mut self, now: &str) -> Changes {
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
            self.changes.environments.insert(environment.api_key.clone());
            self.store(Environment { updated_at: now.to_owned(), ..environment });
        }
        self.changes
    }

    /// Adds the audit row, and deletes the oldest if there are too many.
    fn audit(&mut self, now: &str) {
        let Some(Event { subject, verb, id: related_object_id }) = self.event.take() else { return };
        let Some(organisation) = subject.organisation else { return };
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
        while self.state.audit.len() > MAX_AUDIT_ROWS {
            let Some((id, _)) = self.state.audit.pop_first() else { return };
            self.changes.rows.insert((AuditRow::KIND, id), None);
        }
    }

    /// Inserts or replaces a row, and records only that.
    fn store<R: Row>(&mut self, row: R) {
        self.record(R::KIND, row.id(), serde_json::to_value(&row));
        R::table(self.state).insert(row.id(), row);
    }

    /// Records a row's JSON. Rows are plain structs with text keys, so their JSON can always be made.
    fn record(&mut self, kind: &'static str, id: i64, row: Result<Value, serde_json::Error>) {
        self.changes.rows.insert((kind, id), Some(row.unwrap_or_default()));
    }
}

impl Deref for Transaction<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        self.state
    }
}
