// Checks of the worker's explanation of an identity: true if it has a change, false if not, or UNSEEN.

import { OPERATORS_WITHOUT_VALUE, scalarOf } from "./flagsmith.js";

/** The answer of a check that cannot see the change in the worker's explanation. */
export const UNSEEN = Symbol("unseen");

/** The explanation has this feature, or lacks it. */
export function servesFeature(feature, isWanted) {
  return ({ flags }) => flags.some((flag) => flag.feature.id === feature.id) === isWanted;
}

/** The feature has this default state. */
export function servesDefault(feature, flagState, areAllocationsChanged) {
  return ({ flags }) => {
    const flag = flagOf(flags, feature);
    const state = defaultOf(flag);
    if (state === undefined || !isEqual(state, flagState)) return false;
    return areAllocationsChanged ? hasAllocations(flag, state, flagState, feature.multivariate_options) : true;
  };
}

/** The feature has these overrides in this order, as [{name, flagState}]. `changed`: the one with changed allocations, or null. */
export function servesOverrides(feature, overrides, changed) {
  return ({ flags }) => {
    const flag = flagOf(flags, feature);
    const served = flag?.candidates.filter(({ source }) => source === "segment") ?? [];
    const isServed = ({ name, flagState }, index) => served[index].segment === name && isEqual(served[index], flagState);
    if (served.length !== overrides.length || !overrides.every(isServed)) return false;
    return changed === null ? true : hasAllocations(flag, served[overrides.indexOf(changed)], changed.flagState, feature.multivariate_options);
  };
}

/** The feature has exactly these options. */
export function servesVariants(feature, options) {
  const wanted = options.map((option) => JSON.stringify(scalarOf(option))).sort();
  return ({ flags }) => {
    const flag = flagOf(flags, feature);
    const state = defaultOf(flag);
    if (state === undefined) return false;
    if (!state.wins) return UNSEEN;
    const served = (flag.split?.variants ?? []).map(({ value }) => JSON.stringify(value)).sort();
    return JSON.stringify(served) === JSON.stringify(wanted);
  };
}

/** The explanation has this segment with these rules. */
export function servesRules(id, { name, rules }) {
  const wanted = JSON.stringify(rules.map(comparable));
  return ({ segments }) => {
    const segment = segments.find((segment) => segment.id === id);
    return segment !== undefined && segment.name === name && JSON.stringify(segment.rules.map(comparable)) === wanted;
  };
}

/** The explanation lacks this segment. */
export function servesNoSegment(id) {
  return ({ segments }) => segments.every((segment) => segment.id !== id);
}

function flagOf(flags, feature) {
  return flags.find((flag) => flag.feature.id === feature.id);
}

function defaultOf(flag) {
  return flag?.candidates.find(({ source }) => source === "environment");
}

function isEqual({ enabled, feature_state_value: value }, flagState) {
  return enabled === flagState.enabled && value === flagState.value;
}

/** Only the state that decides has its allocations in the explanation. */
function hasAllocations({ split }, state, { allocations }, options) {
  if (!state.wins || (split === null && allocations.length > 0)) return UNSEEN;
  const served = (split?.variants ?? []).map(({ value, from, below }) => `${JSON.stringify(value)} ${(below - from).toFixed(6)}`);
  const valueOf = (id) => JSON.stringify(scalarOf(options.find((option) => option.id === id)));
  const wanted = allocations.map(([id, percentage]) => `${valueOf(id)} ${percentage.toFixed(6)}`);
  return JSON.stringify(served.filter((text) => !text.endsWith(" 0.000000")).sort()) === JSON.stringify(wanted.sort());
}

function comparable({ type, conditions, rules = [] }) {
  const text = ({ operator, value }) => {
    if (OPERATORS_WITHOUT_VALUE.includes(operator)) return "";
    return Array.isArray(value) ? value.join(",") : String(value ?? "");
  };
  return [type, conditions.map((condition) => [condition.property ?? "", condition.operator, text(condition)]), rules.map(comparable)];
}
