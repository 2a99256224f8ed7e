//! The comparison of two documents by content.
//!
//! An origin renders a document anew each time: overrides get another `identity_uuid`, and lists come in the database's
//! order (contract §B). Neither is a change, and an unchanged document is not published again.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use sha2::{Digest as _, Sha256};

use crate::document::hex;

/// Members that are random at each rendering, and not used by any reader.
const RANDOM: &str = "identity_uuid";
/// The lists without a meaningful order. The order of segments, conditions and variants matters.
const UNORDERED: [&str; 4] =
    ["feature_states", "identity_features", "identity_overrides", "server_key_only_feature_ids"];

/// A digest of a document's content; `None` for a text that is not JSON.
pub fn content(document: &[u8]) -> Option<String> {
    let mut deserializer = serde_json::Deserializer::from_str(str::from_utf8(document).ok()?);
    let digest = ContentPart { unordered: false }.deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    Some(hex(&digest.0))
}

/// A value of the document. It is digested while it is parsed, because a large document's tree would not fit into
/// memory beside it.
struct ContentPart {
    unordered: bool,
}

#[derive(Default)]
struct Digest([u8; 32]);

impl Digest {
    fn of(kind: u8, parts: &[&[u8]]) -> Digest {
        let mut hasher = Sha256::new();
        hasher.update([kind]);
        parts.iter().for_each(|part| hasher.update(part));
        Digest(hasher.finalize().into())
    }

    /// Adds another digest, independent of order. Adding the same one twice differs from adding none.
    fn add(&mut self, other: &Digest) {
        let mut carry = 0;
        for (byte, other) in self.0.iter_mut().zip(other.0) {
            let sum = u16::from(*byte) + u16::from(other) + carry;
            (*byte, carry) = (sum as u8, sum >> 8);
        }
    }
}

impl<'de> DeserializeSeed<'de> for ContentPart {
    type Value = Digest;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Digest, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ContentPart {
    type Value = Digest;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Digest, E> {
        Ok(Digest::of(b'n', &[]))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Digest, E> {
        Ok(Digest::of(b'b', &[&[u8::from(value)]]))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Digest, E> {
        Ok(Digest::of(b'i', &[&i128::from(value).to_be_bytes()]))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Digest, E> {
        Ok(Digest::of(b'i', &[&i128::from(value).to_be_bytes()]))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Digest, E> {
        Ok(Digest::of(b'f', &[&value.to_bits().to_be_bytes()]))
    }

    fn visit_str<E>(self, value: &str) -> Result<Digest, E> {
        Ok(Digest::of(b's', &[value.as_bytes()]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Digest, A::Error> {
        let (mut items, mut place) = (Digest::default(), 0_u64);
        while let Some(item) = list.next_element_seed(ContentPart { unordered: false })? {
            place += u64::from(!self.unordered);
            items.add(&Digest::of(b'e', &[&item.0, &place.to_be_bytes()]));
        }
        Ok(Digest::of(b'l', &[&items.0]))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Digest, A::Error> {
        let mut members = Digest::default();
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            if name == RANDOM {
                map.next_value::<IgnoredAny>()?;
            } else {
                let unordered = UNORDERED.contains(&&*name);
                let value = map.next_value_seed(ContentPart { unordered })?;
                members.add(&Digest::of(b'm', &[&value.0, name.as_bytes()]));
            }
        }
        Ok(Digest::of(b'o', &[&members.0]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_uuids_and_order_do_not_change_the_content() {
        let document = br#"{"api_key":"k","feature_states":[{"feature":{"id":1}},{"feature":{"id":2}}],
            "identity_overrides":[{"identifier":"a","identity_uuid":"1","identity_features":[1,2]},
                {"identifier":"b","identity_uuid":"2"}]}"#;
        let again = br#"{"identity_overrides": [{"identity_uuid": "3", "identifier": "b"},
                {"identity_uuid": "4", "identifier": "a", "identity_features": [2, 1]}],
            "feature_states": [{"feature": {"id": 2}}, {"feature": {"id": 1}}], "api_key": "k"}"#;
        assert!(content(document).is_some());
        assert_eq!(content(document), content(again));
    }

    #[test]
    fn every_other_difference_changes_the_content() {
        let documents = [
            r#"{"a":1}"#,
            r#"{"a":1.0}"#,
            r#"{"a":"1"}"#,
            r#"{"a":true}"#,
            r#"{"a":null}"#,
            r#"{"a":[]}"#,
            r#"{"a":{}}"#,
            r#"{"a":[1,2]}"#,
            r#"{"a":[2,1]}"#,
            r#"{"a":[[1],2]}"#,
            r#"{"b":1}"#,
            r#"{}"#,
            r#"{"a":1,"b":1}"#,
            r#"{"segments":[{"id":1},{"id":2}]}"#,
            r#"{"segments":[{"id":2},{"id":1}]}"#,
            r#"{"updated_at":"2026-01-01T00:00:00Z"}"#,
            r#"{"updated_at":"2026-01-01T00:00:01Z"}"#,
            r#"{"feature_states":[]}"#,
            r#"{"feature_states":[1]}"#,
            r#"{"feature_states":[1,1]}"#,
        ];
        let mut contents: Vec<_> =
            documents.iter().map(|document| content(document.as_bytes()).unwrap()).collect();
        contents.sort();
        contents.dedup();
        assert_eq!(contents.len(), documents.len());
        for broken in ["", "{", "{} {}", "{\"a\":}"] {
            assert_eq!(content(broken.as_bytes()), None, "{broken}");
        }
    }
}
