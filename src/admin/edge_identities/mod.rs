//! The edge-identities Admin API without its IO (contract §D).
//!
//! Every request takes the same path. The worker checks the permission that the [`Endpoint`] needs, loads the
//! environment, and lets [`read`] parse the request into an [`Action`]. The action is executed, and `answer` renders
//! the result.

mod action;
pub mod answer;
mod endpoint;
mod feature_state;
mod trait_update;

use crate::document::FeatureState;
use crate::identity::uuid;

pub use action::{Action, MAX_ALIAS_LENGTH, Reply, TargetIdentity, page_query, read};
pub use endpoint::Endpoint;
pub use feature_state::check_value;

/// Copies overrides for another identity: the same contents with new UUIDs.
pub fn cloned(overrides: &[FeatureState], random: &dyn Fn() -> [u8; 16]) -> Vec<FeatureState> {
    let mut states = overrides.to_vec();
    for state in &mut states {
        state.featurestate_uuid = uuid(random()).into();
        state.django_id = None;
        for value in &mut state.multivariate_feature_state_values {
            value.mv_fs_value_uuid = uuid(random()).into();
            value.id = None;
        }
    }
    states
}
