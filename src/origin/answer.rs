//! The way of a request: path, credentials, method, endpoint.

use std::borrow::Cow;

use flagsmith_edge_core::api::{self, Error, Response};
use serde_json::{Map, Value};

use crate::access::{Caller, authenticate};
use crate::audit::AuditFilter;
use crate::call::{BodyType, Call, Context, Outcome, Request};
use crate::changes::{Changes, Transaction};
use crate::refusal::Refusal;
use crate::route::Route;
use crate::state::State;
use crate::{
    audit, environment_document, environments, feature_segments, feature_states, features, identities,
    identity_overrides, multivariate_options, organisations, projects, segment_overrides, segments,
    server_keys, simple_feature_states, traits, update_flag,
};

/// The maximum length of a body, in bytes.
pub const MAX_BODY_LENGTH: usize = 10 * 1024 * 1024;
/// The parts of paths about people.
const PEOPLE: [&str; 8] =
    ["auth", "users", "invites", "invite-links", "groups", "roles", "permissions", "user-permissions"];
const NO_PEOPLE: &str = "This origin has no users, roles or passwords; authenticate with a master API key.";

/// Answers a request, and returns the rows that it changed. A refused request changes nothing.
pub fn answer(
    state: &mut State,
    request: &Request<'_>,
    context: &Context<'_>,
) -> (Response<'static>, Changes) {
    let (response, changes) = match Route::parse(&routed_path(request)) {
        _ if request.body.len() > MAX_BODY_LENGTH => {
            (Response::error(&Error::BodyTooLarge(MAX_BODY_LENGTH)), Changes::default())
        }
        None => (without_route(request), Changes::default()),
        Some(_) if is_preflight(request) => (preflight(), Changes::default()),
        Some(route) => {
            let answered = answer_route(state, route, request, context);
            let (response, changes) =
                answered.unwrap_or_else(|refusal| (refusal.response(), Changes::default()));
            (response.with("allow", route.allow()), changes)
        }
    };
    (finished(response, request), changes)
}

/// The refusal of a request whose body has not been read: without a route, a known key or an allowed method, or with a
/// `Content-Length` that is too large. `None` if the body is needed.
pub fn refuse_by_head(state: &State, request: &Request<'_>, now: u64) -> Option<Response<'static>> {
    let response = match Route::parse(&routed_path(request)) {
        None => without_route(request),
        Some(_) if is_preflight(request) => return None,
        Some(route) => match check_head(state, route, request, now) {
            Err(refusal) => refusal.response().with("allow", route.allow()),
            Ok(_) => {
                let length = (request.header)("content-length").and_then(|length| length.parse::<u64>().ok());
                if length.is_none_or(|length| length <= MAX_BODY_LENGTH as u64) {
                    return None;
                }
                Response::error(&Error::BodyTooLarge(MAX_BODY_LENGTH)).with("allow", route.allow())
            }
        },
    };
    Some(finished(response, request))
}

fn finished(response: Response<'static>, request: &Request<'_>) -> Response<'static> {
    let mut response = response.finish(None, request.method);
    if request.method == "HEAD" {
        response.body = Default::default();
    }
    response
}

/// The path of a request. A PUT may lack the last slash, since its body would not survive the redirect, and Flagsmith's
/// documentation has such a PUT.
fn routed_path<'a>(request: &Request<'a>) -> Cow<'a, str> {
    match request.method {
        "PUT" if !request.path.ends_with('/') => format!("{}/", request.path).into(),
        _ => request.path.into(),
    }
}

/// True if a browser asks for the permission of a request from another site.
fn is_preflight(request: &Request<'_>) -> bool {
    request.method == "OPTIONS" && (request.header)("access-control-request-method").is_some()
}

fn preflight() -> Response<'static> {
    Response::empty(200)
        .with("access-control-allow-methods", "DELETE, GET, OPTIONS, PATCH, POST, PUT")
        .with("access-control-allow-headers", "accept, authorization, content-type")
        .with("access-control-max-age", "86400")
}

/// Checks everything but the body, and returns the caller and the method.
fn check_head<'r>(
    state: &State,
    route: Route<'_>,
    request: &Request<'r>,
    now: u64,
) -> Result<(Caller, &'r str), Refusal> {
    check_accept((request.header)("accept").as_deref())?;
    let authorization = (request.header)("authorization");
    let caller = authenticate(state, authorization.as_deref(), now)?;
    let method = if request.method == "HEAD" { "GET" } else { request.method };
    if !route.allow().split(", ").any(|allowed| allowed == method) {
        return Err(Error::MethodNotAllowed(request.method.to_owned()).into());
    }
    Ok((caller, method))
}

fn answer_route(
    state: &mut State,
    route: Route<'_>,
    request: &Request<'_>,
    context: &Context<'_>,
) -> Result<(Response<'static>, Changes), Refusal> {
    let (caller, method) = check_head(state, route, request, context.now)?;
    if method == "OPTIONS" {
        return Ok((Response::empty(200), Changes::default()));
    }
    let body_type = body_type(request);
    let body = match body_type {
        BodyType::Form => Cow::Owned(json_of_form(request.body)),
        BodyType::ByMediaType | BodyType::JsonSentAsForm => Cow::Borrowed(request.body),
    };
    let request = Request { body: &body, ..*request };
    let state = Transaction::new(state);
    let mut call = Call { request: &request, context, body_type, caller, state };
    let response = dispatch(&mut call, route, method)?;
    let now = call.now();
    Ok((response, call.state.commit(&now)?))
}

fn dispatch(call: &mut Call<'_>, route: Route<'_>, method: &str) -> Outcome {
    match (route, method) {
        (Route::Organisations, "GET") => organisations::list(call),
        (Route::Organisations, _) => organisations::create(call),
        (Route::Organisation(id), "GET") => organisations::get(call, id),
        (Route::Organisation(id), "DELETE") => organisations::delete(call, id),
        (Route::Organisation(id), _) => organisations::update(call, id),
        (Route::MasterApiKeys(id), "GET") => organisations::list_keys(call, id),
        (Route::MasterApiKeys(id), _) => organisations::create_key(call, id),
        (Route::MasterApiKey(id, prefix), _) => organisations::delete_key(call, id, prefix),
        (Route::Projects, "GET") => projects::list(call),
        (Route::Projects, _) => projects::create(call),
        (Route::Project(id), "GET") => projects::get(call, id),
        (Route::Project(id), "DELETE") => projects::delete(call, id),
        (Route::Project(id), _) => projects::update(call, id),
        (Route::Environments, "GET") => environments::list(call),
        (Route::Environments, _) => environments::create(call),
        (Route::EnvironmentByUuid(uuid), _) => environments::get_by_uuid(call, uuid),
        (Route::Environment(key), "GET") => environments::get(call, key),
        (Route::Environment(key), "DELETE") => environments::delete(call, key),
        (Route::Environment(key), _) => environments::update(call, key),
        (Route::EnvironmentClone(key), _) => environments::clone(call, key),
        (Route::MyPermissions(key), _) => environments::my_permissions(call, key),
        (Route::Document(key), _) => environment_document::get(call, key),
        (Route::ServerKeys(key), "GET") => server_keys::list(call, key),
        (Route::ServerKeys(key), _) => server_keys::create(call, key),
        (Route::ServerKey(key, id), "DELETE") => server_keys::delete(call, key, id),
        (Route::ServerKey(key, id), _) => server_keys::update(call, key, id),
        (Route::FeatureStates(key), "GET") => feature_states::list(call, key),
        (Route::FeatureStates(key), _) => feature_states::create(call, key),
        (Route::FeatureState(key, id), "GET") => feature_states::get(call, key, id),
        (Route::FeatureState(key, id), "DELETE") => feature_states::delete(call, key, id),
        (Route::FeatureState(key, id), _) => feature_states::update(call, key, id),
        (Route::Features(project), "GET") => features::list(call, project),
        (Route::Features(project), _) => features::create(call, project),
        (Route::Feature(project, id), "GET") => features::get(call, project, id),
        (Route::Feature(project, id), "DELETE") => features::delete(call, project, id),
        (Route::Feature(project, id), _) => features::update(call, project, id),
        (Route::MultivariateOptions(project, feature), "GET") => {
            multivariate_options::list(call, project, feature)
        }
        (Route::MultivariateOptions(project, feature), _) => {
            multivariate_options::create(call, project, feature)
        }
        (Route::MultivariateOption(project, feature, id), "GET") => {
            multivariate_options::get(call, project, feature, id)
        }
        (Route::MultivariateOption(project, feature, id), "DELETE") => {
            multivariate_options::delete(call, project, feature, id)
        }
        (Route::MultivariateOption(project, feature, id), _) => {
            multivariate_options::update(call, project, feature, id)
        }
        (Route::Segments(project), "GET") => segments::list(call, project),
        (Route::Segments(project), _) => segments::create(call, project),
        (Route::Segment(project, id), "GET") => segments::get(call, project, id),
        (Route::Segment(project, id), "DELETE") => segments::delete(call, project, id),
        (Route::Segment(project, id), _) => segments::update(call, project, id),
        (Route::SegmentClone(project, id), _) => segments::clone(call, project, id),
        (Route::SegmentByUuid(uuid), _) => segments::get_by_uuid(call, uuid),
        (Route::AssociatedFeatures(project, id), _) => {
            segment_overrides::associated_features(call, project, id)
        }
        (Route::FeatureSegments, "GET") => feature_segments::list(call),
        (Route::FeatureSegments, _) => feature_segments::create(call),
        (Route::FeatureSegmentPriorities, _) => feature_segments::update_priorities(call),
        (Route::FeatureSegmentByUuid(uuid), _) => feature_segments::get_by_uuid(call, uuid),
        (Route::FeatureSegment(id), "GET") => feature_segments::get(call, id),
        (Route::FeatureSegment(id), "DELETE") => feature_segments::delete(call, id),
        (Route::FeatureSegment(id), _) => feature_segments::update(call, id),
        (Route::SegmentOverride(key, feature), _) => segment_overrides::create(call, key, feature),
        (Route::SimpleFeatureStates, "GET") => simple_feature_states::list(call),
        (Route::SimpleFeatureStates, _) => simple_feature_states::create(call),
        (Route::SimpleFeatureStateByUuid(uuid), _) => simple_feature_states::get_by_uuid(call, uuid),
        (Route::SimpleFeatureState(id), _) => simple_feature_states::update(call, id),
        (Route::UpdateFlag(key), _) => update_flag::update(call, key),
        (Route::Audit, _) => audit::list(call, AuditFilter::All),
        (Route::AuditRow(id), _) => audit::get(call, id),
        (Route::AuditOfOrganisation(id), _) => audit::list(call, AuditFilter::Organisation(id)),
        (Route::AuditOfProject(id), _) => audit::list(call, AuditFilter::Project(id)),
        (Route::Identities(key), "GET") => identities::list(call, key),
        (Route::Identities(key), _) => identities::create(call, key),
        (Route::Identity(key, id), "GET") => identities::get(call, key, id),
        (Route::Identity(key, id), "DELETE") => identities::delete(call, key, id),
        (Route::Identity(key, id), _) => identities::update(call, key, id),
        (Route::Traits(key, identity), "GET") => traits::list(call, key, identity),
        (Route::Traits(key, identity), _) => traits::create(call, key, identity),
        (Route::Trait(key, identity, id), "GET") => traits::get(call, key, identity, id),
        (Route::Trait(key, identity, id), "DELETE") => traits::delete(call, key, identity, id),
        (Route::Trait(key, identity, id), _) => traits::update(call, key, identity, id),
        (Route::IdentityOverrides(key, identity), "GET") => identity_overrides::list(call, key, identity),
        (Route::IdentityOverrides(key, identity), _) => identity_overrides::create(call, key, identity),
        (Route::IdentityFlags(key, identity), _) => identity_overrides::all(call, key, identity),
        (Route::IdentityClone(key, identity), _) => identity_overrides::clone_from(call, key, identity),
        (Route::IdentityOverride(key, identity, id), "GET") => {
            identity_overrides::get(call, key, identity, id)
        }
        (Route::IdentityOverride(key, identity, id), "DELETE") => {
            identity_overrides::delete(call, key, identity, id)
        }
        (Route::IdentityOverride(key, identity, id), _) => {
            identity_overrides::update(call, key, identity, id)
        }
    }
}

/// The answer for a path without a route: a redirect if only the slash at the end is missing.
fn without_route(request: &Request<'_>) -> Response<'static> {
    let path = format!("{}/", request.path);
    if Route::parse(&path).is_none() {
        let is_about_people = request.path.split('/').any(|part| PEOPLE.contains(&part));
        let text = if is_about_people { NO_PEOPLE } else { "Not found." };
        return Response::detail(404, text);
    }
    let mark = if request.query.is_empty() { "" } else { "?" };
    let location = format!("{path}{mark}{}", request.query);
    Response::empty(301).with("content-type", "text/html; charset=utf-8").with("location", location)
}

/// Refuses a request that accepts no JSON.
fn check_accept(accept: Option<&str>) -> Result<(), Refusal> {
    let Some(accept) = accept.filter(|accept| !accept.trim().is_empty()) else { return Ok(()) };
    let is_json = |range: &str| matches!(api::essence(range), "*/*" | "application/*" | "application/json");
    if accept.split(',').any(is_json) {
        return Ok(());
    }
    Err(Refusal::Detail(406, "Could not satisfy the request Accept header."))
}

fn body_type(request: &Request<'_>) -> BodyType {
    let media_type = (request.header)("content-type").unwrap_or_default();
    if !api::essence(&media_type).eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return BodyType::ByMediaType;
    }
    match request.body.trim_ascii_start().first() {
        Some(b'{' | b'[') => BodyType::JsonSentAsForm,
        _ => BodyType::Form,
    }
}

/// The fields of a form as a JSON object of texts.
fn json_of_form(body: &[u8]) -> Vec<u8> {
    let fields = form_urlencoded::parse(body).into_owned();
    let fields: Map<String, Value> = fields.map(|(name, value)| (name, Value::String(value))).collect();
    Value::Object(fields).to_string().into_bytes()
}
