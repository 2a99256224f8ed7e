// Feature states: the part that this page shows and changes, in the two forms of the Admin API.

import * as api from "./admin_api.js";
import { COLUMNS, columnsOf, scalarOf } from "./flagsmith.js";
import { PageProblem } from "./problems.js";
import { isSame } from "./saving.js";

/** The names of a value in the API's errors. */
export const VALUE_NAMES = ["feature_state_value", ...Object.values(COLUMNS).flatMap((name) => [name, `feature_state_value.${name}`])];

/** The shown part of a state: {enabled, value, allocations}. `allocations`: [[option, percentage], …], without those of 0 %. */
export function flagStateOf({ enabled, feature_state_value: value, multivariate_feature_state_values: rows }) {
  const allocations = rows
    ?.filter(({ percentage_allocation: percentage }) => percentage > 0)
    .map(({ multivariate_feature_option: option, percentage_allocation: percentage }) => [option, percentage])
    .sort(([one], [other]) => one - other);
  return { enabled, value: scalarOf(value), allocations };
}

/** True if the percentage allocations of two flag states differ. */
export function haveOtherAllocations(one, other) {
  return !isSame({ allocations: one.allocations }, { allocations: other.allocations });
}

/** A value as text. Texts that look like another type are put in quotation marks. */
export function text(value) {
  if (value === null || value === undefined) return "no value";
  if (typeof value !== "string") return String(value);
  return value === "" || /^(-?\d+|true|false|no value)$/.test(value) ? `"${value}"` : value;
}

/** The access to the default state of a flag, for `save`. */
export function defaultStateAccess({ environment, feature, stateId }) {
  return access(feature.name, feature, () => api.defaultState(environment, stateId));
}

/** The access to the state of a segment override, for `save`. */
export function overrideAccess({ environment, feature }, { id, name }) {
  return access(`${feature.name} for ${name}`, feature, () => readOverride(environment, id));
}

/** The access to a state that `load` reads. `write` replaces the state that was read last. */
function access(subject, feature, load) {
  let state;
  return {
    subject,
    read: async () => flagStateOf((state = await load())),
    describe: (flagState) => describe(flagState, feature.multivariate_options),
    write: (flagState) => write(state, flagState),
  };
}

/** Describes a flag state for people. */
function describe({ enabled, value, allocations = [] }, options) {
  const name = (id) => text(scalarOf(options.find((option) => option.id === id) ?? null));
  return [
    ["Switch", enabled ? "on" : "off"],
    ["Value", text(value)],
    ...allocations.map(([option, percentage]) => [`Weight of ${name(option)}`, `${percentage} %`]),
  ];
}

/** Reads the state of a segment override. */
export async function readOverride(environment, featureSegment) {
  const [state] = await api.states(environment, { featureSegment });
  if (state === undefined) throw new PageProblem("This override does not exist any more. Reload the flags.");
  return state;
}

function write(state, { enabled, value, allocations }) {
  const ids = new Map(state.multivariate_feature_state_values.map(({ id, multivariate_feature_option: option }) => [option, id]));
  const row = ([option, percentage_allocation]) => ({
    // Flagsmith creates a second allocation for an option without the first one's id.
    ...(ids.has(option) ? { id: ids.get(option) } : {}),
    multivariate_feature_option: option,
    percentage_allocation,
  });
  const wanted = new Map(allocations ?? []);
  const others = [...ids.keys()].filter((option) => !wanted.has(option)).map((option) => [option, 0]);
  return api.putState(state.id, {
    feature: state.feature,
    environment: state.environment,
    ...(state.feature_segment === null ? {} : { feature_segment: state.feature_segment }),
    enabled,
    feature_state_value: columnsOf(value),
    multivariate_feature_state_values: [...wanted, ...others].map(row),
  });
}
