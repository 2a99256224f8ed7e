// The rules of a segment: as one line of text, and as an editor. Rules are nested at most twice, as in Flagsmith.

import { element } from "./elements.js";
import { OPERATORS_WITHOUT_VALUE } from "./flagsmith.js";
import { button, field, newId, select } from "./forms.js";

const OPERATORS = {
  EQUAL: "=",
  NOT_EQUAL: "≠",
  GREATER_THAN: ">",
  GREATER_THAN_INCLUSIVE: "≥",
  LESS_THAN: "<",
  LESS_THAN_INCLUSIVE: "≤",
  CONTAINS: "contains",
  NOT_CONTAINS: "does not contain",
  IN: "is in",
  REGEX: "matches the pattern",
  MODULO: "modulo",
  PERCENTAGE_SPLIT: "is in the first % of",
  IS_SET: "is set",
  IS_NOT_SET: "is not set",
};
const VALUE_HINTS = {
  IN: "Separated by commas",
  MODULO: "Divisor|remainder, as in 2|0",
  PERCENTAGE_SPLIT: "A percentage. Without a trait, the identity itself is hashed.",
};
const QUANTIFIERS = { ALL: "All of these hold", ANY: "Any of these holds", NONE: "None of these holds" };
const JOINTS = { ALL: " and ", ANY: " or ", NONE: " or " };
const MAX_DEPTH = 2;
const MAX_VALUE_LENGTH = 1000;

/** The rules without the API's ids. */
export function rulesOf(rules = []) {
  return rules.map(({ type, conditions = [], rules = [] }) => ({
    type,
    conditions: conditions.map(conditionOf),
    rules: rulesOf(rules),
  }));
}

function conditionOf({ property, operator, value, description }) {
  // Flagsmith stores a text for no value.
  return { property, operator, value: OPERATORS_WITHOUT_VALUE.includes(operator) ? "" : value, description: description ?? null };
}

/** The rules as one line. */
export function describeRules(rules) {
  return rules.map((rule) => describeRule(rule)).filter(Boolean).join(" and ") || "no conditions";
}

function describeRule({ type, conditions, rules = [] }) {
  const parts = [...conditions.map(describeCondition), ...rules.map((rule) => inBrackets(rule, type)).filter(Boolean)];
  const joined = parts.join(JOINTS[type] ?? " and ");
  return type === "NONE" && parts.length > 0 ? `not (${joined})` : joined;
}

function inBrackets(rule, outer) {
  const text = describeRule(rule);
  const count = rule.conditions.length + (rule.rules?.length ?? 0);
  return count > 1 && rule.type !== outer && rule.type !== "NONE" ? `(${text})` : text;
}

function describeCondition({ property, operator, value }) {
  const name = OPERATORS[operator] ?? operator;
  if (OPERATORS_WITHOUT_VALUE.includes(operator)) return `${property} ${name}`;
  if (operator === "PERCENTAGE_SPLIT") return `the first ${value} % of ${property || "identities"}`;
  return `${property} ${name} ${value}`;
}

/** An editor of rules: {element, read}. */
export function ruleEditor(rules) {
  const list = element("div", { className: "rules" });
  const root = { rules: [] };
  const number = () => root.rules.forEach((rule, index) => rule.number(`rules.${index}`));
  const add = (rule) => {
    const made = ruleFields(rule, 1, () => removeFrom(root.rules, made, more, number), number);
    root.rules.push(made);
    list.append(made.element);
    return made;
  };
  const more = button("Add a rule", () => {
    add({ type: "ALL", conditions: [], rules: [{ type: "ANY", conditions: [blank()] }] }).focus();
    number();
  });
  rules.forEach(add);
  number();
  const label = element("p", { className: "legend", id: newId() }, "Rules. An identity is in the segment if every rule holds.");
  const container = element("div", { role: "group", aria: { labelledby: label.id } }, label, list, more);
  return { element: container, read: () => root.rules.map((rule) => rule.read()) };
}

const blank = () => ({ property: "", operator: "EQUAL", value: "", description: null });

function removeFrom(items, item, focused, number) {
  items.splice(items.indexOf(item), 1);
  item.element.remove();
  number();
  // The event also marks the form as changed.
  focused.dispatchEvent(new Event("input", { bubbles: true }));
  focused.focus();
}

/** The fields of a rule: {element, read, number, focus}. `number` gives the fields their paths in the API's errors. */
function ruleFields({ type, conditions, rules = [] }, depth, remove, changed) {
  const quantifier = select(Object.entries(QUANTIFIERS), type);
  const legend = element("legend", {}, depth === 1 ? "Rule" : "Group");
  const parts = element("div", { className: "parts" });
  const children = { conditions: [], rules: [] };
  const mark = () => {
    changed();
    parts.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const addCondition = (condition) => {
    const made = conditionFields(condition, () => removeFrom(children.conditions, made, moreConditions, changed));
    children.conditions.push(made);
    parts.append(made.element);
    return made;
  };
  const addRule = (rule) => {
    const made = ruleFields(rule, depth + 1, () => removeFrom(children.rules, made, moreRules, changed), changed);
    children.rules.push(made);
    parts.append(made.element);
    return made;
  };
  const moreConditions = button("Add a condition", () => {
    addCondition(blank()).focus();
    mark();
  });
  const moreRules = button("Add a group", () => {
    addRule({ type: "ANY", conditions: [blank()] }).focus();
    mark();
  });
  conditions.forEach(addCondition);
  rules.forEach(addRule);
  const removeButton = button(depth === 1 ? "Remove this rule" : "Remove this group", remove);
  const buttons = element("div", { className: "buttons" }, moreConditions, ...(depth < MAX_DEPTH ? [moreRules] : []), removeButton);
  const quantifierField = field("Holds if", quantifier);
  const container = element("fieldset", { className: "rule-fields" }, legend, quantifierField, parts, buttons);
  return {
    element: container,
    focus: () => (children.conditions[0] ?? children.rules[0])?.focus(),
    number(path) {
      legend.textContent = `${depth === 1 ? "Rule" : "Group"} ${Number(path.split(".").at(-1)) + 1}`;
      quantifier.dataset.names = `${path}.type`;
      children.conditions.forEach((condition, index) => condition.number(`${path}.conditions.${index}`));
      children.rules.forEach((rule, index) => rule.number(`${path}.rules.${index}`));
    },
    read: () => ({
      type: quantifier.value,
      conditions: children.conditions.map((condition) => condition.read()),
      rules: children.rules.map((rule) => rule.read()),
    }),
  };
}

function conditionFields({ property, operator, value, description }, remove) {
  const exactText = { maxLength: MAX_VALUE_LENGTH, autocomplete: "off", spellcheck: false, autocapitalize: "none" };
  const trait = element("input", { value: property ?? "", ...exactText });
  // An operator of a newer Flagsmith is kept.
  const operators = { ...OPERATORS, ...(operator in OPERATORS ? {} : { [operator]: operator }) };
  const choice = select(Object.entries(operators), operator);
  const operand = element("input", { value: value ?? "", ...exactText });
  const operandField = field("Value", operand);
  const hint = element("p", { className: "hint", id: newId() });
  operand.setAttribute("aria-describedby", `${hint.id} ${operand.getAttribute("aria-describedby")}`);
  operandField.append(hint);
  const showOperand = () => {
    operandField.hidden = OPERATORS_WITHOUT_VALUE.includes(choice.value);
    hint.textContent = VALUE_HINTS[choice.value] ?? "";
  };
  choice.addEventListener("change", showOperand);
  showOperand();
  const removeButton = button("Remove", remove);
  const container = element(
    "div",
    { className: "condition", role: "group" },
    field("Trait", trait),
    field("Operator", choice),
    operandField,
    removeButton,
  );
  return {
    element: container,
    focus: () => trait.focus(),
    number(path) {
      const count = Number(path.split(".").at(-1)) + 1;
      container.setAttribute("aria-label", `Condition ${count}`);
      removeButton.setAttribute("aria-label", `Remove condition ${count}`);
      trait.dataset.names = `${path}.property`;
      choice.dataset.names = `${path}.operator`;
      operand.dataset.names = `${path}.value`;
    },
    read: () => ({
      // Flagsmith refuses an empty property, but accepts none in a percentage split.
      property: trait.value.trim() === "" && choice.value === "PERCENTAGE_SPLIT" ? null : trait.value.trim(),
      operator: choice.value,
      value: OPERATORS_WITHOUT_VALUE.includes(choice.value) ? "" : operand.value.trim(),
      description: description ?? null,
    }),
  };
}
