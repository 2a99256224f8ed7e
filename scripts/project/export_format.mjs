// The format of a project export: a project of a Flagsmith as one JSON value, in which everything is named instead of numbered
// (docs/projects.md).

import { isDeepStrictEqual } from "node:util";

import { MAX_INTEGER, MIN_INTEGER, OPERATORS_WITHOUT_VALUE } from "../../src/pages/edge/flagsmith.js";

export const VERSION = 1;

/** The members of a project, an environment and a feature that are copied as they are. */
export const PROJECT_SETTINGS = [
  "hide_disabled_flags",
  "prevent_flag_defaults",
  "enable_realtime_updates",
  "only_allow_lower_case_feature_names",
  "feature_name_regex",
  "stale_flags_limit_days",
  "minimum_change_request_approvals",
  "enforce_feature_owners",
];
export const ENVIRONMENT_SETTINGS = [
  "description",
  "allow_client_traits",
  "banner_text",
  "banner_colour",
  "hide_disabled_flags",
  "hide_sensitive_data",
  "use_identity_composite_key_for_hashing",
  "use_identity_overrides_in_local_eval",
  "minimum_change_request_approvals",
];
export const FEATURE_SETTINGS = ["type", "description", "is_archived", "is_server_key_only"];

/** The members of `object` with these names. Absent ones stay absent. */
export function pick(object, names) {
  return Object.fromEntries(names.filter((name) => object[name] !== undefined).map((name) => [name, object[name]]));
}

/** Rules in the format of an export, whether they come from the Admin API or from a document. */
export function rulesOf(rules) {
  return rules.map(({ type, conditions = [], rules = [] }) => ({
    type,
    conditions: conditions.map(({ operator, property, property_ = property, value = null, description = null }) => ({
      operator,
      property: property_ || null,
      value: OPERATORS_WITHOUT_VALUE.includes(operator) ? null : value,
      ...(description ? { description } : {}),
    })),
    rules: rulesOf(rules),
  }));
}

/** True if Flagsmith can store the value with its type: a text, a boolean, null or an integer of 32 bits. */
export function isStorable(value) {
  if (typeof value === "number") return Number.isInteger(value) && value >= MIN_INTEGER && value <= MAX_INTEGER;
  return value === null || typeof value === "string" || typeof value === "boolean";
}

/** Gives each item a `name` that no other has: the wanted name, or with a number. Returns the pairs [item, name]. */
export function named(items, nameOf) {
  const taken = new Set();
  return items.map((item) => {
    const wanted = nameOf(item);
    let name = wanted;
    for (let number = 2; taken.has(name); number += 1) name = `${wanted} (${number})`;
    taken.add(name);
    return [item, name];
  });
}

/** The options of a feature by their ids, with the names that percentage allocations refer to: their keys, or else their values. */
export function optionsOf(options) {
  const pairs = named(options, ({ key, value }) => key ?? String(value));
  return new Map(pairs.map(([{ id, ...option }, name]) => [id, { name, ...option }]));
}

/** Things that an export cannot have, with the objects that have them. */
export class LeftOut {
  #found = new Map();

  /** Notes `what`. `object`: the name of the object that has it; null if the remark concerns the whole project. */
  add(what, object = null) {
    const objects = this.#found.get(what) ?? [];
    this.#found.set(what, object === null ? objects : [...objects, object]);
  }

  get list() {
    return Array.from(this.#found, ([what, objects]) => ({ what, objects }));
  }
}

/** Throws if the value is not a project export of this version. */
export function checkExport(exported) {
  const missing = typeof exported?.version !== "number" ? "version" : typeof exported.project?.name !== "string" ? "project.name" : null;
  if (missing !== null) throw new Error(`This is not a project export: ${missing} is missing.`);
  if (exported.version !== VERSION) throw new Error(`The export has version ${exported.version}; this command reads version ${VERSION}.`);
  for (const [list, kind] of [["features", "feature"], ["segments", "segment"], ["environments", "environment"]]) {
    if (!Array.isArray(exported[list])) throw new Error(`The export has no list ${list}.`);
    const names = exported[list].map(({ name }) => name);
    if (names.some((name) => typeof name !== "string")) throw new Error(`${kind === "environment" ? "An" : "A"} ${kind} of the export has no name.`);
    const twice = names.find((name, index) => names.indexOf(name) !== index);
    if (twice !== undefined) throw new Error(`The export has two ${list} with the name ${JSON.stringify(twice)}.`);
  }
  checkReferences(exported);
  return exported;
}

function checkReferences({ features, segments, environments }) {
  const options = new Map(features.map(({ name, multivariate_options = [] }) => [name, multivariate_options.map(({ name }) => name)]));
  const names = new Set(segments.map(({ name }) => name));
  const requireFeature = (name) => {
    if (!options.has(name)) throw new Error(`The export has no feature ${JSON.stringify(name)}, to which it refers.`);
  };
  const checkState = (feature, { feature_state_value = null, multivariate_feature_state_values = [] }) => {
    requireFeature(feature);
    if (!isStorable(feature_state_value)) throw new Error(`A value of the feature ${JSON.stringify(feature)} is neither a text, a boolean, null nor an integer of 32 bits.`);
    for (const { option } of multivariate_feature_state_values) {
      if (!options.get(feature).includes(option)) throw new Error(`The feature ${JSON.stringify(feature)} has no option ${JSON.stringify(option)}, to which the export refers.`);
    }
  };
  for (const { feature } of segments) if (feature) requireFeature(feature);
  for (const { feature_states = [], identities = [] } of environments) {
    for (const { feature, segment_overrides = [], ...state } of feature_states) {
      checkState(feature, state);
      for (const override of segment_overrides) {
        checkState(feature, override);
        if (!names.has(override.segment)) throw new Error(`The export has no segment ${JSON.stringify(override.segment)}, to which it refers.`);
      }
    }
    for (const { overrides = [] } of identities) for (const { feature, ...state } of overrides) checkState(feature, state);
  }
}

/**
 * The differences between two exports that flags can show: `different` are things of `wanted` that are absent from `actual` or
 * other there, `extra` those that only `actual` has. Keys are not compared. No text has an identifier or a value.
 */
export function differences(wanted, actual) {
  const [expected, found] = [flattened(wanted), flattened(actual)];
  const different = new Set();
  for (const [path, { value, text }] of expected) {
    if (value === undefined) continue;
    const other = found.get(path)?.value;
    // Additional segment overrides at the target come after the wanted ones.
    const compared = text.endsWith(ORDER) && Array.isArray(other) ? other.filter((name) => value.includes(name)) : other;
    if (!isDeepStrictEqual(value, compared)) different.add(text);
  }
  const extra = new Set(Array.from(found).filter(([path, { value }]) => value === true && path.endsWith(EXISTS) && !expected.has(path)).map(([, { text }]) => text));
  return { different: [...different], extra: [...extra] };
}

const ORDER = "order of the segment overrides";
const EXISTS = "\0exists";

/** Everything in an export by its path, as one flat map: path → {value, text}. */
function flattened({ project, features, segments, environments }) {
  const found = new Map();
  const add = (path, text, value) => found.set(path, { value, text });
  const exists = (path, text) => add(path + EXISTS, text, true);
  const members = (path, text, object, names) => names.forEach((name) => add(`${path}\0${name}`, `${text}: ${name}`, object[name]));
  const state = (path, text, { enabled, feature_state_value = null, multivariate_feature_state_values = [] }) => {
    add(`${path}\0state`, text, { enabled, feature_state_value });
    // An option without an allocation is never chosen, like one with an allocation of 0 %.
    const allocations = multivariate_feature_state_values.filter(({ percentage_allocation }) => percentage_allocation > 0);
    add(`${path}\0allocations`, `${text}: percentage allocations`, allocations.map(({ option, percentage_allocation }) => [option, percentage_allocation]));
  };
  members("project", "project", project, PROJECT_SETTINGS);
  for (const feature of features) {
    const path = `feature\0${feature.name.toLowerCase()}`;
    exists(path, `feature ${feature.name}`);
    members(path, `feature ${feature.name}`, feature, [...FEATURE_SETTINGS, "default_enabled", "initial_value"]);
    for (const { name, ...option } of feature.multivariate_options ?? []) {
      exists(`${path}\0option\0${name}`, `option ${name} of the feature ${feature.name}`);
      add(`${path}\0option\0${name}`, `option ${name} of the feature ${feature.name}`, option);
    }
  }
  for (const { name, description, feature, rules } of segments) {
    exists(`segment\0${name}`, `segment ${name}`);
    add(`segment\0${name}`, `segment ${name}`, { feature: feature ?? null, rules: rulesOf(rules) });
    add(`segment\0${name}\0description`, `segment ${name}: description`, description);
  }
  for (const environment of environments) {
    const [path, name] = [`environment\0${environment.name}`, `environment ${environment.name}`];
    exists(path, name);
    members(path, name, environment, ENVIRONMENT_SETTINGS);
    for (const { feature, segment_overrides = [], ...ofFeature } of environment.feature_states ?? []) {
      const [at, text] = [`${path}\0${feature.toLowerCase()}`, `feature ${feature} in ${environment.name}`];
      state(at, text, ofFeature);
      if (segment_overrides.length > 0) add(`${at}\0order`, `${text}: ${ORDER}`, segment_overrides.map(({ segment }) => segment));
      for (const { segment, ...override } of segment_overrides) {
        exists(`${at}\0segment\0${segment}`, `${text}: override of the segment ${segment}`);
        state(`${at}\0segment\0${segment}`, `${text}: override of the segment ${segment}`, override);
      }
    }
    for (const { identifier, traits = [], overrides = [] } of environment.identities ?? []) {
      const [at, text] = [`${path}\0identity\0${identifier}`, `identities of ${environment.name}`];
      exists(at, text);
      for (const { trait_key, ...value } of traits) add(`${at}\0trait\0${trait_key}`, `${text}: traits`, value);
      for (const { feature, ...override } of overrides) {
        exists(`${at}\0${feature.toLowerCase()}`, `${text}: overrides`);
        state(`${at}\0${feature.toLowerCase()}`, `${text}: overrides`, override);
      }
    }
  }
  return found;
}
