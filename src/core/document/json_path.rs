//! JSONPath queries (RFC 9535), compiled. [`crate::evaluate`] runs the queries, because visited nodes take steps of the
//! evaluation's budget.
//!
//! The syntax is that of Flagsmith's library, which differs from the RFC. Unquoted names may have hyphens, but no
//! character beyond U+FFFF. No name may have a control character. The functions are `length()`, `count()` and
//! `value()`.

mod filter;
mod query;
mod syntax;

pub use query::{Comparable, Filter, Literal, Operator, PathSegment, Query, Selector};
pub(super) use syntax::split_name;

impl Query {
    /// Compiles a query that begins with `$`; `None` if it is invalid, or nested more deeply than the limit.
    pub fn new(source: &str) -> Option<Query> {
        syntax::parse(source)
    }
}

#[cfg(test)]
mod tests;
