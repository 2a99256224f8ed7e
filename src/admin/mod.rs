//! The Admin API: the routes served here, and the path of other requests to the origin and back.
//!
//! The origin is the Flagsmith behind this worker. Without one, only the routes served here exist.

pub mod access_decision;
pub mod admin_key;
pub mod analytics;
pub mod authorization;
pub mod credential;
pub mod edge_identities;
pub mod explanation;
pub mod identity_insight;
pub mod import_export;
mod origin;
pub mod permission;
pub mod proxy_headers;
pub mod publishing;
pub mod uploads;

use crate::api::{Error, Response, preflight};

use edge_identities::Address;
use identity_insight::IdentityInsight;
use import_export::ImportExport;

pub use origin::Origin;

/// The handler of a request outside the SDK API.
#[derive(Debug)]
pub enum AdminRoute<'o> {
    /// Answered already.
    Answered(Response<'static>),
    /// A route that is served here.
    EdgeIdentities(Address),
    /// An import, an export or a repair, with the environment's client key.
    ImportExport(String, ImportExport),
    /// A request about identities, with the environment's client key.
    IdentityInsight(String, IdentityInsight),
    /// A request for the origin.
    Origin(&'o Origin),
}

/// The prefix of all paths of the origin.
const ORIGIN_ROOT: &str = "/api/";

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

/// Decides the handler of a request outside the SDK API whose path has no dot segments.
pub fn route<'o>(
    method: &str,
    path: &str,
    origin: Option<&'o Origin>,
    header: &dyn Fn(&str) -> Option<String>,
) -> AdminRoute<'o> {
    if let Some(address) = Address::parse(path) {
        return match method {
            "OPTIONS" => AdminRoute::Answered(preflight(header("access-control-request-headers"))),
            _ => AdminRoute::EdgeIdentities(address),
        };
    }
    if let Some((environment, route)) = ImportExport::parse(path).filter(|_| method != "OPTIONS") {
        return AdminRoute::ImportExport(environment, route);
    }
    if let Some((environment, insight)) = IdentityInsight::parse(path).filter(|_| method != "OPTIONS") {
        return AdminRoute::IdentityInsight(environment, insight);
    }
    if let Some(origin) = origin.filter(|_| path.starts_with(ORIGIN_ROOT)) {
        return AdminRoute::Origin(origin);
    }
    let response = if method == "OPTIONS" {
        preflight(header("access-control-request-headers"))
    } else if is_admin(path) {
        Response::error(&Error::OriginMissing).finish(None, method)
    } else {
        Response::error(&Error::NotFound).finish(None, method)
    };
    AdminRoute::Answered(response)
}

/// True if the path belongs to the Admin API, known or not.
fn is_admin(path: &str) -> bool {
    let segments = path.strip_prefix(ORIGIN_ROOT).and_then(|path| path.split_once('/'));
    segments.is_some_and(|(version, rest)| {
        let root = rest.split('/').next().unwrap_or_default();
        matches!(version, "v1" | "v2" | "experiments") && ADMIN_ROOTS.contains(&root)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(method: &str, path: &str, origin: Option<&Origin>) -> Option<u16> {
        match route(method, path, origin, &|_| None) {
            AdminRoute::Answered(response) => Some(response.status),
            AdminRoute::Origin(_)
            | AdminRoute::EdgeIdentities(_)
            | AdminRoute::ImportExport(..)
            | AdminRoute::IdentityInsight(..) => None,
        }
    }

    #[test]
    fn only_paths_below_api_are_forwarded() {
        let origin = Origin::parse("https://flagsmith.example.com");
        for (path, expected) in [
            ("/api/v1/projects/1/", None),
            ("/api/v1/anything", None),
            ("/api/experiments/x/", None),
            ("/api/", None),
            ("/api", Some(404)),
            ("/", Some(404)),
            ("//api/v1/projects/", Some(404)),
            ("/API/v1/projects/", Some(404)),
        ] {
            assert_eq!(status("GET", path, origin.as_ref()), expected, "{path}");
        }
        assert_eq!(status("OPTIONS", "/api/v1/projects/", origin.as_ref()), None);
        assert_eq!(status("OPTIONS", "/nothing/", origin.as_ref()), Some(200));
    }

    #[test]
    fn without_an_origin_the_admin_api_reports_it_and_other_paths_are_not_found() {
        for (path, expected) in [
            ("/api/v1/projects/1/", 503),
            ("/api/v1/environments", 503),
            ("/api/v1/auth/login/", 503),
            ("/api/experiments/environments/k/update-flag-v1/", 503),
            ("/api/v1/anything/", 404),
            ("/api/v1/projectsx/", 404),
            ("/api/", 404),
            ("/projects/", 404),
        ] {
            assert_eq!(status("PATCH", path, None), Some(expected), "{path}");
            assert_eq!(status("OPTIONS", path, None), Some(200), "{path}");
        }
    }
}
