// The Admin API through the worker, with a stand-in for the Flagsmith behind it.

import assert from "node:assert/strict";
import { test } from "node:test";

import { startEdge } from "./harness.mjs";
import { startOrigin } from "./origin.mjs";

test("a request goes to the origin, and its answer comes back", async (t) => {
  const { edge, origin } = await start(t);
  origin.on("POST", "/api/v1/projects/1/features/", { status: 201, headers: { "x-own": "1" }, body: { id: 7 } });
  const response = await edge.request({
    method: "POST",
    path: "/api/v1/projects/1/features/?a=%2f+b",
    headers: { Authorization: "Api-Key k", "Content-Type": "application/json" },
    body: '{"name": "new"}',
  });
  assert.equal(response.status, 201, response.text);
  assert.deepEqual(response.json(), { id: 7 });
  assert.equal(response.headers["x-own"], "1");
  const [request] = origin.requests;
  assert.equal(request.target, "/api/v1/projects/1/features/?a=%2f+b");
  assert.equal(request.headers.authorization, "Api-Key k");
  assert.equal(request.headers["content-length"], "15");
  assert.equal(request.body.toString(), '{"name": "new"}');
});

async function start(t, options = {}) {
  const origin = await startOrigin();
  t.after(() => origin.close());
  const edge = await startEdge({ origin, ...options });
  t.after(() => edge.close());
  return { edge, origin };
}
