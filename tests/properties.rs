//! Properties of every document and every request, tested on random ones.

mod support;

use std::collections::{BTreeMap, HashMap};

use flagsmith_edge_worker::admin::edge_identities::{self, Action};
use flagsmith_edge_worker::admin::explanation::explain;
use flagsmith_edge_worker::admin::import_export;
use flagsmith_edge_worker::api::Request;
use flagsmith_edge_worker::document::context::EvaluationContext;
use flagsmith_edge_worker::document::json::Json;
use flagsmith_edge_worker::document::ruleset::Engine;
use flagsmith_edge_worker::document::{ClientKey, Environment, Identifier, KeyKind};
use flagsmith_edge_worker::evaluate::evaluate_context;
use flagsmith_edge_worker::identity::{
    Change, Command, CommandRequest, ExecutionContext, Identity, TraitValue, uuid,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use support::admin::endpoint;
use support::fixtures;
use support::worker::{Worker, from_image};

/// Texts with special rules.
const TEXTS: [&str; 24] = [
    "",
    "1",
    "007",
    "-3",
    "1.5",
    "1.50",
    "true",
    "False",
    "None",
    "a",
    "foo",
    "1.2.3",
    "2.0.0-rc.1:semver",
    "1.2.3:semver",
    "3|1",
    "[1, \"a\"]",
    "a,foo",
    "nan",
    "inf",
    "(a+)+$",
    "[",
    "$.identity.identifier",
    "é☃",
    "50",
];
const PROPERTIES: [&str; 10] = [
    "plan",
    "age",
    "",
    "$.identity.identifier",
    "$.environment.name",
    "$.identity.traits.plan",
    "$.",
    "$.segments.*",
    "$.flags.f0.enabled",
    "$..name",
];
const OPERATORS: [&str; 15] = [
    "EQUAL",
    "NOT_EQUAL",
    "GREATER_THAN",
    "GREATER_THAN_INCLUSIVE",
    "LESS_THAN",
    "LESS_THAN_INCLUSIVE",
    "CONTAINS",
    "NOT_CONTAINS",
    "REGEX",
    "MODULO",
    "IN",
    "IS_SET",
    "IS_NOT_SET",
    "PERCENTAGE_SPLIT",
    "UNHEARD_OF",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![4 => select(&TEXTS[..]).prop_map(str::to_owned), 1 => ".{0,12}"]
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        text().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
    ]
}

fn condition() -> impl Strategy<Value = Value> {
    let property = prop_oneof![select(&PROPERTIES[..]).prop_map(str::to_owned), text()];
    (select(&OPERATORS[..]), property, option::of(text())).prop_map(
        |(operator, property, value)| json!({"operator": operator, "property_": property, "value": value}),
    )
}

fn rule() -> impl Strategy<Value = Value> {
    let quantifier = || select(vec!["ALL", "ANY", "NONE"]);
    let leaf = (quantifier(), vec(condition(), 0..4)).prop_map(
        |(quantifier, conditions)| json!({"type": quantifier, "conditions": conditions, "rules": []}),
    );
    leaf.prop_recursive(3, 12, 3, move |inner| {
        (quantifier(), vec(condition(), 0..3), vec(inner, 0..3))
            .prop_map(|(quantifier, conditions, rules)| json!({"type": quantifier, "conditions": conditions, "rules": rules}))
    })
}

/// A state of feature `f{id}`.
fn feature_state(id: usize) -> impl Strategy<Value = Value> {
    let number = prop_oneof![9 => any::<u32>().prop_map(Some), 1 => Just(None)];
    let variant = (0_u32..60, scalar(), option::of(text()), number, any::<[u8; 16]>()).prop_map(
        |(weight, value, key, id, random)| {
            json!({
                "id": id, "mv_fs_value_uuid": uuid(random), "percentage_allocation": weight,
                "multivariate_feature_option": {"value": value, "key": key},
            })
        },
    );
    let priority = option::of(option::of(-2_i32..3));
    (any::<bool>(), scalar(), option::of(any::<u32>()), vec(variant, 0..3), priority).prop_map(
        move |(enabled, value, django_id, variants, priority)| {
            let kind = if variants.is_empty() { "STANDARD" } else { "MULTIVARIATE" };
            json!({
                "feature": {"id": id, "name": format!("f{id}"), "type": kind},
                "enabled": enabled,
                "feature_state_value": value,
                "django_id": django_id,
                "featurestate_uuid": "0b9c2dfe-4d2a-4b3c-9c26-6d1b7c2f0a11",
                "feature_segment": priority.map(|priority| json!({"priority": priority})),
                "multivariate_feature_state_values": variants,
            })
        },
    )
}

fn some_states() -> impl Strategy<Value = Vec<Value>> {
    vec((0_usize..6).prop_flat_map(feature_state), 0..4)
}

fn document() -> impl Strategy<Value = Value> {
    let defaults = (1_usize..6).prop_flat_map(|count| (0..count).map(feature_state).collect::<Vec<_>>());
    let segment = (0..9, vec(rule(), 0..3), some_states()).prop_map(
        |(id, rules, states)| json!({"id": id, "name": "segment", "rules": rules, "feature_states": states}),
    );
    let identity = (prop_oneof![text(), Just("twice".to_owned())], some_states())
        .prop_map(|(identifier, states)| json!({"identifier": identifier, "identity_features": states}));
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (defaults, vec(segment, 0..4), vec(identity, 0..3), flags).prop_map(
        |(features, segments, identities, (hide_disabled, hide_sensitive, client_traits, persist))| {
            json!({
                "id": 1,
                "api_key": "k",
                "name": "Production",
                "updated_at": "2026-11-22T15:52:01.900399+00:00",
                "allow_client_traits": client_traits,
                "hide_sensitive_data": hide_sensitive,
                "hide_disabled_flags": hide_disabled,
                "feature_states": features,
                "identity_overrides": identities,
                "project": {
                    "id": 1,
                    "name": "Shop",
                    "organisation": {"id": 1, "name": "Meadow", "persist_trait_data": persist},
                    "segments": segments,
                    "server_key_only_feature_ids": [0],
                },
            })
        },
    )
}

fn identity_body() -> impl Strategy<Value = Value> {
    let sent =
        (prop_oneof![Just("plan".to_owned()), Just("age".to_owned()), text()], scalar(), any::<bool>());
    let sent = sent.prop_map(
        |(key, value, transient)| json!({"trait_key": key, "trait_value": value, "transient": transient}),
    );
    (text(), vec(sent, 0..5), any::<bool>())
        .prop_map(|(identifier, traits, transient)| json!({"identifier": identifier, "traits": traits, "transient": transient}))
}

/// Posts to /identities/ of a worker that serves `document` alone.
fn post(worker: &mut Worker, key: &str, body: &Value) -> (u16, Value) {
    let headers = [("x-environment-key", key), ("content-type", "application/json")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let answer = worker.answer("POST", "/api/v1/identities/", &headers, body.to_string().as_bytes());
    (answer.status, serde_json::from_slice(&answer.body).expect("every answer is JSON"))
}

/// The answers of an environment to a request of each kind, with both kinds of keys.
fn answers(
    environment: Environment,
    body: &Value,
    feature: usize,
) -> Vec<(u16, BTreeMap<String, String>, Vec<u8>)> {
    let mut worker = Worker::with_environment(environment);
    let traits = body["traits"].as_array().unwrap().iter();
    let mut context: serde_json::Map<_, _> = traits
        .map(|sent| (sent["trait_key"].as_str().unwrap().to_owned(), sent["trait_value"].clone()))
        .collect();
    context.insert("targetingKey".to_owned(), body["identifier"].clone());
    let (sdk, ofrep) = (body.to_string(), json!({"context": context}).to_string());
    let mut answers = Vec::new();
    for key in ["k", Worker::SERVER_KEY] {
        let mut send = |method: &str, target: &str, body: &str| {
            let headers =
                [("x-environment-key", key), ("x-api-key", key), ("content-type", "application/json")];
            let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
            let answer = worker.answer(method, target, &headers, body.as_bytes());
            answers.push((answer.status, answer.headers.into_iter().collect(), answer.body));
        };
        send("GET", "/api/v1/flags/", "");
        send("GET", &format!("/api/v1/flags/?feature=f{feature}"), "");
        send("GET", "/api/v1/environment-document/", "");
        send("POST", "/api/v1/identities/", &sdk);
        send("GET", "/api/v1/identities/?identifier=twice", "");
        send("POST", "/ofrep/v1/evaluate/flags", &ofrep);
        send("POST", &format!("/ofrep/v1/evaluate/flags/f{feature}"), &ofrep);
    }
    answers
}

/// True if a document is normalized: no identity occurs twice, and no feature of an identity. Every multivariate value
/// of an override has a number.
fn is_normal(document: &Value) -> bool {
    let defaults = document["feature_states"].as_array().unwrap();
    let mut seen = BTreeMap::new();
    let mut normal = true;
    for entry in document["identity_overrides"].as_array().unwrap() {
        normal &= seen.insert(entry["identifier"].as_str().unwrap(), ()).is_none();
        let mut features = BTreeMap::new();
        for state in entry["identity_features"].as_array().unwrap() {
            let name = &state["feature"]["name"];
            let is_known = defaults.iter().any(|default| default["feature"]["name"] == *name);
            normal &= !is_known || features.insert(name.as_str().unwrap(), ()).is_none();
            let values = state["multivariate_feature_state_values"].as_array().unwrap();
            normal &= values.iter().all(|value| !value["id"].is_null());
        }
    }
    normal
}

fn flags_by_name(flags: &Value) -> BTreeMap<String, Value> {
    let name = |flag: &Value| flag["feature"]["name"].as_str().unwrap().to_owned();
    flags.as_array().unwrap().iter().map(|flag| (name(flag), flag.clone())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// A parsed document gives every identity a JSON answer, which is repeatable and has no data that the key may not
    /// see.
    #[test]
    fn every_request_has_a_repeatable_answer_without_secrets(document in document(), body in identity_body()) {
        let mut worker = Worker::with_document(document.to_string().as_bytes()).unwrap();
        let (status, answer) = post(&mut worker, "k", &body);
        prop_assert!(status == 200 || status == 400, "{status} {answer}");
        if status == 200 && body["identifier"] != "" {
            let again = post(&mut worker, "k", &body);
            prop_assert_eq!(&again, &(status, answer.clone()));
            let (_, for_server) = post(&mut worker, Worker::SERVER_KEY, &body);
            let (client, server) = (flags_by_name(&answer["flags"]), flags_by_name(&for_server["flags"]));
            prop_assert!(!client.contains_key("f0"), "f0 is for server keys only");
            if document["allow_client_traits"] == true {
                for (name, flag) in client {
                    prop_assert_eq!(Some(&flag), server.get(&name));
                }
            }
            for flag in server.values() {
                prop_assert!(flag["enabled"] == true || document["hide_disabled_flags"] == false);
            }
        }
    }

    /// The order of an object's members does not change the answers.
    #[test]
    fn member_order_does_not_change_answers(document in document(), body in identity_body()) {
        let mut worker = Worker::with_document(document.to_string().as_bytes()).unwrap();
        let mut other = Worker::with_document(reversed(&document).to_string().as_bytes()).unwrap();
        // An anonymous identity gets a random identifier, which is constant here.
        prop_assert_eq!(post(&mut worker, "k", &body), post(&mut other, "k", &reversed(&body)));
    }

    /// The served document evaluates to the same for every identity. It equals the published one if that has no
    /// duplicate overrides and an id for each multivariate value of an override.
    #[test]
    fn a_served_document_evaluates_equally(document in document()) {
        let text = document.to_string();
        let environment = Environment::parse(text.as_bytes(), Engine::V10).unwrap();
        let served = environment.document();
        prop_assert_eq!(served == text.as_bytes(), is_normal(&document));
        let again = Environment::parse(served, Engine::V10).unwrap();
        prop_assert_eq!(again.document(), served);
        prop_assert_eq!(again.flags.list(KeyKind::Server), environment.flags.list(KeyKind::Server));
        let [mut published, mut served] = [text.as_bytes(), served].map(|text| Worker::with_document(text).unwrap());
        for identity in document["identity_overrides"].as_array().unwrap() {
            let body = json!({"identifier": identity["identifier"], "transient": true});
            let [expected, got] = [&mut published, &mut served].map(|worker| post(worker, "k", &body));
            prop_assert_eq!(expected, got);
        }
    }

    /// A document with a random value at a random place is either refused, with the name of a field, or can be
    /// evaluated.
    #[test]
    fn a_damaged_document_is_refused_or_evaluated(
        document in document(), damage in scalar(), place in any::<prop::sample::Index>(), body in identity_body()
    ) {
        let mut document = document;
        let paths = paths(&document, String::new());
        *document.pointer_mut(place.get::<String>(&paths)).unwrap() = damage;
        match Worker::with_document(document.to_string().as_bytes()) {
            Err(fault) => prop_assert!(!fault.field.is_empty() && !fault.problem.is_empty()),
            Ok(mut worker) => { post(&mut worker, "k", &body); }
        }
    }

    /// Any bytes are refused or read; nothing panics.
    #[test]
    fn any_bytes_are_answered(bytes in vec(any::<u8>(), 0..200), text in ".{0,200}", path in "/[a-z0-9/.%]{0,30}") {
        for input in [bytes.as_slice(), text.as_bytes()] {
            let _ = Json::parse(input);
            let _ = Environment::parse(input, Engine::V11);
            let _ = EvaluationContext::parse(input, Engine::V11);
        }
        let mut worker = Worker::default();
        let headers = HashMap::from([("x-environment-key".to_owned(), text)]);
        prop_assert!(worker.answer("POST", &path, &headers, &bytes).status >= 200);
    }

    /// Both engines have the same results for contexts without conditions on flags, except for the reason of
    /// defaults.
    #[test]
    fn engines_agree_except_for_reasons(document in document(), body in identity_body()) {
        let context = context_of(&document, &body).to_string();
        let result = |engine| evaluate_context(&EvaluationContext::parse(context.as_bytes(), engine).unwrap());
        let (mut ten, mut eleven) = (result(Engine::V10), result(Engine::V11));
        prop_assume!(!context.contains("$.flags"));
        for result in [&mut ten, &mut eleven] {
            for flag in result["flags"].as_object_mut().unwrap().values_mut() {
                if flag["reason"] == "STATIC" {
                    flag["reason"] = "DEFAULT".into();
                }
            }
        }
        prop_assert_eq!(ten, eleven);
    }

    /// An explanation has one winning candidate for every flag, which applies and is the flag's value. It has rules for
    /// every segment, which decide membership.
    #[test]
    fn explanations_agree_with_the_answers(document in document(), body in identity_body()) {
        let text = document.to_string();
        let traits = body["traits"].as_array().unwrap().iter().filter_map(|sent| {
            let value: TraitValue = serde_json::from_value(sent["trait_value"].clone()).ok()?;
            Some((sent["trait_key"].as_str()?.into(), value))
        });
        let identity = Identity { exists: true, traits: traits.collect(), ..Identity::default() };
        for engine in [Engine::V10, Engine::V11] {
            let environment = Environment::parse(text.as_bytes(), engine).unwrap();
            let explained = explain(&environment, &Identifier::verbatim(body["identifier"].as_str().unwrap()), &identity);
            for flag in explained["flags"].as_array().unwrap() {
                let candidates = flag["candidates"].as_array().unwrap();
                let winners: Vec<_> = candidates.iter().filter(|one| one["wins"] == true).collect();
                prop_assert_eq!(winners.len(), 1, "{}", flag);
                prop_assert_eq!(candidates.iter().find(|one| one["applies"] == true), winners.first().copied(), "{}", flag);
                prop_assert_eq!(&winners[0]["enabled"], &flag["enabled"]);
                prop_assert_eq!(&winners[0]["multivariate"], &json!(!flag["split"].is_null()));
            }
            for segment in explained["segments"].as_array().unwrap() {
                let rules = segment["rules"].as_array().unwrap();
                let holds = !rules.is_empty() && rules.iter().all(|rule| rule["holds"] == true);
                // A segment that cuts a circle of flags does not match, although its rules hold.
                prop_assert!(segment["matches"] == holds || engine == Engine::V11 && holds, "{}", segment);
            }
        }
    }

    /// An environment from its image gives the answers of the compiled one, to all kinds of requests.
    #[test]
    fn images_answer_as_their_documents(document in document(), body in identity_body(), name in 0..6_usize) {
        for engine in [Engine::V10, Engine::V11] {
            let compiled = Environment::parse(document.to_string().as_bytes(), engine).unwrap();
            let loaded = from_image(&compiled);
            let identifier = Identifier::normalize(body["identifier"].as_str().unwrap());
            prop_assert_eq!(
                explain(&loaded, &identifier, &Identity::default()),
                explain(&compiled, &identifier, &Identity::default())
            );
            prop_assert_eq!(answers(loaded, &body, name), answers(compiled, &body, name));
        }
    }

    /// Repeating a command changes nothing, and writes nothing.
    #[test]
    fn setting_traits_again_changes_nothing(
        sets in vec((select(vec!["a", "b", "c"]), option::of(select(vec![1_i64, 2]))), 0..8)
    ) {
        let traits = sets.into_iter().map(|(key, value)| (key.into(), value.map(TraitValue::Integer))).collect();
        let command = Command::SetTraits(traits);
        let request = CommandRequest::new(&ClientKey::unchecked("env"), Identifier::normalize("ada"), command);
        let context = ExecutionContext { now: 0, random: &|| [7; 16] };
        let mut identity = Identity::default();
        identity.apply(request.clone(), context).unwrap();
        let after = identity.clone();
        prop_assert_eq!(identity.apply(request, context), Ok(Change::default()));
        prop_assert_eq!(identity, after);
    }
}

/// A JSON value that admins might send, valid or not.
fn sent() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        select(vec!["", "a", "hero_banner", "007", "\u{0}", "1.5"]).prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let name = select(vec![
            "identifier",
            "dashboard_alias",
            "trait_key",
            "trait_value",
            "feature",
            "enabled",
            "feature_state_value",
            "multivariate_feature_state_values",
            "multivariate_feature_option",
            "percentage_allocation",
            "source_identity_uuid",
            "identity_traits",
            "identity_features",
            "created_date",
        ]);
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((name, inner), 0..6).prop_map(|members| members.into_iter().collect::<Value>()),
        ]
    })
}

proptest! {
    /// Any request is an action or an error, and after an action the identity can be answered.
    #[test]
    fn admin_requests_are_read_or_refused(
        body in sent(),
        method in select(vec!["GET", "POST", "PUT", "PATCH", "DELETE"]),
        path in select(vec![
            "", "u/", "u/list-traits/", "u/update-traits/", "u/edge-featurestates/", "u/edge-featurestates/s/",
            "u/edge-featurestates/all/", "u/edge-featurestates/clone-from-given-identity/",
        ]),
        query in select(vec!["", "page_size=x", "q=dashboard_alias:a", "feature=1", "last_evaluated_key=eyJ9"]),
    ) {
        let document = std::fs::read(fixtures("environments/production.json")).unwrap();
        let environment = Environment::parse(&document, Engine::V10).unwrap();
        let body = body.to_string().into_bytes();
        let header = |name: &str| (name == "content-type").then(|| "application/json".to_owned());
        let request = Request { query, body: &body, random: &|| [7; 16], ..Request::of_headers(method, &header) };
        let (_, endpoint) = endpoint(&format!("/api/v1/environments/k/edge-identities/{path}"));
        if let Ok(Action::Execute(_, command, reply)) = edge_identities::read(&environment, endpoint, &request) {
            let mut identity = Identity::default();
            let context = ExecutionContext { now: 1, random: &|| [7; 16] };
            let to_request = |command| CommandRequest::new(&ClientKey::unchecked("k"), Identifier::normalize("a"), command);
            identity.apply(to_request(Command::Create), context).unwrap();
            if identity.apply(to_request(command), context).is_ok() {
                let status = edge_identities::answer::reply(&environment, &Identifier::normalize("a"), &identity, &reply).status;
                prop_assert!(matches!(status, 200 | 201 | 204 | 404), "{status}");
            }
        }
        let _ = import_export::read_import(&environment, &body);
    }
}

/// The share of identities with each value is its percentage allocation.
#[test]
fn splits_are_proportional() {
    let variant = |id: u32, weight: u32| json!({"id": id, "percentage_allocation": weight, "multivariate_feature_option": {"value": id}});
    let state = json!({
        "feature": {"id": 1, "name": "f", "type": "MULTIVARIATE"}, "enabled": true, "django_id": 7,
        "feature_state_value": 0, "multivariate_feature_state_values": [variant(1, 10), variant(2, 30), variant(3, 25)],
    });
    let document = json!({"api_key": "k", "project": {}, "feature_states": [state]});
    let mut worker = Worker::with_document(document.to_string().as_bytes()).unwrap();
    let mut counts = [0_u32; 4];
    for number in 0..10_000 {
        let (_, answer) =
            post(&mut worker, "k", &json!({"identifier": format!("user-{number}"), "transient": true}));
        counts[answer["flags"][0]["feature_state_value"].as_u64().unwrap() as usize] += 1;
    }
    for (count, percent) in counts.into_iter().zip([35_u32, 10, 30, 25]) {
        // Five standard deviations of a fair draw are at most 250.
        assert!(count.abs_diff(percent * 100) < 250, "{counts:?}");
    }
}

fn reversed(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            members.iter().rev().map(|(name, value)| (name.clone(), reversed(value))).collect()
        }
        Value::Array(items) => items.iter().map(reversed).collect(),
        other => other.clone(),
    }
}

/// The JSON pointers of everything inside a value.
fn paths(value: &Value, path: String) -> Vec<String> {
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(members) => {
            members.iter().map(|(name, value)| (format!("{path}/{name}"), value)).collect()
        }
        Value::Array(items) => {
            items.iter().enumerate().map(|(index, value)| (format!("{path}/{index}"), value)).collect()
        }
        _ => Vec::new(),
    };
    let mut all = vec![path];
    all.extend(inner.into_iter().flat_map(|(path, value)| paths(value, path)));
    all
}

/// A document and an identity as an evaluation context (contract §C.0).
fn context_of(document: &Value, body: &Value) -> Value {
    let feature = |state: &Value| {
        let variants = state["multivariate_feature_state_values"].as_array().unwrap().iter().map(|value| {
            json!({"value": value["multivariate_feature_option"]["value"], "weight": value["percentage_allocation"],
                "priority": value["id"].as_u64().unwrap_or(u64::MAX)})
        });
        json!({"key": "1", "name": state["feature"]["name"], "enabled": state["enabled"],
            "value": state["feature_state_value"], "priority": state["feature_segment"]["priority"],
            "variants": variants.collect::<Vec<_>>()})
    };
    let features = document["feature_states"].as_array().unwrap().iter().map(feature);
    let features: serde_json::Map<_, _> =
        features.map(|feature| (feature["name"].as_str().unwrap().to_owned(), feature)).collect();
    let segments =
        document["project"]["segments"].as_array().unwrap().iter().enumerate().map(|(index, segment)| {
            let overrides: Vec<Value> =
                segment["feature_states"].as_array().unwrap().iter().map(feature).collect();
            let key = index.to_string();
            (key.clone(), json!({"key": key, "name": "s", "rules": segment["rules"], "overrides": overrides}))
        });
    let traits = body["traits"].as_array().unwrap().iter();
    let traits: serde_json::Map<_, _> = traits
        .map(|sent| (sent["trait_key"].as_str().unwrap().to_owned(), sent["trait_value"].clone()))
        .collect();
    json!({
        "environment": {"key": "k", "name": "Production"},
        "identity": {"identifier": body["identifier"], "traits": traits},
        "features": features,
        "segments": segments.collect::<serde_json::Map<_, _>>(),
    })
}
