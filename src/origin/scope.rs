//! The environments whose documents a row is a part of.

use crate::rows::{
    AuditRow, DeletedEnvironment, Environment, Feature, FeatureSegment, FeatureState, Identity, MasterApiKey,
    MultivariateOption, Organisation, Project, Segment, ServerKey, Trait,
};
use crate::state::State;

/// A set of environments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    Nowhere,
    Environment(i64),
    Project(i64),
    Organisation(i64),
}

/// A row with a scope.
pub trait Scoped {
    /// The environments that a change of this row changes.
    fn scope(&self, state: &State) -> Scope;

    /// The environments that a deletion of this row changes.
    fn deletion_scope(&self, state: &State) -> Scope {
        self.scope(state)
    }
}

impl Scoped for Organisation {
    fn scope(&self, _state: &State) -> Scope {
        Scope::Organisation(self.id)
    }
}

impl Scoped for MasterApiKey {
    fn scope(&self, _state: &State) -> Scope {
        Scope::Nowhere
    }
}

impl Scoped for Project {
    fn scope(&self, _state: &State) -> Scope {
        Scope::Project(self.id)
    }
}

impl Scoped for Environment {
    fn scope(&self, _state: &State) -> Scope {
        Scope::Environment(self.id)
    }
}

impl Scoped for DeletedEnvironment {
    fn scope(&self, _state: &State) -> Scope {
        Scope::Nowhere
    }
}

impl Scoped for ServerKey {
    fn scope(&self, _state: &State) -> Scope {
        Scope::Environment(self.environment)
    }
}

impl Scoped for Feature {
    fn scope(&self, _state: &State) -> Scope {
        Scope::Project(self.project)
    }
}

impl Scoped for MultivariateOption {
    fn scope(&self, state: &State) -> Scope {
        state.features.get(&self.feature).map_or(Scope::Nowhere, |feature| feature.scope(state))
    }
}

impl Scoped for FeatureState {
    fn scope(&self, _state: &State) -> Scope {
        Scope::Environment(self.environment)
    }
}

impl Scoped for Segment {
    fn scope(&self, _state: &State) -> Scope {
        Scope::Project(self.project)
    }
}

impl Scoped for FeatureSegment {
    fn scope(&self, _state: &State) -> Scope {
        Scope::Environment(self.environment)
    }
}

impl Scoped for Trait {
    fn scope(&self, _state: &State) -> Scope {
        Scope::Nowhere
    }
}

impl Scoped for Identity {
    /// Only identities with overrides are in documents.
    fn scope(&self, state: &State) -> Scope {
        let has_override = state.feature_states.values().any(|row| row.identity == Some(self.id));
        if has_override { Scope::Environment(self.environment) } else { Scope::Nowhere }
    }

    /// The overrides of a deleted identity are deleted with it, and have a scope themselves.
    fn deletion_scope(&self, _state: &State) -> Scope {
        Scope::Nowhere
    }
}

impl Scoped for AuditRow {
    fn scope(&self, _state: &State) -> Scope {
        Scope::Nowhere
    }
}
