//! The normal form of identifiers.

use super::python;

/// Returns the normal form of an identifier: without white space at its ends, as in Flagsmith's serializers (contract
/// §A.3). A blank identifier becomes empty.
///
/// Earlier versions also stored identities under names with such white space, if a GET had it. Those identities are
/// found by UUID. Export and repair find them by their stored names, too.
pub fn normalize(identifier: &str) -> &str {
    python::strip(identifier)
}
