//! Finds the first node of JSONPath queries in the evaluation context.
//!
//! The walk is depth first, so it ends at the first node and keeps no lists. Every visited node takes a step of the
//! budget. The nodes are borrowed from the environment and the identity; the context is never built as one value.

mod filter;
mod node;

use super::value::ContextValue;
use crate::document::budget::Budget;
use crate::document::json_path::{PathSegment, Query, Selector};

pub use node::QueryContext;
use node::{Node, Primitive, Shape};

/// The maximum depth of the walk, filters included, since the walk is recursive.
const MAX_DEPTH: usize = 300;

/// The value of a query's first node. The value is unset if there is no node, or if the node has no primitive value.
/// `None` if the rest of the budget is too small.
pub fn first<'a>(
    query: &'a Query,
    context: QueryContext<'a>,
    budget: &mut Budget,
) -> Option<Option<ContextValue<'a>>> {
    let mut walk = Walk { context, budget, depth: 0 };
    let mut found = None;
    walk.query(query, Node::Context, &mut |node| {
        found = Some(node);
        false
    })?;
    let Some(Shape::Primitive(primitive)) = found.map(|node| context.shape(node)) else { return Some(None) };
    if let Primitive::Text(text) = primitive {
        budget.take_text(text.len())?;
    }
    Some(primitive.value())
}

struct Walk<'a, 'b> {
    context: QueryContext<'a>,
    budget: &'b mut Budget,
    depth: usize,
}

/// The reason why a walk ends early.
enum Stop {
    /// Enough nodes are found.
    Found,
    /// The budget is spent.
    Spent,
}

/// Receives a node that a query selects; false ends the walk.
type Visit<'v, 'a> = &'v mut dyn FnMut(Node<'a>) -> bool;

impl<'a> Walk<'a, '_> {
    /// Visits the nodes of a query in their order; `None` if the budget is spent.
    fn query(&mut self, query: &'a Query, current: Node<'a>, visit: Visit<'_, 'a>) -> Option<()> {
        let start = if query.absolute { Node::Context } else { current };
        let depth = self.depth;
        let walked = self.walk(&query.segments, start, visit);
        self.depth = depth;
        match walked {
            Ok(()) | Err(Stop::Found) => Some(()),
            Err(Stop::Spent) => None,
        }
    }

    fn walk(
        &mut self,
        segments: &'a [PathSegment],
        node: Node<'a>,
        visit: Visit<'_, 'a>,
    ) -> Result<(), Stop> {
        let Some((segment, rest)) = segments.split_first() else {
            return if visit(node) { Ok(()) } else { Err(Stop::Found) };
        };
        if self.depth == MAX_DEPTH {
            self.budget.give_up();
            return Err(Stop::Spent);
        }
        self.depth += 1;
        for selector in &segment.selectors {
            self.select(selector, rest, node, visit)?;
        }
        if segment.descendants {
            self.each_child(node, |walk, child| {
                if walk.context.is_container(child) { walk.walk(segments, child, visit) } else { Ok(()) }
            })?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn select(
        &mut self,
        selector: &'a Selector,
        rest: &'a [PathSegment],
        node: Node<'a>,
        visit: Visit<'_, 'a>,
    ) -> Result<(), Stop> {
        self.take(1)?;
        match selector {
            Selector::Name(name) => {
                self.take_text(name.len())?;
                self.context.member(node, name).map_or(Ok(()), |child| self.walk(rest, child, visit))
            }
            Selector::Index(index) => {
                let items = node.items();
                let index = place(*index, items.len());
                let item = usize::try_from(index).ok().and_then(|index| items.get(index));
                item.map_or(Ok(()), |item| self.walk(rest, Node::Json(item), visit))
            }
            Selector::Slice { start, end, step } => {
                let items = node.items();
                for index in slice(*start, *end, *step, items.len()) {
                    self.take(1)?;
                    if let Some(item) = items.get(index) {
                        self.walk(rest, Node::Json(item), visit)?;
                    }
                }
                Ok(())
            }
            Selector::Wildcard => self.each_child(node, |walk, child| walk.walk(rest, child, visit)),
            Selector::Filter(filter) => self.each_child(node, |walk, child| {
                if walk.holds(filter, child)? { walk.walk(rest, child, visit) } else { Ok(()) }
            }),
        }
    }

    fn each_child(
        &mut self,
        node: Node<'a>,
        mut act: impl FnMut(&mut Self, Node<'a>) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let context = self.context;
        context.each_child(node, &mut |_, child| {
            self.take(1)?;
            act(self, child)
        })
    }

    fn take(&mut self, steps: usize) -> Result<(), Stop> {
        self.budget.take(steps).ok_or(Stop::Spent)
    }

    fn take_text(&mut self, length: usize) -> Result<(), Stop> {
        self.budget.take_text(length).ok_or(Stop::Spent)
    }
}

/// Returns an index from the start of the list. The index is negative if it lies before the start.
fn place(index: i64, length: usize) -> i64 {
    if index < 0 { index.saturating_add_unsigned(length as u64) } else { index }
}

/// The indices of a slice (RFC 9535 §2.3.4.2).
fn slice(start: Option<i64>, end: Option<i64>, step: i64, length: usize) -> impl Iterator<Item = usize> {
    let most = i64::try_from(length).unwrap_or(i64::MAX);
    let bound = |index: i64, low, high| place(index, length).clamp(low, high);
    let (from, to) = if step < 0 {
        let last = most - 1;
        (start.map_or(last, |start| bound(start, -1, last)), end.map_or(-1, |end| bound(end, -1, last)))
    } else {
        (start.map_or(0, |start| bound(start, 0, most)), end.map_or(most, |end| bound(end, 0, most)))
    };
    let mut at = from;
    std::iter::from_fn(move || {
        let inside = if step < 0 { at > to } else { step > 0 && at < to };
        let place = usize::try_from(at).ok().filter(|_| inside)?;
        at = at.saturating_add(step);
        Some(place)
    })
}
