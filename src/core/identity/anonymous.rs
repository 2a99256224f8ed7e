//! The identifier of an anonymous identity.

use sha2::{Digest, Sha256};

use super::trait_value::TraitValue;
use crate::document::{Identifier, hex};

/// The identifier of an identity with only these traits: hex SHA-256 over each key and value, sorted by key (contract
/// §A.3). The same traits are therefore always in the same buckets. `None` without any trait.
pub fn identifier<'a>(traits: impl Iterator<Item = (&'a str, &'a TraitValue)>) -> Option<Identifier> {
    let mut traits: Vec<_> = traits.collect();
    if traits.is_empty() {
        return None;
    }
    traits.sort_by_key(|(key, _)| *key);
    let mut hash = Sha256::new();
    for (key, value) in traits {
        hash.update(key);
        hash.update(&*value.python_text());
    }
    Some(Identifier::normalize(hex(&hash.finalize())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_traits_in_the_order_of_their_keys() {
        let (foo, ten) = (TraitValue::Text("foo".into()), TraitValue::Integer(10));
        let expected = "456beb3007b2db2776d641d9149b5b2459687e25f4ea26806a4922d061b990e2";
        assert_eq!(identifier([("s", &foo), ("n", &ten)].into_iter()).as_deref(), Some(expected));
        assert_eq!(identifier([("n", &ten), ("s", &foo)].into_iter()).as_deref(), Some(expected));
        assert_eq!(identifier(std::iter::empty()), None);
    }
}
