//! The worker without the platform: environments and identities in maps, with `api` between them.

use std::collections::HashMap;
use std::path::Path;

use flagsmith_edge_worker::admin::{self, AdminRoute};
use flagsmith_edge_worker::api::{
    self, EnvironmentKey, Error, KeyedRoute, Plan, Request, Response, Route, RouteMatch,
};
use flagsmith_edge_worker::document::ruleset::Engine;
use flagsmith_edge_worker::document::{Environment, Fault, ServerKey, Timestamp};
use flagsmith_edge_worker::identity::directory::Override;
use flagsmith_edge_worker::identity::{
    Change, Command, CommandError, CommandRequest, ExecutionContext, Identity,
};
use serde_json::{Value, json};

use super::exchange::{Answer, Exchange};

/// The time of commands.
const NOW: u64 = 1_795_362_721_900;

/// A worker with its stores.
#[derive(Default)]
pub struct Worker {
    environments: HashMap<String, Environment>,
    server_keys: HashMap<String, ServerKey>,
    identities: HashMap<(String, String), Identity>,
    /// The number of changes to overrides by [`Worker::order`].
    overrides_version: u64,
}

impl Worker {
    /// Serves every document of a folder, with the keys in its `server-keys.json`.
    pub fn with_documents(folder: &Path) -> Worker {
        let mut worker = Worker::default();
        for entry in std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            if path.ends_with("server-keys.json") {
                worker.add_server_keys(&bytes);
            } else if path.extension().is_some_and(|extension| extension == "json") {
                let environment = Environment::parse(&bytes, Engine::V10);
                let environment = environment.unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
                worker.environments.insert(environment.key().to_owned(), environment);
            }
        }
        worker
    }

    /// A server key of the worker that serves one document.
    pub const SERVER_KEY: &str = "ser.key";

    /// Serves one document, to its client key and to [`Worker::SERVER_KEY`].
    pub fn with_document(document: &[u8]) -> Result<Worker, Fault> {
        Worker::with_document_for(document, Engine::V10)
    }

    /// Serves one document with the rules of another engine.
    pub fn with_document_for(document: &[u8], engine: Engine) -> Result<Worker, Fault> {
        let environment = Environment::parse(document, engine)?;
        let mut worker = Worker::default();
        let keys =
            json!({environment.key(): [{"key": Worker::SERVER_KEY, "active": true, "expires_at": null}]});
        worker.add_server_keys(keys.to_string().as_bytes());
        worker.environments.insert(environment.key().to_owned(), environment);
        Ok(worker)
    }

    fn add_server_keys(&mut self, bytes: &[u8]) {
        let by_environment: HashMap<String, Vec<Value>> = serde_json::from_slice(bytes).unwrap();
        for (environment, keys) in by_environment {
            for mut key in keys {
                let Ok(EnvironmentKey::Server(hash)) =
                    EnvironmentKey::parse(key["key"].as_str().map(str::to_owned))
                else {
                    panic!("{key} is no server key");
                };
                key["environment"] = environment.as_str().into();
                self.server_keys.insert(hash, serde_json::from_value(key).unwrap());
            }
        }
    }

    /// Executes a command that no SDK can send.
    pub fn order(
        &mut self,
        environment: &str,
        identifier: &str,
        command: Command,
    ) -> Result<Change, CommandError> {
        let order = CommandRequest::new(environment, identifier, command);
        let context = ExecutionContext { now: NOW, random: &|| [7; 16] };
        let key = (environment.to_owned(), identifier.to_owned());
        let change = self.identities.entry(key).or_default().apply(order, context)?;
        self.overrides_version += u64::from(change.concerns_overrides());
        Ok(change)
    }

    /// The identifiers of all identities that exist, sorted.
    pub fn identifiers(&self) -> Vec<&str> {
        let existing = self.identities.iter().filter(|(_, identity)| identity.exists);
        let mut identifiers: Vec<_> = existing.map(|((_, identifier), _)| &**identifier).collect();
        identifiers.sort_unstable();
        identifiers
    }

    /// Answers a recorded request.
    pub fn exchange(&mut self, exchange: &Exchange) -> Answer {
        let request = &exchange.request;
        let mut headers: HashMap<String, String> = HashMap::new();
        for (name, value) in request["headers"].as_object().into_iter().flatten() {
            // White space around a value is not part of it (RFC 9110 §5.5).
            headers.insert(name.to_lowercase(), value.as_str().unwrap_or_default().trim().to_owned());
        }
        let method = request["method"].as_str().unwrap();
        let mut answer = self.answer(method, request["path"].as_str().unwrap(), &headers, &exchange.body());
        if method == "HEAD" {
            answer.body.clear();
        }
        answer
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
        let (route, key) = match api::open(method, path, &header) {
            RouteMatch::Answered(response) => return to_answer(response),
            RouteMatch::Readiness(route) => {
                return to_answer(
                    api::readiness(route, true, None).finish(Some(Route::Health(route)), method),
                );
            }
            RouteMatch::NeedsEnvironment(route, key) => (route, key),
            // Without an origin.
            RouteMatch::NotSdkRoute => match admin::route(method, path, None, &header) {
                AdminRoute::Answered(response) => return to_answer(response),
                other => panic!("{path} goes elsewhere: {other:?}"),
            },
        };
        let Worker { environments, server_keys, identities, overrides_version } = self;
        let request = Request { method, query, header: &header, body, random: &|| [7; 16] };
        let response = find(environments, server_keys, &key).and_then(|environment| {
            respond(environment, identities, *overrides_version, route, &key, &request)
        });
        to_answer(response.unwrap_or_else(|error| Response::error(&error)).finish(Some(route.into()), method))
    }
}

fn find<'e>(
    environments: &'e HashMap<String, Environment>,
    server_keys: &HashMap<String, ServerKey>,
    key: &EnvironmentKey,
) -> Result<&'e Environment, Error> {
    let now = Timestamp::from_iso("2026-11-22T16:00:00Z").unwrap();
    let client_key = match key {
        EnvironmentKey::Client(key) => Some(key),
        EnvironmentKey::Server(hash) => {
            server_keys.get(hash).filter(|key| key.is_valid(now)).map(|key| &key.environment)
        }
    };
    client_key.and_then(|key| environments.get(key)).ok_or(Error::KeyUnknown)
}

fn respond<'e>(
    environment: &'e Environment,
    identities: &mut HashMap<(String, String), Identity>,
    version: u64,
    route: KeyedRoute,
    key: &EnvironmentKey,
    request: &Request<'_>,
) -> Result<Response<'e>, Error> {
    api::check(environment, route, request.method)?;
    match api::plan(environment, route, key.kind(), request)? {
        Plan::Answered(response) | Plan::Evaluations(_, response) => Ok(response),
        Plan::CachedResponse(fixed) => Ok(fixed.response(environment, key.kind())),
        Plan::Document(question) => Ok(question.answer(environment, key.kind(), version, || {
            let overrides = overrides(environment, identities);
            if overrides.is_empty() {
                return environment.document().into();
            }
            api::render_document(environment, &overrides).into()
        })),
        Plan::Identities(commands, pending) => {
            let mut outcomes = Vec::new();
            for (identifier, command) in commands {
                let order = CommandRequest::new(environment.key(), &identifier, command);
                let context = ExecutionContext { now: NOW, random: request.random };
                let identity = identities.entry((environment.key().to_owned(), identifier)).or_default();
                outcomes.push(identity.apply(order, context).map(|_| identity.clone()));
            }
            pending.answer(environment, key.kind(), &outcomes)
        }
    }
}

/// The stored overrides, in the directory's form.
fn overrides(environment: &Environment, identities: &HashMap<(String, String), Identity>) -> Vec<Override> {
    let mut overrides = Vec::new();
    for ((key, identifier), identity) in identities {
        let Some(details) = identity.details.as_ref().filter(|_| key == environment.key()) else { continue };
        overrides.extend(identity.overrides.iter().map(|state| Override {
            identifier: identifier.as_str().into(),
            uuid: details.uuid.clone(),
            created_date: details.created_date.clone(),
            django_id: identity.django_id,
            state: state.clone(),
        }));
    }
    overrides
}

pub fn to_answer(response: Response<'_>) -> Answer {
    let headers = response.headers().map(|(name, value)| (name.to_owned(), value.to_owned()));
    Answer { status: response.status, headers: headers.collect(), body: response.body.into_owned() }
}
