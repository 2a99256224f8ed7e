//! Which environments a write through the worker may have changed, as far as its path tells (contract §F).
//!
//! Rather one too many than one too few: an environment that is looked at again without need costs the origin one
//! request, one that is not is served as it was until its next turn.

/// What has to be published again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Affected {
    /// The environment of this client key.
    Environment(String),
    /// All environments of the project of this number.
    Project(u64),
    /// All there are; and an environment, a project or a server key may have come or gone.
    Everything,
}

/// What a request may have changed, if the origin answered it with 2xx; `None` where no document can be another now.
pub fn after_write(method: &str, path: &str) -> Option<Affected> {
    if matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE") {
        return None;
    }
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    // "api", and a version.
    let root = segments.by_ref().nth(2)?;
    let (id, rest) = (segments.next(), segments.next());
    let is_whole = rest.is_none() && method == "DELETE";
    match (root, id) {
        // Who somebody is, who may do what, what was done and how often.
        ("analytics" | "audit" | "auth" | "onboarding" | "permissions" | "roles" | "users", _) => None,
        // What SDKs write, by paths of earlier days; traits are in no document.
        ("identities" | "traits", _) => None,
        ("environments", Some(key)) => {
            // Some routes name an environment by its number, which no document has.
            let has_no_key = key.bytes().all(|byte| byte.is_ascii_digit());
            let is_one = !has_no_key && !is_whole && !matches!(rest, Some("api-keys" | "clone"));
            Some(if is_one { Affected::Environment(key.to_owned()) } else { Affected::Everything })
        }
        ("projects", Some(id)) => match id.parse() {
            Ok(id) if !is_whole => Some(Affected::Project(id)),
            _ => Some(Affected::Everything),
        },
        // Their bodies name an environment by its number, if they name one.
        _ => Some(Affected::Everything),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_tells_what_a_write_may_have_changed() {
        let environment = || Some(Affected::Environment("Abc2".to_owned()));
        let everything = || Some(Affected::Everything);
        for (method, path, expected) in [
            ("PATCH", "/api/v1/environments/Abc2/featurestates/9/", environment()),
            ("PUT", "/api/v1/environments/Abc2/featurestates/9", environment()),
            ("PATCH", "/api/v1/environments/Abc2/", environment()),
            ("DELETE", "/api/v1/environments/Abc2/identities/3/", environment()),
            ("POST", "/api/v1/environments/Abc2/features/4/create-segment-override/", environment()),
            ("POST", "/api/experiments/environments/Abc2/update-flag-v1/", environment()),
            ("DELETE", "/api/v1/environments/Abc2/", everything()),
            ("POST", "/api/v1/environments/Abc2/clone/", everything()),
            ("POST", "/api/v1/environments/Abc2/api-keys/", everything()),
            ("DELETE", "/api/v1/environments/Abc2/api-keys/7/", everything()),
            ("POST", "/api/v1/environments/", everything()),
            ("POST", "/api/v1/environments/6/features/70/versions/", everything()),
            ("POST", "/api/v1/projects/3/features/", Some(Affected::Project(3))),
            ("DELETE", "/api/v1/projects/3/segments/5/", Some(Affected::Project(3))),
            ("PATCH", "/api/v1/projects/3/", Some(Affected::Project(3))),
            ("DELETE", "/api/v1/projects/3/", everything()),
            ("POST", "/api/v1/projects/", everything()),
            ("POST", "/api/v1/projects/18446744073709551616/features/", everything()),
            ("POST", "/api/v1/features/featurestates/", everything()),
            ("POST", "/api/v1/features/feature-segments/update-priorities/", everything()),
            ("PATCH", "/api/v1/organisations/1/", everything()),
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
