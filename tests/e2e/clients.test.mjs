// Flagsmith's own clients, unchanged, against the worker.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";

import { createFlagsmithInstance } from "@flagsmith/flagsmith/isomorphic";
import { Flagsmith } from "flagsmith-nodejs";

import { DEADLINE_MS } from "./deadline.mjs";
import { FIXTURES, RECORDINGS, ROOT, startEdge } from "./harness.mjs";

const QUIET = Object.fromEntries(["info", "warn", "error", "debug", "trace", "fatal"].map((level) => [level, () => {}]));

const edge = await startEdge({ documents: RECORDINGS === null ? FIXTURES : join(RECORDINGS, "documents") });
after(() => edge.close());
const environment = edge.environments[0];
const api = `${edge.address}/api/v1/`;
const serverKey = environment.serverKeys[0].key;
const truth = readTruth();

test("the expected flags are complete", () => {
  const counts = [truth.environmentFlags.length, truth.identities.length];
  assert.deepEqual(counts, RECORDINGS === null ? [7, 12] : [63, 123]);
});

test("@flagsmith/flagsmith: the flags of the environment", async () => {
  const client = await browser({});
  requireBrowserFlags(client, truth.environmentFlags);
});

test("@flagsmith/flagsmith: the flags of identities, given at the start", async () => {
  for (const { identifier, traits, flags } of truth.identities) {
    const client = await browser({ identity: identifier, traits });
    requireBrowserFlags(client, flags);
    assert.deepEqual(client.getAllTraits(), withoutSpaces(traits));
    await forget(identifier, traits);
  }
});

test("@flagsmith/flagsmith: identify, and logout", async () => {
  const client = await browser({});
  for (const { identifier, traits, flags } of truth.identities) {
    await client.identify(identifier, traits);
    requireBrowserFlags(client, flags);
    await forget(identifier, traits);
  }
  await client.logout();
  requireBrowserFlags(client, truth.environmentFlags);
});

test("@flagsmith/flagsmith: traits are set, changed and deleted, and visible to the next client", async () => {
  const client = await browser({ identity: "browser-user" });
  await client.setTrait("plan", "free");
  await client.setTraits({ plan: "gold", visits: 3, ratio: 0.5, beta: true });
  assert.deepEqual((await browser({ identity: "browser-user" })).getAllTraits(), { plan: "gold", visits: 3, ratio: 0.5, beta: true });
  await client.setTraits({ visits: null, beta: false });
  assert.deepEqual((await browser({ identity: "browser-user" })).getAllTraits(), { plan: "gold", ratio: 0.5, beta: false });
});

test("@flagsmith/flagsmith: transient traits and identities are not stored", async () => {
  const client = await browser({ identity: "browser-passer-by" });
  await client.setTraits({ seen: { value: "once", transient: true }, kept: "yes" });
  assert.equal(client.getTrait("seen"), "once");
  assert.deepEqual((await browser({ identity: "browser-passer-by" })).getAllTraits(), { kept: "yes" });

  const context = { identity: { identifier: "browser-ghost", transient: true, traits: { seen: { value: 1 } } } };
  const ghost = await browser({ evaluationContext: { environment: { apiKey: environment.key }, ...context } });
  assert.equal(ghost.getTrait("seen"), 1);
  assert.deepEqual((await browser({ identity: "browser-ghost" })).getAllTraits(), {});
});

test("flagsmith-nodejs, remote: the flags of the environment", async () => {
  requireNodeFlags(await remote().getEnvironmentFlags(), truth.environmentFlags);
});

test("flagsmith-nodejs, remote: the flags of identities", async () => {
  const client = remote();
  for (const { identifier, traits, flags } of truth.identities) {
    requireNodeFlags(await client.getIdentityFlags(identifier, traits), flags);
    // The same request without traits uses the stored ones.
    requireNodeFlags(await client.getIdentityFlags(identifier), flags);
    await forget(identifier, traits);
  }
});

test("flagsmith-nodejs, remote: traits are set, changed, deleted and transient", async () => {
  const client = remote();
  await client.getIdentityFlags("node-user", { plan: "free", visits: 1 });
  await client.getIdentityFlags("node-user", { plan: "gold", seen: { value: true, transient: true } });
  assert.deepEqual(await storedTraits("node-user"), { plan: "gold", visits: 1 });
  await client.getIdentityFlags("node-user", { visits: null });
  assert.deepEqual(await storedTraits("node-user"), { plan: "gold" });
  await client.getIdentityFlags("node-user", { plan: "silver" }, true);
  assert.deepEqual(await storedTraits("node-user"), { plan: "gold" });
  await client.getIdentityFlags("node-ghost", { plan: "silver" }, true);
  assert.deepEqual(await storedTraits("node-ghost"), {});
});

// The client's evaluation may differ from Flagsmith's, so it is compared with its own evaluation of the document on disk.
test("flagsmith-nodejs, local: the worker's document gives the flags of the published one", async (t) => {
  const fromWorker = local();
  const document = JSON.parse(readFileSync(join(truth.documents, environment.file), "utf8"));
  const fromDisk = local({ fetch: async () => Response.json(document) });
  t.after(() => Promise.all([fromWorker.close(), fromDisk.close()]));
  assert.deepEqual((await fromWorker.getEnvironmentFlags()).flags, (await fromDisk.getEnvironmentFlags()).flags);
  for (const { identifier, traits } of truth.identities) {
    const flags = await fromWorker.getIdentityFlags(identifier, traits);
    assert.deepEqual(flags.flags, (await fromDisk.getIdentityFlags(identifier, traits)).flags);
  }
});

test("multivariate flags are stable for each user, equal remotely and locally, and split by weight", async (t) => {
  const [name, allocations] = truth.multivariate;
  const [remoteClient, localClient] = [remote(), local()];
  t.after(() => localClient.close());
  const counts = new Map();
  const users = Array.from({ length: 300 }, (_, number) => `split-user-${number}`);
  for (const user of users) {
    const value = (await remoteClient.getIdentityFlags(user, {}, true)).getFeatureValue(name);
    assert.equal((await localClient.getIdentityFlags(user)).getFeatureValue(name), value, user);
    counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  for (const [value, percentage] of allocations) {
    const share = (100 * (counts.get(value) ?? 0)) / users.length;
    // Three standard deviations of 300 draws are at most 9 points.
    assert.ok(Math.abs(share - percentage) < 9, `${value}: ${share}% instead of ${percentage}%`);
  }
  for (const user of users.slice(0, 20)) {
    const value = (await remoteClient.getIdentityFlags(user, {}, true)).getFeatureValue(name);
    await remoteClient.getIdentityFlags(user, { visits: 1 });
    assert.equal((await remoteClient.getIdentityFlags(user)).getFeatureValue(name), value, `${user} with traits`);
    const client = await browser({ identity: user });
    assert.equal(client.getValue(name), value, `${user} in a browser`);
  }
});

/** A started @flagsmith/flagsmith client. Instances are separate: the default one is global. */
async function browser(options) {
  const client = createFlagsmithInstance();
  const environmentID = options.evaluationContext === undefined ? { environmentID: environment.key } : {};
  await client.init({ api, fetch, cacheFlags: false, enableAnalytics: false, ...environmentID, ...options });
  return client;
}

function remote() {
  return new Flagsmith({ environmentKey: environment.key, apiUrl: api, retries: 0, logger: QUIET, requestTimeoutSeconds: DEADLINE_MS / 1000 });
}

function local(options = {}) {
  const waits = { requestTimeoutSeconds: DEADLINE_MS / 1000, environmentRefreshIntervalSeconds: 3600 };
  const common = { environmentKey: serverKey, apiUrl: api, retries: 0, logger: QUIET, ...waits };
  return new Flagsmith({ ...common, enableLocalEvaluation: true, ...options });
}

function requireBrowserFlags(client, expected) {
  const found = Object.entries(client.getAllFlags()).map(([name, { enabled, value }]) => [name, enabled, value]);
  const wanted = expected.map((flag) => [flag.feature.name.toLowerCase().replace(/ /g, "_"), flag.enabled, flag.feature_state_value]);
  assert.deepEqual(found.sort(byName), wanted.sort(byName));
}

function requireNodeFlags(flags, expected) {
  const found = flags.allFlags().map(({ featureName, enabled, value }) => [featureName, enabled, value ?? null]);
  const wanted = expected.map((flag) => [flag.feature.name, flag.enabled, flag.feature_state_value]);
  assert.deepEqual(found.sort(byName), wanted.sort(byName));
}

function byName([left], [right]) {
  return left < right ? -1 : 1;
}

async function forget(identifier, traits) {
  await remote().getIdentityFlags(identifier, Object.fromEntries(Object.keys(traits).map((name) => [name, null])));
  assert.deepEqual(await storedTraits(identifier), {});
}

async function storedTraits(identifier) {
  const path = `/api/v1/identities/?identifier=${encodeURIComponent(identifier)}`;
  const response = await edge.request({ path, headers: { "X-Environment-Key": environment.key } });
  assert.equal(response.status, 200, response.text);
  return Object.fromEntries(response.json().traits.map(({ trait_key, trait_value }) => [trait_key, trait_value]));
}

/**
 * Flagsmith's recorded answers. A recorded answer contains all inputs of its flags: the identifier and all traits. So every
 * answer is a case that does not depend on earlier ones.
 */
function readTruth() {
  const folder = RECORDINGS ?? join(ROOT, "fixtures");
  const file = join(folder, RECORDINGS === null ? "exchanges/shop.jsonl" : "sdk.jsonl");
  const lines = readFileSync(file, "utf8").split("\n").filter(Boolean);
  // JavaScript sends 1.0 as 1, which is an integer for Flagsmith, so these clients cannot send such a case.
  const exchanges = lines.filter((line) => !/"trait_value":-?\d+(\.0+|(\.\d+)?e[+\d]+)[,}]/i.test(line)).map((line) => JSON.parse(line));
  const answered = exchanges.filter(({ request, response }) => request.headers["X-Environment-Key"] === environment.key && response.status === 200);
  const listing = answered.find(({ request }) => request.path === "/api/v1/flags/" && request.method === "GET");
  const identities = new Map();
  for (const { request, response } of answered) {
    const { identifier, traits, flags, flags_are_a_subset } = response.body ?? {};
    const isTransient = /transient/.test(request.path + request.body);
    // Clients refuse an empty identifier. An anonymous identifier is a hash without a stored identity.
    const isNamed = typeof identifier === "string" && JSON.stringify(request).includes(identifier);
    if (!Array.isArray(flags) || flags_are_a_subset || isTransient || !isNamed || !traits.every(isRepeatable)) continue;
    const values = Object.fromEntries(traits.map(({ trait_key, trait_value }) => [trait_key, trait_value]));
    identities.set(JSON.stringify([identifier, values]), { identifier, traits: values, flags });
  }
  return {
    documents: RECORDINGS === null ? FIXTURES : join(RECORDINGS, "documents"),
    environmentFlags: listing.response.body,
    identities: [...identities.values()],
    multivariate: multivariateOf(RECORDINGS === null ? FIXTURES : join(RECORDINGS, "documents")),
  };
}

function isRepeatable({ trait_key, trait_value, transient }) {
  return transient !== true && trait_value !== null && trait_key === trait_key.trim();
}

/** A multivariate feature that no segment overrides, with its values and their percentages. */
function multivariateOf(folder) {
  const document = JSON.parse(readFileSync(join(folder, environment.file), "utf8"));
  const overridden = new Set(document.project.segments.flatMap(({ feature_states }) => feature_states.map(({ feature }) => feature.name)));
  const found = document.feature_states.filter((state) => state.multivariate_feature_state_values.length > 1);
  const state = found.find(({ feature }) => !overridden.has(feature.name)) ?? found[0];
  const values = state.multivariate_feature_state_values;
  return [state.feature.name, values.map((value) => [value.multivariate_feature_option.value, value.percentage_allocation])];
}

function withoutSpaces(traits) {
  return Object.fromEntries(Object.entries(traits).map(([name, value]) => [name.replace(/ /g, "_"), value]));
}
