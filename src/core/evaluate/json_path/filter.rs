//! Evaluates the filters of JSONPath queries (RFC 9535 §2.3.5).

use super::node::{Node, Primitive, Shape};
use super::{Stop, Walk};
use crate::document::json_path::{Comparable, Filter, Literal, Operator};

/// One side of a comparison.
#[derive(Clone, Copy)]
enum Side<'a> {
    /// The result of a query or of a function that finds nothing.
    Nothing,
    Node(Node<'a>),
    Primitive(Primitive<'a>),
}

impl<'a> Walk<'a, '_> {
    pub(super) fn holds(&mut self, filter: &'a Filter, current: Node<'a>) -> Result<bool, Stop> {
        self.take(1)?;
        match filter {
            Filter::Any(parts) => {
                for part in parts {
                    if self.holds(part, current)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Filter::All(parts) => {
                for part in parts {
                    if !self.holds(part, current)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Filter::Not(part) => self.holds(part, current).map(|holds| !holds),
            Filter::Exists(query) => {
                let mut exists = false;
                let visited = self.query(query, current, &mut |_| {
                    exists = true;
                    false
                });
                visited.map(|()| exists).ok_or(Stop::Spent)
            }
            Filter::Compare(left, operator, right) => {
                let left = self.side(left, current)?;
                let right = self.side(right, current)?;
                self.compare(left, *operator, right)
            }
        }
    }

    fn side(&mut self, comparable: &'a Comparable, current: Node<'a>) -> Result<Side<'a>, Stop> {
        let (mut first, mut count) = (None, 0_u32);
        let (query, most) = match comparable {
            Comparable::Literal(literal) => return Ok(Side::Primitive(primitive(literal))),
            Comparable::Length(of) => {
                let of = self.side(of, current)?;
                return self.length(of);
            }
            Comparable::Query(query) => (query, 1),
            Comparable::Value(query) => (query, 2),
            Comparable::Count(query) => (query, u32::MAX),
        };
        let visited = self.query(query, current, &mut |node| {
            first = first.or(Some(node));
            count += 1;
            count < most
        });
        visited.ok_or(Stop::Spent)?;
        Ok(match (comparable, first) {
            (Comparable::Count(_), _) => Side::Primitive(Primitive::Integer(count.into())),
            (Comparable::Value(_), _) if count != 1 => Side::Nothing,
            (_, Some(node)) => Side::Node(node),
            (_, None) => Side::Nothing,
        })
    }

    /// The number of characters of a text, or of children of a list or an object.
    fn length(&mut self, of: Side<'a>) -> Result<Side<'a>, Stop> {
        let length = match self.shape(of) {
            Some(Shape::Object(length) | Shape::Array(length)) => length,
            Some(Shape::Primitive(Primitive::Text(text))) => {
                self.take_text(text.len())?;
                text.chars().count()
            }
            Some(Shape::Primitive(_)) | None => return Ok(Side::Nothing),
        };
        Ok(Side::Primitive(Primitive::Integer(length as i128)))
    }

    fn shape(&self, side: Side<'a>) -> Option<Shape<'a>> {
        match side {
            Side::Nothing => None,
            Side::Node(node) => Some(self.context.shape(node)),
            Side::Primitive(primitive) => Some(Shape::Primitive(primitive)),
        }
    }

    fn compare(&mut self, left: Side<'a>, operator: Operator, right: Side<'a>) -> Result<bool, Stop> {
        Ok(match operator {
            Operator::Equal => self.equal(left, right)?,
            Operator::NotEqual => !self.equal(left, right)?,
            Operator::Less => self.less(left, right)?,
            Operator::Greater => self.less(right, left)?,
            Operator::LessOrEqual => self.less(left, right)? || self.equal(left, right)?,
            Operator::GreaterOrEqual => self.less(right, left)? || self.equal(left, right)?,
        })
    }

    fn less(&mut self, left: Side<'a>, right: Side<'a>) -> Result<bool, Stop> {
        let (Some(Shape::Primitive(left)), Some(Shape::Primitive(right))) =
            (self.shape(left), self.shape(right))
        else {
            return Ok(false);
        };
        Ok(match (left, right) {
            (Primitive::Text(left), Primitive::Text(right)) => {
                self.take_text(left.len().min(right.len()))?;
                left < right
            }
            (Primitive::Integer(left), Primitive::Integer(right)) => left < right,
            _ => number(left).zip(number(right)).is_some_and(|(left, right)| left < right),
        })
    }

    fn equal(&mut self, left: Side<'a>, right: Side<'a>) -> Result<bool, Stop> {
        self.take(1)?;
        match (self.shape(left), self.shape(right)) {
            (None, None) => Ok(true),
            (Some(Shape::Primitive(left)), Some(Shape::Primitive(right))) => {
                self.equal_primitives(left, right)
            }
            (Some(Shape::Object(left_length)), Some(Shape::Object(right_length)))
            | (Some(Shape::Array(left_length)), Some(Shape::Array(right_length)))
                if left_length == right_length =>
            {
                let (Side::Node(left), Side::Node(right)) = (left, right) else { return Ok(false) };
                self.equal_children(left, right)
            }
            _ => Ok(false),
        }
    }

    fn equal_primitives(&mut self, left: Primitive<'a>, right: Primitive<'a>) -> Result<bool, Stop> {
        Ok(match (left, right) {
            (Primitive::Null, Primitive::Null) => true,
            (Primitive::Bool(left), Primitive::Bool(right)) => left == right,
            (Primitive::Text(left), Primitive::Text(right)) => {
                self.take_text(left.len().min(right.len()))?;
                left == right
            }
            (Primitive::Integer(left), Primitive::Integer(right)) => left == right,
            _ => number(left).zip(number(right)).is_some_and(|(left, right)| left == right),
        })
    }

    /// Compares two objects, or two lists, with the same number of children.
    fn equal_children(&mut self, left: Node<'a>, right: Node<'a>) -> Result<bool, Stop> {
        let context = self.context;
        let mut items = right.items().iter();
        let mut equal = true;
        let compared = context.each_child(left, &mut |name, child| {
            let other = match name {
                Some(name) => context.member(right, name),
                None => items.next().map(Node::Json),
            };
            equal = match other {
                Some(other) => self.equal(Side::Node(child), Side::Node(other))?,
                None => false,
            };
            if equal { Ok(()) } else { Err(Stop::Found) }
        });
        match compared {
            Ok(()) | Err(Stop::Found) => Ok(equal),
            Err(Stop::Spent) => Err(Stop::Spent),
        }
    }
}

fn primitive(literal: &Literal) -> Primitive<'_> {
    match literal {
        Literal::Null => Primitive::Null,
        Literal::Bool(value) => Primitive::Bool(*value),
        Literal::Integer(value) => Primitive::Integer(*value),
        Literal::Float(value) => Primitive::Float(*value),
        Literal::Text(text) => Primitive::Text(text),
    }
}

fn number(primitive: Primitive<'_>) -> Option<f64> {
    match primitive {
        Primitive::Integer(value) => Some(value as f64),
        Primitive::Float(value) => Some(value),
        Primitive::Null | Primitive::Bool(_) | Primitive::Text(_) => None,
    }
}
