//! The rows that a request changed, and the only way to change them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

use serde_json::Value;

use crate::rows::Environment;
use crate::scope::{Scope, Scoped};
use crate::state::{Row, SEQUENCES, State};

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
}

impl<'s> Transaction<'s> {
    /// A transaction without changes.
    pub fn new(state: &'s mut State) -> Transaction<'s> {
        Transaction { state, changes: Changes::default(), scopes: BTreeSet::new() }
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
    pub fn put<R: Row + Scoped>(&mut self, row: R) {
        let id = row.id();
        self.scopes.insert(row.scope(self.state));
        self.record(R::KIND, id, serde_json::to_value(&row));
        R::table(self.state).insert(id, row);
    }

    /// Deletes an environment.
    pub fn delete_environment(&mut self, id: i64) {
        if let Some(environment) = self.state.environments.get(&id) {
            self.changes.environments.insert(environment.api_key.clone());
        }
        self.delete::<Environment>(|environment| environment.id == id);
    }

    /// Deletes all rows of a kind that match.
    pub fn delete<R: Row + Scoped>(&mut self, matches: impl Fn(&R) -> bool) {
        let ids: Vec<i64> = R::table(self.state).values().filter(|row| matches(row)).map(Row::id).collect();
        for id in ids {
            if let Some(row) = R::table(self.state).remove(&id) {
                self.scopes.insert(row.scope(self.state));
            }
            self.changes.rows.insert((R::KIND, id), None);
        }
    }

    /// The recorded changes. The environments that they concern get the time of the change.
    pub fn finish(mut self, now: &str) -> Changes {
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
            self.put(Environment { updated_at: now.to_owned(), ..environment });
        }
        self.changes
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
