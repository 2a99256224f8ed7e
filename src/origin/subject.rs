//! The rows that audit rows are about.

use crate::rows::{
    AuditRow, DeletedEnvironment, Environment, Feature, FeatureSegment, FeatureState, Identity, MasterApiKey,
    MultivariateOption, Organisation, Project, Segment, ServerKey, Trait,
};
use crate::state::State;

/// A row as the subject of an audit row.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The type in Flagsmith's audit log.
    pub kind: &'static str,
    /// The noun and the name in the log's text.
    pub title: String,
    pub organisation: Option<i64>,
    pub project: Option<i64>,
    pub environment: Option<i64>,
}

/// A row that may be the subject of an audit row.
pub trait Audited {
    /// The place among the rows that a request changes. The audit row is about the row of the lowest rank, which
    /// contains the others.
    const RANK: u8 = u8::MAX;

    /// The subject; `None` if changes of such rows leave no audit row.
    fn subject(&self, state: &State) -> Option<Subject>;
}

fn in_project(state: &State, kind: &'static str, title: String, project: i64) -> Option<Subject> {
    let organisation = state.projects.get(&project).map(|project| project.organisation);
    Some(Subject { kind, title, organisation, project: Some(project), environment: None })
}

fn in_environment(state: &State, kind: &'static str, title: String, environment: i64) -> Option<Subject> {
    let project = state.environments.get(&environment)?.project;
    let subject = in_project(state, kind, title, project)?;
    Some(Subject { environment: Some(environment), ..subject })
}

fn feature_name(state: &State, id: i64) -> &str {
    state.features.get(&id).map_or("", |feature| &feature.name)
}

impl Audited for Organisation {
    const RANK: u8 = 0;

    fn subject(&self, _state: &State) -> Option<Subject> {
        let title = format!("Organisation {}", self.name);
        let organisation = Some(self.id);
        Some(Subject { kind: "ORGANISATION", title, organisation, project: None, environment: None })
    }
}

impl Audited for MasterApiKey {
    const RANK: u8 = 9;

    fn subject(&self, _state: &State) -> Option<Subject> {
        let title = format!("Master API key {}", self.name);
        let organisation = self.organisation;
        Some(Subject { kind: "MASTER_API_KEY", title, organisation, project: None, environment: None })
    }
}

impl Audited for Project {
    const RANK: u8 = 1;

    fn subject(&self, _state: &State) -> Option<Subject> {
        let title = format!("Project {}", self.name);
        let (organisation, project) = (Some(self.organisation), Some(self.id));
        Some(Subject { kind: "PROJECT", title, organisation, project, environment: None })
    }
}

impl Audited for Environment {
    const RANK: u8 = 2;

    fn subject(&self, state: &State) -> Option<Subject> {
        let subject = in_project(state, "ENVIRONMENT", format!("Environment {}", self.name), self.project)?;
        Some(Subject { environment: Some(self.id), ..subject })
    }
}

impl Audited for DeletedEnvironment {
    fn subject(&self, _state: &State) -> Option<Subject> {
        None
    }
}

impl Audited for ServerKey {
    const RANK: u8 = 9;

    fn subject(&self, state: &State) -> Option<Subject> {
        in_environment(state, "ENVIRONMENT", format!("Server key {}", self.name), self.environment)
    }
}

impl Audited for Feature {
    const RANK: u8 = 3;

    fn subject(&self, state: &State) -> Option<Subject> {
        in_project(state, "FEATURE", format!("Flag / Remote Config {}", self.name), self.project)
    }
}

impl Audited for MultivariateOption {
    const RANK: u8 = 5;

    fn subject(&self, state: &State) -> Option<Subject> {
        let feature = state.features.get(&self.feature)?;
        in_project(state, "FEATURE", format!("Multivariate option of {}", feature.name), feature.project)
    }
}

impl Audited for Segment {
    const RANK: u8 = 4;

    fn subject(&self, state: &State) -> Option<Subject> {
        in_project(state, "SEGMENT", format!("Segment {}", self.name), self.project)
    }
}

impl Audited for FeatureState {
    const RANK: u8 = 7;

    fn subject(&self, state: &State) -> Option<Subject> {
        let feature = feature_name(state, self.feature);
        let feature_segment = self.feature_segment.and_then(|id| state.feature_segments.get(&id));
        let segment =
            feature_segment.and_then(|feature_segment| state.segments.get(&feature_segment.segment));
        let identity = self.identity.and_then(|id| state.identities.get(&id));
        let title = match (segment, identity) {
            (Some(segment), _) => format!("Override of {feature} for segment {}", segment.name),
            (_, Some(identity)) => format!("Override of {feature} for identity {}", identity.identifier),
            _ => format!("Flag state / Remote Config value of {feature}"),
        };
        in_environment(state, "FEATURE_STATE", title, self.environment)
    }
}

impl Audited for FeatureSegment {
    const RANK: u8 = 8;

    fn subject(&self, state: &State) -> Option<Subject> {
        let title = format!("Segment overrides of {}", feature_name(state, self.feature));
        in_environment(state, "FEATURE", title, self.environment)
    }
}

impl Audited for Identity {
    fn subject(&self, _state: &State) -> Option<Subject> {
        None
    }
}

impl Audited for Trait {
    fn subject(&self, _state: &State) -> Option<Subject> {
        None
    }
}

impl Audited for AuditRow {
    fn subject(&self, _state: &State) -> Option<Subject> {
        None
    }
}
