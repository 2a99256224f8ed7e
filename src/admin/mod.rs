//! The Admin API: the routes served here, and the path of other requests to the origin and back.
//!
//! The origin is the Flagsmith behind this worker. Without one, only the routes served here exist.

pub mod access_decision;
pub mod admin_key;
pub mod analytics;
pub mod authorization;
pub mod credential;
pub mod edge_identities;
mod error;
pub mod events;
pub mod explanation;
pub mod identity_insight;
pub mod import_export;
mod origin;
pub mod permission;
pub mod proxy_headers;
pub mod publishing;
pub mod uploads;

use crate::api;

pub use error::AdminError;
pub use origin::Origin;

/// The first segments of the Admin API's paths, after `/api/v1/` (contract §F).
const ADMIN_ROOTS: [&str; 24] = [
    "audit",
    "auth",
    "environment-feature-versions",
    "environments",
    "features",
    "feature-health",
    "github-webhook",
    "integrations",
    "meta",
    "metadata",
    "multivariate",
    "onboarding",
    "organisations",
    "permissions",
    "projects",
    "release-pipelines",
    "roles",
    "sales-dashboard",
    "segments",
    "tags",
    "users",
    "versions",
    "webhooks",
    "workflows",
];

/// The failure of a path that has no handler. A path of the Admin API has a handler unless the origin is missing.
pub fn not_served(path: &str) -> AdminError {
    if is_admin_api(path) { AdminError::OriginMissing } else { api::Error::NotFound.into() }
}

fn is_admin_api(path: &str) -> bool {
    let segments = path.strip_prefix("/api/").and_then(|path| path.split_once('/'));
    segments.is_some_and(|(version, rest)| {
        let root = rest.split('/').next().unwrap_or_default();
        matches!(version, "v1" | "v2" | "experiments") && ADMIN_ROOTS.contains(&root)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_the_admin_api_report_a_missing_origin() {
        for path in [
            "/api/v1/projects/1/",
            "/api/v1/environments",
            "/api/v1/auth/login/",
            "/api/experiments/environments/k/update-flag-v1/",
        ] {
            assert_eq!(not_served(path), AdminError::OriginMissing, "{path}");
        }
        for path in ["/api/v1/anything/", "/api/v1/projectsx/", "/api/v1", "/api/", "/projects/"] {
            assert_eq!(not_served(path), api::Error::NotFound.into(), "{path}");
        }
    }
}
