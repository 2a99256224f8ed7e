//! JSONPath queries (RFC 9535), compiled. [`crate::evaluate`] walks them, since it counts the nodes that they visit.
//!
//! Flagsmith's library differs from the RFC in its syntax, and so does this: unquoted names may have hyphens and no
//! character beyond U+FFFF, and no name has a control character. The functions are `length()`, `count()` and `value()`.

mod filter;
mod syntax;

pub(super) use syntax::split_name;

/// A query: the nodes that its segments lead to, one after the other.
#[derive(Debug, PartialEq)]
pub struct Query {
    /// True for a query that begins at the root (`$`), false for one that begins at the node of a filter (`@`).
    pub absolute: bool,
    /// From the first to the last.
    pub segments: Box<[Segment]>,
}

/// One step of a query.
#[derive(Debug, PartialEq)]
pub struct Segment {
    /// True if the selectors apply to the node and everything below it (`..`).
    pub descendants: bool,
    /// Applied in their order.
    pub selectors: Box<[Selector]>,
}

/// A choice among the children of a node.
#[derive(Debug, PartialEq)]
pub enum Selector {
    /// The member of this name.
    Name(Box<str>),
    /// The element at this place, from the end if it is negative.
    Index(i64),
    /// Elements from `start` to `end`, exclusive, every `step`th.
    Slice {
        /// `None` for the first, or for the last where `step` is negative.
        start: Option<i64>,
        /// `None` for all that there are.
        end: Option<i64>,
        /// 0 selects nothing.
        step: i64,
    },
    /// All children.
    Wildcard,
    /// The children that a filter holds for.
    Filter(Filter),
}

/// A filter's expression.
#[derive(Debug, PartialEq)]
pub enum Filter {
    /// At least one holds.
    Any(Vec<Filter>),
    /// All hold.
    All(Vec<Filter>),
    /// It does not hold.
    Not(Box<Filter>),
    /// The query leads to a node.
    Exists(Query),
    /// A comparison of two values.
    Compare(Comparable, Operator, Comparable),
}

/// The comparison operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// One side of a comparison.
#[derive(Debug, PartialEq)]
pub enum Comparable {
    /// A value that stands in the query.
    Literal(Literal),
    /// The node of a query that has one at most.
    Query(Query),
    /// `length()`
    Length(Box<Comparable>),
    /// `count()`
    Count(Query),
    /// `value()`: the node of a query that leads to exactly one.
    Value(Query),
}

/// A value that stands in the query.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Literal {
    Null,
    Bool(bool),
    /// Flagsmith reads whole numbers through floats.
    Integer(i128),
    Float(f64),
    Text(Box<str>),
}

impl Query {
    /// Compiles a query that begins with `$`; `None` for an invalid one, and for one that nests deeper than any that is
    /// meant seriously.
    pub fn new(source: &str) -> Option<Query> {
        syntax::parse(source)
    }

    /// True if it leads to one node at most.
    fn is_singular(&self) -> bool {
        let single = |selector: &Selector| matches!(selector, Selector::Name(_) | Selector::Index(_));
        self.segments
            .iter()
            .all(|segment| !segment.descendants && matches!(&*segment.selectors, [only] if single(only)))
    }
}

#[cfg(test)]
mod tests;
