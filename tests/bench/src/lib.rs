//! The measured code, native and on wasm32: from an identity to the finished body of the answer.

use std::hint::black_box;

use flagsmith_edge_worker::api::{self, Continuation, KeyedRoute, Plan, Request};
use flagsmith_edge_worker::document::{Environment, KeyKind};
use flagsmith_edge_worker::identity::{CommandError, Identity, TraitValue};

#[cfg(target_arch = "wasm32")]
mod wasm;

/// The profiles: file and name.
pub const PROFILES: [(&str, &str); 3] =
    [("small.json", "small"), ("heavy-50x15x750.json", "heavy"), ("large-1000x500.json", "large")];

/// The number of different identities.
pub const IDENTITIES: usize = 16;

/// A query for an identity, and its state.
pub type Asked = (Continuation, [Result<Identity, CommandError>; 1]);

/// A query for an identity, and its state with all of its traits.
pub fn asked(environment: &Environment, number: usize) -> Asked {
    let header = |name: &str| (name == "content-type").then(|| "application/json".to_owned());
    let body = format!(r#"{{"identifier":"{}"}}"#, identifier(number)).into_bytes();
    let request = Request { body: &body, ..Request::of_headers("POST", &header) };
    match api::plan(environment, KeyedRoute::Identities, KeyKind::Server, &request) {
        Ok(Plan::Identities(_, pending)) => {
            let traits = traits(number).into_iter().map(|(key, value)| (key.into(), value)).collect();
            (pending, [Ok(Identity { exists: true, traits, ..Identity::default() })])
        }
        other => panic!("{other:?}"),
    }
}

/// Evaluates and renders; returns the length of the body.
pub fn answer(environment: &Environment, (pending, identity): &Asked) -> usize {
    let answered = pending.answer(black_box(environment), KeyKind::Server, black_box(identity));
    answered.map_or(0, |response| response.body.len())
}

/// The identity with a number.
pub fn identifier(number: usize) -> String {
    format!("identity-{number}")
}

/// Ten typical traits of an identity that is in some segments and not in others.
pub fn traits(number: usize) -> Vec<(String, TraitValue)> {
    let text = |text: String| TraitValue::Text(text.into());
    let mut traits = vec![
        ("email".to_owned(), text(format!("user.n{number}@example.com"))),
        ("app_version".to_owned(), text(format!("1.{}.0", number % 5))),
    ];
    for index in 0..4 {
        traits.push((format!("trait_{index}"), text(format!("v{}", number % 4))));
        traits.push((format!("num_{index}"), TraitValue::Integer((number * 7 % 100) as i64)));
    }
    traits
}
