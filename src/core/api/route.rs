//! Parses the SDK API's paths and methods.

use super::error::Error;

/// The maximum length of a body in bytes, where a route has no limit of its own.
pub const MAX_BODY_LENGTH: usize = 1024 * 1024;
/// The maximum length of an upload of many identities, in bytes.
const MAX_UPLOAD_LENGTH: usize = 8 * 1024 * 1024;

/// An endpoint served here. Both spellings, with and without the last slash, are served and none redirects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Route {
    Flags,
    Identities,
    Traits,
    TraitsBulk,
    TraitsIncrement,
    BulkIdentities,
    EnvironmentDocument,
    AnalyticsV1,
    AnalyticsV2,
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
            "/api/v1/flags" => Route::Flags,
            "/api/v1/identities" => Route::Identities,
            "/api/v1/traits" => Route::Traits,
            "/api/v1/traits/bulk" => Route::TraitsBulk,
            "/api/v1/traits/increment-value" => Route::TraitsIncrement,
            "/api/v1/bulk-identities" => Route::BulkIdentities,
            "/api/v1/environment-document" => Route::EnvironmentDocument,
            "/api/v1/analytics/flags" => Route::AnalyticsV1,
            "/api/v2/analytics/flags" => Route::AnalyticsV2,
            "/health" => Route::Health,
            "/health/liveness" => Route::Liveness,
            "/health/readiness" => Route::Readiness,
            "/proxy/health" | "/proxy/health/readiness" => Route::ProxyReadiness,
            "/proxy/health/liveness" => Route::ProxyLiveness,
            "/version" => Route::Version,
            _ => return Ok(None),
        }))
    }

    /// Its name in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Route::Flags => "flags",
            Route::Identities => "identities",
            Route::Traits => "traits",
            Route::TraitsBulk => "traits-bulk",
            Route::TraitsIncrement => "traits-increment",
            Route::BulkIdentities => "bulk-identities",
            Route::EnvironmentDocument => "environment-document",
            Route::AnalyticsV1 | Route::AnalyticsV2 => "analytics",
            Route::Health
            | Route::Liveness
            | Route::Readiness
            | Route::ProxyLiveness
            | Route::ProxyReadiness
            | Route::Version => "health",
        }
    }

    /// The `Allow` header, as Flagsmith words it.
    pub fn allow(self) -> &'static str {
        match self {
            Route::Identities => "GET, POST, HEAD, OPTIONS",
            Route::Traits | Route::TraitsIncrement | Route::AnalyticsV1 | Route::AnalyticsV2 => {
                "POST, OPTIONS"
            }
            Route::BulkIdentities => "POST, PUT, OPTIONS",
            Route::TraitsBulk => "PUT, OPTIONS",
            Route::Flags
            | Route::EnvironmentDocument
            | Route::Health
            | Route::Liveness
            | Route::Readiness
            | Route::ProxyLiveness
            | Route::ProxyReadiness
            | Route::Version => "GET, HEAD, OPTIONS",
        }
    }

    /// Checks that the endpoint has this method.
    pub fn check_method(self, method: &str) -> Result<(), Error> {
        let allowed = self.allow().split(", ").any(|allowed| allowed == method);
        allowed.then_some(()).ok_or_else(|| Error::MethodNotAllowed(method.to_owned()))
    }

    /// True if a request of this method has a body to read.
    pub fn takes_body(self, method: &str) -> bool {
        self.is_keyed() && matches!(method, "POST" | "PUT")
    }

    /// The longest body that is read, in bytes.
    pub fn max_body_length(self) -> usize {
        if self == Route::BulkIdentities { MAX_UPLOAD_LENGTH } else { MAX_BODY_LENGTH }
    }

    /// True if a request needs an environment key.
    pub fn is_keyed(self) -> bool {
        !matches!(
            self,
            Route::Health
                | Route::Liveness
                | Route::Readiness
                | Route::ProxyLiveness
                | Route::ProxyReadiness
                | Route::Version
        )
    }

    /// True if a client key is refused.
    pub fn needs_server_key(self) -> bool {
        self == Route::EnvironmentDocument
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
            assert_eq!(Route::parse(path), Ok(Some(Route::Flags)), "{path}");
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
