//! The rows that a request changed, and the only way to change them.

use std::collections::BTreeMap;
use std::ops::Deref;

use serde_json::Value;

use crate::state::{Row, SEQUENCES, State};

/// The rows to write in one transaction after a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes(BTreeMap<(&'static str, i64), Option<Value>>);

impl Changes {
    /// True if the request changed nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The kind and the id of each row with its JSON; `None` if the row is deleted.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, i64, Option<&Value>)> {
        self.0.iter().map(|((kind, id), row)| (*kind, *id, row.as_ref()))
    }
}

/// A state that records each change of its rows. It is read like a [`State`].
pub struct Transaction<'s> {
    state: &'s mut State,
    changes: Changes,
}

impl<'s> Transaction<'s> {
    /// A transaction without changes.
    pub fn new(state: &'s mut State) -> Transaction<'s> {
        Transaction { state, changes: Changes::default() }
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
    pub fn put<R: Row>(&mut self, row: R) {
        let id = row.id();
        self.record(R::KIND, id, serde_json::to_value(&row));
        R::table(self.state).insert(id, row);
    }

    /// Deletes all rows of a kind that match.
    pub fn delete<R: Row>(&mut self, matches: impl Fn(&R) -> bool) {
        let table = R::table(self.state);
        let ids: Vec<i64> = table.values().filter(|row| matches(row)).map(Row::id).collect();
        for id in ids {
            table.remove(&id);
            self.changes.0.insert((R::KIND, id), None);
        }
    }

    /// The recorded changes.
    pub fn finish(self) -> Changes {
        self.changes
    }

    /// Records a row's JSON. Rows are plain structs with text keys, so their JSON can always be made.
    fn record(&mut self, kind: &'static str, id: i64, row: Result<Value, serde_json::Error>) {
        self.changes.0.insert((kind, id), Some(row.unwrap_or_default()));
    }
}

impl Deref for Transaction<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        self.state
    }
}
