// The project form: a project of a Flagsmith as one JSON value, in which everything is named instead of numbered
// (docs/projects.md).

import { isDeepStrictEqual } from "node:util";

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

/** Operators that read no value. */
const WITHOUT_VALUE = ["IS_SET", "IS_NOT_SET"];
const MAX_INTEGER = 2_147_483_647;
const MIN_INTEGER = -2_147_483_648;

/** The members of `object` with these names. Absent ones stay absent. */
export function pick(object, names) {
  return Object.fromEntries(names.filter((name) => object[name] !== undefined).map((name) => [name, object[name]]));
}

/** Rules in one form, whether they come from the Admin API or from a document. */
export function rulesOf(rules) {
  return rules.map(({ type, conditions = [], rules = [] }) => ({
    type,
    conditions: conditions.map(({ operator, property, property_ = property, value = null, description = null }) => ({
      operator,
      property: property_ || null,
      value: WITHOUT_VALUE.includes(operator) ? null : value,
      ...(description ? { description } : {}),
    })),
    rules: rulesOf(rules),
  }));
}

/** The value of a state or an option from its columns. */
export function scalarOf({ type, string_value, integer_value, boolean_value }) {
  return { int: integer_value, bool: boolean_value }[type] ?? (type === "unicode" ? string_value : null) ?? null;
}

/** The columns of a value. */
export function columnsOf(value) {
  const columns = { type: "unicode", string_value: null, integer_value: null, boolean_value: null };
  if (typeof value === "boolean") return { ...columns, type: "bool", boolean_value: value };
  if (typeof value === "number") return { ...columns, type: "int", integer_value: value };
  return { ...columns, string_value: value };
}

/** True if Flagsmith can store the value with its type: a text, a boolean, null or an integer of 32 bits. */
export function isStorable(value) {
  if (typeof value === "number") return Number.isInteger(value) && value >= MIN_INTEGER && value <= MAX_INTEGER;
  return value === null || typeof value === "string" || typeof value === "boolean";
}

/** Gives each item a `name` that no other has: the wanted name, or with a number. Resolves to the pairs [item, name]. */
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

/** The options of a feature by their ids, with the names that weights refer to: their keys, or else their values. */
export function optionsOf(options) {
  const pairs = named(options, ({ key, value }) => key ?? String(value));
  return new Map(pairs.map(([{ id, ...option }, name]) => [id, { name, ...option }]));
}

/** Things that a form cannot have, with the objects that have them. */
export class LeftOut {
  #found = new Map();

  /** Notes `what` of an object. Without an object, `what` is complete. */
  add(what, of = null) {
    const objects = this.#found.get(what) ?? [];
    this.#found.set(what, of === null ? objects : [...objects, of]);
  }

  get list() {
    return Array.from(this.#found, ([what, of]) => ({ what, of }));
  }
}

/** Throws if the value is no form of this version. */
export function checkForm(form) {
  if (typeof form?.version !== "number" || typeof form.project?.name !== "string") throw new Error("This is no project form: version or project.name is missing.");
  if (form.version !== VERSION) throw new Error(`The form has version ${form.version}; this command reads version ${VERSION}.`);
  for (const list of ["features", "segments", "environments"]) {
    if (!Array.isArray(form[list])) throw new Error(`The form has no list ${list}.`);
    const names = form[list].map(({ name }) => name);
    const twice = names.find((name, index) => typeof name !== "string" || names.indexOf(name) !== index);
    if (twice !== undefined) throw new Error(`The form has two ${list} with the name ${JSON.stringify(twice)}.`);
  }
  checkReferences(form);
  return form;
}

function checkReferences({ features, segments, environments }) {
  const options = new Map(features.map(({ name, multivariate_options = [] }) => [name, multivariate_options.map(({ name }) => name)]));
  const names = new Set(segments.map(({ name }) => name));
  const requireFeature = (name) => {
    if (!options.has(name)) throw new Error(`The form has no feature ${JSON.stringify(name)}, to which it refers.`);
  };
  const checkState = (feature, { feature_state_value = null, multivariate_feature_state_values = [] }) => {
    requireFeature(feature);
    if (!isStorable(feature_state_value)) throw new Error(`A value of the feature ${JSON.stringify(feature)} is neither a text, a boolean, null nor an integer of 32 bits.`);
    for (const { option } of multivariate_feature_state_values) {
      if (!options.get(feature).includes(option)) throw new Error(`The feature ${JSON.stringify(feature)} has no option ${JSON.stringify(option)}, to which the form refers.`);
    }
  };
  for (const { feature } of segments) if (feature) requireFeature(feature);
  for (const { feature_states = [], identities = [] } of environments) {
    for (const { feature, segment_overrides = [], ...state } of feature_states) {
      checkState(feature, state);
      for (const override of segment_overrides) {
        checkState(feature, override);
        if (!names.has(override.segment)) throw new Error(`The form has no segment ${JSON.stringify(override.segment)}, to which it refers.`);
      }
    }
    for (const { overrides = [] } of identities) for (const { feature, ...state } of overrides) checkState(feature, state);
  }
}

/**
 * The differences between two forms that flags can show: `different` are things of `wanted` that are absent from `actual` or
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

/** Everything in a form by its path, as one flat map: path → {value, text}. */
function flattened({ project, features, segments, environments }) {
  const found = new Map();
  const add = (path, text, value) => found.set(path, { value, text });
  const exists = (path, text) => add(path + EXISTS, text, true);
  const members = (path, text, object, names) => names.forEach((name) => add(`${path}\0${name}`, `${text}: ${name}`, object[name]));
  const state = (path, text, { enabled, feature_state_value = null, multivariate_feature_state_values = [] }) => {
    add(`${path}\0state`, text, { enabled, feature_state_value });
    // An option without a share is never chosen, like one with a share of 0 %.
    const weights = multivariate_feature_state_values.filter(({ percentage_allocation }) => percentage_allocation > 0);
    add(`${path}\0weights`, `${text}: weights`, weights.map(({ option, percentage_allocation }) => [option, percentage_allocation]));
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
