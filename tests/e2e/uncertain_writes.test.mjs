// Writes with an unknown result at the origin: their possible changes are served as soon as those of successful writes.

import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";

import { documentEntry } from "../../scripts/environments.mjs";
import { set, startFlagsmith, stateOf, TOKEN } from "./flagsmith.mjs";
import { becomes, eventually, FIXTURES, startEdge } from "./harness.mjs";

const FRESHNESS_SECONDS = 2;
// The same times as in propagation.test.mjs.
const PROMISED_MS = 1000 * (FRESHNESS_SECONDS + 1);
const STEPS = 10;

for (const [what, status, end] of [
  ["breaks off before its answer", 502, (response) => response.destroy()],
  ["breaks off within its answer", 502, (response) => {
    response.writeHead(200, { "content-type": "application/json" });
    response.write('{"id": ', () => response.destroy());
  }],
  ["answers with something else than HTTP", 502, (response) => response.socket.end("SSH-2.0\r\n")],
  ["fails", 500, () => ({ status: 500, headers: { "content-type": "text/html" }, body: "<h1>Server Error (500)</h1>" })],
  ["is behind another server that gives up", 504, () => ({ status: 504, body: "" })],
  ["redirects", 302, () => ({ status: 302, headers: { location: "/api/v1/projects/" } })],
  ["never answers", 504, () => {}],
]) {
  test(`a write is published although the origin ${what}`, async (t) => {
    const { flagsmith, key, write, valueIs } = await started(t);
    flagsmith.origin.fault("PATCH", /featurestates/, (_, response) => {
      set(flagsmith, key, 1001);
      return end(response);
    });
    const response = await write();
    const answeredAt = performance.now();
    assert.equal(response.status, status, response.text);
    const slowest = await valueIs(1001);
    const ms = performance.now() - answeredAt;
    assert.ok(ms < PROMISED_MS + STEPS * slowest, `${ms} ms, with ${slowest} ms for the slowest read`);
    assert.equal(flagsmith.origin.requests.filter(({ method }) => method === "PATCH").length, 1, "it was sent twice");
  });
}

test("a write that completes after its 504 is published", async (t) => {
  // The write ends after the immediate fetch and the one five seconds later, and before the worker gives up on it.
  const { flagsmith, key, write, valueIs } = await started(t, { ORIGIN_TIMEOUT_SECONDS: 12 });
  let answer;
  flagsmith.origin.fault("PATCH", /featurestates/, () => new Promise((resolve) => (answer = resolve)));
  assert.equal((await write()).status, 504);
  await eventually(() => flagsmith.fetches(key) === 3, "the document is asked for when the write is late, and again later");
  set(flagsmith, key, 1001);
  answer({ body: {} });
  await valueIs(1001);
});

test("a write is published although its client disconnects before the answer", async (t) => {
  const { edge, flagsmith, key, head, valueIs } = await started(t);
  let answer;
  flagsmith.origin.fault("PATCH", /featurestates/, () => new Promise((resolve) => (answer = resolve)));
  const socket = connect(edge.port, "127.0.0.1");
  socket.write(`${head(2)}{}`);
  await eventually(() => answer !== undefined, "the origin has the write");
  socket.resetAndDestroy();
  set(flagsmith, key, 1001);
  answer({ body: {} });
  await eventually(() => flagsmith.fetches(key) === 2, "the document is asked for");
  await valueIs(1001);
});

test("an environment is fetched again although the client disconnects during its write", async (t) => {
  const { edge, flagsmith, key, head, valueIs } = await started(t);
  const before = flagsmith.origin.begun;
  const socket = connect(edge.port, "127.0.0.1");
  socket.write(`${head(1000)}{"feature_state_value":`);
  await eventually(() => flagsmith.origin.begun > before, "the origin has its beginning");
  set(flagsmith, key, 1001);
  socket.resetAndDestroy();
  await eventually(() => flagsmith.fetches(key) === 2, "the document is asked for");
  await valueIs(1001);
});

test("a refused write causes no fetch", async (t) => {
  const { edge, flagsmith, key, write, valueIs } = await started(t);
  const path = `/api/v1/environments/${key}/featurestates/1/`;
  for (const status of [400, 401, 403, 404, 409, 429]) {
    flagsmith.origin.fault("PATCH", path, { status, body: { detail: "No." } });
    assert.equal((await edge.request({ method: "PATCH", path, body: "{}" })).status, status);
  }
  for (const [status, refused] of [
    [400, { path: `/api/v1/environments/${key}/%2e%2e/x/` }],
    [411, { path, body: Buffer.alloc(10 * 1024 * 1024 + 70_000), chunked: true, unfinished: true }],
    [508, { path, headers: { Via: "1.1 flagsmith-edge-worker" } }],
  ]) {
    assert.equal((await edge.request({ method: "PATCH", body: "{}", ...refused })).status, status);
  }
  const before = flagsmith.fetches(key);
  assert.equal(before, 1, "a refusal made the document be asked for");
  flagsmith.origin.fault("PATCH", /featurestates/, () => {
    set(flagsmith, key, 1001);
    return { status: 500, body: "" };
  });
  await write();
  await valueIs(1001);
  assert.equal(flagsmith.fetches(key), 2);
});

/**
 * A worker that has published its first environment and does not refresh it by itself. Returns a function that writes through
 * it, and one that waits for the served value and resolves to the milliseconds of the slowest read.
 */
async function started(t, more = {}) {
  const flagsmith = await startFlagsmith(FIXTURES);
  t.after(() => flagsmith.close());
  const variables = { ORIGIN_API_TOKEN: TOKEN, FRESHNESS_SECONDS, REFRESH_SECONDS: 3600, ORIGIN_TIMEOUT_SECONDS: 2, ...more };
  const edge = await startEdge({ origin: flagsmith.origin, variables });
  t.after(() => edge.close());
  edge.kv.entries.clear();
  const [key] = flagsmith.environments.keys();
  const flags = () => edge.request({ path: "/api/v1/flags/", headers: { "X-Environment-Key": key } });
  const valueIs = async (expected) => {
    let slowest = 0;
    await becomes(async () => {
      const began = performance.now();
      const response = await flags();
      slowest = Math.max(slowest, performance.now() - began);
      assert.equal(response.status, 200, response.text);
      return stateOf(response.json()).feature_state_value;
    }, expected, "the value that is served");
    return slowest;
  };
  await becomes(async () => (await flags()).status, 200, "the first document is served");
  await eventually(() => edge.kv.entries.has(documentEntry(key)), "KV has the first document");
  assert.equal(flagsmith.fetches(key), 1);
  const path = `/api/v1/environments/${key}/featurestates/1/`;
  const headers = { Authorization: `Api-Key ${TOKEN}`, "Content-Type": "application/json" };
  const head = (length) => {
    const lines = [`PATCH ${path} HTTP/1.1`, "Host: edge", `Content-Length: ${length}`, ...Object.entries(headers).map((pair) => pair.join(": "))];
    return `${lines.join("\r\n")}\r\n\r\n`;
  };
  return { edge, flagsmith, key, valueIs, head, write: () => edge.request({ method: "PATCH", path, headers, body: "{}" }) };
}
