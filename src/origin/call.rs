//! A request on its way through its endpoint.

use std::borrow::Cow;

use flagsmith_edge_core::api::{self, Response};
use flagsmith_edge_core::document::Timestamp;
use flagsmith_edge_core::document::json::Json;
use flagsmith_edge_core::identity;
use serde_json::Value;

use crate::access::Caller;
use crate::changes::Transaction;
use crate::input::Input;
use crate::refusal::Refusal;
use crate::rows::{Environment, Feature, Project};

/// The parts of a request.
pub struct Request<'a> {
    /// The method in upper case.
    pub method: &'a str,
    /// The path, percent-encoded.
    pub path: &'a str,
    /// The query without the question mark.
    pub query: &'a str,
    /// The scheme and the host under which the client sees the origin, for links.
    pub base: &'a str,
    /// Returns a header's value by its name in lower case.
    pub header: &'a dyn Fn(&str) -> Option<String>,
    /// The body; empty if there is none.
    pub body: &'a [u8],
}

/// The time and the randomness of a request.
pub struct Context<'a> {
    /// The time in milliseconds since 1970.
    pub now: u64,
    /// Returns sixteen random bytes.
    pub random: &'a dyn Fn() -> [u8; 16],
}

/// The answer of an endpoint.
pub type Outcome = Result<Response<'static>, Refusal>;

/// The way to read a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyType {
    /// JSON, if the media type says so.
    ByMediaType,
    /// A form that is JSON by now.
    Form,
    /// JSON under the media type of forms, which is curl's default for `--data`.
    JsonSentAsForm,
}

/// A request, its caller, and the state that it reads and changes.
pub struct Call<'a> {
    pub request: &'a Request<'a>,
    pub context: &'a Context<'a>,
    pub body_type: BodyType,
    pub caller: Caller,
    pub state: Transaction<'a>,
}

impl<'a> Call<'a> {
    /// The parameters of the query.
    pub fn query_pairs(&self) -> impl Iterator<Item = (String, String)> + use<'a> {
        form_urlencoded::parse(self.request.query.as_bytes()).into_owned()
    }

    /// The last parameter with this name.
    pub fn query(&self, name: &str) -> Option<String> {
        self.query_pairs().filter(|(key, _)| key == name).map(|(_, value)| value).last()
    }

    /// The number in a parameter of the query.
    pub fn query_id(&self, name: &str) -> Option<i64> {
        self.query(name)?.parse().ok()
    }

    /// The fields of the body.
    pub fn input(&self) -> Result<Input<'a>, Refusal> {
        Input::of_body(self.json()?, self.body_type == BodyType::Form && !self.is_partial())
    }

    /// The JSON of the body.
    pub fn json(&self) -> Result<Json<'a>, Refusal> {
        let (request, context) = (self.request, self.context);
        if self.body_type != BodyType::ByMediaType {
            return Json::parse(request.body).map_err(|problem| api::Error::Malformed(problem).into());
        }
        let parts = api::Request {
            query: request.query,
            body: request.body,
            random: context.random,
            ..api::Request::of_headers(request.method, request.header)
        };
        Ok(api::body(&parts)?)
    }

    /// True if the request changes only the fields that it names.
    pub fn is_partial(&self) -> bool {
        self.request.method == "PATCH"
    }

    /// The time, as Flagsmith writes it.
    pub fn now(&self) -> String {
        Timestamp::from_milliseconds(self.context.now).map(Timestamp::iso).unwrap_or_default()
    }

    /// A new UUID.
    pub fn uuid(&self) -> String {
        identity::uuid((self.context.random)())
    }

    /// The environment of a client key, if the caller's key reaches it.
    pub fn environment(&self, api_key: &str) -> Result<Environment, Refusal> {
        let mut environments = self.state.environments.values();
        let environment = environments.find(|environment| environment.api_key == api_key);
        let environment = environment.ok_or(Refusal::Missing("Environment"))?;
        self.project(environment.project).map_err(|_| Refusal::Forbidden)?;
        Ok(environment.clone())
    }

    /// An environment by its id, if the caller's key reaches it.
    pub fn environment_by_id(&self, id: i64) -> Result<Environment, Refusal> {
        let environment = self.state.environments.get(&id).ok_or(Refusal::Forbidden)?;
        self.project(environment.project).map_err(|_| Refusal::Forbidden)?;
        Ok(environment.clone())
    }

    /// A project, if the caller's key reaches it.
    pub fn project(&self, id: i64) -> Result<Project, Refusal> {
        let project = self.state.projects.get(&id).ok_or(Refusal::Missing("Project"))?;
        if !self.caller.reaches(project.organisation) {
            return Err(Refusal::Missing("Project"));
        }
        Ok(project.clone())
    }

    /// True if a project has the feature.
    pub fn has_feature(&self, project: i64, id: i64) -> bool {
        self.state.features.get(&id).is_some_and(|feature| feature.project == project)
    }

    /// True if a project has the segment.
    pub fn has_segment(&self, project: i64, id: i64) -> bool {
        self.state.segments.get(&id).is_some_and(|segment| segment.project == project)
    }

    /// A feature of a project, by their numbers in a path, if the caller's key reaches it.
    pub fn feature(&self, project: &str, id: &str) -> Result<Feature, Refusal> {
        let (project, id) = (self.project(number(project)?)?.id, number(id)?);
        let feature = self.state.features.get(&id).filter(|feature| feature.project == project);
        feature.cloned().ok_or(Refusal::Missing("Feature"))
    }
}

/// A number of a path.
pub fn number(text: &str) -> Result<i64, Refusal> {
    text.parse().map_err(|_| Refusal::NotANumber)
}

/// An answer with JSON.
pub fn json(status: u16, value: &Value) -> Outcome {
    let mut response = Response::json(Cow::Owned(value.to_string().into_bytes()));
    response.status = status;
    Ok(response)
}

/// The answer to a deletion.
pub fn deleted() -> Outcome {
    Ok(Response::empty(204))
}
