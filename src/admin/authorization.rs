//! Authorization on the admin routes that the worker serves itself (contract §E).
//!
//! The origin has the permissions, so probes are sent to it with the caller's own credential. `my-permissions` lists
//! all permissions of a user and refuses master API keys. For these, the origin's identity routes prove the
//! permissions. Listing identities proves VIEW_IDENTITIES. Creating one without an identifier proves MANAGE_IDENTITIES:
//! the request is refused in either case, so it creates nothing. In open-source Flagsmith every master API key is an
//! organisation's administrator, so MANAGE_IDENTITIES also proves permissions without a probe.
//!
//! An unclear answer is an error, never a permission.

use serde::Deserialize;
use serde_json::Value;

use super::access_decision::{AccessDecision, Challenge};
use super::credential::Credential;
use super::permission::{PERMISSIONS, Permission};
use crate::document::ClientKey;

/// A request to the origin that proves a permission. None of them can write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Lists all permissions of a user.
    MyPermissions,
    /// Fetches the environment, which proves that the caller may view it.
    Environment,
    /// Lists identities, which proves that the caller may view them.
    ViewIdentities,
    /// Creates an identity without an identifier, which proves that the caller may create one.
    ManageIdentities,
}

impl Probe {
    /// The request's method.
    pub fn method(self) -> &'static str {
        if self == Probe::ManageIdentities { "POST" } else { "GET" }
    }

    /// The request's path with its query.
    pub fn path(self, client_key: &ClientKey) -> String {
        let rest = match self {
            Probe::MyPermissions => "my-permissions/",
            Probe::Environment => "",
            Probe::ViewIdentities => "identities/?page_size=1",
            Probe::ManageIdentities => "identities/",
        };
        format!("/api/v1/environments/{client_key}/{rest}")
    }

    /// The request's JSON body.
    pub fn body(self) -> Option<&'static str> {
        (self == Probe::ManageIdentities).then_some("{}")
    }
}

/// The origin's answer to a probe.
#[derive(Clone, Copy, Debug)]
pub struct ProbeAnswer<'a> {
    /// The HTTP status.
    pub status: u16,
    /// `WWW-Authenticate`
    pub www_authenticate: Option<&'a str>,
    /// The body, or its first part.
    pub body: &'a [u8],
}

/// The status of an answer that proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnexpectedAnswer(pub u16);

/// The check of one permission, over one or several probes.
#[derive(Debug)]
pub struct Authorization {
    permission: Permission,
    probe: Probe,
}

/// The state of a check.
#[derive(Debug, PartialEq)]
pub enum Progress {
    /// The next probe must be sent.
    Ask(Probe),
    /// The permission is decided, and maybe others.
    Decided(Vec<(Permission, AccessDecision)>),
}

impl Authorization {
    /// Checks one permission of this credential.
    pub fn new(credential: &Credential, permission: Permission) -> Authorization {
        let probe =
            if credential.is_master_key() { master_key_probe(permission) } else { Probe::MyPermissions };
        Authorization { permission, probe }
    }

    /// The first probe.
    pub fn first(&self) -> Probe {
        self.probe
    }

    /// Continues with the answer to the last probe.
    pub fn take(&mut self, answer: ProbeAnswer<'_>) -> Result<Progress, UnexpectedAnswer> {
        let unclear = Err(UnexpectedAnswer(answer.status));
        if answer.status == 401 {
            return Ok(decided_for_all(&AccessDecision::Unauthenticated(Challenge::passed_on(
                answer.body,
                answer.www_authenticate,
            ))));
        }
        let decision = match (self.probe, answer.status) {
            (Probe::MyPermissions, 200) => {
                let permissions = serde_json::from_slice::<MyPermissions>(answer.body);
                return permissions.map(MyPermissions::step).map_err(|_| UnexpectedAnswer(200));
            }
            // The origin answers so if the credential is not a user's. Such credentials are treated as master API keys.
            (Probe::MyPermissions, 400) if has_member(answer.body, "detail") => {
                return Ok(self.ask(master_key_probe(self.permission)));
            }
            (Probe::MyPermissions, 403) => return Ok(decided_for_all(&AccessDecision::Forbidden)),
            (Probe::MyPermissions, 404) => return Ok(decided_for_all(&AccessDecision::NoEnvironment)),
            (Probe::Environment | Probe::ViewIdentities, 200) => AccessDecision::Allowed,
            // An administrator of the environment may view it, even if the origin refuses this probe.
            (Probe::Environment, 403 | 404) => return Ok(self.ask(Probe::ManageIdentities)),
            // A host name that the origin does not allow is 400, too. Only an error about the identifier is proof.
            (Probe::ManageIdentities, 400) if has_member(answer.body, "identifier") => {
                AccessDecision::Allowed
            }
            (Probe::ViewIdentities | Probe::ManageIdentities, 403) => AccessDecision::Forbidden,
            (Probe::ViewIdentities | Probe::ManageIdentities, 404) => AccessDecision::NoEnvironment,
            _ => return unclear,
        };
        Ok(Progress::Decided(vec![(self.permission, decision)]))
    }

    fn ask(&mut self, probe: Probe) -> Progress {
        self.probe = probe;
        Progress::Ask(probe)
    }
}

/// The probe that proves a master API key's permission.
fn master_key_probe(permission: Permission) -> Probe {
    match permission {
        Permission::ViewEnvironment => Probe::Environment,
        Permission::ViewIdentities => Probe::ViewIdentities,
        Permission::ManageIdentities | Permission::UpdateFeatureState | Permission::Admin => {
            Probe::ManageIdentities
        }
    }
}

fn decided_for_all(decision: &AccessDecision) -> Progress {
    Progress::Decided(PERMISSIONS.map(|permission| (permission, decision.clone())).into())
}

fn has_member(body: &[u8], name: &str) -> bool {
    serde_json::from_slice::<Value>(body).is_ok_and(|body| body.get(name).is_some())
}

/// The answer of `my-permissions`.
#[derive(Deserialize)]
struct MyPermissions {
    permissions: Vec<String>,
    admin: bool,
}

impl MyPermissions {
    fn step(self) -> Progress {
        let has = |permission: Permission| {
            let named = |name| self.permissions.iter().any(|known| known == name);
            self.admin || permission.name().is_some_and(named)
        };
        let decision =
            |permission| if has(permission) { AccessDecision::Allowed } else { AccessDecision::Forbidden };
        Progress::Decided(PERMISSIONS.map(|permission| (permission, decision(permission))).into())
    }
}

#[cfg(test)]
mod tests {
    use super::super::access_decision::AccessDecisions;
    use super::*;

    fn credential(authorization: &str) -> Credential {
        Credential::read(&|name| (name == "authorization").then(|| authorization.to_owned())).unwrap()
    }

    /// Decides a permission by an origin with these answers, and returns the probes that were sent.
    fn ask(
        authorization: &str,
        permission: Permission,
        answer: impl Fn(Probe) -> (u16, &'static str),
    ) -> (Result<AccessDecision, UnexpectedAnswer>, Vec<Probe>) {
        let mut question = Authorization::new(&credential(authorization), permission);
        let mut probes = vec![question.first()];
        loop {
            let (status, body) = answer(*probes.last().unwrap());
            let answer =
                ProbeAnswer { status, www_authenticate: Some("Cookie realm=\"api\""), body: body.as_bytes() };
            match question.take(answer) {
                Ok(Progress::Ask(probe)) => probes.push(probe),
                Ok(Progress::Decided(decided)) => {
                    let mut decisions = AccessDecisions::default();
                    decisions.record(decided, 0);
                    return (Ok(decisions.get(permission, 0).unwrap().clone()), probes);
                }
                Err(unclear) => return (Err(unclear), probes),
            }
        }
    }

    const USER: &str = "Token x";
    const MASTER_KEY: &str = "Api-Key a.b";
    const REFUSED: (u16, &str) = (403, r#"{"detail": "You do not have permission to perform this action."}"#);
    const NOT_FOR_KEYS: (u16, &str) = (400, r#"{"detail": "This endpoint can only be used with a user"}"#);
    const NO_IDENTIFIER: (u16, &str) = (400, r#"{"identifier": ["This field is required."]}"#);

    #[test]
    fn a_user_has_the_permissions_of_my_permissions() {
        let some = |_| (200, r#"{"permissions": ["VIEW_IDENTITIES", "OTHER"], "admin": false}"#);
        for permission in PERMISSIONS {
            let expected = match permission {
                Permission::ViewIdentities => AccessDecision::Allowed,
                _ => AccessDecision::Forbidden,
            };
            let (decision, probes) = ask(USER, permission, some);
            assert_eq!((decision, probes.len()), (Ok(expected), 1), "{permission:?}");
            let (decision, _) = ask(USER, permission, |_| (200, r#"{"permissions": [], "admin": true}"#));
            assert_eq!(decision, Ok(AccessDecision::Allowed), "{permission:?}");
        }
        let (decision, _) =
            ask(USER, Permission::Admin, |_| (404, r#"{"detail": "No Environment matches"}"#));
        assert_eq!(decision, Ok(AccessDecision::NoEnvironment));
    }

    #[test]
    fn a_master_keys_permissions_follow_from_the_identity_routes() {
        let answers = |view, manage| {
            move |probe| match probe {
                Probe::MyPermissions => NOT_FOR_KEYS,
                Probe::Environment | Probe::ViewIdentities => view,
                Probe::ManageIdentities => manage,
            }
        };
        for (permission, view, manage, expected) in [
            (Permission::ViewIdentities, (200, "{}"), REFUSED, AccessDecision::Allowed),
            (Permission::ViewIdentities, REFUSED, NO_IDENTIFIER, AccessDecision::Forbidden),
            (Permission::ViewEnvironment, (200, "{}"), REFUSED, AccessDecision::Allowed),
            (Permission::ViewEnvironment, (404, "{}"), NO_IDENTIFIER, AccessDecision::Allowed),
            (Permission::ViewEnvironment, (404, "{}"), REFUSED, AccessDecision::Forbidden),
            (Permission::ManageIdentities, (200, "{}"), REFUSED, AccessDecision::Forbidden),
            (Permission::ManageIdentities, REFUSED, NO_IDENTIFIER, AccessDecision::Allowed),
            (Permission::UpdateFeatureState, (200, "{}"), NO_IDENTIFIER, AccessDecision::Allowed),
            (Permission::Admin, (200, "{}"), REFUSED, AccessDecision::Forbidden),
        ] {
            let (decision, probes) = ask(MASTER_KEY, permission, answers(view, manage));
            assert_eq!(decision, Ok(expected.clone()), "{permission:?}");
            assert!(!probes.contains(&Probe::MyPermissions));
            // A credential with a master key's rights and another form takes one more probe.
            let (decision, probes) = ask("Bearer x", permission, answers(view, manage));
            assert_eq!((decision, probes.first()), (Ok(expected), Some(&Probe::MyPermissions)));
        }
    }

    #[test]
    fn an_unexpected_answer_grants_no_permission() {
        for (authorization, permission, answer) in [
            (USER, Permission::Admin, (200, "<html>")),
            (USER, Permission::Admin, (200, r#"{"permissions": []}"#)),
            (USER, Permission::Admin, (400, "<h1>Bad Request (400)</h1>")),
            (USER, Permission::Admin, (302, "")),
            (USER, Permission::Admin, (500, "")),
            (USER, Permission::Admin, (429, r#"{"detail": "Request was throttled."}"#)),
            // Django's answer to a host name that it is not configured for.
            (MASTER_KEY, Permission::ManageIdentities, (400, "<h1>Bad Request (400)</h1>")),
            (MASTER_KEY, Permission::ManageIdentities, (400, r#"{"detail": "JSON parse error"}"#)),
            (MASTER_KEY, Permission::ManageIdentities, (201, r#"{"identifier": "x"}"#)),
            (MASTER_KEY, Permission::ManageIdentities, (200, "{}")),
            (MASTER_KEY, Permission::ViewIdentities, (503, "")),
        ] {
            let (decision, _) = ask(authorization, permission, |_| answer);
            assert_eq!(decision, Err(UnexpectedAnswer(answer.0)), "{answer:?}");
        }
    }

    #[test]
    fn the_origins_answer_to_an_unknown_credential_is_returned() {
        let body = r#"{"detail": "Invalid token."}"#;
        let (decision, _) = ask(USER, Permission::Admin, |_| (401, body));
        let Ok(AccessDecision::Unauthenticated(challenge)) = decision else { panic!("{decision:?}") };
        assert_eq!(
            (&*challenge.body, &*challenge.www_authenticate),
            (body.as_bytes(), "Cookie realm=\"api\"")
        );
        let (decision, _) = ask(USER, Permission::Admin, |_| (401, "<html>"));
        let Ok(AccessDecision::Unauthenticated(challenge)) = decision else { panic!("{decision:?}") };
        assert_eq!(&*challenge.body, br#"{"detail":"Invalid credentials."}"#);
    }

    #[test]
    fn an_oversized_challenge_is_replaced_by_flagsmiths() {
        let long = "x".repeat(300_000);
        let mut question = Authorization::new(&credential(USER), Permission::Admin);
        let body = format!("\"{long}\"");
        let answer = ProbeAnswer { status: 401, www_authenticate: Some(&long), body: body.as_bytes() };
        let Ok(Progress::Decided(decided)) = question.take(answer) else { panic!("not decided") };
        assert_eq!(decided.len(), PERMISSIONS.len());
        for (permission, decision) in decided {
            let AccessDecision::Unauthenticated(challenge) = decision else { panic!("{permission:?}") };
            assert_eq!(&*challenge.www_authenticate, "Cookie realm=\"api\"");
            assert!(challenge.body.len() < 100, "{permission:?}");
        }
    }

    #[test]
    fn probes_are_read_only() {
        for probe in
            [Probe::MyPermissions, Probe::Environment, Probe::ViewIdentities, Probe::ManageIdentities]
        {
            // The only probe that is not a GET lacks the identifier, which every identity needs.
            assert!(probe.method() == "GET" && probe.body().is_none() || probe.body() == Some("{}"));
            assert!(probe.path(&ClientKey::unchecked("key")).starts_with("/api/v1/environments/key/"));
        }
    }
}
