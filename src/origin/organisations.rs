//! `/organisations/` and their `master-api-keys/`.

use serde_json::{Value, json};

use crate::access;
use crate::call::{self, Call, Outcome, deleted, number};
use crate::keys;
use crate::limits::MAX_NAME_LENGTH;
use crate::pages::{self, page};
use crate::projects;
use crate::refusal::Refusal;
use crate::rows::{AuditRow, MasterApiKey, Organisation, Project};
use crate::state::Row;

const MAX_KEY_NAME_LENGTH: usize = 50;
const MAX_EMAIL_LENGTH: usize = 254;

/// Lists the organisations of the caller's key.
pub fn list(call: &mut Call<'_>) -> Outcome {
    let organisations = call.state.organisations.values();
    let reached: Vec<&Organisation> = organisations.filter(|row| call.caller.reaches(row.id)).collect();
    page(call, pages::FIXED, reached, render)
}

/// Creates an organisation; only the deployment's own key may.
pub fn create(call: &mut Call<'_>) -> Outcome {
    if !call.caller.reaches_all() {
        return Err(Refusal::Forbidden);
    }
    let fresh = Organisation {
        id: 0,
        uuid: call.uuid(),
        name: String::new(),
        created_date: call.now(),
        webhook_notification_email: None,
        persist_trait_data: true,
        block_access_to_admin: false,
        restrict_project_create_to_admin: false,
        force_2fa: false,
    };
    let mut organisation = read(call, fresh, false)?;
    organisation.id = call.state.next_id(Organisation::KIND);
    call.state.put(organisation.clone());
    call::json(201, &render(&organisation))
}

/// Reads an organisation.
pub fn get(call: &mut Call<'_>, id: &str) -> Outcome {
    call::json(200, &render(&find(call, id)?))
}

/// Changes an organisation.
pub fn update(call: &mut Call<'_>, id: &str) -> Outcome {
    let organisation = find(call, id)?;
    let organisation = read(call, organisation, call.is_partial())?;
    call.state.put(organisation.clone());
    call::json(200, &render(&organisation))
}

/// Deletes an organisation with its projects, keys and audit rows.
pub fn delete(call: &mut Call<'_>, id: &str) -> Outcome {
    let id = find(call, id)?.id;
    let projects = call.state.projects.values().filter(|project| project.organisation == id);
    let projects = projects.map(Project::id).collect();
    projects::remove(&mut call.state, &projects);
    call.state.delete::<MasterApiKey>(|key| key.organisation == Some(id));
    call.state.delete::<AuditRow>(|row| row.organisation == id);
    call.state.delete::<Organisation>(|row| row.id == id);
    deleted()
}

fn find(call: &Call<'_>, id: &str) -> Result<Organisation, Refusal> {
    let id = number(id)?;
    let organisation = call.state.organisations.get(&id).filter(|row| call.caller.reaches(row.id));
    organisation.cloned().ok_or(Refusal::Missing("Organisation"))
}

fn read(call: &Call<'_>, old: Organisation, is_partial: bool) -> Result<Organisation, Refusal> {
    let mut input = call.input()?;
    let keep = is_partial.then_some(old.name.as_str());
    let organisation = Organisation {
        name: input.text("name", MAX_NAME_LENGTH, keep),
        webhook_notification_email: input.optional_text(
            "webhook_notification_email",
            MAX_EMAIL_LENGTH,
            old.webhook_notification_email,
        ),
        restrict_project_create_to_admin: input
            .bool("restrict_project_create_to_admin", old.restrict_project_create_to_admin),
        force_2fa: input.bool("force_2fa", old.force_2fa),
        ..old
    };
    input.finish(organisation)
}

fn render(organisation: &Organisation) -> Value {
    json!({
        "id": organisation.id,
        "uuid": organisation.uuid,
        "name": organisation.name,
        "created_date": organisation.created_date,
        "webhook_notification_email": organisation.webhook_notification_email,
        "num_seats": 0,
        "subscription": null,
        "role": null,
        "persist_trait_data": organisation.persist_trait_data,
        "block_access_to_admin": organisation.block_access_to_admin,
        "restrict_project_create_to_admin": organisation.restrict_project_create_to_admin,
        "force_2fa": organisation.force_2fa,
    })
}

/// Lists the master API keys of an organisation.
pub fn list_keys(call: &mut Call<'_>, id: &str) -> Outcome {
    let id = reached(call, id)?;
    let keys = call.state.master_api_keys.values().filter(|key| key.organisation == Some(id)).collect();
    page(call, pages::FIXED, keys, |key: &MasterApiKey| render_key(call, key))
}

/// Creates a master API key. Only this answer has the key itself.
pub fn create_key(call: &mut Call<'_>, id: &str) -> Outcome {
    let organisation = reached(call, id)?;
    let mut input = call.input()?;
    let name = input.text("name", MAX_KEY_NAME_LENGTH, None);
    let expiry_date = input.optional_time("expiry_date", None);
    let is_admin = input.bool("is_admin", true);
    let (name, expiry_date) = input.finish((name, expiry_date))?;
    if !is_admin {
        return Err(Refusal::field("is_admin", "RBAC is not installed, cannot create non-admin key"));
    }
    let (prefix, key) = keys::master_api_key(call.context.random);
    let row = MasterApiKey {
        id: call.state.next_id(MasterApiKey::KIND),
        organisation: Some(organisation),
        prefix,
        hash: access::hash(&key),
        name,
        created: call.now(),
        revoked: false,
        expiry_date,
    };
    let mut answer = render_key(call, &row);
    if let Some(members) = answer.as_object_mut() {
        members.insert("key".to_owned(), Value::String(key));
    }
    call.state.put(row);
    call::json(201, &answer)
}

/// Deletes a master API key by its prefix.
pub fn delete_key(call: &mut Call<'_>, id: &str, prefix: &str) -> Outcome {
    let organisation = reached(call, id)?;
    let mut keys = call.state.master_api_keys.values();
    let key = keys.find(|key| key.organisation == Some(organisation) && key.prefix == prefix);
    let id = key.ok_or(Refusal::Missing("MasterAPIKey"))?.id;
    call.state.delete::<MasterApiKey>(|key| key.id == id);
    deleted()
}

/// The id of an organisation that the caller's key reaches.
fn reached(call: &Call<'_>, id: &str) -> Result<i64, Refusal> {
    let id = number(id)?;
    let exists = call.state.organisations.contains_key(&id);
    if exists && call.caller.reaches(id) { Ok(id) } else { Err(Refusal::Forbidden) }
}

fn render_key(call: &Call<'_>, key: &MasterApiKey) -> Value {
    json!({
        // Flagsmith's id contains a hash of the key; the prefix alone names it, too.
        "id": key.prefix,
        "prefix": key.prefix,
        "created": key.created,
        "name": key.name,
        "revoked": key.revoked,
        "expiry_date": key.expiry_date,
        "is_admin": true,
        "has_expired": access::has_expired(key, call.context.now),
        "created_by": null,
    })
}
