//! Parses the paths of the edge-identities routes and their permissions (contract §D).

use crate::admin::access_decision::AccessDecision;
use crate::admin::permission::Permission;
use crate::api::{Error, Response};
use crate::document::is_client_key;

/// A route, with the names that its path gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
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

/// A route of an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The environment's client key.
    pub environment: String,
    /// The route below the environment.
    pub route: Route,
}

impl Address {
    /// Parses a path as it was sent, with or without the last slash; `None` for any other path.
    pub fn parse(path: &str) -> Option<Address> {
        let path = path.strip_prefix("/api/v1/environments/")?;
        let segments: Vec<&str> = path.strip_suffix('/').unwrap_or(path).split('/').collect();
        let (environment, route) = match *segments.as_slice() {
            // Flagsmith's path repeats a word; both forms are served.
            ["environments", environment, "edge-identities-featurestates"]
            | [environment, "edge-identities-featurestates"] => (environment, Route::ByIdentifier),
            [environment, "edge-identity-overrides"] => (environment, Route::Overrides),
            [environment, "edge-identities"] => (environment, Route::Identities),
            [environment, "edge-identities", uuid, ref rest @ ..] => {
                let uuid = uuid.to_owned();
                let route = match *rest {
                    [] => Route::Identity(uuid),
                    ["list-traits"] => Route::ListTraits(uuid),
                    ["update-traits"] => Route::UpdateTraits(uuid),
                    ["edge-featurestates"] => Route::FeatureStates(uuid),
                    ["edge-featurestates", "all"] => Route::AllFeatureStates(uuid),
                    ["edge-featurestates", "clone-from-given-identity"] => Route::Clone(uuid),
                    ["edge-featurestates", state] => Route::FeatureState(uuid, state.to_owned()),
                    _ => return None,
                };
                (environment, route)
            }
            _ => return None,
        };
        Some(Address { environment: environment.to_owned(), route })
    }

    /// True if this has the form of an environment's key. It becomes part of probe paths unchanged.
    pub fn has_valid_key(&self) -> bool {
        is_client_key(&self.environment)
    }
}

impl Route {
    /// The `Allow` header, as Flagsmith words it.
    pub fn allow(&self) -> &'static str {
        match self {
            Route::Identities | Route::FeatureStates(_) => "GET, POST, HEAD, OPTIONS",
            Route::Identity(_) => "GET, PUT, PATCH, DELETE, HEAD, OPTIONS",
            Route::ListTraits(_) | Route::AllFeatureStates(_) | Route::Overrides => "GET, HEAD, OPTIONS",
            Route::UpdateTraits(_) => "PUT, OPTIONS",
            Route::FeatureState(..) => "GET, PUT, DELETE, HEAD, OPTIONS",
            Route::Clone(_) => "POST, OPTIONS",
            Route::ByIdentifier => "PUT, DELETE, OPTIONS",
        }
    }

    /// Checks that the route has this method.
    pub fn check_method(&self, method: &str) -> Result<(), Response<'static>> {
        if self.allow().split(", ").any(|allowed| allowed == method) {
            return Ok(());
        }
        Err(Response::error(&Error::MethodNotAllowed(method.to_owned())).with("allow", self.allow()))
    }

    /// The permission for a method of this route. A method that the route lacks needs the permission to read.
    pub fn permission(&self, method: &str) -> Permission {
        let reads = !matches!(method, "POST" | "PUT" | "PATCH" | "DELETE");
        match self {
            Route::Identities | Route::Identity(_) if reads => Permission::ViewIdentities,
            Route::ListTraits(_) | Route::Overrides => Permission::ViewIdentities,
            Route::Identity(_) if matches!(method, "PUT" | "PATCH") => Permission::Admin,
            Route::Identities | Route::Identity(_) | Route::UpdateTraits(_) => Permission::ManageIdentities,
            Route::AllFeatureStates(_) => Permission::ViewEnvironment,
            Route::FeatureStates(_) | Route::FeatureState(..) if reads => Permission::ViewEnvironment,
            // Flagsmith maps cloning to no permission, which leaves it to administrators.
            Route::Clone(_) => Permission::Admin,
            Route::FeatureStates(_) | Route::FeatureState(..) | Route::ByIdentifier => {
                Permission::UpdateFeatureState
            }
        }
    }

    /// The answer for an unknown environment. The feature-state routes only answer that the caller lacks permission.
    pub fn no_environment(&self) -> AccessDecision {
        match self {
            Route::Identities | Route::Identity(_) | Route::ListTraits(_) | Route::UpdateTraits(_) => {
                AccessDecision::NoEnvironment
            }
            _ => AccessDecision::Forbidden,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_parsed_in_every_spelling() {
        for (path, route) in [
            ("k/edge-identities", Route::Identities),
            ("k/edge-identities/u", Route::Identity("u".into())),
            ("k/edge-identities/u/list-traits", Route::ListTraits("u".into())),
            ("k/edge-identities/u/update-traits", Route::UpdateTraits("u".into())),
            ("k/edge-identities/u/edge-featurestates", Route::FeatureStates("u".into())),
            ("k/edge-identities/u/edge-featurestates/s", Route::FeatureState("u".into(), "s".into())),
            ("k/edge-identities/u/edge-featurestates/all", Route::AllFeatureStates("u".into())),
            ("k/edge-identities/u/edge-featurestates/clone-from-given-identity", Route::Clone("u".into())),
            ("k/edge-identities-featurestates", Route::ByIdentifier),
            ("environments/k/edge-identities-featurestates", Route::ByIdentifier),
            ("k/edge-identity-overrides", Route::Overrides),
        ] {
            for end in ["", "/"] {
                let address = Address::parse(&format!("/api/v1/environments/{path}{end}"));
                assert_eq!(
                    address,
                    Some(Address { environment: "k".into(), route: route.clone() }),
                    "{path}"
                );
            }
        }
        for path in [
            "/api/v1/environments/k/identities/",
            "/api/v1/environments/k/edge-identities/u/other/",
            "/api/v1/environments/k/edge-identities//",
            "/api/v2/environments/k/edge-identities/",
            "/api/v1/environments/k/",
        ] {
            let other =
                Address::parse(path).is_none_or(|address| address.route == Route::Identity(String::new()));
            assert!(other, "{path}");
        }
    }

    #[test]
    fn invalid_keys_in_paths_are_rejected() {
        for (key, sound) in [
            ("Gj9irrd2esRERD3aQLjn7j", true),
            ("a b", false),
            ("a%2fb", false),
            ("", false),
            ("ser.a", false),
        ] {
            let address = Address { environment: key.into(), route: Route::Identities };
            assert_eq!(address.has_valid_key(), sound, "{key}");
        }
    }

    #[test]
    fn routes_require_flagsmiths_permissions() {
        let identity = || Route::Identity("u".into());
        for (route, method, permission) in [
            (Route::Identities, "GET", Permission::ViewIdentities),
            (Route::Identities, "POST", Permission::ManageIdentities),
            (identity(), "HEAD", Permission::ViewIdentities),
            (identity(), "PATCH", Permission::Admin),
            (identity(), "DELETE", Permission::ManageIdentities),
            (Route::ListTraits("u".into()), "GET", Permission::ViewIdentities),
            (Route::UpdateTraits("u".into()), "PUT", Permission::ManageIdentities),
            (Route::FeatureStates("u".into()), "GET", Permission::ViewEnvironment),
            (Route::FeatureStates("u".into()), "POST", Permission::UpdateFeatureState),
            (Route::FeatureState("u".into(), "s".into()), "DELETE", Permission::UpdateFeatureState),
            (Route::AllFeatureStates("u".into()), "GET", Permission::ViewEnvironment),
            (Route::Clone("u".into()), "POST", Permission::Admin),
            (Route::ByIdentifier, "PUT", Permission::UpdateFeatureState),
            (Route::ByIdentifier, "DELETE", Permission::UpdateFeatureState),
            (Route::Overrides, "GET", Permission::ViewIdentities),
        ] {
            assert_eq!(route.permission(method), permission, "{route:?} {method}");
        }
    }
}
