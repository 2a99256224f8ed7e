//! The JSON messages between the worker and the object of an identity.
//!
//! The core crate reads and writes the messages, because the core is compiled for speed more than the edge code is.

use serde::{Deserialize, Serialize};

use super::change::CommandError;
use super::command::Command;
use super::state::{Identity, Traits};
use crate::document::{ClientKey, FeatureState, Identifier};

/// A command and the identity that it is for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CommandRequest {
    /// The client key of the identity's environment.
    #[serde(rename = "environment")]
    pub client_key: ClientKey,
    /// The identifier of the identity.
    pub identifier: Identifier,
    /// The UUID of the identity to act on. It is set if another identity may have taken the identifier meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<Box<str>>,
    /// The command.
    pub command: Command,
    /// True if the answer may leave out the traits that came with the command. An older worker does not set it: a
    /// deployment does not update workers and objects at the same time.
    #[serde(default, rename = "brief", skip_serializing_if = "std::ops::Not::not")]
    pub omit_sent_traits: bool,
    /// The longest answer in bytes, which bounds the memory of the worker. In place of a longer answer, the object
    /// sends its length ([`CommandResponse::withheld`]). With 0 the caller needs to know only whether the command
    /// succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length: Option<usize>,
}

impl CommandRequest {
    /// Creates a request for the identity with this identifier, with a full answer.
    pub fn new(client_key: &ClientKey, identifier: Identifier, command: Command) -> CommandRequest {
        CommandRequest {
            client_key: client_key.clone(),
            identifier,
            uuid: None,
            command,
            omit_sent_traits: false,
            max_length: None,
        }
    }

    /// Parses the JSON of [`CommandRequest::to_json`].
    pub fn from_json(text: &str) -> serde_json::Result<CommandRequest> {
        serde_json::from_str(text)
    }

    /// Returns the JSON for the object.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }
}

/// The response to a command with exactly the stored traits of an identity without overrides, if no row was read.
const AS_SENT: &str = r#"{"result":{"Ok":{"exists":true,"traits":{}}},"rows":[0,0],"as_sent":true}"#;

/// The answer of an object to a command.
#[derive(Debug, Serialize, Deserialize)]
pub struct CommandResponse<I = Identity> {
    /// The identity as the command left it.
    pub result: Result<I, CommandError>,
    /// The numbers of rows that were read and written in the object's storage.
    pub rows: [u64; 2],
    /// True if the command contained all of the identity's traits. The answer then leaves them out
    /// ([`Identity::is_as_sent`]).
    #[serde(default, rename = "as_sent", skip_serializing_if = "std::ops::Not::not")]
    pub unchanged: bool,
    /// True if the object still stores another identity, which must first be moved to its own object. Until then the
    /// command is not executed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub occupied: bool,
    /// The approximate length in bytes of an answer that is longer than the request allows. The identity then comes
    /// without traits and overrides, except for the trait of an increment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withheld: Option<usize>,
}

impl CommandResponse {
    /// True if a response has `occupied`. The text is not parsed: `occupied` is then the last member of the JSON, after
    /// all traits.
    pub fn is_occupied(text: &str) -> bool {
        text.ends_with(r#","occupied":true}"#)
    }

    /// Parses an object's response to a command.
    pub fn from_json(text: &str, command: Command) -> serde_json::Result<CommandResponse> {
        // Most requests of SDKs change nothing, and their response has always the same text.
        let mut outcome = if text == AS_SENT {
            let result = Ok(Identity { exists: true, ..Identity::default() });
            CommandResponse { result, rows: [0, 0], unchanged: true, occupied: false, withheld: None }
        } else {
            serde_json::from_str(text)?
        };
        if outcome.unchanged
            && let Ok(identity) = &mut outcome.result
            && let Command::SetTraits(sent) = command
        {
            identity.traits = sent.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
        }
        Ok(outcome)
    }
}

impl CommandResponse {
    /// The response to a command that was not executed.
    pub fn refused(refusal: CommandError) -> CommandResponse {
        CommandResponse {
            result: Err(refusal),
            rows: [0, 0],
            unchanged: false,
            occupied: false,
            withheld: None,
        }
    }
}

impl CommandResponse<&Identity> {
    /// Returns the JSON with the complete identity.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }

    /// Returns the JSON with the parts that SDK requests need.
    pub fn to_json_without_details(&self) -> serde_json::Result<String> {
        #[derive(Serialize)]
        struct Seen<'a> {
            exists: bool,
            traits: &'a Traits,
            #[serde(skip_serializing_if = "<[_]>::is_empty")]
            overrides: &'a [FeatureState],
            #[serde(skip_serializing_if = "Option::is_none")]
            django_id: Option<i64>,
        }
        let none = Traits::new();
        let result = self.result.map(|identity| {
            let Identity { exists, traits, overrides, django_id, .. } = identity;
            let traits = if self.unchanged { &none } else { traits };
            Seen { exists: *exists, traits, overrides, django_id: *django_id }
        });
        let CommandResponse { rows, unchanged, occupied, withheld, .. } = *self;
        serde_json::to_string(&CommandResponse { result, rows, unchanged, occupied, withheld })
    }

    /// Returns the text that `show` makes. If it is longer than `max_length`, returns its length and only the trait
    /// `kept`.
    pub fn to_json_within(
        &self,
        max_length: Option<usize>,
        kept: Option<&str>,
        show: fn(&Self) -> serde_json::Result<String>,
    ) -> serde_json::Result<String> {
        let (Some(max_length), Ok(identity)) = (max_length, self.result) else { return show(self) };
        let mut length = identity.traits_length();
        if max_length > 0 {
            // The limit counts all traits, even if the response omits them, since the worker adds them again.
            let unchanged = self.unchanged && length <= max_length;
            let (result, rows, occupied, withheld) = (self.result, self.rows, self.occupied, self.withheld);
            let answer = show(&CommandResponse { result, rows, unchanged, occupied, withheld })?;
            if answer.len() <= max_length {
                return Ok(answer);
            }
            // The length is exact, because the worker reserves memory for the answer. With escapes the JSON may be up
            // to six times as long as the traits.
            length = answer.len();
        }
        let kept = kept.and_then(|key| identity.traits.get_key_value(key));
        let traits = kept.into_iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        let rest = Identity { exists: identity.exists, traits, ..Identity::default() };
        let withheld = Some(length);
        CommandResponse { result: Ok(&rest), rows: self.rows, unchanged: false, occupied: false, withheld }
            .to_json()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::identity::{Change, ExecutionContext};

    #[test]
    fn an_answer_that_is_too_long_is_withheld() {
        let traits = serde_json::from_value(json!({"count": 3, "text": "x".repeat(100)})).unwrap();
        let identity = Identity { exists: true, traits, ..Identity::default() };
        let outcome = CommandResponse {
            result: Ok(&identity),
            rows: [1, 2],
            unchanged: false,
            occupied: false,
            withheld: None,
        };
        let whole = outcome.to_json_without_details().unwrap();
        let traits = identity.traits_length();
        assert!(traits > 100 && traits < whole.len());
        for (max_length, withheld) in [
            (None, None),
            (Some(whole.len()), None),
            (Some(whole.len() - 1), Some(whole.len())),
            (Some(traits - 1), Some(whole.len())),
            // The length is not needed here, so nothing is serialized.
            (Some(0), Some(traits)),
        ] {
            let answer = outcome
                .to_json_within(max_length, Some("count"), |outcome| outcome.to_json_without_details())
                .unwrap();
            let read = CommandResponse::from_json(&answer, Command::Read).unwrap();
            assert_eq!((read.withheld, read.rows), (withheld, [1, 2]), "{max_length:?}");
            let read = read.result.unwrap();
            assert!(read.exists && read.traits.contains_key("count"), "{max_length:?}");
            assert_eq!(read.traits.len(), if withheld.is_some() { 1 } else { 2 }, "{max_length:?}");
        }
        let refused = CommandResponse {
            result: Err(CommandError::TooLarge),
            rows: [0, 0],
            unchanged: false,
            occupied: false,
            withheld: None,
        };
        let answer = refused.to_json_within(Some(0), None, |outcome| outcome.to_json()).unwrap();
        assert_eq!(
            CommandResponse::from_json(&answer, Command::Read).unwrap().result,
            Err(CommandError::TooLarge)
        );
    }

    #[test]
    fn traits_sent_with_a_command_are_omitted_from_its_response() {
        let many: Vec<_> = (0..40).map(|index| json!([index.to_string(), index])).collect();
        for (stored, sent, unchanged) in [
            (json!([["a", 1], ["b", 1.0]]), json!([["b", 1.0], ["a", 1]]), true),
            (json!([["a", 1], ["b", 1.0]]), json!([["a", 1], ["b", 1.0], ["c", null]]), true),
            (json!([["a", "1.0"]]), json!([["a", "1.0"], ["a", "1.0"]]), true),
            (json!([]), json!([["a", null]]), true),
            // Another type, or equal numbers with different texts.
            (json!([["a", 1]]), json!([["a", 1.0]]), false),
            (json!([["a", 0.0]]), json!([["a", -0.0]]), false),
            // Too few different keys, too many traits, and a key that came twice.
            (json!([["a", 1], ["b", 1]]), json!([["a", 1], ["a", 1]]), false),
            (json!([["a", 1]]), json!([["a", 1], ["b", 1]]), false),
            (json!([["a", 1]]), json!([["a", 1], ["a", 2]]), false),
            // Too many traits to compare.
            (json!(many), json!(many), false),
        ] {
            let set = |traits: &serde_json::Value| {
                Command::SetTraits(serde_json::from_value(traits.clone()).unwrap())
            };
            let context = ExecutionContext { now: 0, random: &|| [1; 16] };
            let mut identity = Identity::default();
            identity
                .apply(
                    CommandRequest::new(
                        &ClientKey::unchecked("k"),
                        Identifier::normalize("ada"),
                        set(&stored),
                    ),
                    context,
                )
                .unwrap();
            assert_eq!(identity.is_as_sent(&set(&sent)), unchanged, "{sent}");
            let change = identity
                .apply(
                    CommandRequest::new(&ClientKey::unchecked("k"), Identifier::normalize("ada"), set(&sent)),
                    context,
                )
                .unwrap();
            assert!(!unchanged || change == Change::default());
            let outcome = CommandResponse {
                result: Ok(&identity),
                rows: [0, 0],
                unchanged,
                occupied: false,
                withheld: None,
            };
            let json = outcome.to_json_without_details().unwrap();
            assert_eq!(json == AS_SENT, unchanged, "{json}");
            let read = CommandResponse::from_json(&json, set(&sent)).unwrap().result.unwrap();
            // `==` alone would not distinguish `0.0` from `-0.0`.
            assert_eq!(format!("{:?}", read.traits), format!("{:?}", identity.traits));
            assert!(read.exists);
        }
    }

    #[test]
    fn occupied_is_read_from_the_response_and_never_from_a_trait() {
        let occupied = CommandResponse {
            result: Err(CommandError::Unavailable),
            rows: [1, 0],
            unchanged: false,
            occupied: true,
            withheld: None,
        };
        let mut identity = Identity::default();
        let traits =
            serde_json::from_value(json!([["occupied", true], ["t", ",\"occupied\":true}"]])).unwrap();
        let request = CommandRequest::new(
            &ClientKey::unchecked("k"),
            Identifier::normalize("ada"),
            Command::SetTraits(traits),
        );
        identity.apply(request, ExecutionContext { now: 0, random: &|| [1; 16] }).unwrap();
        for unchanged in [false, true] {
            let free = CommandResponse {
                result: Ok(&identity),
                rows: [1, 0],
                unchanged,
                occupied: false,
                withheld: None,
            };
            for (outcome, expected) in [(&occupied, true), (&free, false)] {
                for text in [outcome.to_json().unwrap(), outcome.to_json_without_details().unwrap()] {
                    assert_eq!(CommandResponse::is_occupied(&text), expected, "{text}");
                    assert_eq!(CommandResponse::from_json(&text, Command::Read).unwrap().occupied, expected);
                }
            }
        }
        // A version that does not know this member reads a failure that may be retried.
        let text = occupied.to_json().unwrap();
        assert!(text.starts_with(r#"{"result":{"Err":"unavailable"}"#), "{text}");
    }

    #[test]
    fn the_django_id_is_sent_only_if_present() {
        let mut identity = Identity { exists: true, ..Identity::default() };
        let json = |identity: &Identity| {
            CommandResponse {
                result: Ok(identity),
                rows: [0, 0],
                unchanged: false,
                occupied: false,
                withheld: None,
            }
            .to_json_without_details()
            .unwrap()
        };
        // The JSON of an earlier version, which this version still sends without a number.
        let earlier = r#"{"result":{"Ok":{"exists":true,"traits":{}}},"rows":[0,0]}"#;
        assert_eq!(json(&identity), earlier);
        identity.django_id = Some(12);
        for (text, django_id) in [(json(&identity), Some(12)), (earlier.to_owned(), None)] {
            let read = CommandResponse::from_json(&text, Command::Create).unwrap().result.unwrap();
            assert_eq!(read.django_id, django_id, "{text}");
        }
    }

    #[test]
    fn an_older_worker_gets_a_full_answer() {
        let request =
            CommandRequest::new(&ClientKey::unchecked("k"), Identifier::normalize("ada"), Command::Create);
        let brief_request = CommandRequest { omit_sent_traits: true, ..request.clone() };
        let earlier = r#"{"environment":"k","identifier":"ada","command":"create"}"#;
        assert_eq!(request.to_json().unwrap(), earlier);
        assert_eq!(CommandRequest::from_json(earlier).unwrap(), request);
        assert_eq!(CommandRequest::from_json(&brief_request.to_json().unwrap()).unwrap(), brief_request);
    }
}
