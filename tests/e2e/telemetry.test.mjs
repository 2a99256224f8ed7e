// The record of requests: data points, log lines, and values that neither may contain.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";

import { eventually, startEdge } from "./harness.mjs";
import { startOrigin } from "./origin.mjs";
import { leaks, learnRequest } from "./secrets.mjs";

/** The worker with a data set that logs its points. */
const METERED = { entry: "tests/e2e/row_metering.js" };
const ADMIN_KEY = "telemetry.key";
const ADMIN_KEY_SHA256 = createHash("sha256").update(ADMIN_KEY).digest("hex");
const SERVER_KEY = "ser.bRnD8QEc9hVGyxfLqGiKuJ";
const FLAGS = "/api/v1/flags/";
const IDENTITIES = "/api/v1/identities/";

test("each request is one data point: route, status, environment, source of the document, objects", async (t) => {
  const origin = await startOrigin();
  t.after(() => origin.close());
  origin.on("GET", "/api/v1/projects/", { body: [] });
  const edge = await start(t, { origin, variables: { ADMIN_KEY_SHA256 }, ...METERED });
  const [{ key, serverKeys }] = edge.environments;
  const first = Date.now();
  const client = { "X-Environment-Key": key };
  const server = { "X-Environment-Key": serverKeys[0].key };
  const admin = { Authorization: `Api-Key ${ADMIN_KEY}` };
  const identity = JSON.stringify({ identifier: "ada.lovelace", traits: [{ trait_key: "plan", trait_value: "confidential" }] });
  const json = { "Content-Type": "application/json" };
  const post = (path, body, headers = client) => ({ method: "POST", path, headers: { ...headers, ...json }, body });
  const steps = [
    [{ path: FLAGS, headers: client }, "flags 2xx kv", 0],
    [{ path: `${FLAGS}?feature=nothing`, headers: client }, "flags 4xx memory", 0],
    [{ path: FLAGS, headers: server }, "flags 2xx memory", 0],
    [{ path: `${IDENTITIES}?identifier=ada.lovelace`, headers: client }, "identities 2xx memory", 1],
    [post(IDENTITIES, identity), "identities 2xx memory", 1],
    [post("/api/v1/analytics/flags/", '{"free_shipping_threshold": 3}'), "analytics 2xx memory", 1],
    [{ path: "/api/v1/environment-document/", headers: server }, "environment-document 2xx memory", 0],
    [{ path: `/api/v1/environments/${key}/edge-identities/`, headers: admin }, "edge-identities 2xx memory", 0],
    [{ path: `/edge/environments/${key}/identities/count/`, headers: admin }, "inspection 2xx memory", 0],
    [{ path: `/edge/environments/${key}/identities/export/`, headers: admin }, "transfer 2xx memory", 0],
    [{ path: "/edge/" }, "page 2xx -", 0, ""],
    [{ path: FLAGS, headers: { "X-Environment-Key": "nobody" } }, "flags 4xx -", 0, ""],
    [{ path: FLAGS }, "flags 4xx -", 0, ""],
    ...[FLAGS, "/edge/", "/edge/status", `/edge/environments/${key}/identities/count/`, `/api/v1/environments/${key}/edge-identities/`, "/ada.lovelace"]
      .map((path) => [{ method: "OPTIONS", path }, "preflight 2xx -", 0, ""]),
    [{ method: "OPTIONS", path: "/api/v1/projects/" }, "origin 4xx origin", 0, ""],
    [{ path: "/api/v1/projects/", headers: { Authorization: "Token telemetry-token" } }, "origin 2xx origin", 0, ""],
    [{ path: "/edge/status", headers: { Authorization: "Token telemetry-token" } }, "status 4xx -", 0, ""],
    [{ path: "/ada.lovelace" }, "none 4xx -", 0, ""],
    [{ path: "/health/" }, "health 2xx -", 0, ""],
  ];
  for (const [index, [request, expected, objects, environment = key]] of steps.entries()) {
    const began = Date.now();
    const { status } = await edge.request(request);
    const took = Date.now() - began;
    await eventually(() => points(edge).length === index + 1, `${expected} is written`);
    const { indexes, blobs, doubles } = points(edge).at(-1);
    const [route, statusClass, ofEnvironment, source] = blobs;
    assert.equal(`${route} ${statusClass} ${source || "-"}`, expected);
    assert.deepEqual([indexes, ofEnvironment], [[environment], environment], expected);
    const [ofStatus, documentAge, ofObjects, duration] = doubles;
    assert.deepEqual([ofStatus, ofObjects], [status, objects], expected);
    // The worker's clock and this one are rounded separately.
    assert.ok(documentAge >= 0 && documentAge <= Date.now() - first + 1 && duration >= 0 && duration <= took + 1, JSON.stringify(doubles));
  }
});

test("a data point has the age of an unconfirmed document", async (t) => {
  const variables = { DOCUMENT_SOFT_AGE_SECONDS: 0, DOCUMENT_HARD_AGE_SECONDS: 0 };
  const edge = await start(t, { variables, ...METERED });
  const headers = { "X-Environment-Key": edge.environments[0].key };
  await edge.request({ path: FLAGS, headers });
  edge.kv.behave("fail");
  await eventually(async () => {
    await edge.request({ path: FLAGS, headers });
    const point = points(edge).at(-1);
    return point.blobs[3] === "memory" && point.doubles[1] >= 1000;
  }, "a point has its age");
});

test("a failing data set affects no answer, and is reported", async (t) => {
  const edge = await start(t, { variables: { METRICS: "no data set" } });
  const headers = { "X-Environment-Key": edge.environments[0].key };
  assert.equal((await edge.request({ path: FLAGS, headers })).status, 200);
  await eventually(() => edge.log.includes('"failure":"metrics"'), "it is reported");
});

test("a request's log line has exactly the documented fields", async (t) => {
  const edge = await start(t, { variables: { LOG_REQUESTS: 1 } });
  const [{ key }] = edge.environments;
  const path = `${IDENTITIES}?identifier=ada.lovelace`;
  await edge.request({ path, headers: { "X-Environment-Key": key } });
  await eventually(() => lines(edge).length === 1, "it is logged");
  const [{ document_age_ms, duration_ms, ...line }] = lines(edge);
  assert.deepEqual(line, { route: "identities", status: 200, environment: key, source: "kv", objects: 1 });
  assert.deepEqual([typeof document_age_ms, typeof duration_ms], ["number", "number"]);
});

test("an unknown client key is in no log line", async (t) => {
  // A truncated key. A key with quotation marks does not have the form of a key.
  const misplaced = SERVER_KEY.slice("ser.".length);
  const edge = await start(t, {});
  const [{ key }] = edge.environments;
  const failures = () => lines(edge, "failure");
  await edge.request({ path: FLAGS, headers: { "X-Environment-Key": key } });
  edge.kv.behave("fail");
  assert.equal((await edge.request({ path: FLAGS, headers: { "X-Environment-Key": JSON.stringify(SERVER_KEY) } })).status, 403);
  assert.equal((await edge.request({ path: FLAGS, headers: { "X-Environment-Key": misplaced } })).status, 503);
  await eventually(() => failures().length > 0, "it is logged");
  assert.deepEqual(failures().map(({ environment }) => environment), [null]);

  const origin = await startOrigin();
  t.after(() => origin.close());
  origin.fault("GET", `/api/v1/environments/${misplaced}/my-permissions/`, { status: 500, body: {} });
  const behind = await start(t, { origin });
  const path = `/api/v1/environments/${misplaced}/edge-identities/`;
  assert.equal((await behind.request({ path, headers: { Authorization: "Token telemetry-token" } })).status, 503);
  await eventually(() => behind.log.includes("a probe of permissions"), "it is logged");
  assert.deepEqual(lines(behind, "failure").map(({ environment }) => environment), [null]);
});

test("one in LOG_REQUESTS requests is logged, and by default none", async (t) => {
  const edge = await start(t, { variables: { LOG_REQUESTS: 20 } });
  const none = await start(t, { variables: { LOG_REQUESTS: "" } });
  for (let count = 0; count < 1000; count += 1) await edge.request({ path: "/version/" });
  for (let count = 0; count < 50; count += 1) await none.request({ path: "/version/" });
  await eventually(() => lines(edge).length > 0, "some are logged");
  for (const each of [edge, none]) await each.flush();
  // The expected number is 50; the probability of fewer than 10 or more than 120 is below one in a million.
  assert.ok(lines(edge).length >= 10 && lines(edge).length <= 120, `${lines(edge).length}`);
  assert.equal(lines(none).length, 0);
});

test("the check finds a log line with a confidential value", async (t) => {
  const path = "/api/v1/identities/?identifier=grace%40example.com";
  const traits = [{ trait_key: "shoe_size", trait_value: "forty-one" }];
  const body = JSON.stringify({ identifier: 'said "ha"', traits, data: [{ identifier: "joan", traits: { town: "Ghent" } }] });
  learnRequest({ path, headers: { Authorization: "Api-Key one.two", "X-Environment-Key": "ser.abc" }, body });
  const secrets = ["grace@example.com", "forty-one", "joan", "Ghent", "Api-Key one.two", "one.two", "ser.abc"];
  for (const secret of secrets) assert.deepEqual(leaks(`{"cause":"it was ${secret}!"}`).length > 0, true, secret);
  assert.equal(leaks(`{"cause":${JSON.stringify('said "ha"')}}`).length, 1);
  // The form of an identity's object name.
  assert.equal(leaks('{"cause":"NE2vvosoBQDNSjpPQU8wKN_joan"}').length, 1);
  assert.deepEqual(leaks('{"cause":"joanna, shoe_size, a client key, Ghentish, not_joan"}'), []);
  const edge = await startEdge({ ...METERED, variables: { ALSO_LOGGED: "joan" } });
  await edge.request({ path: "/version/" });
  await eventually(() => points(edge).length === 1, "it is written");
  await assert.rejects(edge.close(), /"joan" in: also joan/);
});

async function start(t, options) {
  const edge = await startEdge(options);
  t.after(() => edge.close());
  return edge;
}

function points(edge) {
  return [...edge.log.matchAll(/^point (.*)$/gm)].map(([, text]) => JSON.parse(text));
}

/** The lines that begin with this field; those with a route are about requests. */
function lines(edge, field = "route") {
  return [...edge.log.matchAll(new RegExp(`^\\{"${field}".*\\}$`, "gm"))].map(([line]) => JSON.parse(line));
}
