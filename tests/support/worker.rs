//! The worker without the platform: environments and identities in maps, and `api` on top.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use flagsmith_edge_worker::admin::{events, not_served};
use flagsmith_edge_worker::api::{
    self, Backend, CachedResponse, ConfigHint, Dependency, EnvironmentKey, Error, Evaluations,
    KnownOverrides, Request, Response, preflight,
};
use flagsmith_edge_worker::document::ruleset::{Engine, SegmentIndex};
use flagsmith_edge_worker::document::{
    ClientKey, Environment, Fault, Identifier, KeyKind, ServerKey, Timestamp,
};
use flagsmith_edge_worker::identity::directory::DirectoryOverride;
use flagsmith_edge_worker::identity::{
    Change, Command, CommandError, CommandRequest, ExecutionContext, Identity,
};
use flagsmith_edge_worker::route::Route;
use serde_json::{Value, json};

use super::exchange::{Answer, Exchange};

/// The time of commands.
const NOW: u64 = 1_795_362_721_900;

/// A worker with its stores.
#[derive(Default)]
pub struct Worker {
    environments: HashMap<ClientKey, Environment>,
    server_keys: HashMap<String, ServerKey>,
    identities: RefCell<HashMap<(ClientKey, Identifier), Identity>>,
    /// The number of changes to overrides by [`Worker::execute`].
    overrides_version: u64,
    /// True if requests of OFREP store traits.
    pub persists_ofrep_traits: bool,
    /// True if answers of OFREP name the event stream.
    pub has_streams: bool,
    /// The number of commands that were executed for requests.
    pub executed: Cell<usize>,
    /// The hint of the latest request.
    pub hint: RefCell<Option<ConfigHint>>,
    /// The faults of its stores.
    pub faults: Faults,
    /// The answer that was kept of every [`CachedResponse`].
    pub kept: Option<Answer>,
    /// The segment that spent the budget of the latest evaluation.
    pub exhausted: Cell<Option<SegmentIndex>>,
}

/// The faults of a worker's stores.
#[derive(Default)]
pub struct Faults {
    /// The age of environments in seconds, if confirming them failed.
    pub stale_environment: Option<u64>,
    /// The failure to load an environment.
    pub unloadable: Option<Error>,
    /// The age of overrides in seconds, if confirming them failed.
    pub stale_overrides: Option<u64>,
    /// True if there is no memory for an answer.
    pub is_full: bool,
    /// The failure of stores of identities, overrides and evaluations.
    pub unavailable: Option<Dependency>,
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
                worker.environments.insert(environment.key().clone(), environment);
            }
        }
        worker
    }

    /// A server key of the worker that serves one document.
    pub const SERVER_KEY: &str = "ser.key";

    /// Serves one document to its client key and to [`Worker::SERVER_KEY`].
    pub fn with_document(document: &[u8]) -> Result<Worker, Fault> {
        Worker::with_document_for(document, Engine::V10)
    }

    /// Serves one document with the rules of another engine.
    pub fn with_document_for(document: &[u8], engine: Engine) -> Result<Worker, Fault> {
        Ok(Worker::with_environment(Environment::parse(document, engine)?))
    }

    /// Serves one environment to its client key and to [`Worker::SERVER_KEY`].
    pub fn with_environment(environment: Environment) -> Worker {
        let mut worker = Worker::default();
        let keys = json!({environment.key().as_str(): [{"key": Worker::SERVER_KEY, "active": true, "expires_at": null}]});
        worker.add_server_keys(keys.to_string().as_bytes());
        worker.environments.insert(environment.key().clone(), environment);
        worker
    }

    /// The same worker with each environment loaded from its image.
    pub fn with_images(mut self) -> Worker {
        for environment in self.environments.values_mut() {
            *environment = from_image(environment);
        }
        self
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
    pub fn execute(
        &mut self,
        client_key: &str,
        identifier: &str,
        command: Command,
    ) -> Result<Change, CommandError> {
        let client_key = ClientKey::parse(client_key).unwrap();
        let identifier = Identifier::verbatim(identifier);
        let request = CommandRequest::new(&client_key, identifier.clone(), command);
        let context = ExecutionContext { now: NOW, random: &|| [7; 16] };
        let key = (client_key, identifier);
        let change = self.identities.get_mut().entry(key).or_default().apply(request, context)?;
        self.overrides_version += u64::from(change.concerns_overrides());
        Ok(change)
    }

    /// The client keys of the environments.
    pub fn client_keys(&self) -> impl Iterator<Item = &ClientKey> {
        self.environments.keys()
    }

    /// Forgets all identities.
    pub fn forget_identities(&mut self) {
        self.identities.get_mut().clear();
    }

    /// The identifiers of all identities that exist, sorted.
    pub fn identifiers(&self) -> Vec<String> {
        let identities = self.identities.borrow();
        let existing = identities.iter().filter(|(_, identity)| identity.exists);
        let mut identifiers: Vec<_> = existing.map(|((_, identifier), _)| identifier.to_string()).collect();
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

    /// Answers a request, as without an origin.
    pub fn answer(
        &mut self,
        method: &str,
        target: &str,
        headers: &HashMap<String, String>,
        body: &[u8],
    ) -> Answer {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let header = |name: &str| headers.get(name).cloned();
        let (persists_ofrep_traits, has_streams) = (self.persists_ofrep_traits, self.has_streams);
        let random = &|| [7; 16];
        let request = Request {
            method,
            path,
            query,
            header: &header,
            body: &[],
            random,
            persists_ofrep_traits,
            has_streams,
        };
        match Route::parse(path) {
            Ok(_) if method == "OPTIONS" => to_answer(preflight(header("access-control-request-headers"))),
            Ok(Some(Route::Sdk(route))) => {
                at_once(api::answer(&Stores { worker: self, body }, route, &request))
            }
            Ok(Some(Route::Origin | Route::Asset(_)) | None) => {
                to_answer(not_served(path).response().finish(None, method))
            }
            Ok(Some(other)) => panic!("{path} is {other:?}"),
            Err(error) => to_answer(Response::error(&error).finish(None, method)),
        }
    }
}

/// The environment from its image.
pub fn from_image(environment: &Environment) -> Environment {
    let document = environment.document();
    let image = environment.to_image(document);
    Environment::from_image(&image, document, environment.ruleset.engine).unwrap()
}

/// The stores of a worker, for one request.
struct Stores<'w> {
    worker: &'w Worker,
    body: &'w [u8],
}

impl<'w> Backend for Stores<'w> {
    type Loaded = &'w Environment;
    type Overrides = Vec<DirectoryOverride>;
    type Answer = Answer;

    async fn readiness(&self) -> (bool, Option<Timestamp>) {
        (true, None)
    }

    async fn load(&self, key: &EnvironmentKey, hint: Option<&ConfigHint>) -> Result<&'w Environment, Error> {
        self.worker.hint.replace(hint.cloned());
        if let Some(error) = &self.worker.faults.unloadable {
            return Err(error.clone());
        }
        let now = Timestamp::from_iso("2026-11-22T16:00:00Z").unwrap();
        let client_key = match key {
            EnvironmentKey::Client(key) => Some(key),
            EnvironmentKey::Server(hash) => {
                let known = self.worker.server_keys.get(hash);
                known.filter(|key| key.is_valid(now)).map(|key| &key.client_key)
            }
        };
        client_key.and_then(|key| self.worker.environments.get(key)).ok_or(Error::KeyUnknown)
    }

    fn environment<'l>(&self, loaded: &'l &'w Environment) -> (&'l Environment, Option<u64>) {
        (loaded, self.worker.faults.stale_environment)
    }

    async fn body(&self, max_length: usize) -> Result<Vec<u8>, Error> {
        assert!(self.body.len() <= max_length, "no test has a body that is too long");
        Ok(self.body.to_vec())
    }

    async fn execute(
        &self,
        environment: &Environment,
        commands: Vec<(Identifier, Command)>,
        _needs_identity: bool,
    ) -> Result<Vec<Result<Identity, CommandError>>, Error> {
        self.check_faults()?;
        self.worker.executed.set(self.worker.executed.get() + commands.len());
        let mut identities = self.worker.identities.borrow_mut();
        let outcomes = commands.into_iter().map(|(identifier, command)| {
            let request = CommandRequest::new(environment.key(), identifier.clone(), command);
            let context = ExecutionContext { now: NOW, random: &|| [7; 16] };
            let identity = identities.entry((environment.key().clone(), identifier)).or_default();
            identity.apply(request, context).map(|_| identity.clone())
        });
        Ok(outcomes.collect())
    }

    async fn record(&self, _environment: &Environment, _evaluations: &Evaluations) -> Result<(), Error> {
        self.check_faults()
    }

    async fn forward_events(&self, _environment: &Environment) -> Response<'static> {
        events::discarded()
    }

    async fn overrides(&self, environment: &Environment) -> Result<KnownOverrides<Self::Overrides>, Error> {
        self.check_faults()?;
        let overrides = overrides(environment, &self.worker.identities.borrow());
        let stale_seconds = self.worker.faults.stale_overrides;
        Ok(KnownOverrides { overrides, version: self.worker.overrides_version, stale_seconds })
    }

    fn reserve(&self, _length: usize) -> bool {
        !self.worker.faults.is_full
    }

    fn cached(&self, _: &&'w Environment, _: CachedResponse, _: KeyKind) -> Option<Answer> {
        self.worker.kept.clone()
    }

    fn answer(&self, _loaded: Option<&&'w Environment>, response: Response<'_>) -> Answer {
        self.worker.exhausted.set(response.exhausted);
        to_answer(response)
    }

    fn answer_with_document(
        &self,
        environment: &Environment,
        overrides: &Vec<DirectoryOverride>,
        mut response: Response<'_>,
    ) -> Answer {
        response.body = match overrides.is_empty() {
            true => environment.document().to_vec().into(),
            false => api::render_document(environment, overrides).into(),
        };
        to_answer(response)
    }
}

impl Stores<'_> {
    fn check_faults(&self) -> Result<(), Error> {
        self.worker.faults.unavailable.map_or(Ok(()), |dependency| Err(Error::Unavailable(dependency)))
    }
}

/// The outcome of work that never waits.
fn at_once<T>(work: impl Future<Output = T>) -> T {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => panic!("there is nothing to wait for"),
    }
}

/// The stored overrides, in the directory's form.
fn overrides(
    environment: &Environment,
    identities: &HashMap<(ClientKey, Identifier), Identity>,
) -> Vec<DirectoryOverride> {
    let mut overrides = Vec::new();
    for ((key, identifier), identity) in identities {
        let Some(details) = identity.details.as_ref().filter(|_| key == environment.key()) else { continue };
        overrides.extend(identity.overrides.iter().map(|state| DirectoryOverride {
            identifier: identifier.clone(),
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
