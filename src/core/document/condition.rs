//! Conditions. A condition is compiled when it is first evaluated, since a request needs few of an environment's
//! conditions. Then its operand is cast, and its pattern, set or version is built, once.
//!
//! An evaluation casts the operand to the type of the value that it compares (contract §C.2). So the compiled operand
//! has one form for each type.

use std::cell::OnceCell;
use std::collections::HashSet;

use super::json::Json;
use super::pattern::Pattern;
use super::property::PropertyIndex;
use super::python::{self, Integer};
use super::span::Span;

/// One condition of a segment's rule.
#[derive(Debug)]
pub struct Condition {
    /// The property that it reads.
    pub property: PropertyIndex,
    /// The operator's name.
    pub(super) operator: Span,
    pub(super) value: ConditionValue,
    /// The segment's key, which only PERCENTAGE_SPLIT reads.
    pub(super) segment_key: Span,
    predicate: OnceCell<Predicate>,
}

impl Condition {
    pub(super) fn new(
        property: PropertyIndex,
        operator: Span,
        value: ConditionValue,
        segment_key: Span,
    ) -> Condition {
        Condition { property, operator, value, segment_key, predicate: OnceCell::new() }
    }

    /// The predicate that the condition applies. `text` is the text of its ruleset.
    #[inline(always)]
    pub(super) fn predicate(&self, text: &str) -> &Predicate {
        match self.predicate.get() {
            Some(predicate) => predicate,
            None => self.compile(text),
        }
    }

    #[cold]
    fn compile(&self, text: &str) -> &Predicate {
        let value = match self.value {
            ConditionValue::Null => ConditionValueRef::Null,
            ConditionValue::Text(value) => ConditionValueRef::Text(value.of(text)),
            ConditionValue::List(list) => ConditionValueRef::List(list.of(text)),
        };
        let (operator, segment_key) = (self.operator.of(text), self.segment_key.of(text));
        self.predicate.get_or_init(|| Predicate::new(operator, value, segment_key))
    }
}

/// The place of a condition's value in the ruleset's text.
#[derive(Clone, Copy, Debug)]
pub(super) enum ConditionValue {
    Null,
    Text(Span),
    /// The JSON of a list of texts.
    List(Span),
}

/// The operators.
#[derive(Debug)]
pub enum Predicate {
    /// EQUAL, NOT_EQUAL, GREATER_THAN, LESS_THAN and their INCLUSIVE forms.
    Compare(Comparison, Box<Operand>),
    /// CONTAINS
    Contains(Box<str>),
    /// CONTAINS with an operand that ends in `:semver`. It matches a version whose pre-release or build metadata equals
    /// this text.
    ContainsVersionPart(Box<str>),
    /// NOT_CONTAINS
    NotContains(Box<str>),
    /// REGEX; `None` for an invalid pattern, which never matches.
    Regex(Option<Box<Pattern>>),
    /// MODULO: divisor and remainder; `None` where the operand is not `divisor|remainder`.
    Modulo(Option<(f64, f64)>),
    /// IN
    In(HashSet<Box<str>>),
    /// IS_SET
    IsSet,
    /// IS_NOT_SET
    IsNotSet,
    /// PERCENTAGE_SPLIT: the segment's key and the inclusive upper bound.
    PercentageSplit(Box<str>, Option<f64>),
    /// An unknown operator, which never matches.
    Never,
}

/// The six comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Comparison {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

/// A comparison's operand, cast to every type as in Python. `None` if the cast fails.
#[derive(Debug)]
pub struct Operand {
    /// `str()`
    pub text: Box<str>,
    /// Flagsmith's bool cast: only `False` and `false` are false.
    pub bool: bool,
    /// `int()`
    pub integer: Option<Integer>,
    /// `float()`
    pub float: Option<f64>,
    /// `None` unless the operand ends in `:semver`. The inner `None` stands for an invalid version.
    pub version: Option<Option<semver::Version>>,
}

/// A condition's value as published.
#[derive(Clone, Copy, Debug)]
pub enum ConditionValueRef<'a> {
    /// Absent or null.
    Null,
    /// A text, which every operator accepts.
    Text(&'a str),
    /// The JSON of a list of texts, which IN accepts, too.
    List(&'a str),
}

impl Predicate {
    /// Compiles one condition. PERCENTAGE_SPLIT hashes `segment_key`, too.
    pub fn new(operator: &str, value: ConditionValueRef<'_>, segment_key: &str) -> Predicate {
        // Flagsmith casts an absent value with Python's `str()`, which gives `None`.
        let text = match value {
            ConditionValueRef::Text(text) => text,
            ConditionValueRef::Null | ConditionValueRef::List(_) => "None",
        };
        let compare = |comparison| Predicate::Compare(comparison, Box::new(Operand::new(value, text)));
        match operator {
            "EQUAL" => compare(Comparison::Equal),
            "NOT_EQUAL" => compare(Comparison::NotEqual),
            "GREATER_THAN" => compare(Comparison::Greater),
            "GREATER_THAN_INCLUSIVE" => compare(Comparison::GreaterOrEqual),
            "LESS_THAN" => compare(Comparison::Less),
            "LESS_THAN_INCLUSIVE" => compare(Comparison::LessOrEqual),
            "CONTAINS" => match text.strip_suffix(SEMVER_SUFFIX) {
                Some(part) => Predicate::ContainsVersionPart(part.into()),
                None => Predicate::Contains(text.into()),
            },
            "NOT_CONTAINS" => Predicate::NotContains(text.into()),
            "REGEX" => Predicate::Regex(Pattern::new(text).map(Box::new)),
            "MODULO" => Predicate::Modulo(modulo(text)),
            "IN" => Predicate::In(match value {
                ConditionValueRef::Null => HashSet::new(),
                ConditionValueRef::Text(text) | ConditionValueRef::List(text) => members(text),
            }),
            "IS_SET" => Predicate::IsSet,
            "IS_NOT_SET" => Predicate::IsNotSet,
            "PERCENTAGE_SPLIT" => Predicate::PercentageSplit(segment_key.into(), python::parse_float(text)),
            _ => Predicate::Never,
        }
    }
}

const SEMVER_SUFFIX: &str = ":semver";

impl Operand {
    fn new(value: ConditionValueRef<'_>, text: &str) -> Operand {
        let number = matches!(value, ConditionValueRef::Text(_));
        Operand {
            text: text.into(),
            bool: text != "False" && text != "false",
            integer: number.then(|| python::parse_int(text)).flatten(),
            float: number.then(|| python::parse_float(text)).flatten(),
            version: text.strip_suffix(SEMVER_SUFFIX).map(|version| semver::Version::parse(version).ok()),
        }
    }
}

fn modulo(text: &str) -> Option<(f64, f64)> {
    let (divisor, remainder) = text.split_once('|')?;
    Some((python::parse_float(divisor)?, python::parse_float(remainder)?))
}

/// The length of the text in which the members of an IN operand are counted before they are read.
const MAX_RESERVED: usize = 512;

/// The members of an IN operand: a JSON list, else the comma-separated parts, untrimmed.
fn members(text: &str) -> HashSet<Box<str>> {
    let list = text.starts_with('[').then(|| Json::parse(text.as_bytes()).ok()).flatten();
    match list.and_then(Json::list) {
        Some(items) => items.into_iter().filter_map(python::json_text).map(Into::into).collect(),
        None => {
            // Without a capacity the members of a short list are hashed twice. A long text may have few members.
            let count = 1 + text.bytes().take(MAX_RESERVED).filter(|byte| *byte == b',').count();
            let mut members = HashSet::with_capacity(count);
            members.extend(text.split(',').map(Into::into));
            members
        }
    }
}
