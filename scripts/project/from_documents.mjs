// Makes a project export from the environment documents of one project.

import { documentEntry, readEnvironments } from "../environments.mjs";
import { ENVIRONMENT_SETTINGS, isStorable, LeftOut, named, optionsOf, PROJECT_SETTINGS, pick, rulesOf, VERSION } from "./export_format.mjs";

/**
 * The export of the documents in a folder, and the name of their organisation: {exported, organisation}. Documents lack what only
 * new environments need. As its features' initial values the export has those of the first document.
 */
export function readDocuments(folder) {
  const { entries, environments } = readEnvironments(folder);
  const documents = environments.map(({ key, serverKeys }) => ({ key, serverKeys, ...JSON.parse(entries.get(documentEntry(key))) }));
  const [{ project }] = documents;
  const other = documents.find((document) => document.project.id !== project.id);
  if (other !== undefined) throw new Error(`The documents in ${folder} belong to several projects: ${project.name} and ${other.project.name}. Use one folder for each project.`);
  const leftOut = new LeftOut();
  leftOut.add("descriptions, initial values and archived features, which documents lack");
  const segments = [...byId(documents.flatMap(({ project }) => project.segments ?? [])).values()];
  const names = new Map(named(segments, ({ name }) => name).map(([{ id }, name]) => [id, name]));
  const states = documents.flatMap(allStates);
  const options = optionsByFeature(states, leftOut);
  const context = { names, options, leftOut };
  return {
    organisation: project.organisation?.name ?? project.name,
    exported: {
      version: VERSION,
      project: { name: project.name, ...pick(project, PROJECT_SETTINGS) },
      features: Array.from(byId(states.map(({ feature }) => feature)).values(), (feature) => featureOf(feature, documents, context)),
      segments: segments.map(({ id, rules }) => ({ name: names.get(id), feature: null, rules: rulesOf(rules) })),
      environments: documents.map((document) => environmentOf(document, context)),
      left_out: leftOut.list,
    },
  };
}

/** Items by their ids, in their order; the first of equal ones counts. */
function byId(items) {
  const found = new Map();
  for (const item of items) if (!found.has(item.id)) found.set(item.id, item);
  return new Map([...found].sort(([a], [b]) => a - b));
}

function allStates({ feature_states, project, identity_overrides = [] }) {
  const ofSegments = (project.segments ?? []).flatMap(({ feature_states = [] }) => feature_states);
  return [...feature_states, ...ofSegments, ...identity_overrides.flatMap(({ identity_features }) => identity_features)];
}

/** The options of each feature: feature id → (mark of the option → option). */
function optionsByFeature(states, leftOut) {
  const options = new Map();
  for (const { feature, multivariate_feature_state_values = [] } of states) {
    const known = options.get(feature.id) ?? new Map();
    options.set(feature.id, known);
    for (const { multivariate_feature_option: option } of multivariate_feature_state_values) {
      if (!known.has(markOf(option))) known.set(markOf(option), option);
    }
  }
  const valueOf = (feature, value) => storable(value, `feature ${feature}`, leftOut);
  return new Map(Array.from(options, ([feature, known]) => {
    const inOrder = [...known].sort(([, a], [, b]) => (a.id ?? 0) - (b.id ?? 0));
    return [feature, optionsOf(inOrder.map(([mark, { key, value }]) => ({ id: mark, key: key ?? null, value: valueOf(feature, value) })))];
  }));
}

/** Documents of another store may have options without ids. */
function markOf({ id, key, value }) {
  return id ?? JSON.stringify([key ?? null, value]);
}

function featureOf({ id, name, type }, documents, { options, leftOut }) {
  const first = documents.flatMap(({ feature_states }) => feature_states).find(({ feature }) => feature.id === id);
  const value = storable(first?.feature_state_value, `feature ${name}`, leftOut);
  const allocations = new Map((first?.multivariate_feature_state_values ?? []).map((row) => [markOf(row.multivariate_feature_option), row.percentage_allocation]));
  return {
    name,
    type: type ?? "STANDARD",
    is_server_key_only: documents.some(({ project }) => (project.server_key_only_feature_ids ?? []).includes(id)),
    default_enabled: first?.enabled ?? false,
    initial_value: value === null ? null : String(value),
    multivariate_options: Array.from(options.get(id), ([mark, option]) => ({ ...option, default_percentage_allocation: allocations.get(mark) ?? 0 })),
  };
}

function environmentOf(document, { names, options, leftOut }) {
  const { key, serverKeys, feature_states, project, identity_overrides = [] } = document;
  const name = document.name ?? key;
  const of = (state) => stateOf(state, options.get(state.feature.id), leftOut);
  const overrides = new Map();
  for (const { id, feature_states = [] } of project.segments ?? []) {
    for (const state of feature_states) {
      const priority = state.feature_segment?.priority ?? Infinity;
      overrides.set(state.feature.id, [...(overrides.get(state.feature.id) ?? []), { segment: names.get(id), priority, state }]);
    }
  }
  const segmentOverrides = (id) => {
    if (!overrides.has(id)) return {};
    // The sort keeps the order of equal priorities, of which the first wins.
    const inOrder = overrides.get(id).sort((a, b) => (a.priority === b.priority ? 0 : a.priority - b.priority));
    return { segment_overrides: inOrder.map(({ segment, state }) => ({ segment, ...of(state) })) };
  };
  if (identity_overrides.some(({ dashboard_alias }) => dashboard_alias)) leftOut.add("aliases of identities", name);
  return {
    name,
    ...pick(document, ENVIRONMENT_SETTINGS),
    api_key: key,
    server_keys: serverKeys.map(({ key, active, expires_at }, index) => ({ key, name: `Server key ${index + 1}`, active, expires_at })),
    feature_states: [...feature_states]
      .sort((a, b) => a.feature.id - b.feature.id)
      .map((state) => ({ feature: state.feature.name, ...of(state), ...segmentOverrides(state.feature.id) })),
    identities: identity_overrides.map(({ identifier, identity_traits = [], identity_features }) => ({
      identifier,
      traits: identity_traits.map(({ trait_key, trait_value }) => ({ trait_key, value_type: typeOf(trait_value), value: trait_value })),
      overrides: identity_features.map((state) => ({ feature: state.feature.name, ...of(state) })),
    })),
  };
}

function stateOf({ feature, enabled, feature_state_value, multivariate_feature_state_values = [] }, options, leftOut) {
  const state = { enabled, feature_state_value: storable(feature_state_value, `feature ${feature.name}`, leftOut) };
  const allocations = [...multivariate_feature_state_values].sort(byDivision).map((row) => ({
    option: options.get(markOf(row.multivariate_feature_option)).name,
    percentage_allocation: row.percentage_allocation,
  }));
  return allocations.length === 0 ? state : { ...state, multivariate_feature_state_values: allocations };
}

/** The order in which 100 % are divided: by id, or else by UUID. */
function byDivision(a, b) {
  if (a.id != null && b.id != null) return a.id - b.id;
  return (a.mv_fs_value_uuid ?? "") < (b.mv_fs_value_uuid ?? "") ? -1 : 1;
}

/** The value, or its text if Flagsmith has no type for it. */
function storable(value = null, object, leftOut) {
  if (isStorable(value)) return value;
  leftOut.add("types of values that are stored as texts", object);
  return typeof value === "number" ? String(value) : JSON.stringify(value);
}

function typeOf(value) {
  if (typeof value === "boolean") return "bool";
  if (typeof value === "number") return isStorable(value) ? "int" : "float";
  return "unicode";
}
