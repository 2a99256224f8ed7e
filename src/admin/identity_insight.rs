//! Routes about identities that Flagsmith does not have: the number of an environment's identities, and the cause of
//! each flag of one identity.

use super::permission::Permission;
use crate::api::fields::query_identifier;
use crate::api::{Error, query};
use crate::document::Identifier;

/// The kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityInsight {
    /// GET `…/count/`: the number of identities, with the environment's name and the date of its document.
    Count,
    /// GET `…/explain/?identifier=`: one identity's evaluation.
    Explain,
}

/// The permission for both kinds of request.
pub const PERMISSION: Permission = Permission::ViewIdentities;
/// The `Allow` header.
pub const ALLOW: &str = "GET, HEAD, OPTIONS";

/// The identifier to explain.
pub fn read_identifier(query: &str) -> Result<Identifier, Error> {
    let sent = query::last(query, "identifier").unwrap_or_default();
    let identifier = query_identifier(&sent)?;
    if identifier.is_empty() { Err(Error::IdentifierMissing) } else { Ok(identifier) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn explain_requires_an_identifier() {
        assert_eq!(read_identifier("identifier=%20a%20b%2F%C2%A0"), Ok(Identifier::verbatim("a b/")));
        for query in ["", "identifier=", "identifier=%20", "identifier=a%00b"] {
            assert!(read_identifier(query).is_err(), "{query}");
        }
    }
}
