//! The rules of segments: read from a body, numbered, and rendered.

use flagsmith_edge_core::api::fields::all;
use flagsmith_edge_core::document::json::{Json, Kind};
use flagsmith_edge_core::document::python;
use serde_json::{Value, json};

use crate::changes::Transaction;
use crate::input::{Input, not_a_list, plain_text};
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

/// Reads the rules of a segment. They have no ids yet.
pub fn read(json: Json<'_>) -> Result<Vec<Rule>, Value> {
    let items = json.list().ok_or_else(|| not_a_list(json))?;
    if items.is_empty() {
        return Err(json!({"non_field_errors": ["This list may not be empty."]}));
    }
    read_rules(items, 1)
}

/// Reads rules of a level. Of a level that is too deep one rule is kept, for [`check`].
fn read_rules(mut items: Vec<Json<'_>>, depth: usize) -> Result<Vec<Rule>, Value> {
    if depth > MAX_RULE_DEPTH {
        items.truncate(1);
    }
    let rules = all(items, |json| read_rule(json, depth))?;
    Ok(rules.into_iter().flatten().collect())
}

/// Reads a rule; `None` if the request deletes it.
fn read_rule(json: Json<'_>, depth: usize) -> Result<Option<Rule>, Value> {
    let mut input = Input::of(json)?;
    let rule = Rule {
        id: 0,
        kind: input.choice("type", &TYPES, None),
        rules: input.read("rules", |json| match json {
            Some(json) if depth <= MAX_RULE_DEPTH => {
                read_rules(json.list().ok_or_else(|| not_a_list(json))?, depth + 1)
            }
            _ => Ok(Vec::new()),
        }),
        conditions: input.read("conditions", |json| match json {
            None => Ok(Vec::new()),
            Some(json) => {
                let conditions = all(json.list().ok_or_else(|| not_a_list(json))?, read_condition)?;
                Ok(conditions.into_iter().flatten().collect())
            }
        }),
    };
    let is_deleted = input.bool("delete", false);
    input.finish_part((!is_deleted).then_some(rule))
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

/// Refuses rules that are nested too deeply, or have too many conditions in all.
pub fn check(rules: &[Rule]) -> Result<(), Refusal> {
    if depth(rules) > MAX_RULE_DEPTH {
        let problem = format!("Rules must not be nested more than {MAX_RULE_DEPTH} levels deep.");
        return Err(Refusal::field("segment", &problem));
    }
    let count = count_rules(rules);
    if count > MAX_RULES {
        let problem =
            format!("The segment has {count} rules, which exceeds the maximum rule count of {MAX_RULES}.");
        return Err(Refusal::field("segment", &problem));
    }
    let count = count_conditions(rules);
    if count > MAX_CONDITIONS {
        let problem = format!(
            "The segment has {count} conditions, which exceeds the maximum condition count of {MAX_CONDITIONS}."
        );
        return Err(Refusal::field("segment", &problem));
    }
    Ok(())
}

fn depth(rules: &[Rule]) -> usize {
    rules.iter().map(|rule| 1 + depth(&rule.rules)).max().unwrap_or_default()
}

fn count_rules(rules: &[Rule]) -> usize {
    rules.iter().map(|rule| 1 + count_rules(&rule.rules)).sum()
}

fn count_conditions(rules: &[Rule]) -> usize {
    rules.iter().map(|rule| rule.conditions.len() + count_conditions(&rule.rules)).sum()
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
