//! The API's description has exactly the worker's routes: the paths and methods of `src/openapi` are compared with the
//! parsers. Its examples of errors are the worker's own texts.
//!
//! Each table of routes below is also a match over them, so that a new route does not compile without an entry.

mod support;

use std::collections::{BTreeMap, BTreeSet};

use flagsmith_edge_worker::admin::AdminError;
use flagsmith_edge_worker::admin::access_decision::{AccessDecision, Challenge};
use flagsmith_edge_worker::admin::edge_identities::Endpoint;
use flagsmith_edge_worker::admin::identity_insight::IdentityInsight;
use flagsmith_edge_worker::admin::import_export::ImportExport;
use flagsmith_edge_worker::api::{
    Dependency, Error, HealthRoute, KeyedRoute, MAX_BODY_LENGTH, Response, SdkRoute, ofrep_error, readiness,
};
use flagsmith_edge_worker::page::{self, FILES_MISSING, ORIGIN_DESCRIPTION};
use flagsmith_edge_worker::route::{EdgeRoute, Route, StreamKind};
use serde_json::{Value, json};

/// The paths of each route, all routes in one list, and the paths of one route.
macro_rules! table {
    ($routes:ty, $($pattern:pat => $paths:expr),* $(,)?) => {{
        fn of(route: &$routes) -> &'static [&'static str] {
            match route { $($pattern => &$paths),* }
        }
        let all: Vec<&'static str> = [$(&$paths as &[&'static str]),*].concat();
        (all, of as fn(&$routes) -> &'static [&'static str])
    }};
}

/// A path and a method.
type Operation = (String, String);

#[test]
fn the_description_has_exactly_the_routes() {
    let mut served = BTreeSet::new();
    let (paths, of) = table!(Route<'_>,
        Route::Sdk(SdkRoute::Keyed(KeyedRoute::Flags)) => ["/api/v1/flags/"],
        Route::Sdk(SdkRoute::Keyed(KeyedRoute::Identities)) => ["/api/v1/identities/"],
        Route::Sdk(SdkRoute::Keyed(KeyedRoute::Traits)) => ["/api/v1/traits/"],
        Route::Sdk(SdkRoute::Keyed(KeyedRoute::TraitsBulk)) => ["/api/v1/traits/bulk/"],
        Route::Sdk(SdkRoute::Keyed(KeyedRoute::TraitsIncrement)) => ["/api/v1/traits/increment-value/"],
        Route::Sdk(SdkRoute::Keyed(KeyedRoute::BulkIdentities)) => ["/api/v1/bulk-identities/"],
        Route::Sdk(SdkRoute::Keyed(KeyedRoute::EnvironmentDocument)) => ["/api/v1/environment-document/"],
        Route::Sdk(SdkRoute::Keyed(KeyedRoute::AnalyticsV1)) => ["/api/v1/analytics/flags/"],
        Route::Sdk(SdkRoute::Keyed(KeyedRoute::AnalyticsV2)) => ["/api/v2/analytics/flags/"],
        Route::Sdk(SdkRoute::Keyed(KeyedRoute::Events)) => ["/v1/events"],
        // The paths below /api/v1 are only mentioned.
        Route::Sdk(SdkRoute::Keyed(KeyedRoute::OfrepFlag)) => ["/ofrep/v1/evaluate/flags/{key}"],
        Route::Sdk(SdkRoute::Keyed(KeyedRoute::OfrepFlags)) => ["/ofrep/v1/evaluate/flags"],
        Route::Sdk(SdkRoute::Health(HealthRoute::Health)) => ["/health/"],
        Route::Sdk(SdkRoute::Health(HealthRoute::Liveness)) => ["/health/liveness/"],
        Route::Sdk(SdkRoute::Health(HealthRoute::Readiness)) => ["/health/readiness/"],
        Route::Sdk(SdkRoute::Health(HealthRoute::ProxyReadiness)) => ["/proxy/health/", "/proxy/health/readiness/"],
        Route::Sdk(SdkRoute::Health(HealthRoute::ProxyLiveness)) => ["/proxy/health/liveness/"],
        Route::Sdk(SdkRoute::Health(HealthRoute::Version)) => ["/version/"],
        Route::Edge(EdgeRoute::ImportExport(_, ImportExport::Import)) =>
            ["/edge/environments/{environment_key}/identities/import/"],
        Route::Edge(EdgeRoute::ImportExport(_, ImportExport::Export)) =>
            ["/edge/environments/{environment_key}/identities/export/"],
        Route::Edge(EdgeRoute::ImportExport(_, ImportExport::Repair)) =>
            ["/edge/environments/{environment_key}/identities/repair/"],
        Route::Edge(EdgeRoute::IdentityInsight(_, IdentityInsight::Count)) =>
            ["/edge/environments/{environment_key}/identities/count/"],
        Route::Edge(EdgeRoute::IdentityInsight(_, IdentityInsight::Explain)) =>
            ["/edge/environments/{environment_key}/identities/explain/"],
        Route::Edge(EdgeRoute::QueueChange(_)) => ["/sse/environments/{environment_key}/queue-change"],
        Route::Edge(EdgeRoute::Webhook(_)) => ["/edge/webhooks/{webhook_id}"],
        Route::Stream(_, StreamKind::Flagsmith) => ["/sse/environments/{environment_key}/stream"],
        Route::Stream(_, StreamKind::Ofrep) => ["/ofrep/v1/environments/{environment_key}/stream"],
        Route::Edge(EdgeRoute::Status) => ["/edge/status"],
        Route::Admin(_, Endpoint::Identities) => ["/api/v1/environments/{environment_key}/edge-identities/"],
        Route::Admin(_, Endpoint::Identity(_)) =>
            ["/api/v1/environments/{environment_key}/edge-identities/{identity_uuid}/"],
        Route::Admin(_, Endpoint::ListTraits(_)) =>
            ["/api/v1/environments/{environment_key}/edge-identities/{identity_uuid}/list-traits/"],
        Route::Admin(_, Endpoint::UpdateTraits(_)) =>
            ["/api/v1/environments/{environment_key}/edge-identities/{identity_uuid}/update-traits/"],
        Route::Admin(_, Endpoint::FeatureStates(_)) =>
            ["/api/v1/environments/{environment_key}/edge-identities/{identity_uuid}/edge-featurestates/"],
        Route::Admin(_, Endpoint::FeatureState(..)) => [
            "/api/v1/environments/{environment_key}/edge-identities/{identity_uuid}/edge-featurestates/{featurestate_uuid}/",
        ],
        Route::Admin(_, Endpoint::AllFeatureStates(_)) =>
            ["/api/v1/environments/{environment_key}/edge-identities/{identity_uuid}/edge-featurestates/all/"],
        Route::Admin(_, Endpoint::Clone(_)) => [
            "/api/v1/environments/{environment_key}/edge-identities/{identity_uuid}/edge-featurestates/clone-from-given-identity/",
        ],
        Route::Admin(_, Endpoint::ByIdentifier) => [
            "/api/v1/environments/environments/{environment_key}/edge-identities-featurestates",
            "/api/v1/environments/{environment_key}/edge-identities-featurestates",
        ],
        Route::Admin(_, Endpoint::Overrides) => ["/api/v1/environments/{environment_key}/edge-identity-overrides"],
        Route::Asset(_) => [
            "/", "/api/v1/docs/", "/api/v1/docs/{file}", "/api/v1/swagger.json", "/api/v1/swagger.yaml", "/edge/", "/edge/{file}",
        ],
        Route::Origin => [ORIGIN_DESCRIPTION],
    );
    for path in paths {
        let files = ["a.css", "a.js", "a.json", "a.svg"];
        for file in files.into_iter().take(if path.contains("{file}") { files.len() } else { 1 }) {
            // Its parts are only words.
            let filled = path.replace("{file}", file).replace(['{', '}'], "");
            let route = Route::parse(&filled).ok().flatten().unwrap_or_else(|| panic!("{path} is no route"));
            assert!(of(&route).contains(&path), "{path} is {route:?}");
            add(&mut served, path, allow(&route));
        }
    }

    compare(&served, &described(&sources()));
}

#[test]
fn the_origins_description_has_exactly_the_routes_of_the_embedded_origin() {
    use flagsmith_edge_origin::Route;
    let (paths, of) = table!(Route<'_>,
        Route::Organisations => ["/api/v1/organisations/"],
        Route::Organisation(_) => ["/api/v1/organisations/{organisation_id}/"],
        Route::MasterApiKeys(_) => ["/api/v1/organisations/{organisation_id}/master-api-keys/"],
        Route::MasterApiKey(..) => ["/api/v1/organisations/{organisation_id}/master-api-keys/{prefix}/"],
        Route::Projects => ["/api/v1/projects/"],
        Route::Project(_) => ["/api/v1/projects/{project_id}/"],
        Route::Environments => ["/api/v1/environments/"],
        Route::EnvironmentByUuid(_) => ["/api/v1/environments/get-by-uuid/{uuid}/"],
        Route::Environment(_) => ["/api/v1/environments/{environment_key}/"],
        Route::EnvironmentClone(_) => ["/api/v1/environments/{environment_key}/clone/"],
        Route::MyPermissions(_) => ["/api/v1/environments/{environment_key}/my-permissions/"],
        Route::Document(_) => ["/api/v1/environments/{environment_key}/document/"],
        Route::ServerKeys(_) => ["/api/v1/environments/{environment_key}/api-keys/"],
        Route::ServerKey(..) => ["/api/v1/environments/{environment_key}/api-keys/{server_key_id}/"],
        Route::FeatureStates(_) => ["/api/v1/environments/{environment_key}/featurestates/"],
        Route::FeatureState(..) => ["/api/v1/environments/{environment_key}/featurestates/{featurestate_id}/"],
        Route::Features(_) => ["/api/v1/projects/{project_id}/features/"],
        Route::Feature(..) => ["/api/v1/projects/{project_id}/features/{feature_id}/"],
        Route::MultivariateOptions(..) => ["/api/v1/projects/{project_id}/features/{feature_id}/mv-options/"],
        Route::MultivariateOption(..) =>
            ["/api/v1/projects/{project_id}/features/{feature_id}/mv-options/{option_id}/"],
        Route::Segments(_) => ["/api/v1/projects/{project_id}/segments/"],
        Route::Segment(..) => ["/api/v1/projects/{project_id}/segments/{segment_id}/"],
        Route::SegmentClone(..) => ["/api/v1/projects/{project_id}/segments/{segment_id}/clone/"],
        Route::SegmentByUuid(_) => ["/api/v1/segments/get-by-uuid/{uuid}/"],
        Route::AssociatedFeatures(..) =>
            ["/api/v1/projects/{project_id}/segments/{segment_id}/associated-features/"],
        Route::FeatureSegments => ["/api/v1/features/feature-segments/"],
        Route::FeatureSegmentPriorities => ["/api/v1/features/feature-segments/update-priorities/"],
        Route::FeatureSegmentByUuid(_) => ["/api/v1/features/feature-segments/get-by-uuid/{uuid}/"],
        Route::FeatureSegment(_) => ["/api/v1/features/feature-segments/{feature_segment_id}/"],
        Route::SegmentOverride(..) =>
            ["/api/v1/environments/{environment_key}/features/{feature_id}/create-segment-override/"],
        Route::SimpleFeatureStates => ["/api/v1/features/featurestates/"],
        Route::SimpleFeatureStateByUuid(_) => ["/api/v1/features/featurestates/get-by-uuid/{uuid}/"],
        Route::SimpleFeatureState(_) => ["/api/v1/features/featurestates/{featurestate_id}/"],
        Route::UpdateFlag(_) => ["/api/experiments/environments/{environment_key}/update-flag-v1/"],
        Route::Audit => ["/api/v1/audit/"],
        Route::AuditRow(_) => ["/api/v1/audit/{audit_id}/"],
        Route::AuditOfOrganisation(_) => ["/api/v1/organisations/{organisation_id}/audit/"],
        Route::AuditOfProject(_) => ["/api/v1/projects/{project_id}/audit/"],
        Route::Identities(_) => ["/api/v1/environments/{environment_key}/identities/"],
        Route::Identity(..) => ["/api/v1/environments/{environment_key}/identities/{identity_id}/"],
        Route::Traits(..) => ["/api/v1/environments/{environment_key}/identities/{identity_id}/traits/"],
        Route::Trait(..) =>
            ["/api/v1/environments/{environment_key}/identities/{identity_id}/traits/{trait_id}/"],
        Route::IdentityOverrides(..) =>
            ["/api/v1/environments/{environment_key}/identities/{identity_id}/featurestates/"],
        Route::IdentityFlags(..) =>
            ["/api/v1/environments/{environment_key}/identities/{identity_id}/featurestates/all/"],
        Route::IdentityClone(..) => [
            "/api/v1/environments/{environment_key}/identities/{identity_id}/featurestates/clone-from-given-identity/",
        ],
        Route::IdentityOverride(..) =>
            ["/api/v1/environments/{environment_key}/identities/{identity_id}/featurestates/{featurestate_id}/"],
    );
    let mut served = BTreeSet::new();
    for path in paths {
        // Its parts are only words.
        let filled = path.replace(['{', '}'], "");
        let route = Route::parse(&filled).unwrap_or_else(|| panic!("{path} is no route"));
        assert!(of(&route).contains(&path), "{path} is {route:?}");
        add(&mut served, path, route.allow());
    }
    compare(&served, &described(&sources().join("origin")));
}

/// Compares the operations of routes with the described ones.
fn compare(served: &BTreeSet<Operation>, described: &BTreeSet<Operation>) {
    let difference = |one: &BTreeSet<Operation>, other: &BTreeSet<Operation>| format!("{:#?}", one - other);
    assert!(
        served == described,
        "not described: {}\nno routes: {}",
        difference(served, described),
        difference(described, served)
    );
}

/// The methods of a route, which are described where the worker answers them.
fn allow(route: &Route<'_>) -> &'static str {
    match route {
        Route::Sdk(route) => route.allow(),
        Route::Edge(route) => route.allow(),
        Route::Admin(_, endpoint) => endpoint.allow(),
        Route::Asset(_) => page::ALLOW,
        Route::Stream(..) => "GET, OPTIONS",
        // The origin's own description is the only path of the origin in ours.
        Route::Origin => "GET",
    }
}

#[test]
fn examples_of_shared_answers_equal_the_workers_answers() {
    let body = |response: Response<'_>| serde_json::from_slice::<Value>(&response.body).unwrap();
    let refused = |verdict: AccessDecision| body(verdict.refusal().unwrap());
    let unavailable = |part| Error::Unavailable(part).body();
    let unready = |route| body(readiness(route, false, None));
    let ofrep = |error: Error| body(ofrep_error(&error));
    let given = BTreeMap::from([
        ("OfrepInvalid", exchanged("OpenFeature: a context that is no object")),
        ("OfrepKeyMissing", ofrep(Error::KeyMissing)),
        ("OfrepKeyRefused", ofrep(Error::KeyUnknown)),
        ("OfrepNoFlag", ofrep(Error::FeatureNotFound)),
        ("OfrepTooLarge", ofrep(Error::BodyTooLarge(MAX_BODY_LENGTH))),
        ("OfrepUnsupportedMediaType", ofrep(Error::UnsupportedMediaType("text/plain".to_owned()))),
        ("OfrepUnavailable", ofrep(Error::Unavailable(Dependency::Environment))),
        ("Invalid", exchanged("a trait without a key")),
        ("KeyRefused", Error::KeyUnknown.body()),
        ("Unauthenticated", refused(AccessDecision::Unauthenticated(Challenge::missing()))),
        ("Forbidden", refused(AccessDecision::Forbidden)),
        ("NotFound", Error::NotFound.body()),
        ("TooLarge", Error::BodyTooLarge(MAX_BODY_LENGTH).body()),
        ("UnsupportedMediaType", Error::UnsupportedMediaType("text/plain".to_owned()).body()),
        ("Throttled", body(AdminError::Throttled.response())),
        ("NotReady", unready(HealthRoute::Readiness)),
        ("ProxyNotReady", unready(HealthRoute::ProxyReadiness)),
        ("NoFiles", body(Response::detail(503, FILES_MISSING))),
        ("Unavailable", unavailable(Dependency::Environment)),
        ("PartlyDone", json!({"data": [{}, unavailable(Dependency::Identity)]})),
    ]);
    let responses = ["openapi.yaml", "ofrep.yaml"].map(|file| {
        let text = std::fs::read_to_string(sources().join(file)).unwrap();
        text.split_once("\n  responses:\n").unwrap().1.to_owned()
    });
    let responses = responses.concat();
    let mut described = BTreeMap::new();
    let mut name = "";
    for line in responses.lines() {
        let (key, value) = line.split_once(':').unwrap_or_default();
        match (key.len() - key.trim_start().len(), key.trim_start()) {
            (4, response) => {
                name = response;
                described.insert(name, Value::Null);
            }
            (14, "value") => {
                described.insert(name, serde_json::from_str(value).unwrap());
            }
            _ => {}
        }
    }
    assert_eq!(described, given);
}

/// The body of the answer in an exchange. Other tests replay the exchange.
fn exchanged(name: &str) -> Value {
    let files = ["exchanges/shop.jsonl", "exchanges/ofrep.jsonl"].map(support::fixtures);
    let exchanges = files.map(|file| std::fs::read_to_string(file).unwrap()).concat();
    let mut exchanges = exchanges.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    exchanges.find(|exchange| exchange["name"] == name).unwrap()["response"]["body"].take()
}

/// Adds the methods of a route, except HEAD and OPTIONS, which are not described.
fn add(operations: &mut BTreeSet<Operation>, path: &str, allow: &str) {
    let methods = allow.split(", ").filter(|method| !matches!(*method, "HEAD" | "OPTIONS"));
    operations.extend(methods.map(|method| (path.to_owned(), method.to_lowercase())));
}

fn sources() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/openapi")
}

/// The operations of a folder's YAML, by its indentation: a path by two spaces, a method by four.
fn described(folder: &std::path::Path) -> BTreeSet<Operation> {
    let mut operations = BTreeSet::new();
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    for file in files.filter(|file| file.is_file()) {
        let text = std::fs::read_to_string(file).unwrap();
        let mut path = None;
        for line in text.lines() {
            let key = line.split(':').next().unwrap_or_default();
            match (key.len() - key.trim_start().len(), key.trim_start()) {
                (2, name) if name.starts_with('/') => path = Some(name),
                (0, name) if !name.is_empty() && !name.starts_with('#') => path = None,
                (4, method @ ("get" | "post" | "put" | "patch" | "delete")) => {
                    let path = path.unwrap_or_else(|| panic!("{method} is of no path"));
                    assert!(operations.insert((path.to_owned(), method.to_owned())), "{method} {path} twice");
                }
                _ => {}
            }
        }
    }
    operations
}
