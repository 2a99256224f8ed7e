//! The endpoints of the edge-identities Admin API: their methods and permissions (contract §D).

use crate::admin::access_decision::AccessDecision;
use crate::admin::permission::Permission;

/// An endpoint, with the names in its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `edge-identities/`
    Identities,
    /// `edge-identities/{uuid}/`
    Identity(String),
    /// `edge-identities/{uuid}/list-traits/`
    ListTraits(String),
    /// `edge-identities/{uuid}/update-traits/`
    UpdateTraits(String),
    /// `edge-identities/{uuid}/edge-featurestates/`
    FeatureStates(String),
    /// `edge-identities/{uuid}/edge-featurestates/{featurestate_uuid}/`
    FeatureState(String, String),
    /// `edge-identities/{uuid}/edge-featurestates/all/`
    AllFeatureStates(String),
    /// `edge-identities/{uuid}/edge-featurestates/clone-from-given-identity/`
    Clone(String),
    /// `edge-identities-featurestates`, which names the identity in its body.
    ByIdentifier,
    /// `edge-identity-overrides`
    Overrides,
}

impl Endpoint {
    /// The `Allow` header, as Flagsmith words it.
    pub fn allow(&self) -> &'static str {
        match self {
            Endpoint::Identities | Endpoint::FeatureStates(_) => "GET, POST, HEAD, OPTIONS",
            Endpoint::Identity(_) => "GET, PUT, PATCH, DELETE, HEAD, OPTIONS",
            Endpoint::ListTraits(_) | Endpoint::AllFeatureStates(_) | Endpoint::Overrides => {
                "GET, HEAD, OPTIONS"
            }
            Endpoint::UpdateTraits(_) => "PUT, OPTIONS",
            Endpoint::FeatureState(..) => "GET, PUT, DELETE, HEAD, OPTIONS",
            Endpoint::Clone(_) => "POST, OPTIONS",
            Endpoint::ByIdentifier => "PUT, DELETE, OPTIONS",
        }
    }

    /// The permission for a method. A method that the endpoint lacks needs the permission to read.
    pub fn permission(&self, method: &str) -> Permission {
        let reads = !matches!(method, "POST" | "PUT" | "PATCH" | "DELETE");
        match self {
            Endpoint::Identities | Endpoint::Identity(_) if reads => Permission::ViewIdentities,
            Endpoint::ListTraits(_) | Endpoint::Overrides => Permission::ViewIdentities,
            Endpoint::Identity(_) if matches!(method, "PUT" | "PATCH") => Permission::Admin,
            Endpoint::Identities | Endpoint::Identity(_) | Endpoint::UpdateTraits(_) => {
                Permission::ManageIdentities
            }
            Endpoint::AllFeatureStates(_) => Permission::ViewEnvironment,
            Endpoint::FeatureStates(_) | Endpoint::FeatureState(..) if reads => Permission::ViewEnvironment,
            // Flagsmith maps cloning to no permission, which leaves it to administrators.
            Endpoint::Clone(_) => Permission::Admin,
            Endpoint::FeatureStates(_) | Endpoint::FeatureState(..) | Endpoint::ByIdentifier => {
                Permission::UpdateFeatureState
            }
        }
    }

    /// The answer for an unknown environment. The feature-state routes only answer that the caller lacks permission.
    pub fn no_environment(&self) -> AccessDecision {
        match self {
            Endpoint::Identities
            | Endpoint::Identity(_)
            | Endpoint::ListTraits(_)
            | Endpoint::UpdateTraits(_) => AccessDecision::NoEnvironment,
            _ => AccessDecision::Forbidden,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_require_flagsmiths_permissions() {
        let identity = || Endpoint::Identity("u".into());
        for (endpoint, method, permission) in [
            (Endpoint::Identities, "GET", Permission::ViewIdentities),
            (Endpoint::Identities, "POST", Permission::ManageIdentities),
            (identity(), "HEAD", Permission::ViewIdentities),
            (identity(), "PATCH", Permission::Admin),
            (identity(), "DELETE", Permission::ManageIdentities),
            (Endpoint::ListTraits("u".into()), "GET", Permission::ViewIdentities),
            (Endpoint::UpdateTraits("u".into()), "PUT", Permission::ManageIdentities),
            (Endpoint::FeatureStates("u".into()), "GET", Permission::ViewEnvironment),
            (Endpoint::FeatureStates("u".into()), "POST", Permission::UpdateFeatureState),
            (Endpoint::FeatureState("u".into(), "s".into()), "DELETE", Permission::UpdateFeatureState),
            (Endpoint::AllFeatureStates("u".into()), "GET", Permission::ViewEnvironment),
            (Endpoint::Clone("u".into()), "POST", Permission::Admin),
            (Endpoint::ByIdentifier, "PUT", Permission::UpdateFeatureState),
            (Endpoint::ByIdentifier, "DELETE", Permission::UpdateFeatureState),
            (Endpoint::Overrides, "GET", Permission::ViewIdentities),
        ] {
            assert_eq!(endpoint.permission(method), permission, "{endpoint:?} {method}");
        }
    }
}
