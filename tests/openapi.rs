//! The API's description has exactly the worker's routes: the paths and methods of `src/openapi` are compared with the
//! parsers. Its examples of errors are the worker's own texts.
//!
//! Each table of routes below is also a match over them, so that a new route does not compile without an entry.

mod support;

use std::collections::{BTreeMap, BTreeSet};

use flagsmith_edge_worker::admin::access_decision::{AccessDecision, Challenge};
use flagsmith_edge_worker::admin::edge_identities::{Address, Route as EdgeIdentities};
use flagsmith_edge_worker::admin::identity_insight::{self, IdentityInsight};
use flagsmith_edge_worker::admin::import_export::ImportExport;
use flagsmith_edge_worker::api::{
    Dependency, Error, HealthRoute, KeyedRoute, MAX_BODY_LENGTH, Route, readiness,
};
use flagsmith_edge_worker::page::{self, ORIGIN_DESCRIPTION, Page};
use flagsmith_edge_worker::publish::Endpoint;
use serde_json::{Value, json};

/// The paths of each route, all of them in one list, and those of one.
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
    let (paths, of) = table!(Route,
        Route::Keyed(KeyedRoute::Flags) => ["/api/v1/flags/"],
        Route::Keyed(KeyedRoute::Identities) => ["/api/v1/identities/"],
        Route::Keyed(KeyedRoute::Traits) => ["/api/v1/traits/"],
        Route::Keyed(KeyedRoute::TraitsBulk) => ["/api/v1/traits/bulk/"],
        Route::Keyed(KeyedRoute::TraitsIncrement) => ["/api/v1/traits/increment-value/"],
        Route::Keyed(KeyedRoute::BulkIdentities) => ["/api/v1/bulk-identities/"],
        Route::Keyed(KeyedRoute::EnvironmentDocument) => ["/api/v1/environment-document/"],
        Route::Keyed(KeyedRoute::AnalyticsV1) => ["/api/v1/analytics/flags/"],
        Route::Keyed(KeyedRoute::AnalyticsV2) => ["/api/v2/analytics/flags/"],
        Route::Health(HealthRoute::Health) => ["/health/"],
        Route::Health(HealthRoute::Liveness) => ["/health/liveness/"],
        Route::Health(HealthRoute::Readiness) => ["/health/readiness/"],
        Route::Health(HealthRoute::ProxyReadiness) => ["/proxy/health/", "/proxy/health/readiness/"],
        Route::Health(HealthRoute::ProxyLiveness) => ["/proxy/health/liveness/"],
        Route::Health(HealthRoute::Version) => ["/version/"],
    );
    for path in paths {
        let route = Route::parse(path).ok().flatten().unwrap_or_else(|| panic!("{path} is no route"));
        assert!(of(&route).contains(&path), "{path} is {route:?}");
        add(&mut served, path, route.allow());
    }
    let (paths, of) = table!(EdgeIdentities,
        EdgeIdentities::Identities => ["/api/v1/environments/{environment_key}/edge-identities/"],
        EdgeIdentities::Identity(_) => ["/api/v1/environments/{environment_key}/edge-identities/{identity_uuid}/"],
        EdgeIdentities::ListTraits(_) =>
            ["/api/v1/environments/{environment_key}/edge-identities/{identity_uuid}/list-traits/"],
        EdgeIdentities::UpdateTraits(_) =>
            ["/api/v1/environments/{environment_key}/edge-identities/{identity_uuid}/update-traits/"],
        EdgeIdentities::FeatureStates(_) =>
            ["/api/v1/environments/{environment_key}/edge-identities/{identity_uuid}/edge-featurestates/"],
        EdgeIdentities::FeatureState(_, _) => [
            "/api/v1/environments/{environment_key}/edge-identities/{identity_uuid}/edge-featurestates/{featurestate_uuid}/",
        ],
        EdgeIdentities::AllFeatureStates(_) =>
            ["/api/v1/environments/{environment_key}/edge-identities/{identity_uuid}/edge-featurestates/all/"],
        EdgeIdentities::Clone(_) => [
            "/api/v1/environments/{environment_key}/edge-identities/{identity_uuid}/edge-featurestates/clone-from-given-identity/",
        ],
        EdgeIdentities::ByIdentifier => [
            "/api/v1/environments/environments/{environment_key}/edge-identities-featurestates",
            "/api/v1/environments/{environment_key}/edge-identities-featurestates",
        ],
        EdgeIdentities::Overrides => ["/api/v1/environments/{environment_key}/edge-identity-overrides"],
    );
    for path in paths {
        let route = Address::parse(path).unwrap_or_else(|| panic!("{path} is no route")).route;
        assert!(of(&route).contains(&path), "{path} is {route:?}");
        add(&mut served, path, route.allow());
    }
    let (paths, of) = table!(ImportExport,
        ImportExport::Import => ["/edge/environments/{environment_key}/identities/import/"],
        ImportExport::Export => ["/edge/environments/{environment_key}/identities/export/"],
        ImportExport::Repair => ["/edge/environments/{environment_key}/identities/repair/"],
    );
    for path in paths {
        let (_, transfer) = ImportExport::parse(path).unwrap_or_else(|| panic!("{path} is no route"));
        assert!(of(&transfer).contains(&path), "{path} is {transfer:?}");
        add(&mut served, path, transfer.allow());
    }
    let (paths, of) = table!(IdentityInsight,
        IdentityInsight::Count => ["/edge/environments/{environment_key}/identities/count/"],
        IdentityInsight::Explain => ["/edge/environments/{environment_key}/identities/explain/"],
    );
    for path in paths {
        let (_, inspection) = IdentityInsight::parse(path).unwrap_or_else(|| panic!("{path} is no route"));
        assert!(of(&inspection).contains(&path), "{path} is {inspection:?}");
        add(&mut served, path, identity_insight::ALLOW);
    }
    let (paths, of) = table!(Endpoint,
        Endpoint::QueueChange(_) => ["/sse/environments/{environment_key}/queue-change"],
        Endpoint::Webhook(_) => ["/edge/webhooks/{webhook_id}"],
        Endpoint::Status => ["/edge/status"],
    );
    for path in paths {
        // Its parts are words only.
        let filled = path.replace(['{', '}'], "");
        let endpoint = Endpoint::parse(&filled).unwrap_or_else(|| panic!("{path} is no route"));
        assert!(of(&endpoint).contains(&path), "{path} is {endpoint:?}");
        add(&mut served, path, endpoint.allow());
    }
    let is_page = |path: &str| Page::find("GET", path, || Some("text/html".to_owned())).is_some();
    for path in ["/", "/api/v1/docs/", "/api/v1/swagger.json", "/api/v1/swagger.yaml", "/edge/"] {
        assert!(is_page(path), "{path} is no page");
        add(&mut served, path, page::ALLOW);
    }
    for path in ["/api/v1/docs/{file}", "/edge/{file}"] {
        for file in ["a.css", "a.js", "a.json", "a.svg"] {
            assert!(is_page(&path.replace("{file}", file)), "{path} is no file");
        }
        add(&mut served, path, page::ALLOW);
    }
    add(&mut served, ORIGIN_DESCRIPTION, "GET");

    let described = described();
    let difference = |one: &BTreeSet<Operation>, other: &BTreeSet<Operation>| format!("{:#?}", one - other);
    assert!(
        served == described,
        "not described: {}\nno routes: {}",
        difference(&served, &described),
        difference(&described, &served)
    );
}

#[test]
fn examples_of_shared_answers_equal_the_workers_answers() {
    let refused = |verdict: AccessDecision| serde_json::from_slice(&verdict.refusal().unwrap().body).unwrap();
    let unavailable = |part| Error::Unavailable(part).body();
    let unready = |route| serde_json::from_slice(&readiness(route, false, None).body).unwrap();
    let given = BTreeMap::from([
        ("Invalid", exchanged("a trait without a key")),
        ("KeyRefused", Error::KeyUnknown.body()),
        ("Unauthenticated", refused(AccessDecision::Unauthenticated(Challenge::missing()))),
        ("Forbidden", refused(AccessDecision::Forbidden)),
        ("NotFound", Error::NotFound.body()),
        ("TooLarge", Error::BodyTooLarge(MAX_BODY_LENGTH).body()),
        ("UnsupportedMediaType", Error::UnsupportedMediaType("text/plain".to_owned()).body()),
        ("Throttled", Error::Throttled.body()),
        ("NotReady", unready(HealthRoute::Readiness)),
        ("ProxyNotReady", unready(HealthRoute::ProxyReadiness)),
        ("NoFiles", Error::AssetsMissing.body()),
        ("Unavailable", unavailable(Dependency::Environment)),
        ("PartlyDone", json!({"data": [{}, unavailable(Dependency::Identity)]})),
    ]);
    let text = std::fs::read_to_string(sources().join("openapi.yaml")).unwrap();
    let (_, responses) = text.split_once("\n  responses:\n").unwrap();
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
    let exchanges = std::fs::read_to_string(support::fixtures("exchanges/shop.jsonl")).unwrap();
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

/// The operations of the YAML, by its indentation: a path by two spaces, a method by four.
fn described() -> BTreeSet<Operation> {
    let mut operations = BTreeSet::new();
    for file in std::fs::read_dir(sources()).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
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
