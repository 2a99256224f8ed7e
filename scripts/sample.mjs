// The sample project of the local server: created in the embedded origin at the first start, through its API.

import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { isValid } from "./examples.mjs";
import { AdminApi } from "./project/admin_api.mjs";
import { seedProject } from "./project/seed.mjs";

/** The documents of the sample. */
export const SAMPLE = "fixtures/environments";
const PUBLISHED_WITHIN_MS = 30_000;

/**
 * Creates the sample, unless an earlier start with this state folder did. What was deleted since then is not created again.
 * Resolves to true if this call created it.
 */
export async function seedShop(state, base, apiKey) {
  const stamp = join(state, "shop-created");
  if (existsSync(stamp)) return false;
  await seedProject({ base, authorization: `Api-Key ${apiKey}`, folder: SAMPLE });
  // Written at the end, so that an interrupted seed is repeated.
  writeFileSync(stamp, "");
  return true;
}

/**
 * What examples need: {project, environments, feature, state} of the origin's first project, or null if that has no flag.
 * `environments` are {id, name, key, serverKeys}; `state` is the state of `feature` in the first.
 */
export async function findExamples(base, apiKey) {
  const api = new AdminApi(base, `Api-Key ${apiKey}`);
  const [project] = await api.list("/api/v1/projects/");
  if (project === undefined) return null;
  const environments = [];
  for (const { id, name, api_key: key } of await api.list(`/api/v1/environments/?project=${project.id}`)) {
    environments.push({ id, name, key, serverKeys: await api.list(`/api/v1/environments/${key}/api-keys/`) });
  }
  if (environments.length === 0) return null;
  const [state] = await api.list(`/api/v1/environments/${environments[0].key}/featurestates/`);
  if (state === undefined) return null;
  const feature = await api.get(`/api/v1/projects/${project.id}/features/${state.feature}/`);
  return { project, environments, feature, state };
}

/**
 * Waits until the edge serves an environment to its client key and its server keys. Its requests would be refused before.
 * `isNew`: true to wait for its first flags, too.
 */
export async function published(base, { key, serverKeys }, isNew) {
  const end = Date.now() + PUBLISHED_WITHIN_MS;
  for (const each of [key, ...serverKeys.filter(isValid).map(({ key }) => key)]) {
    while (!(await isServed(base, each, isNew))) {
      if (Date.now() > end) throw new Error(`The edge does not serve the sample after ${PUBLISHED_WITHIN_MS / 1000} s; its log is above.`);
      await delay(200);
    }
  }
}

async function isServed(base, key, isNew) {
  const flags = await fetch(`${base}/api/v1/flags/`, { headers: { "X-Environment-Key": key } });
  return flags.status === 200 && (!isNew || (await flags.json()).length > 0);
}
