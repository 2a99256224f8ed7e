//! The SDK API on the Workers platform: the [`Backend`] of [`crate::api`].

use std::cell::RefCell;
use std::rc::Rc;

use futures_util::future::FutureExt;
use worker::{Context, Env, web_sys};

use crate::api::{
    self, Backend, CachedResponse, ConfigHint, EnvironmentKey, Error, Evaluations, KnownOverrides, Request,
    Response, SdkRoute,
};
use crate::document::{Environment, Identifier, KeyKind, Timestamp};
use crate::edge::cache::environments::{Environments, LoadedEnvironment};
use crate::edge::cache::overrides::{self, OverridesSnapshot};
use crate::edge::http::body;
use crate::edge::http::hold::Hold;
use crate::edge::http::incoming::IncomingRequest;
use crate::edge::http::response::{respond, respond_held, respond_with};
use crate::edge::objects::analytics::client as analytics;
use crate::edge::objects::identity::client as identities;
use crate::edge::platform::config::Config;
use crate::edge::routes::events;
use crate::identity::{Command, CommandError, Identity};
use flagsmith_edge_platform::random::random;

/// Answers a request to the SDK API.
pub async fn answer(
    route: SdkRoute,
    incoming: &IncomingRequest,
    env: &Env,
    context: &Context,
) -> web_sys::Response {
    let config = Config::of(env);
    let environments = Environments::new(env, config);
    let platform = Platform { incoming, env, context, config, environments, hold: RefCell::default() };
    let request = Request {
        method: &incoming.method,
        path: &incoming.path,
        query: &incoming.query,
        header: &|name| incoming.header(name),
        body: &[],
        random: &random,
        persists_ofrep_traits: config.ofrep_persists_traits,
        has_streams: config.has_streams,
    };
    api::answer(&platform, route, &request).await
}

struct Platform<'r> {
    incoming: &'r IncomingRequest,
    env: &'r Env,
    context: &'r Context,
    config: &'static Config,
    environments: Environments<'r>,
    /// The memory of a large answer.
    hold: RefCell<Option<Hold>>,
}

/// The futures of rare requests are boxed, for the reason in [`super::router::answer`].
impl Backend for Platform<'_> {
    type Loaded = LoadedEnvironment;
    type Overrides = Rc<OverridesSnapshot>;
    type Answer = web_sys::Response;

    async fn readiness(&self) -> (bool, Option<Timestamp>) {
        let is_ready = self.environments.are_readable().boxed_local().await;
        (is_ready, self.environments.last_update())
    }

    async fn load(
        &self,
        key: &EnvironmentKey,
        hint: Option<&ConfigHint>,
    ) -> Result<LoadedEnvironment, Error> {
        let loaded = match hint {
            None => self.environments.load(key, self.context).await?,
            Some(hint) => self.environments.load_for(key, hint, self.context).boxed_local().await?,
        };
        self.incoming.trace.set_environment(&loaded);
        Ok(loaded)
    }

    fn environment<'l>(&self, loaded: &'l LoadedEnvironment) -> (&'l Environment, Option<u64>) {
        (&loaded.environment.environment, loaded.stale_seconds)
    }

    async fn body(&self, max_length: usize) -> Result<Vec<u8>, Error> {
        body::read(self.incoming, max_length).await
    }

    async fn execute(
        &self,
        environment: &Environment,
        commands: Vec<(Identifier, Command)>,
        needs_identity: bool,
    ) -> Result<Vec<Result<Identity, CommandError>>, Error> {
        self.incoming.trace.count_objects(commands.len());
        if !needs_identity {
            return identities::execute(self.env, environment.key(), commands).await;
        }
        let (outcomes, hold) = identities::execute_and_read(self.env, environment.key(), commands).await?;
        self.hold.replace(hold);
        Ok(outcomes)
    }

    async fn record(&self, environment: &Environment, evaluations: &Evaluations) -> Result<(), Error> {
        self.incoming.trace.count_objects(usize::from(self.config.analytics_origin().is_some()));
        analytics::record(self.env, environment.key(), evaluations).boxed_local().await
    }

    async fn forward_events(&self, environment: &Environment) -> Response<'static> {
        events::forward(self.incoming, self.env, self.config, environment.key()).boxed_local().await
    }

    async fn overrides(&self, environment: &Environment) -> Result<KnownOverrides<Self::Overrides>, Error> {
        let found = overrides::of(self.env, environment, self.context).boxed_local().await;
        let (overrides, stale_seconds) = found?;
        Ok(KnownOverrides { version: overrides.version, overrides, stale_seconds })
    }

    fn reserve(&self, length: usize) -> bool {
        // The reserved length was an estimate.
        let fits = self.hold.borrow().as_ref().is_none_or(|hold| hold.grow(length));
        if !fits {
            self.hold.take();
        }
        fits
    }

    fn cached(
        &self,
        loaded: &LoadedEnvironment,
        cached: CachedResponse,
        key: KeyKind,
    ) -> Option<web_sys::Response> {
        loaded.environment.prepared(cached, key)
    }

    fn answer(&self, loaded: Option<&LoadedEnvironment>, response: Response<'_>) -> web_sys::Response {
        if let Some(loaded) = loaded {
            loaded.environment.log_exhausted(response.exhausted);
        }
        match self.hold.take() {
            None => respond(response),
            Some(hold) => respond_held(&response, hold, self.context),
        }
    }

    fn answer_with_document(
        &self,
        environment: &Environment,
        overrides: &Rc<OverridesSnapshot>,
        response: Response<'_>,
    ) -> web_sys::Response {
        respond_with(&response, overrides.document(environment))
    }
}
