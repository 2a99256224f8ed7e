//! The paths and methods of the SDK API.

use super::error::Error;
use super::ofrep::OfrepPath;

/// The maximum length of a body in bytes, where a route has no limit of its own.
pub const MAX_BODY_LENGTH: usize = 1024 * 1024;
/// The maximum length of an upload of many identities, in bytes.
const MAX_UPLOAD_LENGTH: usize = 8 * 1024 * 1024;

/// An endpoint served here. Both spellings, with and without the last slash, are served and none redirects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SdkRoute {
    /// It needs an environment key.
    Keyed(KeyedRoute),
    /// It answers for the worker itself.
    Health(HealthRoute),
}

/// An endpoint that answers for the environment of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum KeyedRoute {
    Flags,
    Identities,
    Traits,
    TraitsBulk,
    TraitsIncrement,
    BulkIdentities,
    EnvironmentDocument,
    AnalyticsV1,
    AnalyticsV2,
    /// One flag for OpenFeature. Its key is in the path.
    OfrepFlag,
    /// All flags for OpenFeature.
    OfrepFlags,
    /// Experiments' events. Their body is forwarded, not read.
    Events,
}

/// An endpoint that answers for the worker itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum HealthRoute {
    Health,
    Liveness,
    Readiness,
    ProxyLiveness,
    ProxyReadiness,
    Version,
}

impl SdkRoute {
    /// The endpoint of a request path; `None` for a path of another API.
    pub fn parse(path: &str) -> Option<SdkRoute> {
        Some(match path.strip_suffix('/').unwrap_or(path) {
            "/api/v1/flags" => SdkRoute::Keyed(KeyedRoute::Flags),
            "/api/v1/identities" => SdkRoute::Keyed(KeyedRoute::Identities),
            "/api/v1/traits" => SdkRoute::Keyed(KeyedRoute::Traits),
            "/api/v1/traits/bulk" => SdkRoute::Keyed(KeyedRoute::TraitsBulk),
            "/api/v1/traits/increment-value" => SdkRoute::Keyed(KeyedRoute::TraitsIncrement),
            "/api/v1/bulk-identities" => SdkRoute::Keyed(KeyedRoute::BulkIdentities),
            "/api/v1/environment-document" => SdkRoute::Keyed(KeyedRoute::EnvironmentDocument),
            "/api/v1/analytics/flags" => SdkRoute::Keyed(KeyedRoute::AnalyticsV1),
            "/api/v2/analytics/flags" => SdkRoute::Keyed(KeyedRoute::AnalyticsV2),
            "/v1/events" => SdkRoute::Keyed(KeyedRoute::Events),
            "/health" => SdkRoute::Health(HealthRoute::Health),
            "/health/liveness" => SdkRoute::Health(HealthRoute::Liveness),
            "/health/readiness" => SdkRoute::Health(HealthRoute::Readiness),
            "/proxy/health" | "/proxy/health/readiness" => SdkRoute::Health(HealthRoute::ProxyReadiness),
            "/proxy/health/liveness" => SdkRoute::Health(HealthRoute::ProxyLiveness),
            "/version" => SdkRoute::Health(HealthRoute::Version),
            _ => SdkRoute::Keyed(match OfrepPath::parse(path)? {
                OfrepPath::Flag(_) => KeyedRoute::OfrepFlag,
                OfrepPath::Bulk => KeyedRoute::OfrepFlags,
            }),
        })
    }

    /// Its name in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            SdkRoute::Keyed(KeyedRoute::Flags) => "flags",
            SdkRoute::Keyed(KeyedRoute::Identities) => "identities",
            SdkRoute::Keyed(KeyedRoute::Traits) => "traits",
            SdkRoute::Keyed(KeyedRoute::TraitsBulk) => "traits-bulk",
            SdkRoute::Keyed(KeyedRoute::TraitsIncrement) => "traits-increment",
            SdkRoute::Keyed(KeyedRoute::BulkIdentities) => "bulk-identities",
            SdkRoute::Keyed(KeyedRoute::EnvironmentDocument) => "environment-document",
            SdkRoute::Keyed(KeyedRoute::AnalyticsV1) | SdkRoute::Keyed(KeyedRoute::AnalyticsV2) => {
                "analytics"
            }
            SdkRoute::Keyed(KeyedRoute::OfrepFlag) => "ofrep-flag",
            SdkRoute::Keyed(KeyedRoute::OfrepFlags) => "ofrep-flags",
            SdkRoute::Keyed(KeyedRoute::Events) => "events",
            SdkRoute::Health(_) => "health",
        }
    }

    /// The `Allow` header, as Flagsmith words it.
    pub fn allow(self) -> &'static str {
        match self {
            SdkRoute::Keyed(KeyedRoute::Identities) => "GET, POST, HEAD, OPTIONS",
            SdkRoute::Keyed(KeyedRoute::Traits)
            | SdkRoute::Keyed(KeyedRoute::TraitsIncrement)
            | SdkRoute::Keyed(KeyedRoute::AnalyticsV1)
            | SdkRoute::Keyed(KeyedRoute::AnalyticsV2)
            | SdkRoute::Keyed(KeyedRoute::OfrepFlag)
            | SdkRoute::Keyed(KeyedRoute::OfrepFlags)
            | SdkRoute::Keyed(KeyedRoute::Events) => "POST, OPTIONS",
            SdkRoute::Keyed(KeyedRoute::BulkIdentities) => "POST, PUT, OPTIONS",
            SdkRoute::Keyed(KeyedRoute::TraitsBulk) => "PUT, OPTIONS",
            SdkRoute::Keyed(KeyedRoute::Flags)
            | SdkRoute::Keyed(KeyedRoute::EnvironmentDocument)
            | SdkRoute::Health(_) => "GET, HEAD, OPTIONS",
        }
    }

    /// Checks that the endpoint has this method.
    pub fn check_method(self, method: &str) -> Result<(), Error> {
        let allowed = self.allow().split(", ").any(|allowed| allowed == method);
        allowed.then_some(()).ok_or_else(|| Error::MethodNotAllowed(method.to_owned()))
    }

    /// A number of its own, for keys of answers.
    pub(super) fn number(self) -> u8 {
        match self {
            SdkRoute::Keyed(route) => route as u8,
            SdkRoute::Health(route) => b'A' + route as u8,
        }
    }
}

impl KeyedRoute {
    /// True if a request of this method has a body to read.
    pub fn takes_body(self, method: &str) -> bool {
        self != KeyedRoute::Events && matches!(method, "POST" | "PUT")
    }

    /// The longest body that is read, in bytes.
    pub fn max_body_length(self) -> usize {
        if self == KeyedRoute::BulkIdentities { MAX_UPLOAD_LENGTH } else { MAX_BODY_LENGTH }
    }

    /// True if the endpoint is one of OpenFeature's protocol.
    pub fn is_ofrep(self) -> bool {
        matches!(self, KeyedRoute::OfrepFlag | KeyedRoute::OfrepFlags)
    }

    /// True if a client key is refused.
    pub fn needs_server_key(self) -> bool {
        self == KeyedRoute::EnvironmentDocument
    }
}

impl From<KeyedRoute> for SdkRoute {
    fn from(route: KeyedRoute) -> SdkRoute {
        SdkRoute::Keyed(route)
    }
}

/// Refuses a path with a segment `.` or `..`, each character plain or encoded: it names another path than it spells.
///
/// A backslash counts as a slash, since the platform takes it for one. So does `%2f`, since a server in front of the
/// origin may.
pub fn check_path(path: &str) -> Result<(), Error> {
    let has_dots = |path: &str| path.split(['/', '\\']).any(|segment| matches!(segment, "." | ".."));
    let refused = has_dots(path) || path.contains('%') && has_dots(&decoded(path));
    if refused { Err(Error::DotSegment) } else { Ok(()) }
}

fn decoded(path: &str) -> String {
    let path = path.to_ascii_lowercase();
    path.replace("%2e", ".").replace("%2f", "/").replace("%5c", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_match_with_and_without_a_trailing_slash_only() {
        for path in ["/api/v1/flags", "/api/v1/flags/"] {
            assert_eq!(SdkRoute::parse(path), Some(KeyedRoute::Flags.into()), "{path}");
        }
        for path in
            ["/", "/api/v1/", "/api/v1/FLAGS/", "/api/v1//flags/", "/api/v1/flags//", "/api/v1/%66lags/"]
        {
            assert_eq!(SdkRoute::parse(path), None, "{path}");
        }
    }

    #[test]
    fn dot_segments_are_refused() {
        for path in [
            "/api/v1/../v1/flags/",
            "/api/./v1/flags",
            "/%2e%2E/flags/",
            "/.%2e/x",
            "/x/%2e",
            "/x\\..\\y",
            "/x%2F..%5c/",
        ] {
            assert_eq!(check_path(path), Err(Error::DotSegment), "{path}");
        }
        for path in ["/api/v1/.well-known/...", "/%2e%2e%2e/", "/%252e%252e/"] {
            assert_eq!(check_path(path), Ok(()), "{path}");
        }
    }
}
