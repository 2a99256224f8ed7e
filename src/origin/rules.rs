//! The rules of segments: read from a body, numbered, and rendered.

use std::ops::ControlFlow;

use flagsmith_edge_core::document::json::{Json, Kind};
use flagsmith_edge_core::document::python;
use serde_json::{Value, json};

use crate::changes::Transaction;
use crate::input::{Input, not_a_list, plain_text, read_until};
use crate::limits::{MAX_CONDITIONS, MAX_DESCRIPTION_LENGTH, MAX_RULE_DEPTH, MAX_RULES};
use crate::refusal::Refusal;
use crate::rows::{Condition, Rule};

const MAX_TEXT_LENGTH: usize = 1000;
const TYPES: [&str; 3] = ["ALL", "ANY", "NONE"];
const OPERATORS: [&str; 14] = [
    "EQUAL",
    "GREATER_THAN",
    "LESS_THAN",
    "CONTAINS",
    "GREATER_THAN_INCLUSIVE",
    "LESS_THAN_INCLUSIVE",
    "NOT_CONTAINS",
    "NOT_EQUAL",
    "REGEX",
    "PERCENTAGE_SPLIT",
    "MODULO",
    "IS_SET",
    "IS_NOT_SET",
    "IN",
];
/// The kinds of the ids of rules and conditions, which have no tables.
const RULE: &str = "rule";
const CONDITION: &str = "condition";

/// Reads the rules of a segment, but not more than one beyond each limit.
#[derive(Clone, Copy, Default)]
pub struct RuleReader {
    rules: usize,
    conditions: usize,
    is_too_deep: bool,
}

impl RuleReader {
    /// Reads the rules of a segment. They have no ids yet.
    pub fn read(&mut self, json: Json<'_>) -> Result<Vec<Rule>, Value> {
        let items = json.list().ok_or_else(|| not_a_list(json))?;
        if items.is_empty() {
            return Err(json!({"non_field_errors": ["This list may not be empty."]}));
        }
        self.read_rules(items, 1)
    }

    /// Refuses rules that are nested too deeply, or too many rules or conditions in all.
    pub fn check(self) -> Result<(), Refusal> {
        let (rules, conditions) = (self.rules, self.conditions);
        let problem = if self.is_too_deep {
            format!("Rules must not be nested more than {MAX_RULE_DEPTH} levels deep.")
        } else if rules > MAX_RULES {
            format!("The segment has {rules} rules, which exceeds the maximum rule count of {MAX_RULES}.")
        } else if conditions > MAX_CONDITIONS {
            format!(
                "The segment has {conditions} conditions, which exceeds the maximum condition count of \
                 {MAX_CONDITIONS}."
            )
        } else {
            return Ok(());
        };
        Err(Refusal::field("segment", &problem))
    }

    /// True if reading more cannot make the rules acceptable.
    fn is_over(&self) -> bool {
        self.is_too_deep || self.rules > MAX_RULES || self.conditions > MAX_CONDITIONS
    }

    fn read_rules(&mut self, items: Vec<Json<'_>>, depth: usize) -> Result<Vec<Rule>, Value> {
        read_until(items, |json| match self.is_over() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(self.read_rule(json, depth)),
        })
    }

    /// Reads a rule; `None` if the request deletes it. A deleted rule does not count.
    fn read_rule(&mut self, json: Json<'_>, depth: usize) -> Result<Option<Rule>, Value> {
        let before = *self;
        self.rules += 1;
        self.is_too_deep |= depth > MAX_RULE_DEPTH;
        let mut input = Input::of(json)?;
        let rule = Rule {
            id: 0,
            kind: input.choice("type", &TYPES, None),
            rules: input.read("rules", |json| match json {
                None => Ok(Vec::new()),
                Some(json) => self.read_rules(json.list().ok_or_else(|| not_a_list(json))?, depth + 1),
            }),
            conditions: input.read("conditions", |json| match json {
                None => Ok(Vec::new()),
                Some(json) => self.read_conditions(json.list().ok_or_else(|| not_a_list(json))?),
            }),
        };
        let is_deleted = input.bool("delete", false);
        let rule = input.finish_part((!is_deleted).then_some(rule))?;
        if rule.is_none() {
            *self = before;
        }
        Ok(rule)
    }

    fn read_conditions(&mut self, items: Vec<Json<'_>>) -> Result<Vec<Condition>, Value> {
        read_until(items, |json| {
            if self.is_over() {
                return ControlFlow::Break(());
            }
            let condition = read_condition(json);
            self.conditions += usize::from(!matches!(condition, Ok(None)));
            ControlFlow::Continue(condition)
        })
    }
}

/// Reads a condition; `None` if the request deletes it.
fn read_condition(json: Json<'_>) -> Result<Option<Condition>, Value> {
    let mut input = Input::of(json)?;
    let condition = Condition {
        id: 0,
        operator: input.choice("operator", &OPERATORS, None),
        property: input.read("property", |json| match json {
            Some(json) if json.kind() != Kind::Null => property(json).map(Some),
            _ => Ok(None),
        }),
        value: input.read("value", |json| match json {
            // Flagsmith's text for no value; such an operator ignores it.
            None => Ok("None".to_owned()),
            Some(json) => value(json),
        }),
        description: input.optional_text("description", MAX_DESCRIPTION_LENGTH, None),
    };
    let is_deleted = input.bool("delete", false);
    input.finish_part((!is_deleted).then_some(condition))
}

fn property(json: Json<'_>) -> Result<String, Value> {
    let text = plain_text(json, MAX_TEXT_LENGTH)?;
    if text.is_empty() { Err(json!(["This field may not be blank."])) } else { Ok(text) }
}

/// The text of a value of any type, as Python prints it.
fn value(json: Json<'_>) -> Result<String, Value> {
    let text = python::short_json_text(json, MAX_TEXT_LENGTH);
    let problem = format!("Ensure this field has no more than {MAX_TEXT_LENGTH} characters.");
    let text = text.ok_or_else(|| json!([problem]))?;
    flagsmith_edge_core::api::fields::check_text(&text, MAX_TEXT_LENGTH)?;
    Ok(python::strip(&text).to_owned())
}

/// Gives new rules and their conditions ids. Rules that have ids stay.
pub fn number(state: &mut Transaction<'_>, rules: &mut [Rule]) {
    for rule in rules.iter_mut().filter(|rule| rule.id == 0) {
        rule.id = state.next_id(RULE);
        for condition in &mut rule.conditions {
            condition.id = state.next_id(CONDITION);
        }
        number(state, &mut rule.rules);
    }
}

/// Rules without their ids, for another segment.
pub fn without_ids(rules: Vec<Rule>) -> Vec<Rule> {
    rules.into_iter().map(|rule| Rule { id: 0, rules: without_ids(rule.rules), ..rule }).collect()
}

/// The rules of a segment. Those of the deepest level have no member `rules`.
pub fn render(rules: &[Rule]) -> Value {
    render_level(rules, 1)
}

fn render_level(rules: &[Rule], depth: usize) -> Value {
    let render = |rule: &Rule| {
        let conditions: Vec<Value> = rule.conditions.iter().map(render_condition).collect();
        let mut rendered = json!({"id": rule.id, "type": rule.kind, "conditions": conditions});
        if let Some(members) = rendered.as_object_mut().filter(|_| depth < MAX_RULE_DEPTH) {
            members.insert("rules".to_owned(), render_level(&rule.rules, depth + 1));
        }
        rendered
    };
    rules.iter().map(render).collect()
}

fn render_condition(condition: &Condition) -> Value {
    json!({
        "id": condition.id,
        "operator": condition.operator,
        "property": condition.property,
        "value": condition.value,
        "description": condition.description,
    })
}
