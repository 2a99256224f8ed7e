//! The evaluation context of a request: an identifier, and traits.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::error::Error;
use super::super::fields::{Fields, MAX_TRAIT_KEY_LENGTH, scalar_trait};
use super::super::subject::SentTrait;
use crate::document::json::{Json, Kind};
use crate::document::{Identifier, python};
use crate::identity::TraitValue;

const TARGETING_KEY: &str = "targetingKey";
/// The name of the object whose members are traits, too.
const TRAITS: &str = "traits";

const NO_CONTEXT: &str = "The body must be an object with an object in its member context.";
const BAD_TARGETING_KEY: &str =
    "The context's targetingKey must be a text of at most 2000 characters without NUL characters.";

/// The context of a request.
#[derive(Default)]
pub struct EvaluationContext {
    /// The targeting key, which is the identity's identifier; empty without one.
    pub identifier: Identifier,
    /// The other members that can be traits, in the order of their names.
    pub traits: Vec<SentTrait>,
}

impl EvaluationContext {
    /// Reads a body. Members that cannot be traits are ignored, since providers send the whole context of an application.
    ///
    /// Traits are members of the context, or of its object `traits`, which is preferred.
    pub fn read(body: Json<'_>) -> Result<EvaluationContext, Error> {
        let no_context = || invalid(NO_CONTEXT);
        let body = body.object().ok_or_else(no_context)?;
        let Some(context) = body.get("context").filter(|context| context.kind() != Kind::Null) else {
            return Ok(EvaluationContext::default());
        };
        let mut fields = Fields::of(context).map_err(|_| no_context())?;
        let identifier = fields.identifier(TARGETING_KEY, true);
        let mut traits = BTreeMap::new();
        let mut nested = None;
        for (name, value) in fields.members().iter() {
            match name {
                TARGETING_KEY => {}
                TRAITS if value.kind() == Kind::Object => nested = value.object(),
                _ => add(&mut traits, name, value),
            }
        }
        for (name, value) in nested.unwrap_or_default().iter() {
            add(&mut traits, name, value);
        }
        fields.finish(()).map_err(|_| invalid(BAD_TARGETING_KEY))?;
        let sent = |(key, value)| SentTrait { key, value: Some(value), transient: false };
        Ok(EvaluationContext { identifier, traits: traits.into_iter().map(sent).collect() })
    }
}

/// Adds a member if it can be a trait.
fn add(traits: &mut BTreeMap<Box<str>, TraitValue>, name: &str, value: Json<'_>) {
    let key = python::strip(name);
    let is_key = !key.is_empty() && !key.contains('\0') && key.chars().count() <= MAX_TRAIT_KEY_LENGTH;
    if let Some(value) = scalar_trait(value).filter(|_| is_key) {
        traits.insert(key.into(), value);
    }
}

fn invalid(problem: &str) -> Error {
    Error::Invalid(Value::from(problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<EvaluationContext, Error> {
        EvaluationContext::read(Json::parse(body.as_bytes()).unwrap())
    }

    #[test]
    fn members_of_the_context_and_of_its_object_traits_are_traits() {
        let context = read(
            r#"{"context": {"targetingKey": " ada ", "plan": "free", "n": 1, "x": 0.5, "b": true, "targetingkey": "t",
                "traits": {"plan": "gold", "targetingKey": 7}}}"#,
        );
        let context = context.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(&*context.identifier, "ada");
        let traits: Vec<_> =
            context.traits.iter().map(|sent| (&*sent.key, sent.value.clone().unwrap())).collect();
        let text = |text: &str| TraitValue::Text(text.into());
        let expected = [
            ("b", TraitValue::Bool(true)),
            ("n", TraitValue::Integer(1)),
            ("plan", text("gold")),
            ("targetingKey", TraitValue::Integer(7)),
            ("targetingkey", text("t")),
            ("x", TraitValue::Float(0.5)),
        ];
        assert_eq!(traits, expected);
    }

    #[test]
    fn what_is_no_trait_is_ignored() {
        let (long, short) = ("x".repeat(2001), "x".repeat(2000));
        let key = "k".repeat(201);
        let body = format!(
            r#"{{"context": {{"a": null, "b": [1], "c": {{"d": 1}}, "e": "{long}", "f": "\u0000", "": 1, " ": 1,
                "{key}": 1, "g\u0000": 1, "h": 9223372036854775808, "i": "{short}", "traits": {{"j": null, "k": []}}}}}}"#
        );
        let context = read(&body).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(context.traits.iter().map(|sent| &*sent.key).collect::<Vec<_>>(), ["i"]);
        assert!(context.identifier.is_empty());
    }

    #[test]
    fn a_context_without_a_targeting_key_is_valid() {
        for body in [
            "{}",
            r#"{"context": null}"#,
            r#"{"context": {}}"#,
            r#"{"context": {"targetingKey": null}}"#,
            r#"{"context": {"targetingKey": " "}}"#,
            r#"{"context": {"traits": []}}"#,
        ] {
            let context = read(body).unwrap_or_else(|error| panic!("{body}: {error}"));
            assert!(context.identifier.is_empty() && context.traits.is_empty(), "{body}");
        }
        let named = read(r#"{"context": {"traits": "text"}}"#).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(named.traits.len(), 1);
    }

    #[test]
    fn other_shapes_are_invalid() {
        for (body, problem) in [
            ("null", NO_CONTEXT),
            ("[]", NO_CONTEXT),
            ("7", NO_CONTEXT),
            (r#"{"context": []}"#, NO_CONTEXT),
            (r#"{"context": "ada"}"#, NO_CONTEXT),
            (r#"{"context": {"targetingKey": true}}"#, BAD_TARGETING_KEY),
            (r#"{"context": {"targetingKey": {"id": "ada"}}}"#, BAD_TARGETING_KEY),
            (r#"{"context": {"targetingKey": "a\u0000"}}"#, BAD_TARGETING_KEY),
            (&format!(r#"{{"context": {{"targetingKey": "{}"}}}}"#, "x".repeat(2001)), BAD_TARGETING_KEY),
        ] {
            assert_eq!(read(body).err(), Some(Error::Invalid(problem.into())), "{body}");
        }
    }
}
