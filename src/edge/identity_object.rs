//! The object that keeps one identity, named as [`crate::identity::object_name`] says: one SQLite database each.
//!
//! A command is applied in one synchronous turn: nothing is awaited between reading the state and writing it, so
//! commands take effect one after the other. The platform holds the answer back until the rows are durable.
//!
//! What the directory has to know is written down with the change itself, and told afterwards, as often as it takes.

#![expect(missing_docs, reason = "the functions that the macro makes have none")]

use std::cell::{Cell, RefCell};

use worker::js_sys::Uint8Array;
use worker::wasm_bindgen::{self, JsValue, prelude::wasm_bindgen};
use worker::{DurableObject, Env, Request, Response, Result, State, durable_object};

use super::clock::milliseconds;
use super::database::Database;
use super::directory::Directory;
use super::failure::{Failure, Source};
use super::identity_rows::{self, Due, Owner, Record};
use super::join;
use super::random;
use crate::identity::directory::{Entry, Tidings};
use crate::identity::object_name::is_renamed;
use crate::identity::{Change, Command, Identity, Moment, Order, Outcome, Refusal};

/// One identity.
#[durable_object(alarm)]
pub struct IdentityObject {
    pub(super) sql: Database,
    pub(super) env: Env,
    /// Of a renamed identity: true if it is known to be here and nowhere else.
    pub(super) moved: Cell<bool>,
    /// The state, once it has been read.
    record: RefCell<Option<Record>>,
    /// The last order that had nothing to do, and its answer: good until another is applied, since nothing else changes
    /// what an order is answered.
    repeated: RefCell<Option<(String, String)>>,
    /// How often the directory could not be told.
    failures: Cell<u32>,
    /// Whether the alarm is set, as far as this life of the object knows.
    alarmed: Cell<bool>,
}

impl DurableObject for IdentityObject {
    fn new(state: State, env: Env) -> IdentityObject {
        IdentityObject {
            sql: Database::of(&state.storage()),
            env,
            moved: Cell::default(),
            record: RefCell::default(),
            repeated: RefCell::default(),
            failures: Cell::default(),
            alarmed: Cell::default(),
        }
    }

    /// Nobody's way in: commands come by [`IdentityObject::carry_out`].
    async fn fetch(&self, _request: Request) -> Result<Response> {
        Response::error("Not found.", 404)
    }

    /// Tells the directory what it has not been told.
    async fn alarm(&self) -> Result<Response> {
        self.alarmed.set(false);
        if let Err(error) = self.tell().await {
            // Left to the platform it would be tried six times, and never again.
            Failure::new(Source::IdentityObject, error).log(None);
            self.tell_later()?;
        }
        Response::empty()
    }
}

#[wasm_bindgen(wasm_bindgen_futures = ::worker::wasm_bindgen_futures, js_sys = ::worker::js_sys)]
impl IdentityObject {
    /// Takes an [`Order`], gives an [`crate::identity::Outcome`] with what SDK requests need, both as JSON.
    ///
    /// A method that the platform calls by name, and that answers without a promise: a request and a response, each
    /// with its body to be waited for, cost more than the work. The directory is told by the alarm.
    #[wasm_bindgen(js_name = carryOut)]
    pub fn carry_out(&self, order: &str) -> std::result::Result<String, JsValue> {
        if let Some((repeated, answer)) = &*self.repeated.borrow()
            && repeated == order
        {
            return Ok(answer.clone());
        }
        let (answer, idle) = self.apply(here(order)?, 0, |outcome| outcome.to_json_without_details())?;
        if idle && order.len() + answer.len() <= MAX_REPEATED_LENGTH {
            self.repeated.replace(Some((order.to_owned(), answer.clone())));
        }
        Ok(answer)
    }

    /// The same as bytes, for what is large: V8 collects them sooner than texts, which fill the isolate's heap.
    #[wasm_bindgen(js_name = carryOutLarge)]
    pub fn carry_out_large(&self, order: &str) -> std::result::Result<Uint8Array, JsValue> {
        let (answer, _) = self.apply(here(order)?, 0, |outcome| outcome.to_json_without_details())?;
        Ok(Uint8Array::from(answer.as_bytes()))
    }

    /// The same with all that is known of the identity, answered when the directory knows it too; or does not answer
    /// now: then the alarm will tell it.
    #[wasm_bindgen(js_name = carryOutAndTell)]
    pub async fn carry_out_and_tell(&self, order: String) -> std::result::Result<String, JsValue> {
        let (answer, _) = self.apply(here(&order)?, TELL_AGAIN_AFTER, |outcome| outcome.to_json())?;
        self.tell().await?;
        Ok(answer)
    }
}

/// How long the alarm leaves to who tells the directory by itself, in milliseconds.
pub(super) const TELL_AGAIN_AFTER: u64 = 5_000;
/// The longest time between two attempts to tell the directory, in milliseconds.
const MAX_BACKOFF: u64 = 300_000;
/// The longest order and answer that are remembered, in bytes.
const MAX_REPEATED_LENGTH: usize = 4096;

impl IdentityObject {
    /// The answer, and whether there was nothing to do: nothing changed, read or written.
    pub(super) fn apply(
        &self,
        order: Order,
        alarm_after: u64,
        show: fn(&Outcome<&Identity>) -> serde_json::Result<String>,
    ) -> Result<(String, bool)> {
        self.repeated.take();
        let owner = Owner::from(&order);
        let mut record = match self.record.take() {
            Some(record) => record,
            None => self.read()?,
        };
        if record.owner.as_ref().is_some_and(|known| !known.is_of(&order)) {
            self.record.replace(Some(record));
            let (result, rows) = (Err(Refusal::Unavailable), self.sql.take_rows());
            return Ok((
                show(&Outcome { result, rows, as_sent: false, occupied: true, withheld: None })?,
                false,
            ));
        }
        let as_sent = order.brief && record.identity.is_as_sent(&order.command);
        let max_length = order.max_length;
        let kept = if let Command::Increment(key, _) = &order.command { Some(key.clone()) } else { None };
        let moment = Moment { now: milliseconds(), random: &random };
        let applied = record.identity.apply(order, moment);
        if let Ok(change) = &applied
            && *change != Change::default()
        {
            record.follow(owner, change);
            // If this fails, what is in memory is dropped, and the next command reads what was really stored.
            identity_rows::write(&self.sql, &record, change)?;
            if change.concerns_entry() || change.concerns_overrides() {
                self.set_alarm(moment.now + alarm_after)?;
            }
        }
        let rows = self.sql.take_rows();
        let idle = rows == [0, 0] && applied == Ok(Change::default());
        let result = applied.map(|_| &record.identity);
        let outcome = Outcome { result, rows, as_sent, occupied: false, withheld: None };
        let answer = outcome.to_json_within(max_length, kept.as_deref(), show)?;
        self.record.replace(Some(record));
        Ok((answer, idle))
    }

    /// Tells the directory what it has not been told, until there is nothing left or it does not answer.
    pub(super) async fn tell(&self) -> Result<()> {
        while let Some((owner, tidings, due)) = self.due()? {
            let directory = Directory::new(&self.env, &owner.environment);
            let told = join::all(tidings.into_iter().map(|told| directory.tell(told))).await;
            if let Err(failure) = told.into_iter().collect::<std::result::Result<(), _>>() {
                failure.log(Some(&owner.environment));
                return self.tell_later();
            }
            self.told(&owner, due)?;
            // No command's.
            self.sql.take_rows();
        }
        Ok(())
    }

    /// What there is to tell, if there is anything.
    fn due(&self) -> Result<Option<(Owner, Vec<Tidings>, Due)>> {
        self.with_record(|record| {
            let Record { identity, owner: Some(owner), due } = record else { return None };
            (!due.is_nothing()).then(|| (owner.clone(), tidings(owner, identity, *due), *due))
        })
    }

    /// What was told is due no longer, unless it has changed meanwhile. Of an identity that is no more, nothing is
    /// left then.
    fn told(&self, owner: &Owner, told: Due) -> Result<()> {
        self.failures.set(0);
        let mut slot = self.record.borrow_mut();
        let Some(record) = slot.as_mut() else { return Ok(()) };
        // Another identity may be here meanwhile.
        if record.owner.as_ref().is_none_or(|known| !known.is_same(owner)) {
            return Ok(());
        }
        record.due.entry = record.due.entry.filter(|due| Some(*due) != told.entry);
        record.due.overrides = record.due.overrides.filter(|due| Some(*due) != told.overrides);
        if !record.due.is_nothing() {
            return identity_rows::write_due(&self.sql, record.due);
        }
        if record.identity.exists {
            identity_rows::write_due(&self.sql, record.due)?;
            return if self.alarmed.take() { self.sql.delete_alarm() } else { Ok(()) };
        }
        drop(slot);
        self.remove_all()
    }

    /// Removes all that is stored. The alarm goes with it.
    pub(super) fn remove_all(&self) -> Result<()> {
        self.forget_memory();
        self.alarmed.set(false);
        self.sql.delete_all()
    }

    /// Has what is stored read again by whatever needs it next.
    pub(super) fn forget_memory(&self) {
        self.record.take();
        self.repeated.take();
    }

    /// Looks at the state, which is read if it has not been.
    pub(super) fn with_record<T>(&self, look: impl FnOnce(&Record) -> T) -> Result<T> {
        if self.record.borrow().is_none() {
            let record = self.read()?;
            self.record.replace(Some(record));
        }
        Ok(look(self.record.borrow().as_ref().unwrap_or(&Record::default())))
    }

    /// What is stored. If the directory has to be told something and an error left that without an alarm, it gets one.
    fn read(&self) -> Result<Record> {
        let record = identity_rows::read(&self.sql)?;
        if !record.due.is_nothing() && !self.alarmed.get() {
            self.set_alarm(milliseconds() + TELL_AGAIN_AFTER)?;
        }
        Ok(record)
    }

    /// Has the alarm tell the directory, later each time.
    fn tell_later(&self) -> Result<()> {
        let failures = self.failures.get() + 1;
        self.failures.set(failures);
        let backoff = 1000_u64.saturating_mul(1 << failures.min(10)).min(MAX_BACKOFF);
        self.set_alarm(milliseconds() + backoff)
    }

    pub(super) fn set_alarm(&self, at: u64) -> Result<()> {
        self.sql.set_alarm(at)?;
        self.alarmed.set(true);
        Ok(())
    }
}

/// Reads an order that came to the object of a name that was never another. A renamed identity is not looked for here: its
/// object is another one, also for workers of an earlier version.
fn here(order: &str) -> Result<Order> {
    let order = Order::from_json(order)?;
    if is_renamed(&order.environment) {
        return Err("the identity has an object of another name".into());
    }
    Ok(order)
}

/// What the directory is told of an identity.
fn tidings(owner: &Owner, identity: &Identity, due: Due) -> Vec<Tidings> {
    let identifier = || owner.identifier.clone();
    let details = identity.details.as_ref();
    let entry = due.entry.map(|sequence| {
        let entry = details.map(|details| Entry {
            identifier: identifier(),
            uuid: details.uuid.clone(),
            alias: details.dashboard_alias.clone(),
            has_django_id: identity.django_id.is_some(),
        });
        Tidings::Entry { identifier: identifier(), sequence, entry }
    });
    let overrides = due.overrides.map(|sequence| Tidings::Overrides {
        identifier: identifier(),
        sequence,
        uuid: owner.uuid.clone(),
        created_date: details.map(|details| details.created_date.clone()).unwrap_or_default(),
        django_id: identity.django_id,
        states: identity.overrides.clone(),
    });
    entry.into_iter().chain(overrides).collect()
}
