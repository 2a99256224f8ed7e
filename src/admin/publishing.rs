//! The environments that a write through the worker may have changed, by its path (contract §F).
//!
//! A superfluous environment costs one request to the origin. A missing one is outdated until its next refresh.

use crate::document::ClientKey;

/// The environments to publish again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Affected {
    /// The environment with this client key.
    Environment(ClientKey),
    /// All environments of the project with this number.
    Project(u64),
    /// All environments; no environment and no server key was created or deleted.
    Documents,
    /// All environments, and an environment, a project or a server key may have been created or deleted.
    Everything,
}

/// True if the origin may have applied a request. `status` is that of its answer, or `None` if the answer was late or
/// broke off. Only a refusal changes nothing.
pub fn may_have_changed(status: Option<u16>) -> bool {
    !status.is_some_and(|status| (400..500).contains(&status))
}

/// Returns the documents that a request may have changed, if the origin applied it; `None` if it cannot have changed
/// any.
pub fn after_write(method: &str, path: &str) -> Option<Affected> {
    if matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE") {
        return None;
    }
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    // The first two segments are `api` and a version.
    let root = segments.by_ref().nth(2)?;
    let (id, rest) = (segments.next(), segments.next());
    let is_whole = rest.is_none() && method == "DELETE";
    match (root, id) {
        // Accounts, permissions, audit and usage.
        ("analytics" | "audit" | "auth" | "onboarding" | "permissions" | "roles" | "users", _) => None,
        // Former paths for writes by SDKs; traits are in no document.
        ("identities" | "traits", _) => None,
        ("environments", Some(key)) => {
            // Some routes use an environment's number, which documents do not contain.
            let has_no_key = key.bytes().all(|byte| byte.is_ascii_digit());
            Some(match rest {
                Some("api-keys" | "clone") => Affected::Everything,
                _ if is_whole => Affected::Everything,
                _ if has_no_key => Affected::Documents,
                // Another spelling of a key, such as with `%32`, may name any environment.
                _ => ClientKey::parse(key).map_or(Affected::Everything, Affected::Environment),
            })
        }
        ("projects", Some(id)) if !is_whole => {
            Some(id.parse().map_or(Affected::Documents, Affected::Project))
        }
        ("organisations", Some(_)) if !is_whole => Some(Affected::Documents),
        // These routes change the contents of documents. The request's body may name the environment by its number.
        (
            "environment-feature-versions"
            | "feature-health"
            | "features"
            | "integrations"
            | "metadata"
            | "multivariate"
            | "release-pipelines"
            | "segments"
            | "tags"
            | "versions"
            | "webhooks"
            | "workflows",
            _,
        ) => Some(Affected::Documents),
        _ => Some(Affected::Everything),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_4xx_answer_means_no_change() {
        for status in [200, 201, 204, 301, 302, 500, 502, 503, 504, 599] {
            assert!(may_have_changed(Some(status)), "{status}");
        }
        for status in [400, 401, 403, 404, 409, 422, 429, 499] {
            assert!(!may_have_changed(Some(status)), "{status}");
        }
        assert!(may_have_changed(None));
    }

    #[test]
    fn a_path_names_the_environments_of_a_write() {
        let environment = || Some(Affected::Environment(ClientKey::unchecked("Abc2")));
        let (everything, documents) = (|| Some(Affected::Everything), || Some(Affected::Documents));
        for (method, path, expected) in [
            ("PATCH", "/api/v1/environments/Abc2/featurestates/9/", environment()),
            ("PUT", "/api/v1/environments/Abc2/featurestates/9", environment()),
            ("PATCH", "/api/v1/environments/Abc2/", environment()),
            ("DELETE", "/api/v1/environments/Abc2/identities/3/", environment()),
            ("POST", "/api/v1/environments/Abc2/features/4/create-segment-override/", environment()),
            ("POST", "/api/experiments/environments/Abc2/update-flag-v1/", environment()),
            ("PATCH", "/api/v1/environments/Abc%32/", everything()),
            ("DELETE", "/api/v1/environments/Abc2/", everything()),
            ("POST", "/api/v1/environments/Abc2/clone/", everything()),
            ("POST", "/api/v1/environments/Abc2/api-keys/", everything()),
            ("DELETE", "/api/v1/environments/Abc2/api-keys/7/", everything()),
            ("POST", "/api/v1/environments/", everything()),
            ("POST", "/api/v1/environments/6/features/70/versions/", documents()),
            ("POST", "/api/v1/projects/3/features/", Some(Affected::Project(3))),
            ("DELETE", "/api/v1/projects/3/segments/5/", Some(Affected::Project(3))),
            ("PATCH", "/api/v1/projects/3/", Some(Affected::Project(3))),
            ("DELETE", "/api/v1/projects/3/", everything()),
            ("POST", "/api/v1/projects/", everything()),
            ("POST", "/api/v1/projects/18446744073709551616/features/", documents()),
            ("POST", "/api/v1/features/featurestates/", documents()),
            ("POST", "/api/v1/features/feature-segments/update-priorities/", documents()),
            ("PATCH", "/api/v1/features/featurestates/9/", documents()),
            ("DELETE", "/api/v1/features/feature-segments/9/", documents()),
            ("POST", "/api/v1/features/feature-import/6", documents()),
            ("DELETE", "/api/v1/segments/5/", documents()),
            ("PUT", "/api/v1/multivariate/options/5/", documents()),
            ("POST", "/api/v1/environment-feature-versions/5/publish/", documents()),
            ("POST", "/api/v1/workflows/change-requests/5/commit/", documents()),
            ("PATCH", "/api/v1/organisations/1/", documents()),
            ("POST", "/api/v1/organisations/1/invites/", documents()),
            ("DELETE", "/api/v1/organisations/1/", everything()),
            ("POST", "/api/v1/organisations/", everything()),
            ("POST", "/api/v1/what-comes-later/", everything()),
            ("POST", "/api/v1/auth/login/", None),
            ("POST", "/api/v1/analytics/telemetry/", None),
            ("POST", "/api/v1/identities/ada/traits/age", None),
            ("GET", "/api/v1/environments/Abc2/featurestates/", None),
            ("OPTIONS", "/api/v1/environments/Abc2/featurestates/9/", None),
            ("POST", "/api/", None),
        ] {
            assert_eq!(after_write(method, path), expected, "{method} {path}");
        }
    }
}
