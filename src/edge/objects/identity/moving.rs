//! The move of an identity from the object of its former name to its own object (see [`crate::identity::object_name`]).
//!
//! The move starts with the first request for the identity, or when another identity needs the former object:
//!
//! 1. `handOver`: the former object returns its state of the identity, and keeps it.
//! 2. The own object writes that state, and a mark for an unfinished move, in one transaction.
//! 3. `forget`: the former object deletes its state.
//! 4. The own object deletes the mark. Only from now on it executes commands.
//!
//! No write is lost, even if an object is evicted or several requests start the move at the same time. The former
//! object executes no command for a renamed identity, so its state does not change before step 3. The own object
//! executes none before step 4, so its state does not change before then either.
//!
//! An interrupted move therefore starts again. Either step 2 writes the same state again, or step 1 returns nothing
//! since step 3 is done; then step 2 is durable. A request in step 2 detects that another request has completed step 4,
//! and writes nothing.
//!
//! Objects of an earlier version lack these methods, and their workers do not call them. While both versions run,
//! requests for renamed identities fail, so nothing is written in two places.

use worker::js_sys::Promise;
use worker::wasm_bindgen::{self, JsValue, prelude::wasm_bindgen};
use worker::wasm_bindgen_futures::JsFuture;
use worker::{Error, Result};

use crate::document::{ClientKey, Identifier};
use crate::edge::objects::identity::object::{IdentityObject, RETRY_AFTER_MS};
use crate::edge::objects::identity::rows::{self as identity_rows, IdentityRef, PendingUpdates, Record};
use crate::edge::platform::clock::now_ms;
use crate::identity::object_name::{former, is_renamed, object_name};
use crate::identity::{Command, CommandRequest, Handover};

#[wasm_bindgen]
extern "C" {
    /// A stub of another [`IdentityObject`].
    type MovingStub;

    #[wasm_bindgen(method, catch, js_name = handOver)]
    fn hand_over(this: &MovingStub, client_key: &str, identifier: &str) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn forget(this: &MovingStub, client_key: &str, identifier: &str) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch, js_name = takeOver)]
    fn take_over(this: &MovingStub, client_key: &str, identifier: &str) -> Result<Promise, JsValue>;
}

/// The methods of the own object.
#[wasm_bindgen(wasm_bindgen_futures = ::worker::wasm_bindgen_futures, js_sys = ::worker::js_sys)]
impl IdentityObject {
    /// [`IdentityObject::execute`] for a renamed identity.
    #[wasm_bindgen(js_name = carryOutRenamed)]
    pub async fn execute_renamed(&self, request: String) -> std::result::Result<String, JsValue> {
        let request = CommandRequest::from_json(&request).map_err(Error::from)?;
        self.move_here(&request.client_key, &request.identifier).await?;
        Ok(self.apply(request, 0, |outcome| outcome.to_json_without_details())?.0)
    }

    /// [`IdentityObject::execute_and_sync`] for a renamed identity.
    #[wasm_bindgen(js_name = carryOutRenamedAndTell)]
    pub async fn execute_renamed_and_sync(&self, request: String) -> std::result::Result<String, JsValue> {
        let request = CommandRequest::from_json(&request).map_err(Error::from)?;
        self.move_here(&request.client_key, &request.identifier).await?;
        let (answer, _) = self.apply(request, RETRY_AFTER_MS, |outcome| outcome.to_json())?;
        self.send_updates().await?;
        Ok(answer)
    }

    /// Moves the identity here, unless that is done.
    #[wasm_bindgen(js_name = takeOver)]
    pub async fn take_over(
        &self,
        client_key: String,
        identifier: String,
    ) -> std::result::Result<(), JsValue> {
        Ok(self.move_here(&ClientKey::unchecked(&client_key), &Identifier::verbatim(identifier)).await?)
    }
}

/// The methods of the former object.
#[wasm_bindgen(wasm_bindgen_futures = ::worker::wasm_bindgen_futures, js_sys = ::worker::js_sys)]
impl IdentityObject {
    /// Returns the state of an identity as [`Handover`] JSON; `None` if there is none.
    #[wasm_bindgen(js_name = handOver)]
    pub fn hand_over(
        &self,
        client_key: &str,
        identifier: &str,
    ) -> std::result::Result<Option<String>, JsValue> {
        let request = request_for(client_key, identifier, Command::Create);
        // The first versions did not store the identifier. The first command decides it.
        if self.with_record(|record| record.owner.is_none() && record.identity.exists)? {
            self.apply(request.clone(), 0, |outcome| outcome.to_json())?;
        }
        let handover = self.with_record(|record| {
            let owner = record.owner.as_ref().filter(|owner| owner.is_of(&request))?;
            let Record { identity, pending, .. } = record.clone();
            let (sequence, uuid) = (identity.sequence, owner.uuid.clone());
            Some(Handover { identity, sequence, uuid, due: [pending.entry, pending.overrides] }.to_json())
        })?;
        Ok(handover.transpose().map_err(Error::from)?)
    }

    /// Deletes the state of an identity.
    pub fn forget(&self, client_key: &str, identifier: &str) -> std::result::Result<(), JsValue> {
        let request = request_for(client_key, identifier, Command::Read);
        if self.with_record(|record| record.owner.as_ref().is_some_and(|owner| owner.is_of(&request)))? {
            self.remove_all()?;
        }
        Ok(())
    }

    /// Moves the stored identity to its own object.
    pub async fn vacate(&self) -> std::result::Result<(), JsValue> {
        // If the stored identity belongs here, another request has already moved the other identity out.
        let owner = self.with_record(|record| record.owner.clone())?;
        let Some(IdentityRef { client_key, identifier, .. }) =
            owner.filter(|owner| is_renamed(&owner.client_key))
        else {
            return Ok(());
        };
        let own = self.object(&object_name(&client_key, &identifier))?;
        received(own.take_over(&client_key, &identifier)).await?;
        // The move is complete, so any state here is from an earlier version that was deployed again meanwhile.
        self.forget(&client_key, &identifier)
    }
}

impl IdentityObject {
    /// Executes the move, unless it is complete.
    async fn move_here(&self, client_key: &ClientKey, identifier: &Identifier) -> Result<()> {
        if self.moved.get() {
            return Ok(());
        }
        let is_here = self.with_record(|record| record.owner.is_some())?;
        if !is_here || identity_rows::is_moving(&self.sql)? {
            let former = self.object(&former(client_key, identifier))?;
            let given = received(former.hand_over(client_key, identifier)).await?;
            // Another request may have completed the move meanwhile.
            if self.moved.get() {
                return Ok(());
            }
            if let Some(given) = given.as_string() {
                self.take(client_key, identifier, Handover::from_json(&given)?)?;
                received(former.forget(client_key, identifier)).await?;
            }
            identity_rows::end_move(&self.sql)?;
        }
        self.moved.set(true);
        Ok(())
    }

    /// Writes the state that was handed over.
    fn take(&self, client_key: &ClientKey, identifier: &Identifier, given: Handover) -> Result<()> {
        let Handover { identity, uuid, due: [entry, overrides], .. } = given;
        let owner = IdentityRef { client_key: client_key.clone(), identifier: identifier.clone(), uuid };
        let record = Record { identity, owner: Some(owner), pending: PendingUpdates { entry, overrides } };
        // The copy in memory is dropped first. If the write fails, the next read gets the stored state.
        self.forget_memory();
        identity_rows::replace(&self.sql, &record)?;
        if !record.pending.is_empty() {
            self.set_alarm(now_ms() + RETRY_AFTER_MS)?;
        }
        Ok(())
    }

    fn object(&self, name: &str) -> Result<MovingStub> {
        Ok(self.env.durable_object("IDENTITIES")?.get_by_name(name)?.into_rpc())
    }
}

/// A command for the identity that another object names.
fn request_for(client_key: &str, identifier: &str, command: Command) -> CommandRequest {
    CommandRequest::new(&ClientKey::unchecked(client_key), Identifier::verbatim(identifier), command)
}

async fn received(promise: std::result::Result<Promise, JsValue>) -> Result<JsValue> {
    Ok(JsFuture::from(promise?).await?)
}
