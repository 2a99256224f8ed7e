//! The identifier of an identity, and its normal form.

use std::borrow::Cow;
use std::ops::Deref;

use serde::{Deserialize, Serialize};

use super::python;

/// The identifier of an identity.
///
/// It is normal or verbatim, by the function that made it. Earlier versions also stored identities under names with
/// white space at their ends, if a GET had it. Those identities are found by UUID. Export and repair find them by their
/// stored names, too. So reading JSON leaves an identifier as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Identifier(Box<str>);

impl Identifier {
    /// The identifier that a text from outside means: without white space at its ends, as in Flagsmith's serializers
    /// (contract §A.3). A blank text becomes empty.
    pub fn normalize<'t>(text: impl Into<Cow<'t, str>>) -> Identifier {
        let text = text.into();
        let normal = python::strip(&text);
        Identifier(if normal.len() == text.len() { text.into() } else { normal.into() })
    }

    /// An identifier with exactly this text: one that is stored already, or one that is answered and stored nowhere.
    pub fn verbatim(text: impl Into<Box<str>>) -> Identifier {
        Identifier(text.into())
    }

    /// The identifier as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for Identifier {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_from_outside_loses_the_white_space_at_its_ends() {
        for (text, normal) in [
            ("ada", "ada"),
            (" ada lovelace\u{a0}", "ada lovelace"),
            ("\u{85}\u{2028}ada\u{1f}\n", "ada"),
            ("\u{200b}ada\u{feff}", "\u{200b}ada\u{feff}"),
            ("", ""),
            (" \t", ""),
        ] {
            let identifier = Identifier::normalize(text);
            assert_eq!(identifier.as_str(), normal);
            assert_eq!(Identifier::normalize(text.to_owned()), identifier);
            assert_eq!(Identifier::normalize(normal), identifier);
            assert_eq!(Identifier::verbatim(text).as_str(), text);
        }
    }

    #[test]
    fn an_identifier_is_a_plain_text_in_json_and_stays_as_it_was_stored() {
        for text in ["ada", " ada ", "", " ", "ü\"\\\u{0}"] {
            let json = serde_json::to_string(text).unwrap();
            let identifier: Identifier = serde_json::from_str(&json).unwrap();
            assert_eq!(
                (&identifier, serde_json::to_string(&identifier).unwrap()),
                (&Identifier::verbatim(text), json)
            );
        }
        assert!(serde_json::from_str::<Identifier>("7").is_err());
    }

    #[test]
    fn identifiers_are_in_byte_order() {
        let mut identifiers = ["b", "ä", "a ", "B", "a"].map(Identifier::verbatim);
        identifiers.sort();
        assert_eq!(identifiers.map(|identifier| identifier.to_string()), ["B", "a", "a ", "b", "ä"]);
    }
}
