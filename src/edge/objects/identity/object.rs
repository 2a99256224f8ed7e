//! The object that keeps one identity in its own SQLite database. Its name is [`crate::identity::object_name`].
//!
//! A command is applied in one synchronous step: nothing is awaited between reading the state and writing it. So
//! commands run one after another. The platform withholds the answer until the rows are durable.
//!
//! Directory updates go into an outbox in the same transaction and are retried until they are delivered.

#![expect(missing_docs, reason = "the functions that the macro makes have none")]

use std::cell::{Cell, RefCell};

use worker::js_sys::Uint8Array;
use worker::wasm_bindgen::{self, JsValue, prelude::wasm_bindgen};
use worker::{DurableObject, Env, Request, Response, Result, State, durable_object};

use crate::edge::objects::directory::client::Directory;
use crate::edge::objects::identity::rows::{self as identity_rows, IdentityRef, PendingUpdates, Record};
use crate::edge::platform::clock::now_ms;
use crate::edge::platform::failure::{Failure, Source};
use crate::edge::platform::join_all::join_all;
use crate::identity::directory::{DirectoryUpdate, Entry};
use crate::identity::object_name::is_renamed;
use crate::identity::{
    Change, Command, CommandError, CommandRequest, CommandResponse, ExecutionContext, Identity,
};
use flagsmith_edge_platform::random::random;
use flagsmith_edge_platform::sqlite::Database;

/// The object of one identity.
#[durable_object(alarm)]
pub struct IdentityObject {
    pub(super) sql: Database,
    pub(super) env: Env,
    /// True if this instance has checked that a renamed identity is stored here and in no other object.
    pub(super) moved: Cell<bool>,
    /// The state, after the first read.
    record: RefCell<Option<Record>>,
    /// The last command without effect, and its answer. The same command gets this answer again, until another command
    /// is applied. Only commands can change the answer.
    last_noop: RefCell<Option<(String, String)>>,
    /// The number of failed deliveries to the directory in a row.
    failures: Cell<u32>,
    /// True if this instance has set the alarm.
    alarmed: Cell<bool>,
}

impl DurableObject for IdentityObject {
    fn new(state: State, env: Env) -> IdentityObject {
        IdentityObject {
            sql: Database::of(&state.storage()),
            env,
            moved: Cell::default(),
            record: RefCell::default(),
            last_noop: RefCell::default(),
            failures: Cell::default(),
            alarmed: Cell::default(),
        }
    }

    /// Refuses requests: commands come by [`IdentityObject::execute`].
    async fn fetch(&self, _request: Request) -> Result<Response> {
        Response::error("Not found.", 404)
    }

    /// Sends the pending updates to the directory.
    async fn alarm(&self) -> Result<Response> {
        self.alarmed.set(false);
        if let Err(error) = self.send_updates().await {
            // The platform alone would retry six times, and then never again.
            Failure::new(Source::IdentityObject, error).log(None);
            self.retry_later()?;
        }
        Response::empty()
    }
}

#[wasm_bindgen(wasm_bindgen_futures = ::worker::wasm_bindgen_futures, js_sys = ::worker::js_sys)]
impl IdentityObject {
    /// Executes a [`CommandRequest`]. Returns a [`crate::identity::CommandResponse`] with the part that SDK requests
    /// need. Both are JSON.
    ///
    /// The platform calls this method by name, and this method returns no promise. An HTTP request and response between
    /// the worker and the object would take longer than the command. The alarm updates the directory.
    #[wasm_bindgen(js_name = carryOut)]
    pub fn execute(&self, request: &str) -> std::result::Result<String, JsValue> {
        if let Some((last_noop, answer)) = &*self.last_noop.borrow()
            && last_noop == request
        {
            return Ok(answer.clone());
        }
        let (answer, idle) = self.apply(here(request)?, 0, |outcome| outcome.to_json_without_details())?;
        if idle && request.len() + answer.len() <= MAX_NOOP_LENGTH {
            self.last_noop.replace(Some((request.to_owned(), answer.clone())));
        }
        Ok(answer)
    }

    /// Executes a command and returns the answer as bytes, for large identities. V8 frees bytes sooner than strings,
    /// which fill the isolate's heap.
    #[wasm_bindgen(js_name = carryOutLarge)]
    pub fn execute_large(&self, request: &str) -> std::result::Result<Uint8Array, JsValue> {
        let (answer, _) = self.apply(here(request)?, 0, |outcome| outcome.to_json_without_details())?;
        Ok(Uint8Array::from(answer.as_bytes()))
    }

    /// Executes a command and returns all details of the identity, after the directory is updated. If the directory
    /// does not answer now, the alarm retries.
    #[wasm_bindgen(js_name = carryOutAndTell)]
    pub async fn execute_and_sync(&self, request: String) -> std::result::Result<String, JsValue> {
        let (answer, _) = self.apply(here(&request)?, RETRY_AFTER_MS, |outcome| outcome.to_json())?;
        self.send_updates().await?;
        Ok(answer)
    }
}

/// The delay of the alarm while a call updates the directory itself, in milliseconds.
pub(super) const RETRY_AFTER_MS: u64 = 5_000;
/// The maximum delay between two attempts to update the directory, in milliseconds.
const MAX_BACKOFF: u64 = 300_000;
/// The maximum length of a remembered command and its answer, in bytes.
const MAX_NOOP_LENGTH: usize = 4096;

impl IdentityObject {
    /// Returns the answer, and true if the command had no effect: nothing was changed, read or written.
    pub(super) fn apply(
        &self,
        request: CommandRequest,
        alarm_after: u64,
        show: fn(&CommandResponse<&Identity>) -> serde_json::Result<String>,
    ) -> Result<(String, bool)> {
        self.last_noop.take();
        let owner = IdentityRef::from(&request);
        let mut record = match self.record.take() {
            Some(record) => record,
            None => self.read()?,
        };
        if record.owner.as_ref().is_some_and(|known| !known.is_of(&request)) {
            self.record.replace(Some(record));
            let (result, rows) = (Err(CommandError::Unavailable), self.sql.take_rows());
            return Ok((
                show(&CommandResponse { result, rows, unchanged: false, occupied: true, withheld: None })?,
                false,
            ));
        }
        let unchanged = request.omit_sent_traits && record.identity.is_as_sent(&request.command);
        let max_length = request.max_length;
        let kept = if let Command::Increment(key, _) = &request.command { Some(key.clone()) } else { None };
        let context = ExecutionContext { now: now_ms(), random: &random };
        let applied = record.identity.apply(request, context);
        if let Ok(change) = &applied
            && *change != Change::default()
        {
            record.record_change(owner, change);
            // If this fails, the copy in memory is dropped, and the next command reads the stored state.
            identity_rows::write(&self.sql, &record, change)?;
            if change.concerns_entry() || change.concerns_overrides() {
                self.set_alarm(context.now + alarm_after)?;
            }
        }
        let rows = self.sql.take_rows();
        let idle = rows == [0, 0] && applied == Ok(Change::default());
        let result = applied.map(|_| &record.identity);
        let outcome = CommandResponse { result, rows, unchanged, occupied: false, withheld: None };
        let answer = outcome.to_json_within(max_length, kept.as_deref(), show)?;
        self.record.replace(Some(record));
        Ok((answer, idle))
    }

    /// Sends pending updates to the directory until none is left or the directory does not answer.
    pub(super) async fn send_updates(&self) -> Result<()> {
        while let Some((owner, updates, pending)) = self.pending_updates()? {
            let directory = Directory::new(&self.env, &owner.client_key);
            let sent = join_all(updates.into_iter().map(|update| directory.send(update))).await;
            if let Err(failure) = sent.into_iter().collect::<std::result::Result<(), _>>() {
                failure.log(Some(&owner.client_key));
                return self.retry_later();
            }
            self.mark_sent(&owner, pending)?;
            // The counts of these rows are dropped, so that they are not reported with the next command.
            self.sql.take_rows();
        }
        Ok(())
    }

    /// The pending updates, if there are any.
    fn pending_updates(&self) -> Result<Option<(IdentityRef, Vec<DirectoryUpdate>, PendingUpdates)>> {
        self.with_record(|record| {
            let Record { identity, owner: Some(owner), pending } = record else { return None };
            (!pending.is_empty()).then(|| (owner.clone(), updates(owner, identity, *pending), *pending))
        })
    }

    /// Marks updates as sent, unless a later change is pending. After the last update of a deleted identity, all of the
    /// object's storage is deleted.
    fn mark_sent(&self, owner: &IdentityRef, sent: PendingUpdates) -> Result<()> {
        self.failures.set(0);
        let mut slot = self.record.borrow_mut();
        let Some(record) = slot.as_mut() else { return Ok(()) };
        // Another identity may be stored here meanwhile.
        if record.owner.as_ref().is_none_or(|known| !known.is_same(owner)) {
            return Ok(());
        }
        record.pending = record.pending.without(sent);
        if !record.pending.is_empty() {
            return identity_rows::write_pending(&self.sql, record.pending);
        }
        if record.identity.exists {
            identity_rows::write_pending(&self.sql, record.pending)?;
            return if self.alarmed.take() { self.sql.delete_alarm() } else { Ok(()) };
        }
        drop(slot);
        self.remove_all()
    }

    /// Deletes all stored rows, and the alarm with them.
    pub(super) fn remove_all(&self) -> Result<()> {
        self.forget_memory();
        self.alarmed.set(false);
        self.sql.delete_all()
    }

    /// Drops the copy in memory, so that the next access reads the stored state.
    pub(super) fn forget_memory(&self) {
        self.record.take();
        self.last_noop.take();
    }

    /// Calls `view` with the state, which is read from storage first if necessary.
    pub(super) fn with_record<T>(&self, view: impl FnOnce(&Record) -> T) -> Result<T> {
        if self.record.borrow().is_none() {
            let record = self.read()?;
            self.record.replace(Some(record));
        }
        Ok(view(self.record.borrow().as_ref().unwrap_or(&Record::default())))
    }

    /// The stored state. If an update is pending and an error left it without an alarm, the alarm is set.
    fn read(&self) -> Result<Record> {
        let record = identity_rows::read(&self.sql)?;
        if !record.pending.is_empty() && !self.alarmed.get() {
            self.set_alarm(now_ms() + RETRY_AFTER_MS)?;
        }
        Ok(record)
    }

    /// Sets the alarm for another attempt, with a growing delay.
    fn retry_later(&self) -> Result<()> {
        let failures = self.failures.get() + 1;
        self.failures.set(failures);
        self.set_alarm(now_ms() + backoff(failures))
    }

    pub(super) fn set_alarm(&self, at: u64) -> Result<()> {
        self.sql.set_alarm(at)?;
        self.alarmed.set(true);
        Ok(())
    }
}

/// Parses a command for an identity whose object kept its name between versions. Other commands are refused. For these,
/// workers of an earlier version may still call the object with the former name.
fn here(request: &str) -> Result<CommandRequest> {
    let request = CommandRequest::from_json(request)?;
    if is_renamed(&request.client_key) {
        return Err("the identity is stored in an object of another name".into());
    }
    Ok(request)
}

/// The delay after this many failures in a row, in milliseconds.
fn backoff(failures: u32) -> u64 {
    1000_u64.saturating_mul(1 << failures.min(10)).min(MAX_BACKOFF)
}

/// The pending updates about an identity.
fn updates(owner: &IdentityRef, identity: &Identity, pending: PendingUpdates) -> Vec<DirectoryUpdate> {
    let identifier = || owner.identifier.clone();
    let details = identity.details.as_ref();
    let entry = pending.entry.map(|sequence| {
        let entry = details.map(|details| Entry {
            identifier: identifier(),
            uuid: details.uuid.clone(),
            alias: details.dashboard_alias.clone(),
            has_django_id: identity.django_id.is_some(),
        });
        DirectoryUpdate::Entry { identifier: identifier(), sequence, entry }
    });
    let overrides = pending.overrides.map(|sequence| DirectoryUpdate::Overrides {
        identifier: identifier(),
        sequence,
        uuid: owner.uuid.clone(),
        created_date: details.map(|details| details.created_date.clone()).unwrap_or_default(),
        django_id: identity.django_id,
        states: identity.overrides.clone(),
    });
    entry.into_iter().chain(overrides).collect()
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;
    use crate::document::{ClientKey, FeatureState, Identifier};
    use crate::identity::Details;

    #[wasm_bindgen_test]
    fn the_delay_doubles_up_to_five_minutes() {
        let delays = [1, 2, 3, 8, 9, 10, 11, u32::MAX].map(backoff);
        assert_eq!(delays, [2_000, 4_000, 8_000, 256_000, 300_000, 300_000, 300_000, 300_000]);
    }

    #[wasm_bindgen_test]
    fn only_commands_for_this_object_are_accepted() {
        let request =
            |client_key| CommandRequest::new(client_key, Identifier::verbatim("ada"), Command::Read);
        let (key, renamed) = (ClientKey::unchecked("k"), ClientKey::unchecked("a_b"));
        let accepted = here(&request(&key).to_json().unwrap()).unwrap();
        assert_eq!(accepted, request(&key));
        assert!(is_renamed(&renamed));
        for refused in [request(&renamed).to_json().unwrap(), String::new(), "{}".to_owned()] {
            assert!(here(&refused).is_err(), "{refused}");
        }
    }

    #[wasm_bindgen_test]
    fn updates_have_the_sequence_of_their_change() {
        let identifier = Identifier::verbatim("ada");
        let owner = IdentityRef {
            client_key: ClientKey::unchecked("k"),
            identifier: identifier.clone(),
            uuid: "u".into(),
        };
        let details = Details {
            uuid: "u".into(),
            created_date: "2026-11-29".into(),
            dashboard_alias: Some("a".into()),
        };
        let state: FeatureState = serde_json::from_str(r#"{"feature":{"id":1,"name":"f"}}"#).unwrap();
        let exists = Identity {
            exists: true,
            details: Some(details),
            django_id: Some(12),
            overrides: vec![state.clone()],
            sequence: 9,
            ..Identity::default()
        };
        let named = Entry {
            identifier: identifier.clone(),
            uuid: "u".into(),
            alias: Some("a".into()),
            has_django_id: true,
        };
        let entry = |entry: Option<Entry>| DirectoryUpdate::Entry {
            identifier: identifier.clone(),
            sequence: 7,
            entry,
        };
        let overrides = |created_date: &str, django_id, states| DirectoryUpdate::Overrides {
            identifier: identifier.clone(),
            sequence: 8,
            uuid: "u".into(),
            created_date: created_date.into(),
            django_id,
            states,
        };
        let set = [entry(Some(named)), overrides("2026-11-29", Some(12), vec![state])];
        // A deleted identity: the directory is to remove both.
        let removed = [entry(None), overrides("", None, vec![])];
        for (identity, [entry, overrides]) in [(exists, set), (Identity::default(), removed)] {
            for (pending, expected) in [
                ((None, None), vec![]),
                ((Some(7), None), vec![entry.clone()]),
                ((None, Some(8)), vec![overrides.clone()]),
                ((Some(7), Some(8)), vec![entry.clone(), overrides.clone()]),
            ] {
                let pending = PendingUpdates { entry: pending.0, overrides: pending.1 };
                assert_eq!(updates(&owner, &identity, pending), expected, "{pending:?}");
            }
        }
    }
}
