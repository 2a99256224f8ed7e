//! Parses the SDK API's paths and methods.

use super::error::Error;

/// The maximum length of a body in bytes, where a route has no limit of its own.
pub const MAX_BODY_LENGTH: usize = 1024 * 1024;
/// The maximum length of an upload of many identities, in bytes.
const MAX_UPLOAD_LENGTH: usize = 8 * 1024 * 1024;

/// An endpoint served here. Both spellings, with and without the last slash, are served and none redirects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
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

impl Route {
    /// The endpoint of a request path; `None` for an unknown path.
    ///
    /// A dot segment is an error in every spelling, since it means another path than the one it spells. The platform
    /// takes a backslash for a slash, and a server before an origin may take `%2f` for one.
    pub fn parse(path: &str) -> Result<Option<Route>, Error> {
        if has_dot_segment(path) {
            return Err(Error::DotSegment);
        }
        Ok(Some(match path.strip_suffix('/').unwrap_or(path) {
            "/api/v1/flags" => Route::Keyed(KeyedRoute::Flags),
            "/api/v1/identities" => Route::Keyed(KeyedRoute::Identities),
            "/api/v1/traits" => Route::Keyed(KeyedRoute::Traits),
            "/api/v1/traits/bulk" => Route::Keyed(KeyedRoute::TraitsBulk),
            "/api/v1/traits/increment-value" => Route::Keyed(KeyedRoute::TraitsIncrement),
            "/api/v1/bulk-identities" => Route::Keyed(KeyedRoute::BulkIdentities),
            "/api/v1/environment-document" => Route::Keyed(KeyedRoute::EnvironmentDocument),
            "/api/v1/analytics/flags" => Route::Keyed(KeyedRoute::AnalyticsV1),
            "/api/v2/analytics/flags" => Route::Keyed(KeyedRoute::AnalyticsV2),
            "/health" => Route::Health(HealthRoute::Health),
            "/health/liveness" => Route::Health(HealthRoute::Liveness),
            "/health/readiness" => Route::Health(HealthRoute::Readiness),
            "/proxy/health" | "/proxy/health/readiness" => Route::Health(HealthRoute::ProxyReadiness),
            "/proxy/health/liveness" => Route::Health(HealthRoute::ProxyLiveness),
            "/version" => Route::Health(HealthRoute::Version),
            _ => return Ok(None),
        }))
    }

    /// Its name in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Route::Keyed(KeyedRoute::Flags) => "flags",
            Route::Keyed(KeyedRoute::Identities) => "identities",
            Route::Keyed(KeyedRoute::Traits) => "traits",
            Route::Keyed(KeyedRoute::TraitsBulk) => "traits-bulk",
            Route::Keyed(KeyedRoute::TraitsIncrement) => "traits-increment",
            Route::Keyed(KeyedRoute::BulkIdentities) => "bulk-identities",
            Route::Keyed(KeyedRoute::EnvironmentDocument) => "environment-document",
            Route::Keyed(KeyedRoute::AnalyticsV1) | Route::Keyed(KeyedRoute::AnalyticsV2) => "analytics",
            Route::Health(_) => "health",
        }
    }

    /// The `Allow` header, as Flagsmith words it.
    pub fn allow(self) -> &'static str {
        match self {
            Route::Keyed(KeyedRoute::Identities) => "GET, POST, HEAD, OPTIONS",
            Route::Keyed(KeyedRoute::Traits)
            | Route::Keyed(KeyedRoute::TraitsIncrement)
            | Route::Keyed(KeyedRoute::AnalyticsV1)
            | Route::Keyed(KeyedRoute::AnalyticsV2) => "POST, OPTIONS",
            Route::Keyed(KeyedRoute::BulkIdentities) => "POST, PUT, OPTIONS",
            Route::Keyed(KeyedRoute::TraitsBulk) => "PUT, OPTIONS",
            Route::Keyed(KeyedRoute::Flags)
            | Route::Keyed(KeyedRoute::EnvironmentDocument)
            | Route::Health(_) => "GET, HEAD, OPTIONS",
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
            Route::Keyed(route) => route as u8,
            Route::Health(route) => b'A' + route as u8,
        }
    }
}

impl KeyedRoute {
    /// True if a request of this method has a body to read.
    pub fn takes_body(self, method: &str) -> bool {
        matches!(method, "POST" | "PUT")
    }

    /// The longest body that is read, in bytes.
    pub fn max_body_length(self) -> usize {
        if self == KeyedRoute::BulkIdentities { MAX_UPLOAD_LENGTH } else { MAX_BODY_LENGTH }
    }

    /// True if a client key is refused.
    pub fn needs_server_key(self) -> bool {
        self == KeyedRoute::EnvironmentDocument
    }
}

impl From<KeyedRoute> for Route {
    fn from(route: KeyedRoute) -> Route {
        Route::Keyed(route)
    }
}

/// True if a segment is `.` or `..`, with each character plain or encoded.
fn has_dot_segment(path: &str) -> bool {
    let any = |path: &str| path.split(['/', '\\']).any(|segment| matches!(segment, "." | ".."));
    any(path) || path.contains('%') && any(&decoded(path))
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
            assert_eq!(Route::parse(path), Ok(Some(KeyedRoute::Flags.into())), "{path}");
        }
        for path in
            ["/", "/api/v1/", "/api/v1/FLAGS/", "/api/v1//flags/", "/api/v1/flags//", "/api/v1/%66lags/"]
        {
            assert_eq!(Route::parse(path), Ok(None), "{path}");
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
            assert_eq!(Route::parse(path), Err(Error::DotSegment), "{path}");
        }
        for path in ["/api/v1/.well-known/...", "/%2e%2e%2e/", "/%252e%252e/"] {
            assert_eq!(Route::parse(path), Ok(None), "{path}");
        }
    }
}
