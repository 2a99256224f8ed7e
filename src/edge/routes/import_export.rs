//! Import and export of identities, and the repair of the directory (see [`crate::admin::import_export`]).

use serde_json::{Value, json};
use worker::{Context, Env};

use crate::admin::AdminError;
use crate::admin::edge_identities::{answer, page_query};
use crate::admin::import_export::{
    self, ExportPage, ImportExport, ImportLine, MAX_IMPORT_LENGTH, PERMISSION,
};
use crate::api::{Dependency, Error, Response};
use crate::document::{ClientKey, Environment};
use crate::edge::access::environment as access;
use crate::edge::access::limit::admit;
use crate::edge::cache::overrides;
use crate::edge::http::body;
use crate::edge::http::hold::Hold;
use crate::edge::http::incoming::IncomingRequest;
use crate::edge::objects::directory::client::Directory;
use crate::edge::objects::identity::client::{self as identities, MAX_SMALL_LENGTH, Read};
use crate::edge::platform::clock::now_ms;
use crate::edge::platform::failure::Failure;
use crate::identity::directory::DirectoryUpdate;
use crate::identity::{Command, CommandError, Identity};

/// Answers a request to one of these endpoints.
pub async fn answer(
    incoming: &IncomingRequest,
    env: &Env,
    context: &Context,
    client_key: Option<ClientKey>,
    route: ImportExport,
) -> Result<Response<'static>, AdminError> {
    if route != ImportExport::Import {
        // An import has no rate limit: it takes many requests, each with many identities.
        admit(incoming, env).await?;
    }
    let opened = access::open(incoming, env, context, client_key, PERMISSION, route.allow()).await?;
    let loaded = match opened {
        Ok(loaded) => loaded,
        Err(refusal) => return Ok(refusal),
    };
    let environment = &loaded.environment.environment;
    let media_type = incoming.header("content-type").unwrap_or_default();
    if route != ImportExport::Export && !import_export::is_supported(&media_type) {
        return Err(Error::UnsupportedMediaType(media_type).into());
    }
    let body = match route {
        ImportExport::Export => Vec::new(),
        ImportExport::Import | ImportExport::Repair => body::read(incoming, MAX_IMPORT_LENGTH).await?,
    };
    let answer = match route {
        ImportExport::Import => import(env, environment, &body).await,
        ImportExport::Export => {
            let as_lines = import_export::wants_lines(&incoming.header("accept").unwrap_or_default());
            export(env, environment, &incoming.query, as_lines).await
        }
        ImportExport::Repair => repair(env, environment, &body).await,
    };
    answer.map_err(AdminError::from)
}

async fn import(env: &Env, environment: &Environment, body: &[u8]) -> Result<Response<'static>, Error> {
    let mut lines = import_export::read_import(environment, body).map_err(Error::Invalid)?;
    let adds_overrides = lines.iter().flatten().any(|line| !line.import.overrides.is_empty());
    if adds_overrides && !Directory::new(env, environment.key()).takes_overrides().await {
        return Err(Error::Invalid(json!({"detail": refused(CommandError::EnvironmentFull)})));
    }
    check_uuids(env, environment, &mut lines).await?;
    let passed_over: Vec<bool> = lines.iter().map(Option::is_none).collect();
    let commands = lines.into_iter().flatten().map(ImportLine::into_command).collect();
    let outcomes = identities::execute_all_and_sync(env, environment.key(), commands).await?;
    if outcomes.iter().all(Result::is_ok) {
        let passed_over = passed_over.len() - outcomes.len();
        return Ok(ok(&json!({"imported": outcomes.len(), "passed_over": passed_over})));
    }
    let mut outcomes = outcomes.iter();
    let by_line = passed_over.into_iter().map(|passed_over| if passed_over { None } else { outcomes.next() });
    Ok(report(by_line))
}

/// Refuses identities with a UUID of another identity. Two simultaneous imports of one UUID are not detected.
async fn check_uuids(
    env: &Env,
    environment: &Environment,
    lines: &mut [Option<ImportLine>],
) -> Result<(), Error> {
    let uuids: Vec<_> = lines.iter().flatten().filter_map(|line| line.import.uuid.clone()).collect();
    if uuids.is_empty() {
        return Ok(());
    }
    let known = Directory::new(env, environment.key()).resolve_all(uuids).await;
    let known = known.map_err(|failure| unavailable(&failure, environment))?;
    import_export::check_uuids(lines, &known).map_err(Error::Invalid)
}

async fn export(
    env: &Env,
    environment: &Environment,
    query: &str,
    as_lines: bool,
) -> Result<Response<'static>, Error> {
    let query = page_query(query)?;
    let directory = Directory::new(env, environment.key());
    let (entries, next) =
        directory.find(&query).await.map_err(|failure| unavailable(&failure, environment))?;
    let unreadable = |_| Error::Unavailable(Dependency::Identity);
    let identifiers = entries.iter().map(|entry| entry.identifier.clone()).collect();
    // This read returns only small identities. The loop reads each large identity by itself, while the page has room.
    let read = identities::read_all(env, environment.key(), identifiers, Some(MAX_SMALL_LENGTH)).await?;
    let mut page = ExportPage::default();
    // All identities of the page are in memory until it is complete.
    let full = || Error::Unavailable(Dependency::Answers);
    let hold = Hold::for_answer(0).ok_or_else(full)?;
    for (entry, read) in entries.iter().zip(read) {
        let identity = match read.map_err(unreadable)? {
            Read::Whole(identity) => identity,
            Read::Withheld(length) => {
                if !page.has_room(length) {
                    break;
                }
                if !hold.grow(page.length() + length) {
                    return Err(full());
                }
                let identifier = vec![entry.identifier.clone()];
                let max_length = Some(length + MAX_SMALL_LENGTH);
                let read = identities::read_all(env, environment.key(), identifier, max_length).await?;
                match read.into_iter().next() {
                    Some(Ok(Read::Whole(identity))) => identity,
                    Some(Ok(Read::Withheld(_))) => return Err(full()),
                    _ => return Err(Error::Unavailable(Dependency::Identity)),
                }
            }
        };
        page.add(environment.key(), &entry.identifier, &identity);
    }
    Ok(page.finish(&query, &entries, next.as_ref(), as_lines))
}

/// Makes these identities send their directory entries again, and removes entries without an identity.
async fn repair(env: &Env, environment: &Environment, body: &[u8]) -> Result<Response<'static>, Error> {
    let identifiers = import_export::read_repair(body).map_err(Error::Invalid)?;
    // Read before any object is called, so that an identity that is created meanwhile has a later sequence number.
    let asked_at = now_ms();
    let commands = identifiers.iter().map(|identifier| (identifier.clone(), Command::Resync)).collect();
    let mut outcomes = identities::execute_all_and_sync(env, environment.key(), commands).await?;
    let directory = Directory::new(env, environment.key());
    let mut removed = 0;
    for (identifier, outcome) in identifiers.iter().zip(&mut outcomes) {
        if !matches!(outcome, Err(CommandError::Missing)) {
            continue;
        }
        let gone = [
            DirectoryUpdate::Entry { identifier: identifier.clone(), sequence: asked_at, entry: None },
            DirectoryUpdate::Overrides {
                identifier: identifier.clone(),
                sequence: asked_at,
                uuid: Box::default(),
                created_date: Box::default(),
                django_id: None,
                states: Vec::new(),
            },
        ];
        for update in gone {
            directory.send(update).await.map_err(|failure| unavailable(&failure, environment))?;
        }
        *outcome = Ok(Identity::default());
        removed += 1;
    }
    if removed > 0 {
        overrides::changed(environment.key());
    }
    if outcomes.iter().any(Result::is_err) {
        return Ok(report(outcomes.iter().map(Some)));
    }
    Ok(ok(&json!({"repaired": outcomes.len() - removed, "removed": removed})))
}

/// Reports the failed lines by their positions. An outcome of `None` is a skipped line. Lines can safely be sent again.
fn report<'o>(
    outcomes: impl Iterator<Item = Option<&'o Result<Identity, CommandError>>>,
) -> Response<'static> {
    let mut unavailable = false;
    let problem = |outcome: Option<&Result<Identity, CommandError>>| match outcome {
        None | Some(Ok(_)) => json!({}),
        Some(Err(CommandError::Unavailable)) => {
            unavailable = true;
            Error::Unavailable(Dependency::Identity).body()
        }
        Some(Err(refusal)) => json!({"detail": refused(*refusal)}),
    };
    let problems = outcomes.map(problem).collect();
    Response::by_item(problems, unavailable)
}

fn refused(refusal: CommandError) -> String {
    answer::bound(refusal).unwrap_or_else(|| format!("The identity was refused: {refusal:?}."))
}

fn ok(body: &Value) -> Response<'static> {
    Response::json(body.to_string().into_bytes())
}

fn unavailable(failure: &Failure, environment: &Environment) -> Error {
    failure.unavailable(Dependency::Directory, Some(environment.key()))
}
