// The time until a server key that the origin no longer accepts is refused, and the keys that stay valid.

import assert from "node:assert/strict";
import { test } from "node:test";

import { serverKeyEntry } from "../../scripts/environments.mjs";
import { startFlagsmith, TOKEN } from "./flagsmith.mjs";
import { becomes, eventually, FIXTURES, startEdge } from "./harness.mjs";
import { request } from "./http.mjs";
import { recordedBody } from "./shapes.mjs";

// KV and discoveries are so slow here that they cannot cause a refusal.
const SETTINGS = {
  FRESHNESS_SECONDS: 0,
  REFRESH_SECONDS: 1,
  DISCOVERY_SECONDS: 3600,
  DOCUMENT_SOFT_AGE_SECONDS: 3600,
  DOCUMENT_HARD_AGE_SECONDS: 3600,
};

keyTest("a deactivated server key is refused by every isolate, even if KV still has it", { workers: 2 }, async ({ edge, flagsmith, key, isServed, isAnswered }) => {
  const { serverKeys } = flagsmith.environments.get(key);
  serverKeys.push({ key: "ser.other", active: true, expires_at: null });
  for (const port of edge.ports) for (const name of ["ser.one", "ser.other", key]) await isAnswered(name, 200, port);
  await eventually(() => edge.kv.entries.has(serverKeyEntry("ser.one")), "KV has the key");
  // From now on KV does not show changes.
  const shown = new Map(edge.kv.entries);
  edge.kv.view = (name) => shown.get(name);
  serverKeys.find(({ key }) => key === "ser.one").active = false;
  for (const port of edge.ports) await isAnswered("ser.one", 403, port);
  for (const port of edge.ports) for (const name of ["ser.other", key]) assert.ok(await isServed(name, port), name);
  // An isolate that reads the key from KV for the first time refuses it, too.
  assert.match(edge.kv.view(serverKeyEntry("ser.one")).toString(), /"active":true/);
  await edge.stop();
  await edge.start();
  await isAnswered("ser.other", 200);
  assert.equal(await isServed("ser.one"), false);
  // A deleted key, and a key that is activated again.
  serverKeys.splice(serverKeys.findIndex(({ key }) => key === "ser.other"), 1);
  serverKeys.find(({ key }) => key === "ser.one").active = true;
  for (const port of edge.ports) await isAnswered("ser.other", 403, port);
  for (const port of edge.ports) await isAnswered("ser.one", 200, port);
});

keyTest("a change of server keys reaches KV by a discovery", {}, async ({ edge, flagsmith, key, isAnswered }) => {
  await isAnswered("ser.one", 200);
  await eventually(() => edge.kv.entries.has(serverKeyEntry("ser.one")), "KV has the key");
  flagsmith.environments.get(key).serverKeys[0].active = false;
  await eventually(() => /"active":false/.test(edge.kv.entries.get(serverKeyEntry("ser.one"))), "KV has it switched off");
});

keyTest("a new server key is served, although the latest list is older", { variables: { REFRESH_SECONDS: 3600, DOCUMENT_SOFT_AGE_SECONDS: 0, DOCUMENT_HARD_AGE_SECONDS: 0 } }, async ({ edge, flagsmith, key, isAnswered }) => {
  await isAnswered("ser.one", 200);
  const lists = () => flagsmith.origin.requestsFor("GET", `/api/v1/environments/${key}/api-keys/`).length;
  // One request of the discovery, and one of the environment's object.
  await eventually(() => lists() === 2, "the list has been asked for");
  flagsmith.environments.get(key).serverKeys.push({ key: "ser.new", active: true, expires_at: null });
  // A write through the worker causes a discovery, since one for an unknown key may be delayed.
  const path = `/api/v1/environments/${key}/api-keys/`;
  flagsmith.origin.on("POST", path, { status: 201, body: recordedBody("POST", "/api/v1/environments/{key}/api-keys/", 201) });
  assert.equal((await request(edge.port, { method: "POST", path, body: "{}" })).status, 201);
  await isAnswered("ser.new", 200);
});

keyTest("server keys stay valid while their list cannot be fetched", {}, async ({ edge, flagsmith, key, isServed, isAnswered }) => {
  await isAnswered("ser.one", 200);
  const path = `/api/v1/environments/${key}/api-keys/`;
  const lists = () => flagsmith.origin.requestsFor("GET", path).length;
  for (const answer of [{ status: 500, body: "" }, { status: 403, body: { detail: "no" } }, { body: "<html>" }, { body: { results: [], next: "http://127.0.0.1/?page=2" } }]) {
    flagsmith.origin.fault("GET", path, answer);
    const before = lists();
    await eventually(() => lists() >= before + 2, "the list is asked for again");
    assert.ok(await isServed("ser.one"), JSON.stringify(answer));
  }
  await becomes(() => edge.log, /server keys: it answered 500/);
});

keyTest("a deactivated server key is refused while the document is still being fetched", {}, async ({ edge, flagsmith, key, isServed, isAnswered }) => {
  await isAnswered("ser.one", 200);
  // The worker's time limit for such an answer is 20 s.
  flagsmith.origin.behaviour = ({ path }) => (path.endsWith("/document/") ? "stall" : "serve");
  const fetched = flagsmith.fetches(key);
  await eventually(() => flagsmith.fetches(key) > fetched, "the document is asked for");
  flagsmith.environments.get(key).serverKeys[0].active = false;
  await isAnswered("ser.one", 403);
  assert.equal(flagsmith.fetches(key), fetched + 1, "the document has not come yet");
  assert.ok(await isServed(key), "the document is served on");
});

keyTest("the list of server keys costs one request for each fetch of the document", {}, async ({ flagsmith, key, isAnswered }) => {
  await isAnswered("ser.one", 200);
  const lists = () => flagsmith.origin.requestsFor("GET", `/api/v1/environments/${key}/api-keys/`).length;
  const [fetched, listed] = [flagsmith.fetches(key), lists()];
  await eventually(() => flagsmith.fetches(key) >= fetched + 5, "the document is asked for again");
  assert.ok(lists() - listed <= flagsmith.fetches(key) - fetched + 1, `${lists() - listed} lists`);
});

test("without a token only server keys that the origin no longer accepts are refused", async (t) => {
  const flagsmith = await started(t);
  const [[key, environment]] = flagsmith.environments;
  environment.serverKeys = [{ key: "ser.one", active: true, expires_at: null }];
  const edge = await startEdge({ origin: flagsmith.origin, variables: { ...SETTINGS, SERVER_KEYS: "ser.one" } });
  t.after(() => edge.close());
  edge.kv.entries.clear();
  const { isServed, isAnswered } = readers(edge);
  for (const name of ["ser.one", key]) await isAnswered(name, 200);
  // A 403 of a server in front of the origin is a fault like any other.
  const path = "/api/v1/environment-document/";
  const asked = () => flagsmith.origin.requestsFor("GET", path).length;
  flagsmith.origin.fault("GET", path, { status: 403, body: "<html>" });
  const before = asked();
  await eventually(() => asked() >= before + 2, "it is asked again");
  assert.ok(await isServed("ser.one"));
  const [known] = environment.serverKeys;
  const refusal = { status: 403, body: { detail: "Invalid or missing Environment Key" } };
  flagsmith.origin.on("GET", path, () => (known.active ? { body: environment.document } : refusal));
  known.active = false;
  await isAnswered("ser.one", 403);
  assert.ok(await isServed(key), "the environment's document is served on");
  known.active = true;
  await isAnswered("ser.one", 200);
});

/** A test with a Flagsmith and a worker in front of it. The first environment has only the server key `ser.one`. */
function keyTest(name, { workers = 1, variables = {} }, body) {
  test(name, async (t) => {
    const flagsmith = await started(t);
    const [[key, environment]] = flagsmith.environments;
    environment.serverKeys = [{ key: "ser.one", active: true, expires_at: null }];
    const edge = await startEdge({ origin: flagsmith.origin, workers, variables: { ...SETTINGS, ORIGIN_API_TOKEN: TOKEN, ...variables } });
    t.after(() => edge.close());
    edge.kv.entries.clear();
    await body({ edge, flagsmith, key, ...readers(edge) });
  });
}

async function started(t) {
  const flagsmith = await startFlagsmith(FIXTURES);
  t.after(() => flagsmith.close());
  return flagsmith;
}

function readers(edge) {
  const status = async (name, port = edge.port) => (await request(port, { path: "/api/v1/flags/", headers: { "X-Environment-Key": name } })).status;
  const isAnswered = (name, expected, port = edge.port) => becomes(() => status(name, port), expected, "how a key is answered");
  return { isAnswered, isServed: async (name, port) => (await status(name, port)) === 200 };
}
