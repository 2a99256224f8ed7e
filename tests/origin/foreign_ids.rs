//! Ids of another organisation in a path, a query or a body count as unknown ones. Each request succeeds with its own
//! ids, so that nothing but the foreign id can be the reason for the refusal.

use serde_json::{Value, json};

use crate::support::deployment::{Answer, Deployment, KEY};

/// An id that no row has.
const UNKNOWN: i64 = 999;

/// The ids of one organisation's rows. The two organisations have the same rows.
#[derive(Clone)]
struct Ids {
    key: String,
    prefix: String,
    client_key: String,
    environment: i64,
    project: i64,
    feature: i64,
    option: i64,
    segment: i64,
    /// A segment without an override.
    free_segment: i64,
    feature_segment: i64,
    identity: i64,
    /// An identity without an override.
    free_identity: i64,
    default_state: i64,
    uuids: [String; 4],
}

/// A request with the place of an id: its values are the own, the foreign and the unknown one.
struct Case {
    method: &'static str,
    path: String,
    body: Value,
    /// The JSON pointer of the id in the body; otherwise the id is in the path.
    pointer: &'static str,
    values: [Value; 3],
}

#[test]
fn a_foreign_id_counts_as_an_unknown_one() {
    let (deployment, [ours, theirs]) = deployment();
    let cases = cases(&ours, &theirs);
    assert_eq!(cases.len(), 22);
    let mut problems = Vec::new();
    for case in cases {
        let [own, foreign, unknown] = case.values.clone().map(|value| {
            let mut deployment = deployment.clone();
            let before = deployment.state.clone();
            let answer = case.send(&mut deployment, &theirs.key, &value);
            let is_refused = answer.status >= 400;
            assert!(!is_refused || deployment.state == before, "{} {}: changed", case.method, case.path);
            (answer.status, without_ids(&answer.body, &value))
        });
        let name = format!("{} {} {}", case.method, case.path, case.pointer);
        if own.0 >= 300 || foreign.0 < 400 || foreign != unknown {
            problems.push(format!("{name}\n  own {own:?}\n  foreign {foreign:?}\n  unknown {unknown:?}"));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn lists_have_rows_of_the_keys_organisation_only() {
    let (mut deployment, [ours, theirs]) = deployment();
    let paths = [
        "organisations/".to_owned(),
        "projects/".to_owned(),
        "environments/".to_owned(),
        "audit/".to_owned(),
        format!("projects/{}/segments/?identity={}", theirs.project, ours.identity),
        format!("projects/{}/features/?environment={}", theirs.project, ours.environment),
    ];
    for path in paths {
        let answer = send(&mut deployment, &theirs.key, "GET", &path, &Value::Null);
        assert!(!answer.body.to_string().contains("Ours"), "{path}: {}", answer.body);
    }
}

impl Case {
    fn send(&self, deployment: &mut Deployment, key: &str, value: &Value) -> Answer {
        let text = value.as_str().map_or(value.to_string(), str::to_owned);
        let mut body = self.body.clone();
        if !self.pointer.is_empty() {
            *body.pointer_mut(self.pointer).unwrap() = value.clone();
        }
        send(deployment, key, self.method, &self.path.replace("{id}", &text), &body)
    }
}

/// The requests of the second organisation.
fn cases(ours: &Ids, theirs: &Ids) -> Vec<Case> {
    let of = |id: fn(&Ids) -> i64| [id(theirs).into(), id(ours).into(), UNKNOWN.into()];
    let case = |method, path: String, body, pointer, values| Case { method, path, body, pointer, values };
    let Ids { client_key, project, feature, segment, environment, identity, .. } = theirs;
    let (features, segments) =
        (format!("projects/{project}/features/"), format!("projects/{project}/segments/"));
    let in_environment = |path: &str| format!("environments/{client_key}/{path}");
    let rules = json!([{"type": "ALL"}]);
    let value = json!({"type": "unicode", "string_value": "x"});
    let multivariate_value = json!({"multivariate_feature_option": 0, "percentage_allocation": 10});
    let with_multivariate_value =
        json!({"enabled": true, "multivariate_feature_state_values": [multivariate_value]});
    let option = "/multivariate_feature_state_values/0/multivariate_feature_option";
    let states = "features/featurestates/";
    let state = json!({"environment": environment, "feature": feature, "enabled": true});
    let with = |name: &str, id: i64| {
        let mut state = state.clone();
        state[name] = id.into();
        state
    };
    let feature_segments = "features/feature-segments/";
    let feature_segment =
        json!({"environment": environment, "feature": feature, "segment": theirs.free_segment});
    let of_segment =
        json!({"feature_segment": {"segment": 0}, "enabled": true, "feature_state_value": value});
    let update = json!({
        "feature": {"id": feature}, "enabled": true, "value": {"type": "string", "value": "x"},
        "segment": {"id": segment},
    });
    let update_flag = format!("../experiments/environments/{client_key}/update-flag-v1/");
    let default_state = theirs.default_state;
    let mut cases = vec![
        case(
            "POST",
            "environments/".to_owned(),
            json!({"name": "New", "project": 0}),
            "/project",
            of(|ids| ids.project),
        ),
        case("GET", "projects/{id}/".to_owned(), Value::Null, "", of(|ids| ids.project)),
        case("GET", format!("{features}{{id}}/"), Value::Null, "", of(|ids| ids.feature)),
        case("GET", format!("{segments}{{id}}/"), Value::Null, "", of(|ids| ids.segment)),
        case(
            "POST",
            segments,
            json!({"name": "new", "feature": 0, "rules": rules}),
            "/feature",
            of(|ids| ids.feature),
        ),
        case(
            "PUT",
            in_environment(&format!("featurestates/{default_state}/")),
            with_multivariate_value.clone(),
            option,
            of(|ids| ids.option),
        ),
        case("GET", in_environment("featurestates/{id}/"), Value::Null, "", of(|ids| ids.default_state)),
        case("PUT", format!("{states}{{id}}/"), json!({"enabled": false}), "", of(|ids| ids.default_state)),
        case("POST", states.to_owned(), with("identity", 0), "/identity", of(|ids| ids.free_identity)),
        case(
            "POST",
            states.to_owned(),
            with("identity", theirs.free_identity),
            "/feature",
            of(|ids| ids.feature),
        ),
        case(
            "POST",
            states.to_owned(),
            with("identity", theirs.free_identity),
            "/environment",
            of(|ids| ids.environment),
        ),
        case(
            "POST",
            feature_segments.to_owned(),
            feature_segment.clone(),
            "/segment",
            of(|ids| ids.free_segment),
        ),
        case("POST", feature_segments.to_owned(), feature_segment, "/feature", of(|ids| ids.feature)),
        case("GET", format!("{feature_segments}{{id}}/"), Value::Null, "", of(|ids| ids.feature_segment)),
        case(
            "POST",
            format!("{feature_segments}update-priorities/"),
            json!([{"id": 0, "priority": 0}]),
            "/0/id",
            of(|ids| ids.feature_segment),
        ),
        case(
            "POST",
            in_environment(&format!("features/{feature}/create-segment-override/")),
            of_segment,
            "/feature_segment/segment",
            of(|ids| ids.free_segment),
        ),
        case("POST", update_flag.clone(), update.clone(), "/feature/id", of(|ids| ids.feature)),
        case("POST", update_flag, update, "/segment/id", of(|ids| ids.segment)),
        case(
            "POST",
            in_environment(&format!("identities/{}/featurestates/", theirs.free_identity)),
            json!({"feature": 0, "enabled": true}),
            "/feature",
            of(|ids| ids.feature),
        ),
        case(
            "POST",
            in_environment(&format!("identities/{identity}/featurestates/clone-from-given-identity/")),
            json!({"source_identity_id": 0}),
            "/source_identity_id",
            of(|ids| ids.free_identity),
        ),
    ];
    let prefixes = [&theirs.prefix, &ours.prefix, "unknown"].map(|prefix| json!(prefix));
    cases.push(case("DELETE", "organisations/2/master-api-keys/{id}/".to_owned(), Value::Null, "", prefixes));
    cases.extend(
        (0..1).map(|_| {
            case("GET", in_environment("identities/{id}/"), Value::Null, "", of(|ids| ids.identity))
        }),
    );
    cases
}

#[test]
fn uuids_of_another_organisation_are_unknown() {
    let (mut deployment, [ours, theirs]) = deployment();
    let paths = ["environments", "segments", "features/feature-segments", "features/featurestates"];
    for (index, path) in paths.into_iter().enumerate() {
        let unknown = "00000000-0000-4000-8000-000000000000".to_owned();
        let uuids = [&theirs.uuids[index], &ours.uuids[index], &unknown];
        let [own, foreign, unknown] = uuids.map(|uuid| {
            let answer = send(
                &mut deployment,
                &theirs.key,
                "GET",
                &format!("{path}/get-by-uuid/{uuid}/"),
                &Value::Null,
            );
            (answer.status, answer.body)
        });
        assert_eq!(own.0, 200, "{path}: {own:?}");
        match path {
            // As Flagsmith answers for client keys, too.
            "environments" => assert_eq!((foreign.0, unknown.0), (403, 404)),
            _ => assert_eq!((foreign.0, &foreign), (404, &unknown), "{path}"),
        }
    }
}

/// An answer's text without the id that the request had, in which reports may differ.
fn without_ids(body: &Value, id: &Value) -> String {
    let id = id.as_str().map_or(id.to_string(), str::to_owned);
    body.to_string().replace(&id, "{id}")
}

/// A deployment with two organisations, and their ids.
fn deployment() -> (Deployment, [Ids; 2]) {
    let mut deployment = Deployment::new();
    let ids = ["Ours", "Theirs"].map(|name| fill(&mut deployment, name));
    (deployment, ids)
}

fn fill(deployment: &mut Deployment, name: &str) -> Ids {
    let mut post = |path: &str, body: Value| {
        let answer = send(deployment, KEY, "POST", path, &body);
        assert_eq!(answer.status, 201, "{path}: {}", answer.body);
        answer.body
    };
    let id = |row: &Value| row["id"].as_i64().unwrap_or_else(|| panic!("no id: {row}"));
    let text = |row: &Value, field: &str| row[field].as_str().unwrap().to_owned();
    let organisation = id(&post("organisations/", json!({"name": name})));
    let key = post(&format!("organisations/{organisation}/master-api-keys/"), json!({"name": name}));
    let project = id(&post("projects/", json!({"name": name, "organisation": organisation})));
    let environment = post("environments/", json!({"name": name, "project": project}));
    let client_key = text(&environment, "api_key");
    let options = json!([{"type": "unicode", "string_value": name, "default_percentage_allocation": 5}]);
    let feature = json!({"name": name, "type": "MULTIVARIATE", "multivariate_options": options});
    let feature = post(&format!("projects/{project}/features/"), feature);
    let segments = format!("projects/{project}/segments/");
    let rules = json!([{"type": "ALL"}]);
    let segment = post(&segments, json!({"name": name, "rules": rules}));
    let free_segment = id(&post(&segments, json!({"name": format!("{name} free"), "rules": rules})));
    let value = json!({"type": "unicode", "string_value": name});
    let state =
        json!({"feature_segment": {"segment": id(&segment)}, "enabled": true, "feature_state_value": value});
    let path = format!("environments/{client_key}/features/{}/create-segment-override/", id(&feature));
    let feature_segment = post(&path, state)["feature_segment"].clone();
    let identities = format!("environments/{client_key}/identities/");
    let identity = id(&post(&identities, json!({"identifier": name})));
    let free_identity = id(&post(&identities, json!({"identifier": format!("{name} free")})));
    post(
        &format!("{identities}{identity}/featurestates/"),
        json!({"feature": id(&feature), "enabled": true}),
    );
    let feature_segment = feature_segment["id"].as_i64().or(feature_segment.as_i64()).unwrap();
    let get = |deployment: &mut Deployment, path: &str| send(deployment, KEY, "GET", path, &Value::Null).body;
    let states = get(deployment, &format!("environments/{client_key}/featurestates/"));
    let default_state = id(&states["results"][0]);
    let stored = |kind: &'static str, id: i64| {
        let row: Value = serde_json::from_str(&deployment.rows[&(kind, id)]).unwrap();
        text(&row, "uuid")
    };
    Ids {
        key: text(&key, "key"),
        prefix: text(&key, "prefix"),
        environment: id(&environment),
        project,
        option: feature["multivariate_options"][0]["id"].as_i64().unwrap(),
        feature: id(&feature),
        segment: id(&segment),
        free_segment,
        feature_segment,
        identity,
        free_identity,
        default_state,
        uuids: [
            text(&environment, "uuid"),
            text(&segment, "uuid"),
            stored("feature_segment", feature_segment),
            stored("feature_state", default_state),
        ],
        client_key,
    }
}

fn send(deployment: &mut Deployment, key: &str, method: &str, path: &str, body: &Value) -> Answer {
    let headers =
        [("authorization", format!("Api-Key {key}")), ("content-type", "application/json".to_owned())];
    let headers = headers.map(|(name, value)| (name.to_owned(), value));
    let target = match path.strip_prefix("../") {
        Some(path) => format!("/api/{path}"),
        None => format!("/api/v1/{path}"),
    };
    let (path, body) = (target, body.to_string());
    deployment.send(method, &path, &headers, if body == "null" { b"" } else { body.as_bytes() })
}
