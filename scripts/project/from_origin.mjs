// Reads a project through the Admin API into a project export.

import { COLUMNS, scalarOf } from "../../src/pages/edge/flagsmith.js";
import { concurrently } from "../http_client.mjs";
import { ENVIRONMENT_SETTINGS, FEATURE_SETTINGS, LeftOut, named, optionsOf, pick, PROJECT_SETTINGS, rulesOf, VERSION } from "./export_format.mjs";

/** The maximum number of concurrent requests to an origin, which may have few processes. */
export const ORIGIN_REQUESTS = 8;
/** The column with the value of a trait, by the type of the value. */
export const TRAIT_COLUMNS = { ...COLUMNS, float: "float_value" };
/** An export is one text, which JavaScript bounds. */
const MAX_IDENTITIES = 100_000;
const IDENTITIES = ["all", "overrides", "none"];

/**
 * Resolves to the export of the project with this id. `identities`: "all", "overrides" for those with an override, or "none".
 * `show` is called with the number of read environments and the number of all.
 */
export async function readProject(api, id, { identities = "all", show = () => {} } = {}) {
  if (!IDENTITIES.includes(identities)) throw new Error(`IDENTITIES is ${JSON.stringify(identities)}; it must be ${IDENTITIES.join(", ")} or unset.`);
  const leftOut = new LeftOut();
  const project = await api.get(`/api/v1/projects/${id}/`);
  const features = await api.list(`/api/v1/projects/${id}/features/`);
  const segments = await api.list(`/api/v1/projects/${id}/segments/`);
  const environments = await api.list(`/api/v1/environments/?project=${id}`);
  if (identities !== "all") leftOut.add(identities === "none" ? "identities and their overrides, as IDENTITIES=none asks" : "identities without overrides, as IDENTITIES=overrides asks");
  if (project.use_edge_identities) leftOut.add("identities of the Edge API, which `make import-identities` moves");
  const names = {
    features: new Map(features.map(({ id, name }) => [id, name])),
    // Flagsmith allows two segments of one name.
    segments: new Map(named(segments, ({ name }) => name).map(([{ id }, name]) => [id, name])),
    options: new Map(features.map((feature) => [feature.id, optionsOf(sortedById(feature.multivariate_options).map(optionOf))])),
  };
  for (const segment of segments) {
    const name = names.segments.get(segment.id);
    if (name !== segment.name) leftOut.add("names that another segment has, too", name);
  }
  const exported = {
    version: VERSION,
    project: { name: project.name, ...pick(project, PROJECT_SETTINGS) },
    features: features.map((feature) => featureOf(feature, names, leftOut)),
    segments: segments.map((segment) => segmentOf(segment, names, leftOut)),
    environments: [],
  };
  for (const environment of environments) {
    show(exported.environments.length, environments.length);
    exported.environments.push(await environmentOf(api, environment, { names, leftOut, identities }));
  }
  show(environments.length, environments.length);
  return { ...exported, left_out: leftOut.list };
}

function featureOf(feature, names, leftOut) {
  const { id, name, default_enabled, initial_value, tags = [], owners = [], group_owners = [], metadata = [] } = feature;
  if (tags.length > 0) leftOut.add("tags of features", name);
  if (owners.length + group_owners.length > 0) leftOut.add("owners of features", name);
  if (metadata.length > 0) leftOut.add("metadata of features", name);
  return { name, ...pick(feature, FEATURE_SETTINGS), default_enabled, initial_value, multivariate_options: [...names.options.get(id).values()] };
}

function optionOf({ id, key, default_percentage_allocation, ...columns }) {
  return { id, key: key ?? null, value: scalarOf(columns), default_percentage_allocation };
}

function segmentOf({ id, description, feature, rules, metadata = [], managed_by }, names, leftOut) {
  const name = names.segments.get(id);
  if (metadata.length > 0) leftOut.add("metadata of segments", name);
  if (managed_by) leftOut.add("other systems that manage segments", name);
  return { name, description, feature: names.features.get(feature) ?? null, rules: rulesOf(rules) };
}

async function environmentOf(api, environment, { names, leftOut, identities }) {
  const { id, name, api_key, metadata = [], use_v2_feature_versioning } = environment;
  const root = `/api/v1/environments/${api_key}`;
  if (metadata.length > 0) leftOut.add("metadata of environments", name);
  if (use_v2_feature_versioning) leftOut.add("earlier and scheduled versions of features", name);
  if ((await api.listIfServed(`${root}/webhooks/`)).length > 0) leftOut.add("webhooks of environments", name);
  const serverKeys = await api.list(`${root}/api-keys/`);
  const states = await api.list(`/api/v1/features/featurestates/?environment=${id}`);
  const of = (state) => stateOf(state, names.options.get(state.feature));
  const segmentOverrides = await segmentOverridesOf(api, id, states, names, leftOut);
  const feature_states = states.filter(isDefault).sort((a, b) => a.feature - b.feature).map((state) => ({
    feature: names.features.get(state.feature),
    ...of(state),
    ...(segmentOverrides.has(state.feature)
      ? { segment_overrides: segmentOverrides.get(state.feature).map(({ segment, state }) => ({ segment: names.segments.get(segment), ...of(state) })) }
      : {}),
  }));
  const overrides = new Map();
  for (const state of states.filter(({ identity }) => identity !== null)) {
    overrides.set(state.identity, [...(overrides.get(state.identity) ?? []), { feature: names.features.get(state.feature), ...of(state) }]);
  }
  return {
    name,
    ...pick(environment, ENVIRONMENT_SETTINGS),
    api_key,
    server_keys: serverKeys.map((serverKey) => pick(serverKey, ["key", "name", "active", "expires_at"])),
    feature_states,
    identities: identities === "none" ? [] : await identitiesOf(api, root, overrides, identities === "all"),
  };
}

export function isDefault({ feature_segment, identity }) {
  return feature_segment === null && identity === null;
}

function stateOf({ enabled, feature_state_value, multivariate_feature_state_values }, options) {
  // Flagsmith divides 100 % among the options in the order of these ids.
  const allocations = sortedById(multivariate_feature_state_values).map(({ multivariate_feature_option, percentage_allocation }) => ({
    option: options.get(multivariate_feature_option).name,
    percentage_allocation,
  }));
  const value = { enabled, feature_state_value: scalarOf(feature_state_value) };
  return allocations.length === 0 ? value : { ...value, multivariate_feature_state_values: allocations };
}

/** The segment overrides of an environment, feature → [{segment, state}], first the one that wins. */
async function segmentOverridesOf(api, environment, states, names, leftOut) {
  const byFeatureSegment = new Map(states.filter(({ feature_segment }) => feature_segment !== null).map((state) => [state.feature_segment, state]));
  const features = [...new Set(Array.from(byFeatureSegment.values(), ({ feature }) => feature))];
  const lists = await concurrently(features, ORIGIN_REQUESTS, (feature) => featureSegmentsOf(api, environment, feature));
  return new Map(features.map((feature, index) => {
    const overrides = lists[index].filter(({ id }) => byFeatureSegment.has(id)).map(({ id, segment }) => ({ segment, state: byFeatureSegment.get(id) }));
    // Of two overrides for one segment the first wins, so the second has no effect.
    const effective = overrides.filter(({ segment }, index) => overrides.findIndex((other) => other.segment === segment) === index);
    if (effective.length < overrides.length) leftOut.add("second overrides of one segment, which have no effect", names.features.get(feature));
    return [feature, effective];
  }));
}

/** The feature segments of a feature in an environment, by priority. */
export async function featureSegmentsOf(api, environment, feature) {
  const featureSegments = await api.list(`/api/v1/features/feature-segments/?environment=${environment}&feature=${feature}`);
  return featureSegments.sort((a, b) => a.priority - b.priority || a.id - b.id);
}

async function identitiesOf(api, root, overrides, all) {
  const listed = await api.list(`${root}/identities/`);
  const identities = listed.filter(({ id }) => all || overrides.has(id));
  if (identities.length > MAX_IDENTITIES) {
    throw new Error(`An environment has more than ${MAX_IDENTITIES} identities, too many for an export. Set IDENTITIES=overrides, and move the others with \`make import-identities\`.`);
  }
  const traits = await concurrently(identities, ORIGIN_REQUESTS, ({ id }) => api.list(`${root}/identities/${id}/traits/`));
  return identities.map(({ id, identifier }, index) => ({
    identifier,
    traits: traits[index].map(({ trait_key, value_type, ...columns }) => ({ trait_key, value_type, value: columns[TRAIT_COLUMNS[value_type]] ?? null })),
    overrides: overrides.get(id) ?? [],
  }));
}

function sortedById(items) {
  return [...items].sort((a, b) => a.id - b.id);
}
