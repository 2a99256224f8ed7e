//! The nodes of the evaluation context (contract §C.0), as queries see them.

use std::borrow::Cow;

use serde_json::{Map, Value as Json};

use super::super::EvaluatedIdentity;
use super::super::value::ContextValue;
use crate::document::python::Integer;
use crate::identity::TraitValue;

/// The context that queries run on: the environment's part, and the identity unless that part contains one.
#[derive(Clone, Copy)]
pub struct QueryContext<'a> {
    members: Option<&'a Map<String, Json>>,
    identity: Option<EvaluatedIdentity<'a>>,
}

/// A node of the context.
#[derive(Clone, Copy)]
pub enum Node<'a> {
    /// The context itself.
    Context,
    /// `$.identity`
    Identity,
    /// `$.identity.traits`
    Traits,
    Trait(&'a TraitValue),
    Text(&'a str),
    Json(&'a Json),
}

/// The kinds of nodes.
pub enum Shape<'a> {
    /// An object with this number of members.
    Object(usize),
    /// A list with this number of elements.
    Array(usize),
    Primitive(Primitive<'a>),
}

/// A primitive value (RFC 9535 §1.1): a node without children.
#[derive(Clone, Copy)]
pub enum Primitive<'a> {
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(&'a str),
}

impl<'a> QueryContext<'a> {
    pub fn new(
        members: Option<&'a Map<String, Json>>,
        identity: Option<EvaluatedIdentity<'a>>,
    ) -> QueryContext<'a> {
        let has_identity = members.is_some_and(|members| members.contains_key("identity"));
        QueryContext { members, identity: identity.filter(|_| !has_identity) }
    }

    pub fn shape(&self, node: Node<'a>) -> Shape<'a> {
        let identity = usize::from(self.identity.is_some());
        Shape::Primitive(match node {
            Node::Context => return Shape::Object(self.members.map_or(0, Map::len) + identity),
            Node::Identity => return Shape::Object(3),
            Node::Traits => {
                return Shape::Object(self.identity.map_or(0, |identity| identity.traits.len()));
            }
            Node::Json(Json::Object(members)) => return Shape::Object(members.len()),
            Node::Json(Json::Array(items)) => return Shape::Array(items.len()),
            Node::Json(Json::Null) => Primitive::Null,
            Node::Json(Json::Bool(value)) => Primitive::Bool(*value),
            Node::Json(Json::String(text)) => Primitive::Text(text),
            Node::Json(Json::Number(number)) => match (number.as_i64(), number.as_u64()) {
                (Some(value), _) => Primitive::Integer(value.into()),
                (None, Some(value)) => Primitive::Integer(value.into()),
                (None, None) => number.as_f64().map_or(Primitive::Null, Primitive::Float),
            },
            Node::Text(text) => Primitive::Text(text),
            Node::Trait(TraitValue::Bool(value)) => Primitive::Bool(*value),
            Node::Trait(TraitValue::Integer(value)) => Primitive::Integer((*value).into()),
            Node::Trait(TraitValue::Float(value)) => Primitive::Float(*value),
            Node::Trait(TraitValue::Text(text)) => Primitive::Text(text),
        })
    }

    pub fn is_container(&self, node: Node<'a>) -> bool {
        !matches!(self.shape(node), Shape::Primitive(_))
    }

    pub fn member(&self, node: Node<'a>, name: &str) -> Option<Node<'a>> {
        match node {
            Node::Context if name == "identity" && self.identity.is_some() => Some(Node::Identity),
            Node::Context => self.members?.get(name).map(Node::Json),
            Node::Identity => match name {
                "identifier" => Some(Node::Text(self.identity?.identifier)),
                "key" => Some(Node::Text(self.identity?.key)),
                "traits" => Some(Node::Traits),
                _ => None,
            },
            Node::Traits => self.identity?.traits.get(name).map(Node::Trait),
            Node::Json(json) => json.as_object()?.get(name).map(Node::Json),
            Node::Trait(_) | Node::Text(_) => None,
        }
    }

    /// Calls a function for each child in order, with the name if the child is a member.
    pub fn each_child<E>(
        &self,
        node: Node<'a>,
        act: &mut dyn FnMut(Option<&'a str>, Node<'a>) -> Result<(), E>,
    ) -> Result<(), E> {
        let members = match node {
            Node::Context => self.members,
            Node::Json(json) => json.as_object(),
            _ => None,
        };
        for (name, member) in members.into_iter().flatten() {
            act(Some(name), Node::Json(member))?;
        }
        for item in node.items() {
            act(None, Node::Json(item))?;
        }
        let Some(identity) = self.identity else { return Ok(()) };
        match node {
            Node::Context => act(Some("identity"), Node::Identity),
            Node::Identity => {
                act(Some("identifier"), Node::Text(identity.identifier))?;
                act(Some("key"), Node::Text(identity.key))?;
                act(Some("traits"), Node::Traits)
            }
            Node::Traits => {
                identity.traits.iter().try_for_each(|(name, value)| act(Some(name), Node::Trait(value)))
            }
            Node::Trait(_) | Node::Text(_) | Node::Json(_) => Ok(()),
        }
    }
}

impl<'a> Node<'a> {
    /// The elements of a list; empty for other nodes.
    pub fn items(self) -> &'a [Json] {
        match self {
            Node::Json(Json::Array(items)) => items,
            _ => &[],
        }
    }
}

impl<'a> Primitive<'a> {
    /// The value for a condition; null counts as unset.
    pub fn value(self) -> Option<ContextValue<'a>> {
        Some(match self {
            Primitive::Null => return None,
            Primitive::Bool(value) => ContextValue::Bool(value),
            Primitive::Integer(value) => ContextValue::Integer(Integer::Small(value)),
            Primitive::Float(value) => ContextValue::Float(value),
            Primitive::Text(text) => ContextValue::from_text(Cow::Borrowed(text)),
        })
    }
}
