//! Sends commands to identities' objects.

use std::cell::OnceCell;
use std::fmt::Display;

use futures_util::future::FutureExt;
use worker::js_sys::{Promise, Uint8Array};
use worker::wasm_bindgen::{self, JsCast, JsValue, prelude::wasm_bindgen};
use worker::wasm_bindgen_futures::JsFuture;
use worker::{Env, ObjectNamespace};

use crate::api::{Dependency, Error};
use crate::document::{ClientKey, Identifier};
use crate::edge::cache::overrides;
use crate::edge::http::hold::Hold;
use crate::edge::platform::config::Config;
use crate::edge::platform::failure::{Failure, Source};
use crate::edge::platform::join_all::join_all;
use crate::identity::object_name::{is_renamed, object_name};
use crate::identity::{Command, CommandError, CommandRequest, CommandResponse, Identity};
use flagsmith_edge_platform::log::LogLine;

#[wasm_bindgen]
extern "C" {
    /// A stub of an [`crate::edge::IdentityObject`].
    type IdentityStub;

    #[wasm_bindgen(method, catch, js_name = carryOut)]
    fn execute(this: &IdentityStub, request: &str) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch, js_name = carryOutLarge)]
    fn execute_large(this: &IdentityStub, request: &str) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch, js_name = carryOutAndTell)]
    fn execute_and_sync(this: &IdentityStub, request: &str) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch, js_name = carryOutRenamed)]
    fn execute_renamed(this: &IdentityStub, request: &str) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch, js_name = carryOutRenamedAndTell)]
    fn execute_renamed_and_sync(this: &IdentityStub, request: &str) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn vacate(this: &IdentityStub) -> Result<Promise, JsValue>;
}

/// The longest answer that needs no reserved memory, in bytes. The answer for a typical identity has a few kilobytes.
pub const MAX_SMALL_LENGTH: usize = 32 * 1024;

/// Executes each command on its identity, concurrently. Returns the outcomes in order; a failure does not affect the
/// others. The returned identities lack traits and overrides, except for the trait of an increment.
pub async fn execute(
    env: &Env,
    client_key: &ClientKey,
    commands: Vec<(Identifier, Command)>,
) -> Result<Vec<Result<Identity, CommandError>>, Error> {
    let outcomes = execute_by(env, client_key, commands, AnswerKind::Brief, Some(0)).await?;
    Ok(outcomes.into_iter().map(|outcome| outcome.result).collect())
}

/// Executes commands whose answer to the client contains the identities, and reserves memory for large ones. A large
/// identity is fetched twice, since only the first answer gives its length.
pub async fn execute_and_read(
    env: &Env,
    client_key: &ClientKey,
    commands: Vec<(Identifier, Command)>,
) -> Result<(Vec<Result<Identity, CommandError>>, Option<Hold>), Error> {
    let identifiers: Vec<_> = commands.iter().map(|(identifier, _)| identifier.clone()).collect();
    let max_length = Some(MAX_SMALL_LENGTH);
    let mut outcomes = execute_by(env, client_key, commands, AnswerKind::Brief, max_length).await?;
    let length: usize = outcomes.iter().filter_map(|outcome| outcome.withheld).sum();
    let hold = if length > 0 {
        Some(Hold::for_answer(length).ok_or(Error::Unavailable(Dependency::Answers))?)
    } else {
        None
    };
    for (identifier, outcome) in identifiers.into_iter().zip(&mut outcomes) {
        if let Some(reserved) = outcome.withheld {
            let read = vec![(identifier, Command::Read)];
            // The limit is a little more than the reserved length. So the request fails only if the identity grew a lot
            // since the first answer.
            let max_length = Some(reserved + MAX_SMALL_LENGTH);
            let whole = execute_by(env, client_key, read, AnswerKind::Large, max_length).await?;
            outcome.result = match whole.into_iter().next() {
                Some(whole) if whole.withheld.is_some() => {
                    return Err(Error::Unavailable(Dependency::Answers));
                }
                Some(whole) => whole.result,
                None => Err(CommandError::Unavailable),
            };
        }
    }
    Ok((outcomes.into_iter().map(|outcome| outcome.result).collect(), hold))
}

/// Executes commands, and waits for the directory. The returned identities lack traits and overrides.
pub async fn execute_all_and_sync(
    env: &Env,
    client_key: &ClientKey,
    commands: Vec<(Identifier, Command)>,
) -> Result<Vec<Result<Identity, CommandError>>, Error> {
    let outcomes = execute_by(env, client_key, commands, AnswerKind::Full, Some(0)).await?;
    Ok(outcomes.into_iter().map(|outcome| outcome.result).collect())
}

/// Reads complete identities. An identity that is longer than `max_length` is replaced by its length.
pub async fn read_all(
    env: &Env,
    client_key: &ClientKey,
    identifiers: Vec<Identifier>,
    max_length: Option<usize>,
) -> Result<Vec<Result<Read, CommandError>>, Error> {
    let commands = identifiers.into_iter().map(|identifier| (identifier, Command::Read)).collect();
    let outcomes = execute_by(env, client_key, commands, AnswerKind::Full, max_length).await?;
    let read = |outcome: CommandResponse| match outcome.withheld {
        Some(length) => outcome.result.map(|_| Read::Withheld(length)),
        None => outcome.result.map(Read::Whole),
    };
    Ok(outcomes.into_iter().map(read).collect())
}

/// An identity that was read.
pub enum Read {
    /// The complete identity.
    Whole(Identity),
    /// The length of an answer beyond the limit.
    Withheld(usize),
}

async fn execute_by(
    env: &Env,
    client_key: &ClientKey,
    commands: Vec<(Identifier, Command)>,
    kind: AnswerKind,
    max_length: Option<usize>,
) -> Result<Vec<CommandResponse>, Error> {
    let objects = namespace(env, client_key)?;
    let log_rows = Config::of(env).log_rows;
    let concerns_overrides = commands.iter().any(|(_, command)| command.concerns_overrides());
    let sent = commands.into_iter().map(|(identifier, command)| {
        // A caller that needs only the success needs no traits.
        let omit_sent_traits = kind == AnswerKind::Brief && max_length != Some(0);
        let request = CommandRequest {
            omit_sent_traits,
            max_length,
            ..CommandRequest::new(client_key, identifier, command)
        };
        send(&objects, request, kind, log_rows)
    });
    let outcome = |outcome: Result<_, Failure>| {
        outcome.unwrap_or_else(|failure| {
            failure.log(Some(client_key));
            CommandResponse::refused(CommandError::Unavailable)
        })
    };
    let outcomes = join_all(sent).await;
    let outcomes: Vec<CommandResponse> = outcomes.into_iter().map(outcome).collect();
    if concerns_overrides {
        overrides::changed(client_key);
    }
    Ok(outcomes)
}

/// Executes a command, waits for the directory, and returns the complete identity.
pub async fn execute_and_sync(
    env: &Env,
    request: CommandRequest,
) -> Result<Result<Identity, CommandError>, Error> {
    let client_key = request.client_key.clone();
    let objects = namespace(env, &client_key)?;
    let concerns_overrides = request.command.concerns_overrides();
    let outcome = send(&objects, request, AnswerKind::Full, Config::of(env).log_rows).await;
    if concerns_overrides {
        overrides::changed(&client_key);
    }
    outcome
        .map(|outcome| outcome.result)
        .map_err(|failure| failure.unavailable(Dependency::Identity, Some(&client_key)))
}

/// The kinds of answers to a command.
#[derive(Clone, Copy, PartialEq, Eq)]
enum AnswerKind {
    /// The parts that SDK requests need.
    Brief,
    /// The same parts of a large identity.
    Large,
    /// The complete identity, after the directory is updated.
    Full,
}

async fn send(
    objects: &ObjectNamespace,
    request: CommandRequest,
    kind: AnswerKind,
    log_rows: bool,
) -> Result<CommandResponse, Failure> {
    let name = object_name(&request.client_key, &request.identifier);
    let method = match (kind, is_renamed(&request.client_key)) {
        (AnswerKind::Brief, false) => IdentityStub::execute,
        (AnswerKind::Full, false) => IdentityStub::execute_and_sync,
        (AnswerKind::Large, false) => IdentityStub::execute_large,
        (AnswerKind::Brief | AnswerKind::Large, true) => IdentityStub::execute_renamed,
        (AnswerKind::Full, true) => IdentityStub::execute_renamed_and_sync,
    };
    let text = request.to_json().map_err(|error| failure(&error))?;
    // An upload may have megabytes of traits, so they are kept only if the answer omits them.
    let CommandRequest { command, omit_sent_traits, .. } = request;
    let command = if omit_sent_traits {
        command
    } else {
        drop(command);
        Command::Read
    };
    let object: IdentityStub = objects.get_by_name(&name).map_err(|error| failure(&error))?.into_rpc();
    let mut answer = received(method(&object, &text)).await?;
    if CommandResponse::is_occupied(&answer) {
        received(object.vacate()).boxed_local().await?;
        answer = received(method(&object, &text)).boxed_local().await?;
        if CommandResponse::is_occupied(&answer) {
            return Err(failure(&"its object stores another identity"));
        }
    }
    let outcome =
        CommandResponse::from_json(&answer, command).map_err(|_| failure(&"its answer cannot be read"))?;
    if log_rows {
        let [rows_read, rows_written] = outcome.rows;
        LogLine::Call { object: "identity", rows_read, rows_written }.write();
    }
    Ok(outcome)
}

/// An object's answer; empty if there is none.
async fn received(promise: Result<Promise, JsValue>) -> Result<String, Failure> {
    let failed = |error: JsValue| failure(&worker::Error::from(error));
    let answer = JsFuture::from(promise.map_err(failed)?).await.map_err(failed)?;
    Ok(match answer.dyn_ref::<Uint8Array>() {
        Some(bytes) => String::from_utf8(bytes.to_vec()).unwrap_or_default(),
        None => answer.as_string().unwrap_or_default(),
    })
}

/// The namespace of the objects, the same for all requests of an isolate.
fn namespace(env: &Env, client_key: &ClientKey) -> Result<ObjectNamespace, Error> {
    thread_local! {
        static NAMESPACE: OnceCell<ObjectNamespace> = const { OnceCell::new() };
    }
    if let Some(known) = NAMESPACE.with(|known| known.get().cloned()) {
        return Ok(known);
    }
    let namespace = env
        .durable_object("IDENTITIES")
        .map_err(|error| failure(&error).unavailable(Dependency::Identity, Some(client_key)))?;
    NAMESPACE.with(|known| drop(known.set(namespace.clone())));
    Ok(namespace)
}

fn failure(cause: &dyn Display) -> Failure {
    Failure::new(Source::IdentityObject, cause)
}
