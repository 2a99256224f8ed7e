// What an account is billed for, counted on a worker that works: of each kind of request, and of what goes on without any.

import assert from "node:assert/strict";

import { startFlagsmith, TOKEN } from "./flagsmith.mjs";
import { eventually, FIXTURES, startEdge } from "./harness.mjs";

const COUNTED = { entry: "tests/e2e/counted.js" };
const ANALYTICS = "/api/v1/analytics/flags/";
const NOTHING = { kvReads: 0, kvWrites: 0, objectRequests: 0, rowsRead: 0, rowsWritten: 0 };
/** Longer than a count takes, so that nothing is looked up again meanwhile. */
const AGES = { DOCUMENT_SOFT_AGE_SECONDS: 3600, DOCUMENT_HARD_AGE_SECONDS: 3600 };

/** kind of .make/bill.mjs → {kvReads, kvWrites, objectRequests, rowsRead, rowsWritten} for one of it. */
export async function count() {
  return { ...(await ofRequests()), ...(await ofLookUps()), ...(await ofRefreshes()) };
}

/** Of SDKs' requests, to an isolate that knows the environment, and to objects that have just been woken. */
async function ofRequests() {
  const counts = {};
  const edge = await startEdge({ ...COUNTED, variables: AGES });
  const [{ key, serverKeys }] = edge.environments;
  const client = { "X-Environment-Key": key };
  const server = { "X-Environment-Key": serverKeys[0].key };
  const post = (identity) => ({
    method: "POST",
    path: "/api/v1/identities/",
    headers: { ...client, "Content-Type": "application/json" },
    body: JSON.stringify(identity),
  });
  const traits = (plan) => [
    { trait_key: "plan", trait_value: plan },
    { trait_key: "country", trait_value: "BE" },
  ];
  const ada = { identifier: "ada", traits: traits("basic") };
  const of = async (kind, request, calls) => {
    await edge.stop();
    await edge.start();
    for (const headers of [client, server]) await edge.request({ path: "/api/v1/flags/", headers });
    counts[kind] = await counted(edge, calls, async () => assert.ok((await edge.request(request)).status < 300, kind));
  };
  try {
    // So many that every shard of the directory has been made.
    for (let number = 0; number < 64; number += 1) await edge.request(post({ identifier: `earlier ${number}` }));
    await settled(edge);
    await of("flags", { path: "/api/v1/flags/", headers: client }, 0);
    await of("anonymous", post({ identifier: "", transient: true, traits: traits("basic") }), 0);
    // The identity, its alarm, and the directory that this tells.
    await of("created", post(ada), 3);
    await of("unchanged", post(ada), 1);
    await of("changed", post({ ...ada, traits: traits("premium") }), 1);
    await of("document", { path: "/api/v1/environment-document/", headers: server }, 1);
  } finally {
    await edge.close();
  }
  return counts;
}

/** Of an isolate that looks whether there is a new document; and of evaluations, which go to the origin. */
async function ofLookUps() {
  const alone = await startEdge({ ...COUNTED, variables: { ...AGES, DOCUMENT_HARD_AGE_SECONDS: 0, DOCUMENT_SOFT_AGE_SECONDS: 0 } });
  const flagsmith = await startFlagsmith(FIXTURES);
  flagsmith.origin.on("POST", ANALYTICS, { status: 200 });
  const published = { ORIGIN_API_TOKEN: TOKEN, FRESHNESS_SECONDS: 0, REFRESH_SECONDS: 3600, ANALYTICS_INTERVAL_SECONDS: 1 };
  const behind = await startEdge({ ...COUNTED, origin: flagsmith.origin, variables: { ...AGES, ...published } });
  // The origin's documents are asked for where there are none.
  behind.kv.entries.clear();
  try {
    const look = async (edge, calls) => {
      const request = { path: "/api/v1/flags/", headers: { "X-Environment-Key": edge.environments[0].key } };
      await eventually(async () => (await edge.request(request)).status === 200, "it is served");
      await settled(edge);
      return counted(edge, calls, () => edge.request(request));
    };
    const [lookAlone, found] = [await look(alone, 0), await look(behind, 1)];
    const server = { "X-Environment-Key": alone.environments[0].serverKeys[0].key };
    const both = await counted(alone, 0, () => alone.request({ path: "/api/v1/flags/", headers: server }));
    const headers = { "X-Environment-Key": behind.environments[0].key, "Content-Type": "application/json" };
    const report = { method: "POST", path: ANALYTICS, headers, body: '{"free_shipping_threshold": 3}' };
    // The look, the report, and the alarm that sends it on.
    const evaluations = await counted(behind, 3, () => behind.request(report));
    return { lookAlone, look: found, lookKey: without(both, lookAlone), evaluations: without(evaluations, found) };
  } finally {
    await alone.close();
    await behind.close();
    await flagsmith.close();
  }
}

/** Of an environment's object that asks the origin and hears nothing new. */
async function ofRefreshes() {
  const flagsmith = await startFlagsmith(FIXTURES);
  const variables = { ...AGES, ORIGIN_API_TOKEN: TOKEN, FRESHNESS_SECONDS: 3600, REFRESH_SECONDS: 1 };
  const edge = await startEdge({ ...COUNTED, origin: flagsmith.origin, variables });
  edge.kv.entries.clear();
  try {
    const path = "/api/v1/flags/";
    await edge.request({ path, headers: { "X-Environment-Key": edge.environments[0].key } });
    const alarms = () => calls(edge).filter(({ called, method }) => called === "EnvironmentObject" && method === "alarm");
    // The first ones publish.
    await eventually(() => alarms().length >= 8, "the origin is asked again and again", 30_000);
    const { rowsRead, rowsWritten } = alarms().at(-1);
    return { refresh: { ...NOTHING, objectRequests: 1, rowsRead, rowsWritten } };
  } finally {
    await edge.close();
    await flagsmith.close();
  }
}

function without(counts, others) {
  return Object.fromEntries(Object.entries(counts).map(([what, count]) => [what, count - others[what]]));
}

/** What `work` is billed for, which calls objects so many times. */
async function counted(edge, expected, work) {
  const before = [calls(edge).length, edge.kv.requests.length, edge.kv.writes.length];
  await work();
  await eventually(() => calls(edge).length >= before[0] + expected, `${expected} calls are made`);
  await settled(edge);
  const made = calls(edge).slice(before[0]);
  const sum = (field) => made.reduce((total, call) => total + call[field], 0);
  return {
    kvReads: edge.kv.requests.length - before[1],
    kvWrites: edge.kv.writes.length - before[2],
    objectRequests: made.length,
    rowsRead: sum("rowsRead"),
    rowsWritten: sum("rowsWritten"),
  };
}

/** Resolves once nothing more has been counted for a while. */
async function settled(edge) {
  const state = () => [calls(edge).length, edge.kv.requests.length, edge.kv.writes.length].join();
  let [last, since] = [state(), Date.now()];
  await eventually(() => {
    if (state() !== last) [last, since] = [state(), Date.now()];
    return Date.now() - since >= 500;
  }, "it has come to rest");
}

function calls(edge) {
  return [...edge.log.matchAll(/^\{"called".*\}$/gm)].map(([line]) => JSON.parse(line));
}
