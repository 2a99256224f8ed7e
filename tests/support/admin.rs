//! The edge-identities Admin API without the platform. Identities are in a map, which is also the directory;
//! permissions come from a recorded origin.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use flagsmith_edge_worker::admin::access_decision::{AccessDecision, AccessDecisions, Challenge};
use flagsmith_edge_worker::admin::admin_key::Spelling;
use flagsmith_edge_worker::admin::authorization::{self, Authorization, Probe};
use flagsmith_edge_worker::admin::credential::Credential;
use flagsmith_edge_worker::admin::edge_identities::{self, Action, Endpoint, Reply, TargetIdentity, answer};
use flagsmith_edge_worker::admin::permission::Permission;
use flagsmith_edge_worker::api::{Request, Response, check_method};
use flagsmith_edge_worker::document::ruleset::Engine;
use flagsmith_edge_worker::document::{ClientKey, Environment, Identifier};
use flagsmith_edge_worker::identity::directory::{DirectoryOverride, DirectoryQuery, Entry};
use flagsmith_edge_worker::identity::{Command, CommandError, CommandRequest, ExecutionContext, Identity};
use flagsmith_edge_worker::route::Route;
use serde_json::Value;

use super::exchange::{Answer, Exchange, read};
use super::worker::to_answer;

/// The SHA-256 of `local.key`.
const LOCAL_KEY_SHA256: &str = "7732b7d187f7f03abca39e40e5c160b46e525b2ca16e1fae671d4c2997cf2ebd";

/// The Admin API with its stores.
pub struct Admin {
    environments: HashMap<ClientKey, Environment>,
    /// Identities by environment and identifier.
    identities: BTreeMap<(ClientKey, Identifier), Identity>,
    /// The origin's answer to each probe of each credential. Without an origin there is a local admin key.
    origin: Option<HashMap<(String, String, String), Value>>,
    random: std::cell::Cell<u128>,
}

impl Admin {
    /// Serves the documents of a folder to the key `local.key`.
    pub fn with_documents(folder: &Path, names: &[&str]) -> Admin {
        let mut environments = HashMap::new();
        for name in names {
            let bytes = std::fs::read(folder.join(format!("{name}.json"))).unwrap();
            let environment = Environment::parse(&bytes, Engine::V10).unwrap();
            environments.insert(environment.key().clone(), environment);
        }
        Admin { environments, identities: BTreeMap::new(), origin: None, random: 0.into() }
    }

    /// Serves the documents of a folder with recordings to the credentials in its `admin.jsonl`.
    pub fn with_recordings(folder: &Path) -> Admin {
        let admin = Admin::with_documents(&folder.join("documents"), &["A", "B", "C", "EDGE", "EDGE2"]);
        let mut origin = HashMap::new();
        for Exchange { request, response, .. } in read(&folder.join("admin.jsonl")) {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let credential = text(&request["headers"]["Authorization"]);
            origin.insert((text(&request["method"]), text(&request["path"]), credential), response);
        }
        Admin { origin: Some(origin), ..admin }
    }

    /// Answers a request.
    pub fn answer(
        &mut self,
        method: &str,
        target: &str,
        headers: &HashMap<String, String>,
        body: &[u8],
    ) -> Answer {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let header = |name: &str| headers.get(name).cloned();
        let counter = &self.random;
        let random = || {
            counter.set(counter.get() + 1);
            // Different in every digit.
            counter.get().wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835).to_be_bytes()
        };
        let (client_key, endpoint) = endpoint(path);
        let permission = endpoint.permission(method);
        let verdict = self.authorize(&header, &client_key, permission);
        let verdict = match verdict {
            AccessDecision::NoEnvironment => endpoint.no_environment(),
            verdict => verdict,
        };
        if let Some(refusal) = verdict.refusal() {
            return to_answer(refusal);
        }
        if let Err(refusal) = check_method(method, endpoint.allow()) {
            return to_answer(refusal);
        }
        let Some(environment) = self.environments.get(&client_key) else {
            return to_answer(endpoint.no_environment().refusal().unwrap());
        };
        let request = Request { query, body, random: &random, ..Request::of_headers(method, &header) };
        to_answer(match edge_identities::read(environment, endpoint, &request) {
            Err(error) => Response::error(&error),
            Ok(action) => act(environment, &mut self.identities, action, &random),
        })
    }

    /// The recorded origin's answer. Only recorded requests have one.
    fn authorize(
        &self,
        header: &dyn Fn(&str) -> Option<String>,
        client_key: &ClientKey,
        permission: Permission,
    ) -> AccessDecision {
        let Some(credential) = Credential::read(header) else {
            return AccessDecision::Unauthenticated(Challenge::missing());
        };
        let Some(origin) = &self.origin else {
            return match credential.admin_key(LOCAL_KEY_SHA256) {
                Some(Spelling::ApiKey) => AccessDecision::Allowed,
                Some(Spelling::Other) => AccessDecision::Unauthenticated(Challenge::misspelt_admin_key()),
                None => AccessDecision::Unauthenticated(Challenge::wrong_key()),
            };
        };
        let missing = serde_json::json!({"status": 404, "headers": {}, "body": null});
        let mut question = Authorization::new(&credential, permission);
        let mut probe: Probe = question.first();
        loop {
            let authorization = header("authorization").unwrap_or_default();
            let asked = (probe.method().to_owned(), probe.path(client_key), authorization);
            let response = origin.get(&asked).unwrap_or(&missing);
            let body = response["body"].to_string();
            let answer = authorization::ProbeAnswer {
                status: response["status"].as_u64().unwrap() as u16,
                www_authenticate: response["headers"]["www-authenticate"].as_str(),
                body: body.as_bytes(),
            };
            match question.take(answer).unwrap() {
                authorization::Progress::Ask(next) => probe = next,
                authorization::Progress::Decided(decided) => {
                    let mut verdicts = AccessDecisions::default();
                    verdicts.record(decided, 0);
                    return verdicts.get(permission, 0).unwrap().clone();
                }
            }
        }
    }
}

/// The client key and the endpoint of a path of the edge-identities Admin API.
pub fn endpoint(path: &str) -> (ClientKey, Endpoint) {
    match Route::parse(path) {
        Ok(Some(Route::Admin(Some(client_key), endpoint))) => (client_key, endpoint),
        other => panic!("{path} is {other:?}"),
    }
}

type Identities = BTreeMap<(ClientKey, Identifier), Identity>;

fn act(
    environment: &Environment,
    identities: &mut Identities,
    action: Action,
    random: &dyn Fn() -> [u8; 16],
) -> Response<'static> {
    match action {
        Action::Nothing => answer::nothing(),
        Action::List(query) => {
            let (entries, next) = query.merge(vec![entries(identities, environment, &query)]);
            answer::page(&entries, next.as_ref())
        }
        Action::Overrides(feature) => {
            let known = of_environment(identities, environment).flat_map(|(identifier, identity)| {
                let whose = move |state: &flagsmith_edge_worker::document::FeatureState| DirectoryOverride {
                    identifier: identifier.clone(),
                    uuid: identity.uuid().unwrap().into(),
                    created_date: Box::default(),
                    django_id: identity.django_id,
                    state: state.clone(),
                };
                identity.overrides.iter().map(whose)
            });
            let wanted =
                |known: &DirectoryOverride| feature.is_none_or(|feature| known.state.feature.id == feature);
            answer::overrides(environment, known.filter(wanted).collect())
        }
        Action::Execute(target, command, reply) => {
            let outcome = execute(environment, identities, &target, command, random);
            match outcome {
                Err(refusal) => answer::refused(refusal, &target, &reply),
                Ok((identifier, identity)) => answer::reply(environment, &identifier, &identity, &reply),
            }
        }
        Action::Clone(target, source) => {
            let source =
                execute(environment, identities, &TargetIdentity::Uuid(source), Command::Read, random);
            let cloned = source.and_then(|(_, source)| {
                let states = edge_identities::cloned(&source.overrides, random);
                let target = TargetIdentity::Uuid(target);
                execute(environment, identities, &target, Command::ReplaceOverrides(states), random)
            });
            match cloned {
                Err(_) => answer::missing(),
                Ok((identifier, identity)) => {
                    answer::reply(environment, &identifier, &identity, &Reply::AllFeatureStates)
                }
            }
        }
    }
}

fn execute(
    environment: &Environment,
    identities: &mut Identities,
    target: &TargetIdentity,
    command: Command,
    random: &dyn Fn() -> [u8; 16],
) -> Result<(Identifier, Identity), CommandError> {
    let (identifier, uuid) = match target {
        TargetIdentity::Identifier(identifier) => (identifier.clone(), None),
        TargetIdentity::Uuid(uuid) => {
            let mut all = of_environment(identities, environment);
            let found = all.find(|(_, identity)| identity.uuid() == Some(uuid));
            (found.ok_or(CommandError::Missing)?.0.clone(), Some(uuid.as_str().into()))
        }
    };
    let request =
        CommandRequest { uuid, ..CommandRequest::new(environment.key(), identifier.clone(), command) };
    let key = (environment.key().clone(), identifier.clone());
    let identity = identities.entry(key).or_default();
    identity.apply(request, ExecutionContext { now: 1_795_362_721_900, random })?;
    Ok((identifier, identity.clone()))
}

fn of_environment<'a>(
    identities: &'a Identities,
    environment: &'a Environment,
) -> impl Iterator<Item = (&'a Identifier, &'a Identity)> {
    let of_key = |((key, identifier), identity): (&'a (ClientKey, Identifier), &'a Identity)| {
        (key == environment.key() && identity.exists).then_some((identifier, identity))
    };
    identities.iter().filter_map(of_key)
}

fn entries(identities: &Identities, environment: &Environment, query: &DirectoryQuery) -> Vec<Entry> {
    let entry = |(identifier, identity): (&Identifier, &Identity)| {
        let details = identity.details.clone().unwrap();
        let (uuid, alias) = (details.uuid, details.dashboard_alias);
        Entry { identifier: identifier.clone(), uuid, alias, has_django_id: identity.django_id.is_some() }
    };
    of_environment(identities, environment).map(entry).filter(|entry| query.finds(entry)).collect()
}
