//! Random sequences of admin requests. The edge compiles and evaluates the resulting documents. The flags are those of
//! Flagsmith's Python SDK with documents made of the Admin API's lists.
//!
//! `ORIGIN_SEQUENCES` is the number of sequences, `SEED` chooses others. The reference is
//! `tests/differential/documents.py` in the environment that `scripts/differential.sh` makes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::listings::listed_document;
use crate::support::project::Project;
use crate::support::random::Random;
use crate::support::references::check_references;
use crate::support::requests::Requests;
use flagsmith_edge_worker::api::{self, KeyedRoute, Plan, Request};
use flagsmith_edge_worker::document::ruleset::Engine;
use flagsmith_edge_worker::document::{Environment, KeyKind};
use flagsmith_edge_worker::identity::{Identity, TraitValue};
use serde_json::{Map, Value, json};

const SEQUENCES: u64 = 10;
const REQUESTS: usize = 120;
/// Identities for each environment of a sequence.
const IDENTITIES: u64 = 20;

/// An environment as its document and as its lists, and identities to evaluate.
struct Case {
    document: Value,
    listed: Value,
    identities: Vec<Value>,
}

#[test]
fn flags_after_random_admin_requests_are_those_of_the_sdk() {
    let Some(python) = python() else { return };
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let (count, seed) = (number("ORIGIN_SEQUENCES").unwrap_or(SEQUENCES), number("SEED").unwrap_or(1));
    let (mut cases, mut accepted) = (Vec::new(), 0);
    for sequence in 0..count {
        let mut random = Random::new(seed << 32 | sequence);
        let (mut project, done) = run(&mut random);
        accepted += done;
        cases.extend(cases_of(&mut project, &mut random));
    }
    let sent = REQUESTS * usize::try_from(count).unwrap();
    println!("{count} sequences, {accepted} of {sent} requests accepted, {} documents", cases.len());
    assert!(accepted * 10 > sent * 7, "only {accepted} of {sent} requests were accepted");
    let expected = reference(&python, &cases);
    assert_eq!(expected.len(), cases.len());
    let mut kinds = [0; 2];
    for (case, expected) in cases.iter().zip(expected) {
        let environment = Environment::parse(case.document.to_string().as_bytes(), Engine::V10).unwrap();
        for (identity, expected) in case.identities.iter().zip(expected.as_array().unwrap()) {
            let flags = flags(&environment, identity);
            assert_eq!(flags, *expected, "{identity} with the document\n{}", case.document);
            for flag in flags.as_object().unwrap().values() {
                kinds[usize::from(flag[0] == true)] += 1;
            }
        }
    }
    assert!(kinds.iter().all(|count| *count > 0), "all flags are alike: {kinds:?}");
}

/// The Python with the reference's packages. Reports its absence.
fn python() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let packages = |path: &str| fs::read_to_string(root.join(path)).ok();
    if packages(".venv/requirements.txt") != packages("tests/differential/requirements-10.txt") {
        println!("NOT RUN: .venv has not the reference's packages; run `make differential`");
        return None;
    }
    Some(root.join(".venv/bin/python"))
}

/// A project after random requests, and the number of those that were accepted.
fn run(random: &mut Random) -> (Project, usize) {
    let mut project = Project::new();
    let mut requests = Requests::default();
    let mut accepted = 0;
    for _ in 0..REQUESTS {
        let (method, path, body) = requests.next(random, &project);
        let answer = project.send_to(method, &format!("/api/{path}"), &body);
        assert!(answer.status < 500, "{method} {path} {body}: {}", answer.body);
        accepted += usize::from(answer.status < 300);
    }
    check_references(&project.deployment.state);
    assert!(project.deployment.reloaded() == project.deployment.state);
    (project, accepted)
}

/// The documents of all environments, with known and unknown identities.
fn cases_of(project: &mut Project, random: &mut Random) -> Vec<Case> {
    let environments = project.get("environments/?project=1")["results"].clone();
    let keys = environments.as_array().unwrap().iter().map(|row| row["api_key"].as_str().unwrap().to_owned());
    let mut cases = Vec::new();
    for key in keys {
        let document = project.deployment.document(&key).unwrap();
        let listed = listed_document(project, &key);
        let identities = (0..IDENTITIES).map(|number| {
            let identifier =
                if number < 8 { format!("user {number}") } else { format!("guest {}", random.below(1000)) };
            json!({"identifier": identifier, "traits": traits(random)})
        });
        cases.push(Case { document, listed, identities: identities.collect() });
    }
    cases
}

fn traits(random: &mut Random) -> Value {
    let mut traits = Map::new();
    for name in Requests::TRAITS {
        if random.chance(70) {
            traits.insert(name.to_owned(), Requests::trait_value(random, name));
        }
    }
    Value::Object(traits)
}

/// The reference's flags of each case.
fn reference(python: &Path, cases: &[Case]) -> Vec<Value> {
    let lines =
        cases.iter().map(|case| json!({"document": case.listed, "identities": case.identities}).to_string());
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("origin-sequences.jsonl");
    fs::write(&file, lines.collect::<Vec<_>>().join("\n")).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/differential/documents.py");
    let output = Command::new(python).arg(script).arg(&file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The edge's answer to an identity with these traits: `{name: [enabled, value]}`.
fn flags(environment: &Environment, identity: &Value) -> Value {
    let body = json!({"identifier": identity["identifier"]}).to_string();
    let header = |name: &str| (name == "content-type").then(|| "application/json".to_owned());
    let request = Request { body: body.as_bytes(), ..Request::of_headers("POST", &header) };
    let plan = api::plan(environment, KeyedRoute::Identities, KeyKind::Server, &request);
    let Ok(Plan::Identities(_, continuation)) = plan else { panic!("{plan:?}") };
    let traits = identity["traits"].as_object().unwrap().iter();
    let traits = traits.map(|(name, value)| (name.as_str().into(), trait_value(value))).collect();
    let state = [Ok(Identity { exists: true, traits, ..Identity::default() })];
    let response = continuation.answer(environment, KeyKind::Server, &state).unwrap();
    let answer: Value = serde_json::from_slice(&response.body).unwrap();
    let entry = |flag: &Value| {
        let name = flag["feature"]["name"].as_str().unwrap().to_owned();
        (name, json!([flag["enabled"], flag["feature_state_value"]]))
    };
    answer["flags"].as_array().unwrap().iter().map(entry).collect::<Map<_, _>>().into()
}

fn trait_value(value: &Value) -> TraitValue {
    match value {
        Value::Bool(is_true) => TraitValue::Bool(*is_true),
        Value::String(text) => TraitValue::Text(text.as_str().into()),
        number => match number.as_i64() {
            Some(integer) => TraitValue::Integer(integer),
            None => TraitValue::Float(number.as_f64().unwrap()),
        },
    }
}
