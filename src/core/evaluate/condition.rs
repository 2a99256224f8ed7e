//! Applies the operators of conditions (contract §C.2).

use std::cmp::Ordering;

use super::hash::percentage;
use super::value::ContextValue;
use crate::document::budget::Budget;
use crate::document::condition::{Comparison, Operand, Predicate};

/// True if a value fulfils a predicate; an unset value fulfils only IS_NOT_SET. `None` if the rest of the budget is too
/// small.
///
/// Operators that read the whole value take steps for its length; the length of the operand does not matter.
pub fn matches(predicate: &Predicate, value: Option<&ContextValue<'_>>, budget: &mut Budget) -> Option<bool> {
    let Some(value) = value else { return Some(matches!(predicate, Predicate::IsNotSet)) };
    if reads_whole_value(predicate) {
        budget.take_text(value.length())?;
    }
    Some(match predicate {
        Predicate::IsSet => true,
        Predicate::IsNotSet | Predicate::Never => false,
        Predicate::Compare(comparison, operand) => compares(*comparison, value, operand),
        Predicate::Contains(part) => matches!(value, ContextValue::Text(text) if text.contains(&**part)),
        Predicate::ContainsVersionPart(part) => {
            matches!(value, ContextValue::Text(text) if has_version_part(text, part))
        }
        Predicate::NotContains(part) => matches!(value, ContextValue::Text(text) if !text.contains(&**part)),
        Predicate::Regex(Some(pattern)) => return pattern.matches(&value.python_text(), budget),
        Predicate::Regex(None) => false,
        Predicate::Modulo(operand) => operand.is_some_and(|operand| modulo_holds(value, operand)),
        Predicate::In(members) => match value {
            // Floats and booleans never equal a text.
            ContextValue::Integer(value) => members.contains(value.to_string().as_str()),
            ContextValue::Text(text) => members.contains(&**text),
            ContextValue::Bool(_) | ContextValue::Float(_) => false,
        },
        Predicate::PercentageSplit(_, limit) => limit
            .zip(split_percentage(predicate, value))
            .is_some_and(|(limit, percentage)| percentage <= limit),
    })
}

#[inline]
fn reads_whole_value(predicate: &Predicate) -> bool {
    match predicate {
        Predicate::IsSet | Predicate::IsNotSet | Predicate::Never => false,
        // A comparison of texts reads no more of the value than the operand's length. Versions are parsed as a whole.
        Predicate::Compare(_, operand) => operand.version.is_some(),
        _ => true,
    }
}

/// The percentage of a value, if the predicate is PERCENTAGE_SPLIT.
pub fn split_percentage(predicate: &Predicate, value: &ContextValue<'_>) -> Option<f64> {
    match predicate {
        Predicate::PercentageSplit(segment_key, _) => Some(percentage(segment_key, &value.python_text())),
        _ => None,
    }
}

/// True if the comparison with the operand holds, after the operand is cast to the type of the value. If the cast
/// fails, every comparison is false, even NOT_EQUAL.
fn compares(comparison: Comparison, value: &ContextValue<'_>, operand: &Operand) -> bool {
    let holds = |ordering: Option<Ordering>| holds(comparison, ordering);
    match value {
        ContextValue::Bool(value) => holds(Some(value.cmp(&operand.bool))),
        ContextValue::Integer(value) => {
            operand.integer.as_ref().is_some_and(|operand| holds(Some(value.cmp(operand))))
        }
        ContextValue::Float(value) => operand.float.is_some_and(|operand| holds(value.partial_cmp(&operand))),
        ContextValue::Text(text) => match &operand.version {
            None => holds(Some((**text).cmp(&operand.text))),
            Some(operand) => {
                let versions = semver::Version::parse(text).ok().zip(operand.as_ref());
                versions.is_some_and(|(value, operand)| holds(Some(value.cmp_precedence(operand))))
            }
        },
    }
}

/// True if a comparison accepts an ordering. `None` is the ordering of NaN.
fn holds(comparison: Comparison, ordering: Option<Ordering>) -> bool {
    match comparison {
        Comparison::Equal => ordering.is_some_and(Ordering::is_eq),
        Comparison::NotEqual => ordering.is_none_or(Ordering::is_ne),
        Comparison::Greater => ordering.is_some_and(Ordering::is_gt),
        Comparison::GreaterOrEqual => ordering.is_some_and(Ordering::is_ge),
        Comparison::Less => ordering.is_some_and(Ordering::is_lt),
        Comparison::LessOrEqual => ordering.is_some_and(Ordering::is_le),
    }
}

fn has_version_part(text: &str, part: &str) -> bool {
    // An empty part would match versions without a pre-release or build metadata.
    !part.is_empty()
        && semver::Version::parse(text).is_ok_and(|v| v.pre.as_str() == part || v.build.as_str() == part)
}

/// True if `value % divisor == remainder` in Python: the result has the divisor's sign. False for a divisor of zero.
fn modulo_holds(value: &ContextValue<'_>, (divisor, remainder): (f64, f64)) -> bool {
    let number = match value {
        ContextValue::Bool(value) => f64::from(u8::from(*value)),
        ContextValue::Integer(value) => value.to_f64(),
        ContextValue::Float(value) => *value,
        ContextValue::Text(_) => return false,
    };
    if divisor == 0.0 || number.is_infinite() && matches!(value, ContextValue::Integer(_)) {
        return false;
    }
    let modulus = number % divisor;
    let differs = modulus != 0.0 && (modulus < 0.0) != (divisor < 0.0);
    (if differs { modulus + divisor } else { modulus }) == remainder
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::condition;
    use crate::document::python::Integer;

    fn int(value: i128) -> ContextValue<'static> {
        ContextValue::Integer(Integer::Small(value))
    }

    fn text(value: &'static str) -> ContextValue<'static> {
        ContextValue::Text(value.into())
    }

    fn judge(test: &Predicate, value: Option<&ContextValue<'_>>) -> bool {
        matches(test, value, &mut Budget::default()).unwrap()
    }

    #[test]
    fn operators_agree_with_the_reference() {
        let (yes, no) = (ContextValue::Bool(true), ContextValue::Bool(false));
        for (operator, operand, value, expected) in [
            ("EQUAL", "yes", &yes, true),
            ("EQUAL", "FALSE", &yes, true),
            ("EQUAL", "false", &no, true),
            ("EQUAL", "0", &no, false),
            ("GREATER_THAN", "False", &yes, true),
            ("EQUAL", " 1_0 ", &int(10), true),
            ("EQUAL", "10.0", &int(10), false),
            ("NOT_EQUAL", "10.0", &int(10), false),
            ("NOT_EQUAL", "9", &int(10), true),
            ("EQUAL", "1e3", &ContextValue::Float(1000.0), true),
            ("LESS_THAN", "inf", &ContextValue::Float(1e308), true),
            ("EQUAL", "nan", &ContextValue::Float(1.0), false),
            ("NOT_EQUAL", "nan", &ContextValue::Float(1.0), true),
            ("GREATER_THAN", "B", &text("a"), true),
            ("EQUAL", "1.2.3:semver", &text("1.2.3+build"), true),
            ("LESS_THAN", "2.0.0:semver", &text("2.0.0-rc.1"), true),
            ("NOT_EQUAL", "2.0.0:semver", &text("v2"), false),
            ("NOT_EQUAL", "x:semver", &text("1.0.0"), false),
            ("GREATER_THAN", "1.0.0:semver", &int(2), false),
            ("CONTAINS", "oo", &text("foo"), true),
            ("CONTAINS", "", &text("foo"), true),
            ("CONTAINS", "1", &int(123), false),
            ("CONTAINS", "rc:semver", &text("1.2.3-rc"), true),
            ("CONTAINS", "1:semver", &text("1.2.3"), false),
            ("CONTAINS", ":semver", &text("1.2.3"), false),
            ("NOT_CONTAINS", "x", &int(123), false),
            ("NOT_CONTAINS", "x", &text("foo"), true),
            ("MODULO", "3|1", &int(-2), true),
            ("MODULO", "-3|-1", &int(2), true),
            ("MODULO", "2|1", &yes, true),
            ("MODULO", "0|0", &int(4), false),
            ("MODULO", "3|1|1", &int(4), false),
            ("MODULO", "2|0", &text("four"), false),
            ("MODULO", "inf|4", &int(4), true),
            ("MODULO", "0.1|0", &ContextValue::Float(0.3), false),
            ("IN", "1,2", &int(2), true),
            ("IN", "1, 2", &int(2), false),
            ("IN", "1.5", &ContextValue::Float(1.5), false),
            ("IN", "True", &yes, false),
            ("IN", "[1, 2.0, true, null]", &int(1), true),
            ("IN", "[1, 2.0, true, null]", &text("None"), true),
            ("IN", "[1, 2", &text("[1"), true),
            ("IN", "[]", &text(""), false),
            ("IN", "", &text(""), true),
            ("IS_SET", "", &text(""), true),
            ("IS_NOT_SET", "", &no, false),
            ("PERCENTAGE_SPLIT", "100", &yes, true),
            ("PERCENTAGE_SPLIT", "-1", &yes, false),
            ("PERCENTAGE_SPLIT", "many", &yes, false),
            ("REGEX", r"\d+", &int(42), true),
            ("REGEX", "True", &yes, true),
            ("REGEX", "[", &text("["), false),
            ("SOUNDS_LIKE", "x", &text("x"), false),
        ] {
            let predicate = Predicate::new(operator, condition::ConditionValueRef::Text(operand), "7");
            assert_eq!(judge(&predicate, Some(value)), expected, "{value:?} {operator} {operand:?}");
        }
    }

    #[test]
    fn a_missing_operand_is_cast_like_any_other() {
        for (operator, value, expected) in [
            ("EQUAL", text("None"), true),
            ("EQUAL", int(0), false),
            ("NOT_EQUAL", int(0), false),
            ("EQUAL", ContextValue::Bool(true), true),
            ("CONTAINS", text("xNone"), true),
            ("IN", text("None"), false),
            ("MODULO", int(1), false),
            ("IS_SET", int(1), true),
        ] {
            let predicate = Predicate::new(operator, condition::ConditionValueRef::Null, "7");
            assert_eq!(judge(&predicate, Some(&value)), expected, "{value:?} {operator}");
        }
    }

    #[test]
    fn an_unset_value_is_only_not_set() {
        for operator in
            ["EQUAL", "NOT_EQUAL", "CONTAINS", "NOT_CONTAINS", "IN", "REGEX", "IS_SET", "PERCENTAGE_SPLIT"]
        {
            assert!(
                !judge(&Predicate::new(operator, condition::ConditionValueRef::Text(""), "7"), None),
                "{operator}"
            );
        }
        assert!(judge(&Predicate::IsNotSet, None));
    }
}
