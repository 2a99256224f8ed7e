//! Identifiers: one spelling of each.

use super::python;

/// The identifier that a request or a line names: without white space at its ends, as Flagsmith's serializers read it
/// (contract §A.3). Empty for a blank one.
///
/// Earlier versions also stored identities under names that a GET gave with such white space. Those are reached by their
/// UUIDs, and by their stored names in an export and a repair.
pub fn normalize(identifier: &str) -> &str {
    python::strip(identifier)
}
