//! The state of a deployment in memory: a table for each kind of row.

use std::any::Any;
use std::collections::BTreeMap;
use std::{fmt, io};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::rows::{self, FeatureState};
use crate::state_sums::StateSums;

/// The kind of the one row that has the last id of each kind.
pub const SEQUENCES: &str = "sequences";

/// A row that has a table of its own.
pub trait Row: Serialize + DeserializeOwned + 'static {
    /// The name of the kind, as it is stored.
    const KIND: &'static str;

    /// The number that names the row among its kind.
    fn id(&self) -> i64;

    /// The table of this kind, for changes.
    fn table(state: &mut State) -> &mut BTreeMap<i64, Self>;
}

/// A stored row that cannot be read. The error never quotes a value of the row, which may be secret.
#[derive(Debug, PartialEq, Eq)]
pub struct LoadError {
    kind: String,
    /// `None` if the row has no id that can be read.
    id: Option<i64>,
    /// The line and the column of the problem; `None` for an unknown kind.
    position: Option<(usize, usize)>,
}

impl LoadError {
    fn of(kind: &str, json: &str, error: Option<&serde_json::Error>) -> LoadError {
        #[derive(Deserialize)]
        struct Id {
            id: i64,
        }
        let id = serde_json::from_str(json).ok().map(|Id { id }| id);
        let position = error.map(|error| (error.line(), error.column()));
        LoadError { kind: kind.to_owned(), id, position }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a row of {}", self.kind)?;
        if let Some(id) = self.id {
            write!(f, " (id {id})")?;
        }
        match self.position {
            Some((line, column)) => write!(f, " cannot be read at line {line}, column {column}"),
            None => f.write_str(" has an unknown kind"),
        }
    }
}

impl std::error::Error for LoadError {}

macro_rules! tables {
    ($($table:ident: $row:ident = $kind:literal,)*) => {
        /// Everything of a deployment. Each table has its rows by id.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct State {
            $(pub(crate) $table: BTreeMap<i64, rows::$row>,)*
            pub(crate) sequences: BTreeMap<String, i64>,
            /// The sum of the lengths of all rows' JSON.
            bytes: usize,
            /// The sums of the feature states of each environment that has any.
            pub(crate) state_sums: BTreeMap<i64, StateSums>,
        }

        $(impl Row for rows::$row {
            const KIND: &'static str = $kind;

            fn id(&self) -> i64 {
                self.id
            }

            fn table(state: &mut State) -> &mut BTreeMap<i64, Self> {
                &mut state.$table
            }
        })*

        impl State {
            /// All rows: the kind, the id and the JSON of each. [`State::load_row`] reads them back.
            pub fn rows(&self) -> impl Iterator<Item = (&'static str, i64, Value)> {
                let sequences = (!self.sequences.is_empty()).then(|| (SEQUENCES, 0, json_of(&self.sequences)));
                let rows = sequences.into_iter();
                $(let rows = rows.chain(self.$table.values().map(|row| ($kind, row.id, json_of(row))));)*
                rows
            }

            /// Inserts a stored row, or replaces the row with its id. The order of the rows is free.
            pub fn load_row(&mut self, kind: &str, json: &str) -> Result<(), LoadError> {
                let inserted = match kind {
                    SEQUENCES => serde_json::from_str(json).map(|sequences| self.sequences = sequences),
                    $($kind => serde_json::from_str(json).map(|row: rows::$row| drop(self.insert(row))),)*
                    unknown => return Err(LoadError::of(unknown, json, None)),
                };
                inserted.map_err(|error| LoadError::of(kind, json, Some(&error)))
            }
        }
    };
}

tables! {
    organisations: Organisation = "organisation",
    master_api_keys: MasterApiKey = "master_api_key",
    projects: Project = "project",
    environments: Environment = "environment",
    deleted_environments: DeletedEnvironment = "deleted_environment",
    server_keys: ServerKey = "server_key",
    features: Feature = "feature",
    options: MultivariateOption = "multivariate_option",
    feature_states: FeatureState = "feature_state",
    segments: Segment = "segment",
    feature_segments: FeatureSegment = "feature_segment",
    identities: Identity = "identity",
    traits: Trait = "trait",
    audit: AuditRow = "audit",
}

impl State {
    /// The sum of the lengths of all rows' JSON, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Inserts a row, or replaces the row with its id, and returns the old one.
    pub(crate) fn insert<R: Row>(&mut self, row: R) -> Option<R> {
        self.bytes += json_length(&row);
        if let Some(row) = as_feature_state(&row) {
            self.state_sums.entry(row.environment).or_default().add(row);
        }
        let old = R::table(self).insert(row.id(), row);
        self.subtract(old.as_ref());
        old
    }

    /// Removes a row, and returns it.
    pub(crate) fn remove<R: Row>(&mut self, id: i64) -> Option<R> {
        let old = R::table(self).remove(&id);
        self.subtract(old.as_ref());
        old
    }

    /// Subtracts a row that is gone from the sums.
    fn subtract<R: Row>(&mut self, row: Option<&R>) {
        let Some(row) = row else { return };
        self.bytes -= json_length(row);
        let Some(row) = as_feature_state(row) else { return };
        let sums = self.state_sums.entry(row.environment).or_default();
        sums.subtract(row);
        if *sums == StateSums::default() {
            self.state_sums.remove(&row.environment);
        }
    }
}

fn as_feature_state<R: Row>(row: &R) -> Option<&FeatureState> {
    (row as &dyn Any).downcast_ref()
}

/// A row's JSON. Rows are plain structs with text keys, so it can always be made.
pub fn json_of<T: Serialize>(row: &T) -> Value {
    serde_json::to_value(row).unwrap_or_default()
}

/// The length of a row's JSON in bytes, without making the text.
pub fn json_length<T: Serialize>(row: &T) -> usize {
    // Neither a row nor the writer can fail.
    json_length_within(row, usize::MAX).unwrap_or_default()
}

/// The length of a value's JSON in bytes, without making the text; `None` if it exceeds the limit.
pub fn json_length_within<T: Serialize>(value: &T, limit: usize) -> Option<usize> {
    let mut length = Length { bytes: 0, limit };
    serde_json::to_writer(&mut length, value).ok().map(|()| length.bytes)
}

/// A writer that counts bytes, and fails at the limit.
struct Length {
    bytes: usize,
    limit: usize,
}

impl io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes = self.bytes.saturating_add(bytes.len());
        if self.bytes > self.limit { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
