//! The names of identities' objects. No two identities have the same name.
//!
//! A name is the client key, an underscore and the identifier. A key without underscores ends at the first underscore
//! of the name, so the name is unique. Keys with an underscore would be ambiguous: `acme_eu` and `bob` give the same
//! text as `acme` and `eu_bob`. For such a key the name is a hash of key and identifier, which has no underscore.
//! Flagsmith itself makes no such keys.
//!
//! Earlier versions used the key, an underscore and the identifier for every key. State that was stored under such a
//! name ([`former`]) is moved at the first use of the identity (`edge::objects::identity::moving`).

use sha2::{Digest, Sha256};

use crate::document::{ClientKey, Identifier, hex};

/// The name of an identity's object.
pub fn object_name(client_key: &ClientKey, identifier: &Identifier) -> String {
    if is_renamed(client_key) {
        // The hashed text is unique for each identity, since client keys have no slashes.
        hex(&Sha256::digest([client_key.as_str(), "/", identifier.as_str()].concat()))
    } else {
        former(client_key, identifier)
    }
}

/// The name that earlier versions gave to an identity's object.
pub fn former(client_key: &ClientKey, identifier: &Identifier) -> String {
    [client_key.as_str(), "_", identifier.as_str()].concat()
}

/// True if earlier versions used other names for the identities of this client key.
pub fn is_renamed(client_key: &ClientKey) -> bool {
    client_key.contains('_')
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn key(text: &str) -> ClientKey {
        ClientKey::parse(text).unwrap()
    }

    #[test]
    fn identities_of_keys_without_an_underscore_keep_their_names() {
        for (client_key, identifier) in [("Gj9irrd2esRERD3aQLjn7j", "ada"), ("acme", "eu_bob"), ("a.b-c", "")]
        {
            let name = object_name(&key(client_key), &Identifier::verbatim(identifier));
            assert_eq!(name, format!("{client_key}_{identifier}"));
            assert!(!is_renamed(&key(client_key)));
        }
    }

    #[test]
    fn object_names_are_unique() {
        // All splits of these texts in two, and identifiers in the form of names.
        let mut identities = HashSet::new();
        for text in ["acme_eu_bob", "_a__b_", "____", "a_a_a_a", "a_b/c_d"] {
            for (at, _) in text.char_indices().skip(1) {
                let (client_key, rest) = text.split_at(at);
                let Some(client_key) = ClientKey::parse(client_key) else { continue };
                let identifier = Identifier::verbatim(rest);
                let others = [
                    rest.replace('_', ""),
                    former(&client_key, &identifier),
                    object_name(&client_key, &identifier),
                ];
                identities.extend(others.map(|other| (client_key.clone(), Identifier::verbatim(other))));
                identities.insert((client_key, identifier));
            }
        }
        assert!(identities.len() > 50);
        let names: HashSet<_> =
            identities.iter().map(|(client_key, identifier)| object_name(client_key, identifier)).collect();
        assert_eq!(names.len(), identities.len());
        let formerly: HashSet<_> =
            identities.iter().map(|(client_key, identifier)| former(client_key, identifier)).collect();
        assert!(formerly.len() < identities.len());
    }

    #[test]
    fn new_names_never_equal_former_names() {
        assert_eq!(object_name(&key("acme_eu"), &Identifier::verbatim("bob")).len(), 64);
        assert!(!object_name(&key("acme_eu"), &Identifier::verbatim("a_b_c")).contains('_'));
        assert!(former(&key("a"), &Identifier::default()).contains('_'));
    }
}
