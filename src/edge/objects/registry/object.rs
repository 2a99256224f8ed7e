//! The registry object, with the list of served environments and server keys. A deployment has one.
//!
//! It runs discoveries at intervals (see `edge::objects::registry::discovery`). Only a complete discovery deletes
//! entries.

#![expect(missing_docs, reason = "the functions that the macro makes have none")]

use std::cell::{Cell, RefCell};
use std::time::Duration;

use worker::wasm_bindgen::{self, JsValue, prelude::wasm_bindgen};
use worker::{DurableObject, Env, Request, Response, Result, State, durable_object};

use crate::admin::Origin;
use crate::document::ClientKey;
use crate::edge::objects::publishing;
use crate::edge::objects::registry::rows::RegistryRows;
use crate::edge::platform::alarm::Alarm;
use crate::edge::platform::clock::{now_ms, poll_until};
use crate::edge::platform::config::Config;
use crate::edge::platform::failure::{Failure, Source};
use crate::edge::platform::join_all::join_all;
use crate::publish::{
    DiscoveryRun, DiscoverySchedule, Notification, NotificationKind, NotificationQueue, RefreshInterval,
    Registry, Schedule,
};

/// The time that a request with an unknown key waits for a discovery.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(4);

/// The registry.
#[durable_object(alarm)]
pub struct RegistryObject {
    pub(in crate::edge::objects::registry) env: Env,
    pub(in crate::edge::objects::registry) config: &'static Config,
    state: State,
    pub(in crate::edge::objects::registry) rows: RegistryRows,
    alarm: Alarm,
    /// A paused discovery.
    pub(in crate::edge::objects::registry) run: RefCell<Option<DiscoveryRun<'static>>>,
    /// True if a discovery is running.
    discovers: Cell<bool>,
    /// The state, after the first read.
    memory: RefCell<Option<(Registry, DiscoverySchedule)>>,
    /// The notifications to send. If the object is evicted, the environments' own alarms fetch the changes.
    pub(in crate::edge::objects::registry) notifications: RefCell<NotificationQueue>,
}

impl DurableObject for RegistryObject {
    fn new(state: State, env: Env) -> RegistryObject {
        let (config, rows) = (Config::of(&env), RegistryRows::of(&state.storage()));
        RegistryObject {
            env,
            config,
            state,
            rows,
            alarm: Alarm::default(),
            run: RefCell::default(),
            discovers: Cell::default(),
            memory: RefCell::default(),
            notifications: RefCell::default(),
        }
    }

    /// Refuses requests: callers use the methods below.
    async fn fetch(&self, _request: Request) -> Result<Response> {
        Response::error("Not found.", 404)
    }

    async fn alarm(&self) -> Result<Response> {
        self.alarm.start();
        let outcome = self.work().await;
        if outcome.is_err() {
            // The state in memory may be ahead of the stored state, which contains the remaining work.
            self.memory.take();
        }
        self.alarm.finish(&self.state.storage(), outcome, Source::Registry).await
    }
}

// worker-build and cargo have different names for these crates.
#[wasm_bindgen(js_sys = worker::js_sys, wasm_bindgen_futures = worker::wasm_bindgen_futures)]
impl RegistryObject {
    /// True if a client key is known; undefined if that cannot be decided now. For an unknown key a discovery runs
    /// first, unless one ran recently.
    #[wasm_bindgen(js_name = look)]
    pub async fn lookup(&self, client_key: String) -> std::result::Result<Option<bool>, JsValue> {
        let client_key = ClientKey::unchecked(&client_key);
        Ok(self.find(&|registry, discoveries| registry.knows(&client_key, discoveries)).await?)
    }

    /// The KV entry of a server key, by the key's hash. Null for an unknown key; undefined if that cannot be decided.
    /// Discoveries run as for a client key.
    #[wasm_bindgen(js_name = serverKey)]
    pub async fn server_key(&self, hash: String) -> std::result::Result<JsValue, JsValue> {
        let knows =
            |registry: &Registry, discoveries: &Schedule| registry.knows_server_key(&hash, discoveries);
        if self.find(&knows).await?.is_none() {
            return Ok(JsValue::UNDEFINED);
        }
        let entry = self.with(|registry, _| registry.server_keys.get(&hash).map(serde_json::to_string))?;
        Ok(entry.transpose().map_err(worker::Error::from)?.map_or(JsValue::NULL, JsValue::from))
    }

    /// Schedules the next discovery, unless one is scheduled.
    pub async fn start(&self) -> std::result::Result<(), JsValue> {
        self.schedule()?;
        Ok(self.wake().await?)
    }

    /// Handles a notification that an environment or a server key may have been created or deleted.
    pub async fn discover(&self) -> std::result::Result<(), JsValue> {
        let now = now_ms();
        self.change(|discoveries| discoveries.schedule.notify(now, self.refresh_interval()))?;
        Ok(self.wake().await?)
    }

    /// Handles a change of the documents of one project, or of all. `kind`: the name of the kind of the origin's
    /// notification, if one arrived.
    #[wasm_bindgen(js_name = told)]
    pub async fn notify(
        &self,
        project: Option<f64>,
        kind: Option<String>,
    ) -> std::result::Result<(), JsValue> {
        let project = project.map(|project| project as i64);
        let client_keys = self.with(|registry, _| registry.environments_of(project))?;
        let kind = kind.as_deref().and_then(NotificationKind::from_name);
        self.notifications.borrow_mut().notify(client_keys, kind);
        Ok(self.run_first().await?)
    }

    /// Makes sure that the next discovery is scheduled, and starts the routine checks of the environments' objects.
    pub async fn reconcile(&self) -> std::result::Result<(), JsValue> {
        self.schedule()?;
        let client_keys = self.with(|registry, _| registry.environments_of(None))?;
        self.notifications.borrow_mut().reconcile(client_keys);
        Ok(self.run_first().await?)
    }

    /// The environments and the outcome of the latest discoveries, as JSON.
    pub fn environments(&self) -> std::result::Result<String, JsValue> {
        let now = now_ms();
        let status = self.with(|registry, discoveries| registry.status(&discoveries.schedule, now))?;
        Ok(status.to_string())
    }
}

impl RegistryObject {
    /// Decides with `knows` if a name is known. For an unknown name a discovery runs first, unless one ran recently.
    async fn find(&self, knows: &dyn Fn(&Registry, &Schedule) -> Option<bool>) -> Result<Option<bool>> {
        let now = now_ms();
        let (known, last, may_discover) = self.with(|registry, discoveries| {
            let known = knows(registry, &discoveries.schedule);
            (known, discoveries.ended_at, discoveries.may_discover(now))
        })?;
        if known == Some(true) || !self.config.publishes() || !(may_discover || self.is_under_way()) {
            return Ok(known);
        }
        if !self.is_under_way() {
            self.change(|discoveries| discoveries.schedule.request_fetch(now, self.refresh_interval()))?;
            self.wake().await?;
        }
        let lookup = || {
            self.with(|registry, discoveries| {
                let is_over = discoveries.ended_at != last;
                let known = knows(registry, &discoveries.schedule);
                // Until the discovery ends, an unknown key is undecided: it may have been created after the previous
                // discovery.
                (is_over || known == Some(true), known.filter(|is_known| is_over || *is_known))
            })
        };
        poll_until(LOOKUP_TIMEOUT, || lookup().map_or(true, |(is_decided, _)| is_decided)).await;
        Ok(lookup()?.1)
    }

    /// Schedules a discovery, unless one is scheduled or running.
    fn schedule(&self) -> Result<()> {
        if !self.config.publishes() || self.is_under_way() {
            return Ok(());
        }
        self.change(|discoveries| discoveries.schedule.start(now_ms()))
    }

    /// Sends the first notifications, while the alarm continues with the others.
    async fn run_first(&self) -> Result<()> {
        let notifications = self.notifications.borrow_mut().next_batch();
        self.wake().await?;
        self.run(&notifications).await;
        Ok(())
    }

    async fn run(&self, notifications: &[(ClientKey, Notification)]) {
        let run = notifications
            .iter()
            .map(|(client_key, notification)| publishing::notify(&self.env, client_key, *notification));
        for done in join_all(run).await {
            // The environment's own alarm fetches the change later.
            drop(done.inspect_err(|failure| failure.log(None)));
        }
    }

    /// Runs the due tasks, up to the limit of an alarm. Returns the time of the next task.
    async fn work(&self) -> Result<Option<u64>> {
        let notifications = self.notifications.borrow_mut().next_batch();
        self.run(&notifications).await;
        while self.config.publishes() {
            let run = match self.run.take() {
                Some(run) => run,
                None => {
                    let next = self.with(|_, discoveries| discoveries.next(self.refresh_interval()))?;
                    if next.is_none_or(|next| next > now_ms()) {
                        return self.next();
                    }
                    // In memory only: if the object is evicted meanwhile, the discovery is still due.
                    self.with(|_, discoveries| discoveries.schedule.began(now_ms()))?;
                    self.begin()?
                }
            };
            self.discovers.set(true);
            let outcome = self.go_on(run, !notifications.is_empty()).await;
            self.discovers.set(false);
            let Some(outcome) = outcome? else { return self.next() };
            if let Err(cause) = &outcome {
                Failure::new(Source::Registry, cause).log(None);
            }
            let (now, random) = (now_ms(), getrandom::u32().unwrap_or_default());
            self.change(|discoveries| discoveries.ended(outcome, now, self.refresh_interval(), random))?;
        }
        self.next()
    }

    /// True if a discovery is running or paused.
    fn is_under_way(&self) -> bool {
        self.discovers.get() || self.run.borrow().is_some()
    }

    fn refresh_interval(&self) -> RefreshInterval {
        let is_bound = self.config.origin.as_ref().is_some_and(Origin::is_bound);
        DiscoverySchedule::refresh_interval(self.config.discovery_seconds * 1000, is_bound)
    }

    /// The time of the next task.
    fn next(&self) -> Result<Option<u64>> {
        let is_at_work = self.run.borrow().is_some() || !self.notifications.borrow().is_empty();
        match self.config.publishes() {
            _ if is_at_work => Ok(Some(now_ms())),
            true => self.with(|_, discoveries| discoveries.next(self.refresh_interval())),
            false => Ok(None),
        }
    }

    async fn wake(&self) -> Result<()> {
        self.alarm.set(&self.state.storage(), self.next()?).await
    }

    /// Changes the schedule of discoveries, and writes it if it differs.
    fn change(&self, change: impl FnOnce(&mut DiscoverySchedule)) -> Result<()> {
        let changed = self.with(|_, discoveries| {
            let before = discoveries.clone();
            change(discoveries);
            (*discoveries != before).then(|| discoveries.clone())
        })?;
        let Some(discoveries) = changed else { return Ok(()) };
        // If the write fails, the state in memory is dropped, so that a retry applies the change again.
        self.rows.write(&discoveries).inspect_err(|_| drop(self.memory.take()))
    }

    /// Reads or changes the state in memory.
    pub(in crate::edge::objects::registry) fn with<T>(
        &self,
        act: impl FnOnce(&mut Registry, &mut DiscoverySchedule) -> T,
    ) -> Result<T> {
        // `remember` is a separate function, since this generic function is compiled once for each caller.
        self.remember()?;
        match self.memory.borrow_mut().as_mut() {
            Some((registry, discoveries)) => Ok(act(registry, discoveries)),
            None => Err(worker::Error::from("the registry has no state")),
        }
    }

    fn remember(&self) -> Result<()> {
        if self.memory.borrow().is_none() {
            let memory = self.rows.read()?;
            self.memory.replace(Some(memory));
        }
        Ok(())
    }
}
