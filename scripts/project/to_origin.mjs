// Writes an export into a project through the Admin API. An object with the same name is changed, so a second import has no
// further effect, and an interrupted import can be repeated.

import { isDeepStrictEqual } from "node:util";

import { columnsOf, scalarOf } from "../../src/pages/edge/flagsmith.js";
import { concurrently, RequestError } from "../http_client.mjs";
import { repeated } from "./admin_api.mjs";
import { optionBody, rulesBody } from "./bodies.mjs";
import { checkExport, ENVIRONMENT_SETTINGS, FEATURE_SETTINGS, pick, PROJECT_SETTINGS, rulesOf } from "./export_format.mjs";
import { featureSegmentsOf, isDefault, ORIGIN_REQUESTS, TRAIT_COLUMNS } from "./from_origin.mjs";
import { changed, pairedKeys, pairedOptions } from "./pairing.mjs";

/**
 * Writes an export and resolves to the written project: {organisation, project, environments, counts}. `environments` are
 * {name, id, key, wantedKey, serverKeys}, and serverKeys {name, key, wantedKey}. `organisation`: the id or name of the
 * target's organisation. Without it: the organisation with `organisationName`, else the only one, else a new one.
 * `done`: the number of steps that an earlier import completed; `onProgress(done, total, counts)` is called after steps.
 */
export async function writeProject(api, exported, { organisation = null, organisationName = exported.project.name, done = 0, counts = {}, onProgress = () => {} } = {}) {
  const writer = new ProjectWriter(api, checkExport(exported), { organisation, organisationName, counts });
  await repeated(() => writer.start(), () => {});
  const groups = writer.steps();
  const total = groups.reduce((sum, { steps }) => sum + steps.length, 0);
  let before = 0;
  for (const { atOnce, steps } of groups) {
    for (let index = Math.max(0, done - before); index < steps.length; index += atOnce) {
      await concurrently(steps.slice(index, index + atOnce), atOnce, (step) => repeated(step, () => writer.refresh()));
      onProgress(before + Math.min(steps.length, index + atOnce), total, writer.counts);
    }
    before += steps.length;
  }
  onProgress(total, total, writer.counts);
  return writer.written();
}

class ProjectWriter {
  /** Numbers of created and changed things: "created features" → number. */
  counts;
  /** The options in the export, by the lower-case names of their features. */
  #options;
  /** The objects at the target, by the names of the export. */
  #environments = new Map();
  #features = new Map();
  #segments = new Map();
  /** The states and identities at the target by environment id, loaded when first needed: promises. */
  #states = new Map();
  #identities = new Map();

  constructor(api, exported, { organisation, organisationName, counts }) {
    Object.assign(this, { api, exported, counts, organisation, organisationName });
    this.#options = new Map(exported.features.map(({ name, multivariate_options = [] }) => [name.toLowerCase(), multivariate_options]));
  }

  /** Finds or creates the project, and reads its objects. */
  async start() {
    const organisation = await this.#organisation();
    const projects = await this.api.list(`/api/v1/projects/?organisation=${organisation}`);
    const { name, only_allow_lower_case_feature_names } = this.exported.project;
    this.project = projects.find((project) => project.name === name && project.organisation === organisation);
    if (this.project === undefined) {
      // Set at once, since it decides about names of features.
      this.project = await this.api.post("/api/v1/projects/", { name, organisation, only_allow_lower_case_feature_names });
      this.#count("created projects");
    }
    await this.refresh();
  }

  async #organisation() {
    if (/^\d+$/.test(this.organisation ?? "")) return Number(this.organisation);
    const all = await this.api.list("/api/v1/organisations/");
    const wanted = this.organisation ?? this.organisationName;
    const found = all.find(({ name }) => name === wanted) ?? (all.length === 1 && this.organisation === null ? all[0] : undefined);
    if (found !== undefined) return found.id;
    if (all.length > 0 && this.organisation === null) {
      throw new Error(`The target has several organisations. Set ORGANISATION to one of these ids: ${all.map(({ id, name }) => `${id} (${name})`).join(", ")}.`);
    }
    const { id } = await this.api.post("/api/v1/organisations/", { name: wanted });
    this.#count("created organisations");
    return id;
  }

  /** Reads the objects at the target again. */
  async refresh() {
    const root = `/api/v1/projects/${this.project.id}`;
    const [features, segments] = [await this.api.list(`${root}/features/`), await this.api.list(`${root}/segments/`)];
    const environments = await this.api.list(`/api/v1/environments/?project=${this.project.id}`);
    // The first of equal names wins.
    const byName = (items, nameOf) => new Map(items.reverse().map((item) => [nameOf(item), item]));
    this.#environments = byName(environments, ({ name }) => name);
    // Names of features differ in more than their case.
    this.#features = byName(features, ({ name }) => name.toLowerCase());
    this.#segments = byName(segments, ({ name }) => name);
    this.#states.clear();
    this.#identities.clear();
  }

  /** The steps of the import in groups. The steps of a group may run `atOnce`; ids follow the order of the others. */
  steps() {
    const { environments, features, segments } = this.exported;
    const ofEach = (list, work) => environments.flatMap((environment) => (environment[list] ?? []).map((item) => () => work(environment, item)));
    return [
      { atOnce: 1, steps: environments.map((environment) => () => this.#environment(environment)) },
      { atOnce: 1, steps: features.map((feature) => () => this.#feature(feature)) },
      { atOnce: 1, steps: segments.map((segment) => () => this.#segment(segment)) },
      { atOnce: ORIGIN_REQUESTS, steps: ofEach("feature_states", (environment, state) => this.#featureState(environment, state)) },
      { atOnce: 1, steps: environments.map((environment) => () => this.#serverKeys(environment)) },
      // One after the other, so that the target lists identities in the same order.
      { atOnce: 1, steps: ofEach("identities", (environment, identity) => this.#identity(environment, identity)) },
      // Last, since settings could refuse earlier steps.
      { atOnce: 1, steps: environments.map((environment) => () => this.#environmentSettings(environment)) },
      { atOnce: 1, steps: [() => this.#projectSettings()] },
    ];
  }

  async #environment({ name, api_key }) {
    if (this.#environments.has(name)) return;
    const path = "/api/v1/environments/";
    const created = await this.#withKey(path, { name, project: this.project.id }, "api_key", api_key);
    this.#environments.set(name, created);
    this.#count("created environments");
  }

  /** Creates something with its key; with a new key if the target refuses the key. A Flagsmith ignores it. */
  async #withKey(path, body, member, key) {
    if (key === undefined) return this.api.post(path, body);
    try {
      return await this.api.post(path, { ...body, [member]: key });
    } catch (error) {
      const isKeyRefused = error instanceof RequestError && error.status === 400 && error.text.includes(`"${member}"`);
      if (!isKeyRefused) throw error;
      return this.api.post(path, body);
    }
  }

  async #feature(wanted) {
    const { name, default_enabled, initial_value, multivariate_options = [] } = wanted;
    const root = `/api/v1/projects/${this.project.id}/features/`;
    const found = this.#features.get(name.toLowerCase());
    if (found === undefined) {
      const options = multivariate_options.map(optionBody);
      const body = { name, default_enabled, initial_value, ...pick(wanted, FEATURE_SETTINGS), multivariate_options: options };
      this.#features.set(name.toLowerCase(), await this.api.post(root, body));
      this.#count("created features");
      return;
    }
    const changes = changed(pick(wanted, FEATURE_SETTINGS), found);
    if (changes !== null) await this.api.patch(`${root}${found.id}/`, changes);
    const areOptionsChanged = await this.#writeOptions(`${root}${found.id}/mv-options/`, multivariate_options, found.multivariate_options);
    if (changes === null && !areOptionsChanged) return;
    this.#features.set(name.toLowerCase(), await this.api.get(`${root}${found.id}/`));
    // A new option has allocations in the states.
    this.#states.clear();
    this.#count("changed features");
  }

  /** Makes the options of a feature those of the export. Additional options stay. */
  async #writeOptions(root, wanted, found) {
    const pairs = pairedOptions(wanted, found);
    const changes = wanted.flatMap((option) => {
      const other = pairs.get(option);
      if (other === undefined || changed(optionBody(option), optionBody({ ...other, value: scalarOf(other) })) === null) return [];
      return [{ id: other.id, body: optionBody(option), growth: option.default_percentage_allocation - other.default_percentage_allocation }];
    });
    // The sum is at most 100 % after each request if shrinking allocations are first.
    changes.sort((a, b) => a.growth - b.growth);
    for (const { id, body } of changes) await this.api.put(`${root}${id}/`, body);
    const missing = wanted.filter((option) => !pairs.has(option));
    for (const option of missing) await this.api.post(root, optionBody(option));
    return changes.length + missing.length > 0;
  }

  async #segment({ name, description, feature, rules }) {
    const root = `/api/v1/projects/${this.project.id}/segments/`;
    const found = this.#segments.get(name);
    const featureId = feature ? this.#featureOf(feature).id : null;
    if (found === undefined) {
      const body = { name, description, feature: featureId, project: this.project.id, rules: rulesBody(rules) };
      this.#segments.set(name, await this.api.post(root, body));
      this.#count("created segments");
      return;
    }
    const isSame = isDeepStrictEqual(rulesOf(rules), rulesOf(found.rules)) && (description === undefined || description === found.description);
    if (isSame) return;
    this.#segments.set(name, await this.api.patch(`${root}${found.id}/`, { description, rules: rulesBody(rules) }));
    this.#count("changed segments");
  }

  async #featureState(environment, { feature, segment_overrides = [], ...wanted }) {
    const { id } = this.#environmentOf(environment);
    const target = this.#featureOf(feature);
    const states = (await this.#statesOf(id)).get(target.id) ?? [];
    await this.#write(states.find(isDefault), wanted, target, { environment: id }, "feature states");
    if (segment_overrides.length > 0) await this.#segmentOverrides(id, target, segment_overrides, states);
  }

  async #segmentOverrides(environment, feature, overrides, states) {
    const featureSegments = await featureSegmentsOf(this.api, environment, feature.id);
    const order = [];
    for (const { segment: name, ...wanted } of overrides) {
      const segment = this.#segmentOf(name);
      let featureSegment = featureSegments.find((featureSegment) => featureSegment.segment === segment.id);
      if (featureSegment === undefined) {
        featureSegment = await this.api.post("/api/v1/features/feature-segments/", { feature: feature.id, segment: segment.id, environment });
        featureSegments.push(featureSegment);
      }
      order.push(featureSegment.id);
      const state = states.find(({ feature_segment }) => feature_segment === featureSegment.id);
      await this.#write(state, wanted, feature, { environment, feature_segment: featureSegment.id }, "segment overrides");
    }
    const current = featureSegments.map(({ id }) => id);
    const wantedOrder = [...order, ...current.filter((id) => !order.includes(id))];
    if (isDeepStrictEqual(current, wantedOrder)) return;
    await this.api.post("/api/v1/features/feature-segments/update-priorities/", wantedOrder.map((id, priority) => ({ id, priority })));
    this.#count("changed orders of segment overrides");
  }

  /** Makes a state equal to `wanted`, or creates it. `scope`: its environment, and its feature segment or identity. */
  async #write(state, wanted, feature, scope, kind) {
    const { enabled, feature_state_value: value = null, multivariate_feature_state_values: named = [] } = wanted;
    const pairs = pairedOptions(this.#options.get(feature.name.toLowerCase()), feature.multivariate_options);
    const ids = new Map(Array.from(pairs, ([{ name }, { id }]) => [name, id]));
    const allocations = named.map(({ option, percentage_allocation }) => ({ multivariate_feature_option: ids.get(option), percentage_allocation }));
    const body = { feature: feature.id, ...scope, enabled, feature_state_value: columnsOf(value), multivariate_feature_state_values: allocations };
    if (state === undefined) {
      await this.api.post("/api/v1/features/featurestates/", body);
      this.#count(`created ${kind}`);
      return;
    }
    const current = state.multivariate_feature_state_values;
    const isOf = (option) => (row) => row.multivariate_feature_option === option;
    const allocationOf = (option) => allocations.find(isOf(option))?.percentage_allocation ?? 0;
    const added = allocations.filter(({ multivariate_feature_option: option }) => !current.some(isOf(option)));
    const areAllocationsSame = current.every((row) => allocationOf(row.multivariate_feature_option) === row.percentage_allocation)
      && added.every((row) => row.percentage_allocation === 0);
    if (state.enabled === enabled && scalarOf(state.feature_state_value) === value && areAllocationsSame) return;
    // An existing allocation is named by its id; a Flagsmith refuses a second one of the same option.
    const existing = current.map(({ id, multivariate_feature_option: option }) => ({ id, multivariate_feature_option: option, percentage_allocation: allocationOf(option) }));
    await this.api.put(`/api/v1/features/featurestates/${state.id}/`, { id: state.id, ...body, multivariate_feature_state_values: [...existing, ...added] });
    this.#count(`changed ${kind}`);
  }

  async #serverKeys(environment) {
    const path = `/api/v1/environments/${this.#environmentOf(environment).api_key}/api-keys/`;
    const wanted = environment.server_keys ?? [];
    const pairs = pairedKeys(wanted, await this.api.list(path));
    for (const serverKey of wanted) {
      const { key, name, active, expires_at } = serverKey;
      const found = pairs.get(serverKey);
      if (found === undefined) {
        await this.#withKey(path, { name, active, expires_at }, "key", key);
        this.#count("created server keys");
      } else if (found.active !== active || timeOf(found.expires_at) !== timeOf(expires_at)) {
        await this.api.patch(`${path}${found.id}/`, { active, expires_at });
        this.#count("changed server keys");
      }
    }
  }

  async #identity(environment, { identifier, traits = [], overrides = [] }) {
    const { id: environmentId, api_key } = this.#environmentOf(environment);
    const root = `/api/v1/environments/${api_key}/identities/`;
    const identities = await this.#identitiesOf(environmentId, root);
    const isNew = !identities.has(identifier);
    if (isNew) {
      identities.set(identifier, (await this.api.post(root, { identifier })).id);
      this.#count("created identities");
    }
    const id = identities.get(identifier);
    await this.#traits(`${root}${id}/traits/`, traits, isNew);
    const states = await this.#statesOf(environmentId);
    for (const { feature: name, ...wanted } of overrides) {
      const feature = this.#featureOf(name);
      const state = (states.get(feature.id) ?? []).find(({ identity }) => identity === id);
      await this.#write(state, wanted, feature, { environment: environmentId, identity: id }, "identity overrides");
    }
  }

  async #traits(path, traits, isNew) {
    if (traits.length === 0) return;
    const found = new Map((isNew ? [] : await this.api.list(path)).map((row) => [row.trait_key, row]));
    for (const { trait_key, value_type, value } of traits) {
      const body = { trait_key, value_type, [TRAIT_COLUMNS[value_type]]: value };
      const row = found.get(trait_key);
      if (row === undefined) await this.api.post(path, body);
      else if (changed(body, row) !== null) await this.api.put(`${path}${row.id}/`, body);
      else continue;
      this.#count(`${row === undefined ? "created" : "changed"} traits`);
    }
  }

  async #environmentSettings(environment) {
    const { name, api_key } = this.#environmentOf(environment);
    const changes = changed(pick(environment, ENVIRONMENT_SETTINGS), this.#environments.get(name));
    if (changes === null) return;
    this.#environments.set(name, await this.api.patch(`/api/v1/environments/${api_key}/`, changes));
    this.#count("changed settings of environments");
  }

  async #projectSettings() {
    const changes = changed(pick(this.exported.project, PROJECT_SETTINGS), this.project);
    if (changes === null) return;
    this.project = await this.api.patch(`/api/v1/projects/${this.project.id}/`, changes);
    this.#count("changed settings of projects");
  }

  /** The written project, with the keys that the target has. */
  async written() {
    const environments = [];
    for (const environment of this.exported.environments) {
      const { id, name, api_key } = this.#environmentOf(environment);
      const wanted = environment.server_keys ?? [];
      const pairs = pairedKeys(wanted, await this.api.list(`/api/v1/environments/${api_key}/api-keys/`));
      const serverKeys = wanted.map((serverKey) => ({ name: serverKey.name, key: pairs.get(serverKey)?.key, wantedKey: serverKey.key }));
      environments.push({ id, name, key: api_key, wantedKey: environment.api_key, serverKeys });
    }
    return {
      organisation: this.project.organisation,
      project: { id: this.project.id, name: this.project.name },
      environments,
      counts: this.counts,
    };
  }

  #environmentOf({ name }) {
    return this.#environments.get(name) ?? missing("environment", name);
  }

  #featureOf(name) {
    return this.#features.get(name.toLowerCase()) ?? missing("feature", name);
  }

  #segmentOf(name) {
    return this.#segments.get(name) ?? missing("segment", name);
  }

  /** The states of an environment by feature. */
  #statesOf(environment) {
    if (!this.#states.has(environment)) {
      this.#states.set(environment, statesByFeature(this.api, environment));
    }
    return this.#states.get(environment);
  }

  /** The identities of an environment: identifier → id. */
  #identitiesOf(environment, root) {
    if (!this.#identities.has(environment)) {
      const load = async () => new Map((await this.api.list(root)).map(({ id, identifier }) => [identifier, id]));
      this.#identities.set(environment, load());
    }
    return this.#identities.get(environment);
  }

  #count(what) {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }
}

async function statesByFeature(api, environment) {
  const states = new Map();
  for (const state of await api.list(`/api/v1/features/featurestates/?environment=${environment}`)) {
    if (!states.has(state.feature)) states.set(state.feature, []);
    states.get(state.feature).push(state);
  }
  return states;
}

function missing(kind, name) {
  throw new Error(`The target has no ${kind} ${JSON.stringify(name)} any more. Remove .import-project-*.json and import again.`);
}

function timeOf(text) {
  return text === null || text === undefined ? null : Date.parse(text);
}
