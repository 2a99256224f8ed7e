//! `/audit/`: one row for each request that changed something, about the row that contains the other changed ones.

use serde_json::{Value, json};

use crate::call::{self, Call, Outcome, number};
use crate::pages::{self, page};
use crate::refusal::Refusal;
use crate::rows::AuditRow;

/// The filter of a path.
#[derive(Clone, Copy)]
pub enum AuditFilter<'p> {
    All,
    Organisation(&'p str),
    Project(&'p str),
}

/// Lists the audit rows, the newest first.
pub fn list(call: &mut Call<'_>, filter: AuditFilter<'_>) -> Outcome {
    let organisation = match filter {
        AuditFilter::Organisation(id) => Some(number(id)?),
        _ => None,
    };
    let project = match filter {
        AuditFilter::Project(id) => Some(number(id)?),
        _ => call.query_id("project"),
    };
    let environment = call.query_id("environment").or_else(|| first_number(call, "environments"));
    let search = call.query("search").unwrap_or_default().to_lowercase();
    let matches = |row: &&AuditRow| {
        call.caller.reaches(row.organisation)
            && organisation.is_none_or(|id| id == row.organisation)
            && project.is_none_or(|id| Some(id) == row.project)
            && environment.is_none_or(|id| Some(id) == row.environment)
            && row.log.to_lowercase().contains(&search)
    };
    let rows: Vec<&AuditRow> = call.state.audit.values().rev().filter(matches).collect();
    page(call, pages::SIZED, rows, |row: &AuditRow| render(call, row))
}

/// The first of the numbers in a parameter.
fn first_number(call: &Call<'_>, name: &str) -> Option<i64> {
    call.query(name)?.split(',').next()?.parse().ok()
}

/// Reads an audit row.
pub fn get(call: &mut Call<'_>, id: &str) -> Outcome {
    let row = call.state.audit.get(&number(id)?).filter(|row| call.caller.reaches(row.organisation));
    call::json(200, &render(call, row.ok_or(Refusal::Missing("AuditLog"))?))
}

fn render(call: &Call<'_>, row: &AuditRow) -> Value {
    let project = row.project.and_then(|id| call.state.projects.get(&id));
    let project = project.map(|project| {
        json!({"id": project.id, "uuid": project.uuid, "name": project.name, "organisation": project.organisation})
    });
    let environment = row.environment.and_then(|id| call.state.environments.get(&id));
    let environment = environment.map(|environment| {
        json!({
            "id": environment.id,
            "uuid": environment.uuid,
            "name": environment.name,
            "api_key": environment.api_key,
            "project": environment.project,
        })
    });
    json!({
        "id": row.id,
        "created_date": row.created_date,
        "log": row.log,
        "author": null,
        "environment": environment,
        "project": project,
        "related_object_id": row.related_object_id,
        "related_object_uuid": null,
        "related_object_type": row.related_object_type,
        "is_system_event": false,
    })
}
