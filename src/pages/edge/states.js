// States of features: the part that this page shows and changes, in the two forms of the Admin API.

import * as api from "./admin_api.js";
import { Refusal } from "./calls.js";
import { UNSEEN } from "./serving.js";

const COLUMNS = { unicode: "string_value", int: "integer_value", bool: "boolean_value" };
const TYPES = { string: "unicode", number: "int", boolean: "bool" };
/** The names of a value in the API's errors. */
export const VALUE_NAMES = ["feature_state_value", ...Object.values(COLUMNS).flatMap((name) => [name, `feature_state_value.${name}`])];

/** A value with a column for each type. */
export function typed(value) {
  const type = TYPES[typeof value] ?? "unicode";
  return { type, string_value: null, integer_value: null, boolean_value: null, [COLUMNS[type]]: value };
}

/** The value of an option or of a state: text, number, boolean or null. */
export function scalar(value) {
  return value !== null && typeof value === "object" ? value[COLUMNS[value.type]] : value;
}

/** The content of a state: {enabled, value, shares}. `shares`: [[option, percentage], …], those of 0 % left out. */
export function contentOf({ enabled, feature_state_value: value, multivariate_feature_state_values: shares }) {
  const sorted = shares
    ?.filter(({ percentage_allocation: share }) => share > 0)
    .map(({ multivariate_feature_option: option, percentage_allocation: share }) => [option, share])
    .sort(([one], [other]) => one - other);
  return { enabled, value: scalar(value), shares: sorted };
}

/** Describes a content for people. */
export function describe({ enabled, value, shares = [] }, options) {
  const name = (id) => text(scalar(options.find((option) => option.id === id) ?? null));
  return [
    ["Switch", enabled ? "on" : "off"],
    ["Value", text(value)],
    ...shares.map(([option, share]) => [`Weight of ${name(option)}`, `${share} %`]),
  ];
}

/** A value as text. Texts that look like another type are put in quotation marks. */
export function text(value) {
  if (value === null || value === undefined) return "no value";
  if (typeof value !== "string") return String(value);
  return value === "" || /^(-?\d+|true|false|no value)$/.test(value) ? `"${value}"` : value;
}

/** Reads the state of a segment override. */
export async function readOverride(environment, place) {
  const [state] = await api.states(environment, { place });
  if (state === undefined) throw new Refusal(404, "This override does not exist any more. Reload the flags.");
  return state;
}

/** Writes a content into a state that was just read. */
export function write(state, content) {
  const ids = new Map(state.multivariate_feature_state_values.map(({ id, multivariate_feature_option: option }) => [option, id]));
  const share = ([option, percentage_allocation]) => ({
    // Flagsmith creates a second share for an option without the first one's id.
    ...(ids.has(option) ? { id: ids.get(option) } : {}),
    multivariate_feature_option: option,
    percentage_allocation,
  });
  const present = new Map(content.shares ?? []);
  const others = [...ids.keys()].filter((option) => !present.has(option)).map((option) => [option, 0]);
  return api.putState(state.id, {
    feature: state.feature,
    environment: state.environment,
    ...(state.feature_segment === null ? {} : { feature_segment: state.feature_segment }),
    enabled: content.enabled,
    feature_state_value: typed(content.value),
    multivariate_feature_state_values: [...present, ...others].map(share),
  });
}

/** A check of the worker's explanation: it has this default state of the feature. */
export function servesDefault(feature, content, sharesChanged) {
  return ({ flags }) => {
    const flag = flags.find((flag) => flag.feature.id === feature.id);
    const state = flag?.candidates.find(({ source }) => source === "environment");
    if (state === undefined || !hasContent(state, content)) return false;
    return sharesChanged ? hasShares(flag, state, content, feature.multivariate_options) : true;
  };
}

/** A check of the worker's explanation: the feature has these overrides in this order, as [{name, content}]. */
export function servesOverrides(feature, overrides, changed = null) {
  return ({ flags }) => {
    const flag = flags.find((flag) => flag.feature.id === feature.id);
    const served = flag?.candidates.filter(({ source }) => source === "segment") ?? [];
    const isEqual = ({ name, content }, index) => served[index].segment === name && hasContent(served[index], content);
    if (served.length !== overrides.length || !overrides.every(isEqual)) return false;
    return changed === null ? true : hasShares(flag, served[overrides.indexOf(changed)], changed.content, feature.multivariate_options);
  };
}

/** A check of the worker's explanation: the feature has exactly these options. */
export function servesVariants(feature, options) {
  const wanted = options.map((option) => JSON.stringify(scalar(option))).sort();
  return ({ flags }) => {
    const flag = flags.find((flag) => flag.feature.id === feature.id);
    const state = flag?.candidates.find(({ source }) => source === "environment");
    if (state === undefined) return false;
    if (!state.wins) return UNSEEN;
    const served = (flag.split?.variants ?? []).map(({ value }) => JSON.stringify(value)).sort();
    return JSON.stringify(served) === JSON.stringify(wanted);
  };
}

function hasContent({ enabled, feature_state_value: value }, content) {
  return enabled === content.enabled && value === content.value;
}

/** Weights are in the explanation only of the state that decides. */
function hasShares({ split }, state, { shares }, options) {
  if (!state.wins || (split === null && shares.length > 0)) return UNSEEN;
  const served = (split?.variants ?? []).map(({ value, from, below }) => `${JSON.stringify(value)} ${(below - from).toFixed(6)}`);
  const wanted = shares.map(([id, share]) => `${JSON.stringify(scalar(options.find((option) => option.id === id)))} ${share.toFixed(6)}`);
  return JSON.stringify(served.filter((text) => !text.endsWith(" 0.000000")).sort()) === JSON.stringify(wanted.sort());
}
