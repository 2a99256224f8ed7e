// Bodies of requests to the Admin API, made of parts of an export.

import { columnsOf } from "../../src/pages/edge/flagsmith.js";
import { rulesOf } from "./export_format.mjs";

/** The body of an option. */
export function optionBody({ key = null, value, default_percentage_allocation }) {
  return { ...columnsOf(value), key, default_percentage_allocation };
}

/** Rules as the API takes them: without empty lists of deeper rules, and without the value of an operator that reads none. */
export function rulesBody(rules) {
  return rulesOf(rules).map(({ type, conditions, rules }) => ({
    type,
    conditions: conditions.map(({ value, ...condition }) => (value === null ? condition : { ...condition, value })),
    ...(rules.length === 0 ? {} : { rules: rulesBody(rules) }),
  }));
}
