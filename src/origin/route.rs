//! All paths, with the methods and the endpoint of each.

/// A path that the origin serves. The parts are as they stand in the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'p> {
    Organisations,
    Organisation(&'p str),
    MasterApiKeys(&'p str),
    MasterApiKey(&'p str, &'p str),
    Projects,
    Project(&'p str),
    Environments,
    EnvironmentByUuid(&'p str),
    Environment(&'p str),
    EnvironmentClone(&'p str),
    MyPermissions(&'p str),
    Document(&'p str),
    ServerKeys(&'p str),
    ServerKey(&'p str, &'p str),
    FeatureStates(&'p str),
    FeatureState(&'p str, &'p str),
    Features(&'p str),
    Feature(&'p str, &'p str),
    MultivariateOptions(&'p str, &'p str),
    MultivariateOption(&'p str, &'p str, &'p str),
    Segments(&'p str),
    Segment(&'p str, &'p str),
    SegmentClone(&'p str, &'p str),
    SegmentByUuid(&'p str),
    AssociatedFeatures(&'p str, &'p str),
    FeatureSegments,
    FeatureSegmentPriorities,
    FeatureSegmentByUuid(&'p str),
    FeatureSegment(&'p str),
    SegmentOverride(&'p str, &'p str),
    SimpleFeatureStates,
    SimpleFeatureStateByUuid(&'p str),
    SimpleFeatureState(&'p str),
    UpdateFlag(&'p str),
    Audit,
    AuditRow(&'p str),
    AuditOfOrganisation(&'p str),
    AuditOfProject(&'p str),
    Identities(&'p str),
    Identity(&'p str, &'p str),
    Traits(&'p str, &'p str),
    Trait(&'p str, &'p str, &'p str),
    IdentityOverrides(&'p str, &'p str),
    IdentityFlags(&'p str, &'p str),
    IdentityClone(&'p str, &'p str),
    IdentityOverride(&'p str, &'p str, &'p str),
}

const LIST: &str = "GET, POST, HEAD, OPTIONS";
const ITEM: &str = "GET, PUT, PATCH, DELETE, HEAD, OPTIONS";
const READ: &str = "GET, HEAD, OPTIONS";
const ACTION: &str = "POST, OPTIONS";

impl<'p> Route<'p> {
    /// The route of a path that ends with a slash.
    pub fn parse(path: &'p str) -> Option<Route<'p>> {
        if let Some(path) = path.strip_prefix("/api/experiments/environments/") {
            let key = path.strip_suffix("/update-flag-v1/")?;
            return (!key.contains('/')).then_some(Route::UpdateFlag(key));
        }
        let path = path.strip_prefix("/api/v1/")?.strip_suffix('/')?;
        let parts: Vec<&str> = path.split('/').collect();
        Some(match *parts {
            ["organisations"] => Route::Organisations,
            ["organisations", id] => Route::Organisation(id),
            ["organisations", id, "master-api-keys"] => Route::MasterApiKeys(id),
            ["organisations", id, "master-api-keys", prefix] => Route::MasterApiKey(id, prefix),
            ["projects"] => Route::Projects,
            ["projects", id] => Route::Project(id),
            ["environments"] => Route::Environments,
            ["environments", "get-by-uuid", uuid] => Route::EnvironmentByUuid(uuid),
            ["environments", key] => Route::Environment(key),
            ["environments", key, "clone"] => Route::EnvironmentClone(key),
            ["environments", key, "my-permissions"] => Route::MyPermissions(key),
            ["environments", key, "document"] => Route::Document(key),
            ["environments", key, "api-keys"] => Route::ServerKeys(key),
            ["environments", key, "api-keys", id] => Route::ServerKey(key, id),
            ["environments", key, "featurestates"] => Route::FeatureStates(key),
            ["environments", key, "featurestates", id] => Route::FeatureState(key, id),
            ["projects", project, "features"] => Route::Features(project),
            ["projects", project, "features", id] => Route::Feature(project, id),
            ["projects", project, "features", id, "mv-options"] => Route::MultivariateOptions(project, id),
            ["projects", project, "features", feature, "mv-options", id] => {
                Route::MultivariateOption(project, feature, id)
            }
            ["projects", project, "segments"] => Route::Segments(project),
            ["projects", project, "segments", id] => Route::Segment(project, id),
            ["projects", project, "segments", id, "clone"] => Route::SegmentClone(project, id),
            ["segments", "get-by-uuid", uuid] => Route::SegmentByUuid(uuid),
            ["projects", project, "segments", id, "associated-features"] => {
                Route::AssociatedFeatures(project, id)
            }
            ["features", "feature-segments"] => Route::FeatureSegments,
            ["features", "feature-segments", "update-priorities"] => Route::FeatureSegmentPriorities,
            ["features", "feature-segments", "get-by-uuid", uuid] => Route::FeatureSegmentByUuid(uuid),
            ["features", "feature-segments", id] => Route::FeatureSegment(id),
            ["features", "featurestates"] => Route::SimpleFeatureStates,
            ["features", "featurestates", "get-by-uuid", uuid] => Route::SimpleFeatureStateByUuid(uuid),
            ["features", "featurestates", id] => Route::SimpleFeatureState(id),
            ["environments", key, "features", feature, "create-segment-override"] => {
                Route::SegmentOverride(key, feature)
            }
            ["environments", key, "identities"] => Route::Identities(key),
            ["environments", key, "identities", id] => Route::Identity(key, id),
            ["environments", key, "identities", id, "traits"] => Route::Traits(key, id),
            ["environments", key, "identities", identity, "traits", id] => Route::Trait(key, identity, id),
            ["environments", key, "identities", id, "featurestates"] => Route::IdentityOverrides(key, id),
            ["environments", key, "identities", id, "featurestates", "all"] => Route::IdentityFlags(key, id),
            ["environments", key, "identities", id, "featurestates", "clone-from-given-identity"] => {
                Route::IdentityClone(key, id)
            }
            ["environments", key, "identities", identity, "featurestates", id] => {
                Route::IdentityOverride(key, identity, id)
            }
            ["audit"] => Route::Audit,
            ["audit", id] => Route::AuditRow(id),
            ["organisations", id, "audit"] => Route::AuditOfOrganisation(id),
            ["projects", id, "audit"] => Route::AuditOfProject(id),
            _ => return None,
        })
    }

    /// The methods of the route, as the header `Allow` lists them.
    pub fn allow(self) -> &'static str {
        match self {
            Route::Organisations
            | Route::MasterApiKeys(_)
            | Route::Projects
            | Route::Environments
            | Route::ServerKeys(_)
            | Route::FeatureStates(_)
            | Route::Features(_)
            | Route::MultivariateOptions(..)
            | Route::Segments(_)
            | Route::FeatureSegments
            | Route::SimpleFeatureStates
            | Route::Identities(_)
            | Route::Traits(..)
            | Route::IdentityOverrides(..) => LIST,
            Route::Organisation(_)
            | Route::Project(_)
            | Route::Environment(_)
            | Route::FeatureState(..)
            | Route::Feature(..)
            | Route::MultivariateOption(..)
            | Route::Segment(..)
            | Route::FeatureSegment(_)
            | Route::Identity(..)
            | Route::Trait(..)
            | Route::IdentityOverride(..) => ITEM,
            Route::EnvironmentByUuid(_)
            | Route::MyPermissions(_)
            | Route::Document(_)
            | Route::IdentityFlags(..)
            | Route::Audit
            | Route::AuditRow(_)
            | Route::AuditOfOrganisation(_)
            | Route::AuditOfProject(_)
            | Route::SegmentByUuid(_)
            | Route::AssociatedFeatures(..)
            | Route::FeatureSegmentByUuid(_)
            | Route::SimpleFeatureStateByUuid(_) => READ,
            Route::EnvironmentClone(_)
            | Route::SegmentClone(..)
            | Route::FeatureSegmentPriorities
            | Route::SegmentOverride(..)
            | Route::UpdateFlag(_)
            | Route::IdentityClone(..) => ACTION,
            Route::SimpleFeatureState(_) => "PUT, PATCH, OPTIONS",
            Route::MasterApiKey(..) => "DELETE, OPTIONS",
            Route::ServerKey(..) => "PUT, PATCH, DELETE, OPTIONS",
        }
    }
}
