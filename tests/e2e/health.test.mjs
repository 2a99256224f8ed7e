// Health checks: the worker's own paths, and those of Flagsmith's Edge Proxy.

import assert from "node:assert/strict";
import { test } from "node:test";

import { startEdge } from "./harness.mjs";

const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;

test("a healthy worker reports ok", async (t) => {
  const edge = await startEdge();
  t.after(() => edge.close());
  for (const path of ["/health/", "/health/readiness", "/health/readiness/"]) {
    requireAnswer(await edge.request({ path }), 200, { status: "ok", environments: "working" });
  }
  requireAnswer(await edge.request({ path: "/health/liveness/" }), 200, { status: "ok" });
  const liveness = await edge.request({ path: "/proxy/health/liveness" });
  assert.deepEqual([liveness.status, liveness.text], [200, ""]);
});

test("the Edge Proxy's paths have the time of the latest confirmation", async (t) => {
  const edge = await startEdge();
  t.after(() => edge.close());
  const paths = ["/proxy/health", "/proxy/health/", "/proxy/health/readiness", "/proxy/health/readiness/"];
  for (const path of paths) {
    requireAnswer(await edge.request({ path }), 200, { status: "ok", reason: null, last_successful_update: null });
  }
  const before = Date.now();
  await edge.request({ path: "/api/v1/flags/", headers: { "X-Environment-Key": edge.environments[0].key } });
  for (const path of paths) {
    const { last_successful_update: last, ...others } = (await edge.request({ path })).json();
    assert.deepEqual(others, { status: "ok", reason: null });
    assert.match(last, ISO);
    assert.ok(Date.parse(last) >= before - 1 && Date.parse(last) <= Date.now(), last);
  }
});

test("a worker that cannot read its environments is live and not ready", async (t) => {
  const edge = await startEdge();
  t.after(() => edge.close());
  edge.kv.behave("fail");
  for (const path of ["/health/", "/health/readiness/"]) {
    requireAnswer(await edge.request({ path }), 503, { status: "error", environments: "unavailable" });
  }
  for (const path of ["/proxy/health", "/proxy/health/readiness"]) {
    const reason = "environment document(s) not updated.";
    requireAnswer(await edge.request({ path }), 503, { status: "error", reason, last_successful_update: null });
  }
  for (const path of ["/health/liveness/", "/proxy/health/liveness"]) {
    assert.equal((await edge.request({ path })).status, 200, path);
  }
});

function requireAnswer(response, status, body) {
  assert.deepEqual([response.status, response.json()], [status, body]);
}
