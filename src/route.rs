//! All paths that the worker serves, by family.
//!
//! Each path is served with and without its last slash, and none redirects. Percent-encoded spellings are other paths.

use crate::admin::edge_identities::Endpoint;
use crate::admin::identity_insight::{self, IdentityInsight};
use crate::admin::import_export::ImportExport;
use crate::api::{Error, SdkRoute, check_path};
use crate::document::ClientKey;
use crate::page::Page;

/// The route of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route<'p> {
    /// The SDK API, and the worker's health.
    Sdk(SdkRoute),
    /// An endpoint that Flagsmith does not have.
    Edge(EdgeRoute),
    /// An endpoint of the edge-identities Admin API in an environment; `None` if the path has no client key there.
    Admin(Option<ClientKey>, Endpoint),
    /// A stream of an environment's changes.
    Stream(ClientKey, StreamKind),
    /// A page, or a file of one.
    Asset(Page<'p>),
    /// Any other path below `/api/`. Only the origin can answer it.
    Origin,
}

/// The kind of an event stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamKind {
    /// `/sse/environments/{client key}/stream`: Flagsmith's realtime stream.
    Flagsmith,
    /// `/ofrep/v1/environments/{client key}/stream`: the stream of OpenFeature's protocol.
    Ofrep,
}

impl StreamKind {
    /// Its name in the entry module.
    pub fn name(self) -> &'static str {
        match self {
            StreamKind::Flagsmith => "flagsmith",
            StreamKind::Ofrep => "ofrep",
        }
    }
}

/// An endpoint that Flagsmith does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EdgeRoute {
    /// `/sse/environments/{client key}/queue-change`: the origin's notification to a realtime server (contract §G).
    QueueChange(ClientKey),
    /// `/edge/webhooks/{id}`: an origin's webhooks.
    Webhook(String),
    /// `/edge/status`: the published environments and their state.
    Status,
    /// `/edge/environments/{client key}/identities/{import|export|repair}/`; `None` for a text that is no client key.
    ImportExport(Option<ClientKey>, ImportExport),
    /// `/edge/environments/{client key}/identities/{count|explain}/`; `None` for a text that is no client key.
    IdentityInsight(Option<ClientKey>, IdentityInsight),
}

impl<'p> Route<'p> {
    /// The route of a path; `None` for an unknown path, an error for a path with dot segments.
    pub fn parse(path: &'p str) -> Result<Option<Route<'p>>, Error> {
        check_path(path)?;
        // The most frequent first.
        Ok(match SdkRoute::parse(path) {
            Some(route) => Some(Route::Sdk(route)),
            None => parse_others(path),
        })
    }

    /// Its name in metrics and logs.
    pub fn name(&self) -> &'static str {
        match self {
            Route::Sdk(route) => route.name(),
            Route::Edge(EdgeRoute::QueueChange(_)) => "queue-change",
            Route::Edge(EdgeRoute::Webhook(_)) => "webhook",
            Route::Edge(EdgeRoute::Status) => "status",
            Route::Edge(EdgeRoute::ImportExport(..)) => "transfer",
            Route::Edge(EdgeRoute::IdentityInsight(..)) => "inspection",
            Route::Admin(..) => "edge-identities",
            Route::Stream(_, StreamKind::Flagsmith) => "stream",
            Route::Stream(_, StreamKind::Ofrep) => "ofrep-stream",
            Route::Asset(_) => "page",
            Route::Origin => "origin",
        }
    }
}

impl EdgeRoute {
    /// The `Allow` header.
    pub fn allow(&self) -> &'static str {
        match self {
            EdgeRoute::QueueChange(_) | EdgeRoute::Webhook(_) => "POST, OPTIONS",
            EdgeRoute::Status => "GET, HEAD, OPTIONS",
            EdgeRoute::ImportExport(_, route) => route.allow(),
            EdgeRoute::IdentityInsight(..) => identity_insight::ALLOW,
        }
    }
}

/// Matches the paths of all families but the SDK API's.
fn parse_others(path: &str) -> Option<Route<'_>> {
    if let Some(page) = Page::parse(path) {
        return Some(Route::Asset(page));
    }
    let segments: Vec<&str> = path.strip_suffix('/').unwrap_or(path).split('/').collect();
    Some(match *segments.as_slice() {
        ["", "edge", "status"] => Route::Edge(EdgeRoute::Status),
        ["", "edge", "webhooks", id] if is_webhook_id(id) => Route::Edge(EdgeRoute::Webhook(id.to_owned())),
        ["", "sse", "environments", client_key, "queue-change"] => {
            Route::Edge(EdgeRoute::QueueChange(ClientKey::parse(client_key)?))
        }
        ["", "sse", "environments", client_key, "stream"] => {
            Route::Stream(ClientKey::parse(client_key)?, StreamKind::Flagsmith)
        }
        ["", "ofrep", "v1", "environments", client_key, "stream"] => {
            Route::Stream(ClientKey::parse(client_key)?, StreamKind::Ofrep)
        }
        ["", "edge", "environments", client_key, "identities", action] => {
            let client_key = ClientKey::parse(client_key);
            Route::Edge(match action {
                "import" => EdgeRoute::ImportExport(client_key, ImportExport::Import),
                "export" => EdgeRoute::ImportExport(client_key, ImportExport::Export),
                "repair" => EdgeRoute::ImportExport(client_key, ImportExport::Repair),
                "count" => EdgeRoute::IdentityInsight(client_key, IdentityInsight::Count),
                "explain" => EdgeRoute::IdentityInsight(client_key, IdentityInsight::Explain),
                _ => return None,
            })
        }
        ["", "api", "v1", "environments", ref rest @ ..] => match endpoint(rest) {
            Some((client_key, endpoint)) => Route::Admin(ClientKey::parse(client_key), endpoint),
            None => Route::Origin,
        },
        _ if path.starts_with("/api/") => Route::Origin,
        _ => return None,
    })
}

/// The client key and the endpoint of segments after `/api/v1/environments/`.
fn endpoint<'p>(segments: &[&'p str]) -> Option<(&'p str, Endpoint)> {
    Some(match *segments {
        // Flagsmith's path repeats a word; both forms are served.
        ["environments", client_key, "edge-identities-featurestates"]
        | [client_key, "edge-identities-featurestates"] => (client_key, Endpoint::ByIdentifier),
        [client_key, "edge-identity-overrides"] => (client_key, Endpoint::Overrides),
        [client_key, "edge-identities"] => (client_key, Endpoint::Identities),
        [client_key, "edge-identities", uuid, ref rest @ ..] => {
            let uuid = uuid.to_owned();
            let endpoint = match *rest {
                [] => Endpoint::Identity(uuid),
                ["list-traits"] => Endpoint::ListTraits(uuid),
                ["update-traits"] => Endpoint::UpdateTraits(uuid),
                ["edge-featurestates"] => Endpoint::FeatureStates(uuid),
                ["edge-featurestates", "all"] => Endpoint::AllFeatureStates(uuid),
                ["edge-featurestates", "clone-from-given-identity"] => Endpoint::Clone(uuid),
                ["edge-featurestates", state] => Endpoint::FeatureState(uuid, state.to_owned()),
                _ => return None,
            };
            (client_key, endpoint)
        }
        _ => return None,
    })
}

/// True if a text has the form of a webhook's id.
fn is_webhook_id(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{HealthRoute, KeyedRoute};

    fn parse(path: &str) -> Option<Route<'_>> {
        Route::parse(path).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Both spellings of a path have the same route.
    fn check(path: &str, route: Option<Route<'_>>) {
        for spelling in [path.to_owned(), format!("{path}/")] {
            assert_eq!(parse(&spelling), route, "{spelling}");
        }
    }

    #[test]
    fn sdk_paths_are_found_first() {
        for (path, route) in [
            ("/api/v1/flags", SdkRoute::Keyed(KeyedRoute::Flags)),
            ("/api/v2/analytics/flags", SdkRoute::Keyed(KeyedRoute::AnalyticsV2)),
            ("/health", SdkRoute::Health(HealthRoute::Health)),
            ("/version", SdkRoute::Health(HealthRoute::Version)),
        ] {
            check(path, Some(Route::Sdk(route)));
        }
        assert_eq!(parse("/api/v1/FLAGS/"), Some(Route::Origin));
    }

    #[test]
    fn streams_have_a_client_key() {
        let key = ClientKey::unchecked("Abc2");
        check("/sse/environments/Abc2/stream", Some(Route::Stream(key.clone(), StreamKind::Flagsmith)));
        check("/ofrep/v1/environments/Abc2/stream", Some(Route::Stream(key, StreamKind::Ofrep)));
        check("/sse/environments/ser.Abc2/stream", None);
        check("/sse/environments/Abc2/stream/x", None);
    }

    #[test]
    fn edge_paths_are_parsed() {
        let key = || ClientKey::unchecked("Abc2");
        for (path, route) in [
            ("/sse/environments/Abc2/queue-change", EdgeRoute::QueueChange(key())),
            ("/edge/webhooks/0a", EdgeRoute::Webhook("0a".to_owned())),
            ("/edge/status", EdgeRoute::Status),
            (
                "/edge/environments/Abc2/identities/import",
                EdgeRoute::ImportExport(Some(key()), ImportExport::Import),
            ),
            (
                "/edge/environments/Abc2/identities/export",
                EdgeRoute::ImportExport(Some(key()), ImportExport::Export),
            ),
            (
                "/edge/environments/Abc2/identities/repair",
                EdgeRoute::ImportExport(Some(key()), ImportExport::Repair),
            ),
            (
                "/edge/environments/Abc2/identities/count",
                EdgeRoute::IdentityInsight(Some(key()), IdentityInsight::Count),
            ),
            (
                "/edge/environments/Abc2/identities/explain",
                EdgeRoute::IdentityInsight(Some(key()), IdentityInsight::Explain),
            ),
        ] {
            check(path, Some(Route::Edge(route)));
        }
        for path in [
            "/edge/webhooks",
            "/edge/webhooks/a/b",
            "/edge/webhooks/a.b",
            "/edge/statuses",
            "/edge/environments/Abc2/identities",
            "/edge/environments/Abc2/identities/other",
            "/edge/environments/Abc2/identities/explain/more",
            "/edge/environments/identities/explain",
            "/sse/environments//queue-change",
            "/sse/environments/a/b/queue-change",
            "/sse/environments/a%2fb/queue-change",
            "/sse/environments/ser.x/queue-change",
        ] {
            check(path, None);
        }
        for path in ["/edge/status//", "/edge/webhooks/0a//", "/edge//status"] {
            assert_eq!(parse(path), None, "{path}");
        }
        assert_eq!(parse("/api/edge/status"), Some(Route::Origin));
    }

    #[test]
    fn edge_identities_paths_are_parsed() {
        let uuid = || "u".to_owned();
        for (path, endpoint) in [
            ("k/edge-identities", Endpoint::Identities),
            ("k/edge-identities/u", Endpoint::Identity(uuid())),
            ("k/edge-identities/u/list-traits", Endpoint::ListTraits(uuid())),
            ("k/edge-identities/u/update-traits", Endpoint::UpdateTraits(uuid())),
            ("k/edge-identities/u/edge-featurestates", Endpoint::FeatureStates(uuid())),
            ("k/edge-identities/u/edge-featurestates/s", Endpoint::FeatureState(uuid(), "s".to_owned())),
            ("k/edge-identities/u/edge-featurestates/all", Endpoint::AllFeatureStates(uuid())),
            ("k/edge-identities/u/edge-featurestates/clone-from-given-identity", Endpoint::Clone(uuid())),
            ("k/edge-identities-featurestates", Endpoint::ByIdentifier),
            ("environments/k/edge-identities-featurestates", Endpoint::ByIdentifier),
            ("k/edge-identity-overrides", Endpoint::Overrides),
        ] {
            check(
                &format!("/api/v1/environments/{path}"),
                Some(Route::Admin(ClientKey::parse("k"), endpoint)),
            );
        }
        for path in [
            "/api/v1/environments/k/identities",
            "/api/v1/environments/k/edge-identities/u/other",
            "/api/v2/environments/k/edge-identities",
            "/api/v1/environments/k",
        ] {
            check(path, Some(Route::Origin));
        }
        let no_uuid = Endpoint::Identity(String::new());
        let path = "/api/v1/environments/k/edge-identities//";
        assert_eq!(parse(path), Some(Route::Admin(ClientKey::parse("k"), no_uuid)));
    }

    #[test]
    fn texts_that_are_no_client_key_are_left_out() {
        for key in ["", "a b", "a%2fb", "ser.a"] {
            for (path, route) in [
                (
                    format!("/api/v1/environments/{key}/edge-identities"),
                    Route::Admin(None, Endpoint::Identities),
                ),
                (
                    format!("/edge/environments/{key}/identities/export"),
                    Route::Edge(EdgeRoute::ImportExport(None, ImportExport::Export)),
                ),
                (
                    format!("/edge/environments/{key}/identities/count"),
                    Route::Edge(EdgeRoute::IdentityInsight(None, IdentityInsight::Count)),
                ),
            ] {
                check(&path, Some(route));
            }
        }
    }

    #[test]
    fn pages_are_found() {
        for path in ["/", "/edge", "/edge/", "/edge/operator.js", "/api/v1/docs/", "/api/v1/swagger.json"] {
            assert!(matches!(parse(path), Some(Route::Asset(_))), "{path}");
        }
        assert_eq!(parse("/api/v1/docs/origin.json"), Some(Route::Origin));
    }

    #[test]
    fn the_rest_below_api_is_the_origins() {
        for path in
            ["/api/v1/projects/1/", "/api/v1/anything", "/api/experiments/x/", "/api/v1", "/api/", "/api//"]
        {
            assert_eq!(parse(path), Some(Route::Origin), "{path}");
        }
        for path in ["/api", "//api/v1/projects/", "/API/v1/projects/", "/apis/", "//", "/nothing/"] {
            assert_eq!(parse(path), None, "{path}");
        }
    }

    #[test]
    fn dot_segments_are_refused_in_every_family() {
        for path in ["/api/v1/../flags/", "/edge/%2e%2e/status", "/api/v1/environments/./k/edge-identities"] {
            assert_eq!(Route::parse(path), Err(Error::DotSegment), "{path}");
        }
    }
}
