//! The environments and server keys of an origin: projects, then their environments, then their keys (contract §F).
//!
//! Requests are sent one after the other, since an origin takes some 0.3 s to check a master API key. Only a complete
//! result counts: after a failure nothing is treated as deleted.

use std::borrow::Cow;
use std::collections::VecDeque;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::admin::Origin;
use crate::document::json::Json;
use crate::document::{CLIENT_KEY_FORM, ClientKey, ServerKey, ServerKeyHash};
use crate::publish::discovery::pagination::same_origin_path;
use crate::publish::publisher::server_keys::read_server_key;

/// The maximum number of requests of a discovery.
const MAX_REQUESTS: usize = 5_000;
/// The maximum number of environments, and of keys, in a discovery.
const MAX_FOUND: usize = 10_000;

/// A request to the origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginRequest {
    /// Path and query.
    pub path: String,
    resource: Resource,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Resource {
    Projects,
    Environments { project: i64 },
    ServerKeys { client_key: ClientKey },
}

/// The environments and server keys of an origin.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inventory {
    /// Environments by client key.
    pub environments: IndexMap<ClientKey, EnvironmentSummary>,
    /// Server keys by their hash.
    pub server_keys: IndexMap<ServerKeyHash, ServerKey>,
}

/// An environment in the origin's list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnvironmentSummary {
    /// The number of its project.
    pub project: Option<i64>,
    /// The name of the environment.
    pub name: String,
}

/// A running discovery.
#[derive(Debug)]
pub struct Discovery<'o> {
    origin: &'o Origin,
    requests: VecDeque<OriginRequest>,
    asked: usize,
    inventory: Inventory,
    /// The number of environments with a key that does not have the form of a client key.
    left_out: usize,
}

impl Discovery<'_> {
    /// Starts a discovery.
    pub fn new(origin: &Origin) -> Discovery<'_> {
        let first = OriginRequest { path: "/api/v1/projects/".to_owned(), resource: Resource::Projects };
        Discovery { origin, requests: [first].into(), asked: 0, inventory: Inventory::default(), left_out: 0 }
    }

    /// The next request; `None` when the inventory is complete.
    pub fn next_request(&mut self) -> Result<Option<OriginRequest>, String> {
        self.asked += 1;
        if self.asked > MAX_REQUESTS
            || self.inventory.environments.len().max(self.inventory.server_keys.len()) > MAX_FOUND
        {
            return Err("discovery: the origin has too many environments or server keys".to_owned());
        }
        Ok(self.requests.pop_front())
    }

    /// Handles the answer to a request that was sent at `asked_at`, in milliseconds.
    pub fn take(&mut self, request: &OriginRequest, answer: &[u8], asked_at: u64) -> Result<(), String> {
        let unreadable = || format!("{}: cannot be read", request.what());
        for item in self.items(request, answer)? {
            let item = item.object().ok_or_else(unreadable)?;
            let text = |name: &str| item.get(name).and_then(|value| value.text()).map(Cow::into_owned);
            match &request.resource {
                Resource::Projects => {
                    let id = item.get("id").and_then(|id| id.source().parse().ok()).ok_or_else(unreadable)?;
                    let path = format!("/api/v1/environments/?project={id}&page_size=100");
                    self.requests
                        .push_back(OriginRequest { path, resource: Resource::Environments { project: id } });
                }
                Resource::Environments { project } => {
                    let api_key =
                        text("api_key").ok_or_else(|| format!("{}: one has no api_key", request.what()))?;
                    let Some(client_key) = ClientKey::parse(&api_key) else {
                        // Only this environment is left out. Requests with its key are refused, so no other environment
                        // depends on it.
                        self.left_out += 1;
                        continue;
                    };
                    let path = format!("/api/v1/environments/{client_key}/api-keys/");
                    let resource = Resource::ServerKeys { client_key: client_key.clone() };
                    self.requests.push_back(OriginRequest { path, resource });
                    let summary = EnvironmentSummary {
                        project: Some(*project),
                        name: text("name").unwrap_or_default(),
                    };
                    self.inventory.environments.insert(client_key, summary);
                }
                Resource::ServerKeys { client_key } => {
                    let (hash, key) = read_server_key(&item, client_key, asked_at).ok_or_else(unreadable)?;
                    self.inventory.server_keys.insert(hash, key);
                }
            }
        }
        Ok(())
    }

    /// The inventory; complete after the last request.
    pub fn inventory(&self) -> &Inventory {
        &self.inventory
    }

    /// The reason for which some environments are not published, if there are any.
    pub fn left_out(&self) -> Option<String> {
        let count = self.left_out;
        (count > 0).then(|| {
            format!("{count} environments are not published: their api_key is no client key. That has {CLIENT_KEY_FORM}")
        })
    }

    /// Returns the items of a list or of its page. The next page is queued first, and only if it is at the origin.
    fn items<'a>(&mut self, request: &OriginRequest, answer: &'a [u8]) -> Result<Vec<Json<'a>>, String> {
        let unreadable = || format!("{}: cannot be read", request.what());
        let answer = Json::parse(answer).map_err(|_| unreadable())?;
        if let Some(items) = answer.list() {
            return Ok(items);
        }
        let page = answer.object().ok_or_else(unreadable)?;
        if let Some(next) = page.get("next").and_then(|next| next.text()) {
            let path = same_origin_path(&next, self.origin);
            let path = path.ok_or_else(|| {
                format!("{}: the link to its next page leads to another host", request.what())
            })?;
            self.requests.push_front(OriginRequest { path, resource: request.resource.clone() });
        }
        page.get("results").and_then(|results| results.list()).ok_or_else(unreadable)
    }
}

impl OriginRequest {
    /// The name of the resource, for messages.
    pub fn what(&self) -> &'static str {
        match self.resource {
            Resource::Projects => "projects",
            Resource::Environments { .. } => "environments",
            Resource::ServerKeys { .. } => "server keys",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::hash_of_server_key;

    const ORIGIN: &str = "http://127.0.0.1:8001";

    const SECOND: &str = "/api/v1/environments/?page=2&project=1";

    /// Sends requests until there are no more.
    fn discover(answers: &[(&str, &str)]) -> Result<(Inventory, Vec<String>), String> {
        let origin = Origin::parse(ORIGIN).unwrap();
        let (mut discovery, mut asked) = (Discovery::new(&origin), Vec::new());
        while let Some(request) = discovery.next_request()? {
            let answer = answers.iter().find(|(path, _)| *path == request.path);
            discovery.take(&request, answer.unwrap_or_else(|| panic!("{}", request.path)).1.as_bytes(), 7)?;
            asked.push(request.path);
        }
        Ok((discovery.inventory().clone(), asked))
    }

    const PROJECTS: (&str, &str) = ("/api/v1/projects/", r#"[{"id":1,"name":"p"}]"#);
    const FIRST: &str = "/api/v1/environments/?project=1&page_size=100";

    #[test]
    fn finds_environments_and_keys_on_all_pages() {
        let (found, asked) = discover(&[
            PROJECTS,
            (FIRST, r#"{"count":2,"next":"http://127.0.0.1:8001/api/v1/environments/?page=2&project=1","previous":null,
                "results":[{"id":1,"name":"A","api_key":"aaa","project":1}]}"#),
            (SECOND, r#"{"count":2,"next":null,"results":[{"name":"B","api_key":"bbb"}]}"#),
            ("/api/v1/environments/aaa/api-keys/", r#"[{"id":1,"key":"ser.1","active":true,"expires_at":null},
                {"id":2,"key":"ser.2","active":false,"expires_at":"2027-01-01T00:00:00Z"},
                {"id":3,"key":"ser.3","active":true,"expires_at":1000000000}]"#),
            ("/api/v1/environments/bbb/api-keys/", "[]"),
        ])
        .unwrap();
        assert_eq!(found.environments.keys().map(ClientKey::as_str).collect::<Vec<_>>(), ["aaa", "bbb"]);
        assert_eq!(
            found.environments[&ClientKey::unchecked("bbb")],
            EnvironmentSummary { project: Some(1), name: "B".to_owned() }
        );
        let key = &found.server_keys[&hash_of_server_key("ser.2")];
        assert_eq!((key.client_key.as_str(), key.active, key.known_at), ("aaa", false, Some(7)));
        let dated = &found.server_keys[&hash_of_server_key("ser.3")];
        assert_eq!(dated.expires_at.as_deref(), Some("1000000000"));
        assert_eq!(found.server_keys.len(), 3);
        assert_eq!(asked.len(), 5);
    }

    #[test]
    fn only_environments_with_an_invalid_key_are_left_out() {
        for key in ["../x", "my shop", "aaa:1", "ser.a", "schlüssel"] {
            let environments =
                format!(r#"[{{"api_key":"{key}","name":"A"}},{{"api_key":"b_b","name":"B"}}]"#);
            let answers =
                [PROJECTS, (FIRST, environments.as_str()), ("/api/v1/environments/b_b/api-keys/", "[]")];
            let origin = Origin::parse(ORIGIN).unwrap();
            let mut discovery = Discovery::new(&origin);
            assert_eq!(discovery.left_out(), None);
            while let Some(request) = discovery.next_request().unwrap() {
                let answer = answers.iter().find(|(path, _)| *path == request.path);
                discovery
                    .take(&request, answer.unwrap_or_else(|| panic!("{}", request.path)).1.as_bytes(), 7)
                    .unwrap();
            }
            let found = discovery.inventory().environments.keys().map(ClientKey::as_str);
            assert_eq!(found.collect::<Vec<_>>(), ["b_b"], "{key}");
            let reason = discovery.left_out().unwrap();
            assert!(reason.contains("1 environments are not published") && !reason.contains(key), "{reason}");
        }
    }

    #[test]
    fn an_unreadable_answer_ends_the_discovery() {
        for (answers, cause) in [
            (vec![("/api/v1/projects/", "<html>")], "projects: cannot be read"),
            (vec![("/api/v1/projects/", r#"{"detail":"x"}"#)], "projects: cannot be read"),
            (
                vec![PROJECTS, (FIRST, r#"["Invalid or missing value for project parameter."]"#)],
                "environments: cannot be read",
            ),
            (vec![PROJECTS, (FIRST, r#"{"results":[],"next":"http://evil.com/api/v1/"}"#)], "another host"),
            (vec![PROJECTS, (FIRST, r#"{"results":[{"name":"A"}],"next":null}"#)], "no api_key"),
            (
                vec![
                    PROJECTS,
                    (
                        FIRST,
                        r#"{"results":[],"next":"http://127.0.0.1:8001/api/v1/environments/?project=1&page_size=100"}"#,
                    ),
                ],
                "too many",
            ),
        ] {
            let problem = discover(&answers).unwrap_err();
            assert!(problem.contains(cause), "{problem}");
        }
    }
}
