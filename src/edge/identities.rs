//! Sends commands to identities' objects.

use std::fmt::Display;

use futures_util::future::try_join_all;
use worker::js_sys::Promise;
use worker::wasm_bindgen::{self, JsValue, prelude::wasm_bindgen};
use worker::wasm_bindgen_futures::JsFuture;
use worker::{Env, ObjectNamespace};

use super::failure::{Failure, Source};
use crate::api::{Error, Part};
use crate::identity::{Command, Identity, Refusal};

#[wasm_bindgen]
extern "C" {
    /// A stub of an [`super::IdentityObject`] in another place.
    type IdentityStub;

    #[wasm_bindgen(method, catch, js_name = carryOut)]
    fn carry_out(this: &IdentityStub, command: &str) -> Result<Promise, JsValue>;
}

/// Carries out each command on its identity, all at once; gives their outcomes in order.
pub async fn carry_out(
    env: &Env,
    environment_key: &str,
    commands: Vec<(String, Command)>,
) -> Result<Vec<Result<Identity, Refusal>>, Error> {
    let failed = |failure: Failure| {
        failure.log(Some(environment_key));
        Error::Unavailable(Part::Identity)
    };
    let objects = env.durable_object("IDENTITIES").map_err(|error| failed(failure(&error)))?;
    let sent = commands
        .iter()
        .map(|(identifier, command)| send(&objects, format!("{environment_key}_{identifier}"), command));
    try_join_all(sent).await.map_err(failed)
}

async fn send(
    objects: &ObjectNamespace,
    name: String,
    command: &Command,
) -> Result<Result<Identity, Refusal>, Failure> {
    let command = serde_json::to_string(command).map_err(|error| failure(&error))?;
    let object: IdentityStub = objects.get_by_name(&name).map_err(|error| failure(&error))?.into_rpc();
    let promise = object.carry_out(&command).map_err(|error| failure(&text(&error)))?;
    let outcome = JsFuture::from(promise).await.map_err(|error| failure(&text(&error)))?;
    let outcome = outcome.as_string().unwrap_or_default();
    serde_json::from_str(&outcome).map_err(|_| failure(&"its answer cannot be read"))
}

fn failure(cause: &dyn Display) -> Failure {
    Failure::new(Source::IdentityObject, cause)
}

/// What the platform says of an error of its own.
fn text(error: &JsValue) -> String {
    worker::Error::from(error.clone()).to_string()
}
