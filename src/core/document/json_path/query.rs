//! The parts of a compiled query.

/// A query. It selects the nodes that its segments lead to, one after the other.
#[derive(Debug, PartialEq)]
pub struct Query {
    /// True for a query that begins at the root (`$`), false for one that begins at the node of a filter (`@`).
    pub absolute: bool,
    /// The steps in order.
    pub segments: Box<[PathSegment]>,
}

/// A segment of a query (RFC 9535 §2.5), which selects among the children of a node.
#[derive(Debug, PartialEq)]
pub struct PathSegment {
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
    /// The element at this position; a negative one counts from the end.
    Index(i64),
    /// Every `step`th element from `start` to `end`, exclusive.
    Slice {
        /// `None` for the first element, or for the last if `step` is negative.
        start: Option<i64>,
        /// `None` for no limit.
        end: Option<i64>,
        /// 0 selects nothing.
        step: i64,
    },
    /// All children.
    Wildcard,
    /// The children for which a filter is true.
    Filter(Filter),
}

/// A filter's expression.
#[derive(Debug, PartialEq)]
pub enum Filter {
    /// True if at least one filter is true.
    Any(Vec<Filter>),
    /// True if all filters are true.
    All(Vec<Filter>),
    /// True if the filter is false.
    Not(Box<Filter>),
    /// True if the query selects a node.
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
    /// The node of a query that selects at most one.
    Query(Query),
    /// `length()`
    Length(Box<Comparable>),
    /// `count()`
    Count(Query),
    /// `value()`: the node of a query that selects exactly one.
    Value(Query),
}

/// A value that stands in the query.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Literal {
    Null,
    Bool(bool),
    /// A whole number. Flagsmith reads it through a float.
    Integer(i128),
    Float(f64),
    Text(Box<str>),
}

impl Query {
    /// True if the query selects at most one node.
    pub(super) fn is_singular(&self) -> bool {
        let single = |selector: &Selector| matches!(selector, Selector::Name(_) | Selector::Index(_));
        self.segments
            .iter()
            .all(|segment| !segment.descendants && matches!(&*segment.selectors, [only] if single(only)))
    }
}
