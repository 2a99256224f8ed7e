//! The state of a deployment in memory: a table for each kind of row.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::rows;

/// The kind of the one row that has the last id of each kind.
pub const SEQUENCES: &str = "sequences";

/// A row that has a table of its own.
pub trait Row: Serialize + DeserializeOwned {
    /// The name of the kind, as it is stored.
    const KIND: &'static str;

    /// The number that names the row among its kind.
    fn id(&self) -> i64;

    /// The table of this kind, for changes.
    fn table(state: &mut State) -> &mut BTreeMap<i64, Self>;
}

/// A stored row that cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub struct LoadError(String);

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
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
            /// Inserts a stored row, or replaces the row with its id.
            pub fn load_row(&mut self, kind: &str, json: &str) -> Result<(), LoadError> {
                let inserted = match kind {
                    SEQUENCES => serde_json::from_str(json).map(|sequences| self.sequences = sequences),
                    $($kind => insert::<rows::$row>(self, json),)*
                    other => Err(serde::de::Error::custom(format!("unknown kind {other}"))),
                };
                inserted.map_err(|error| LoadError(format!("a row of {kind}: {error}")))
            }
        }
    };
}

tables! {
    organisations: Organisation = "organisation",
    master_api_keys: MasterApiKey = "master_api_key",
    projects: Project = "project",
    environments: Environment = "environment",
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
    /// The state that consists of these rows, each with its kind. The order of the rows is free.
    pub fn load<'a>(rows: impl IntoIterator<Item = (&'a str, Value)>) -> Result<State, LoadError> {
        let mut state = State::default();
        for (kind, row) in rows {
            state.load_row(kind, &row.to_string())?;
        }
        Ok(state)
    }
}

fn insert<R: Row>(state: &mut State, json: &str) -> Result<(), serde_json::Error> {
    let row: R = serde_json::from_str(json)?;
    R::table(state).insert(row.id(), row);
    Ok(())
}
