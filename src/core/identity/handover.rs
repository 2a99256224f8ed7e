//! The state that moves from one object to another with an identity, as JSON.

use serde::{Deserialize, Serialize};

use super::state::Identity;

/// The complete state of an identity in an object of an earlier version. No import has added inherited state to it yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Handover {
    /// The identity, which may be deleted already.
    pub identity: Identity,
    /// The identity's sequence number, which the JSON of the identity leaves out.
    pub sequence: u64,
    /// The identity's UUID in the Admin API, also if the identity is deleted.
    pub uuid: Box<str>,
    /// The sequence numbers of the updates that the directory still lacks: of the entry and of the overrides.
    pub due: [Option<u64>; 2],
}

impl Handover {
    /// Reads what [`Handover::to_json`] wrote.
    pub fn from_json(text: &str) -> serde_json::Result<Handover> {
        let mut handover: Handover = serde_json::from_str(text)?;
        handover.identity.sequence = handover.sequence;
        Ok(handover)
    }

    /// Returns the JSON for the other object.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{ClientKey, Identifier};
    use crate::identity::{Command, CommandRequest, ExecutionContext};

    #[test]
    fn a_handed_over_identity_is_unchanged() {
        let traits = r#"[["n",9223372036854775807],["f",-0.0],["g",100.0],["t","ü\u0000\""],["b",true]]"#;
        let state = r#"{"feature":{"id":1,"name":"f"},"enabled":true,"feature_state_value":"x","featurestate_uuid":"u"}"#;
        let mut identity = Identity::default();
        for command in [
            Command::SetTraits(serde_json::from_str(traits).unwrap()),
            Command::PutOverride(serde_json::from_str(state).unwrap(), false),
            Command::SetAlias("alias".into()),
        ] {
            let context = ExecutionContext { now: 1_764_415_000_000, random: &|| [7; 16] };
            identity
                .apply(
                    CommandRequest::new(&ClientKey::unchecked("a_b"), Identifier::normalize("ada"), command),
                    context,
                )
                .unwrap();
        }
        let uuid = identity.uuid().unwrap().into();
        let sequence = identity.sequence;
        let given = Handover { identity, sequence, uuid, due: [Some(sequence), None] };
        let taken = Handover::from_json(&given.to_json().unwrap()).unwrap();
        assert_eq!(taken, given);
        // `==` alone would not distinguish `-0.0` from `0.0`.
        assert_eq!(format!("{taken:?}"), format!("{given:?}"));
    }
}
