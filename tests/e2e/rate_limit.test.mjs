// The number of requests that one credential may send to the Admin API.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";

import { becomes, startEdge } from "./harness.mjs";
import { startOrigin } from "./origin.mjs";

const PLACE = "/api/v1/projects/1/features/";
const THROTTLED = { detail: "Request was throttled. Expected available in 60 seconds." };

// A limiter that counts like the platform's, with a limit of 3, and records its calls.
const LIMITER = `
  import { WorkerEntrypoint } from "cloudflare:workers";
  const counts = new Map();
  export class Limiter extends WorkerEntrypoint {
    limit({ key }) {
      const count = (counts.get(key) ?? 0) + 1;
      counts.set(key, count);
      console.log("limited by " + key);
      return { success: count <= 3 };
    }
  }
  export class Broken extends WorkerEntrypoint {
    limit() {
      throw new Error("out of order");
    }
  }
  export default { fetch: () => new Response() };
`;

limitTest("each credential has its own limit", "Limiter", async (edge, origin) => {
  for (const headers of [{ Authorization: "Api-Key a.b" }, { Authorization: "Token t" }, { Cookie: "theme=dark; jwt=j" }]) {
    for (let count = 0; count < 3; count += 1) {
      assert.equal((await edge.request({ path: PLACE, headers })).status, 200);
    }
    for (const method of ["GET", "POST", "DELETE"]) {
      const response = await edge.request({ method, path: PLACE, headers });
      assert.deepEqual([response.status, response.json()], [429, THROTTLED]);
      assert.equal(response.headers["retry-after"], "60");
    }
  }
  assert.equal(origin.requests.length, 9);
  await edge.flush();
  const [key] = /[0-9a-f]{64}/.exec(edge.log);
  assert.equal(key, createHash("sha256").update("api-key a.b").digest("hex"));
  assert.doesNotMatch(edge.log, /a\.b/);
});

limitTest("a credential's limit does not grow when it is combined with others", "Limiter", async (edge) => {
  const ask = (headers) => edge.request({ path: PLACE, headers });
  const spellings = [
    (count) => ({ Cookie: "jwt=x", Authorization: `Token ${count}` }),
    (count) => ({ Cookie: `jwt=${count}; jwt=y` }),
    (count) => ({ Authorization: `token${" ".repeat(count + 1)}z` }),
  ];
  for (const spelling of spellings) {
    const statuses = [];
    for (let count = 0; count < 5; count += 1) statuses.push((await ask(spelling(count))).status);
    assert.deepEqual(statuses, [200, 200, 200, 429, 429]);
  }
});

limitTest("the status of published environments is rate limited, too", "Limiter", async (edge) => {
  const headers = { Authorization: "Token s" };
  for (let count = 0; count < 3; count += 1) await edge.request({ path: "/edge/status", headers });
  assert.equal((await edge.request({ path: "/edge/status", headers })).status, 429);
});

limitTest("exports and repairs are rate limited, imports are not", "Limiter", async (edge) => {
  const [{ key }] = edge.environments;
  const send = (method, action) =>
    edge.request({
      method,
      path: `/edge/environments/${key}/identities/${action}/`,
      headers: { Authorization: `Token ${action}`, "Content-Type": "application/x-ndjson" },
      body: method === "POST" ? "{}" : null,
    });
  for (const [method, action, counted] of [["GET", "export", true], ["POST", "repair", true], ["POST", "import", false]]) {
    const statuses = [];
    for (let count = 0; count < 5; count += 1) statuses.push((await send(method, action)).status);
    assert.equal(statuses.slice(0, 3).includes(429), false, `${action}: ${statuses}`);
    assert.equal(statuses.slice(3).every((status) => status === 429), counted, `${action}: ${statuses}`);
  }
});

limitTest("requests without a credential are not counted", "Limiter", async (edge) => {
  for (let count = 0; count < 5; count += 1) assert.equal((await edge.request({ path: PLACE })).status, 200);
});

limitTest("the SDK API has no limit", "Limiter", async (edge) => {
  const headers = { Authorization: "Token t", "X-Environment-Key": edge.environments[0].key };
  for (let count = 0; count < 5; count += 1) {
    assert.equal((await edge.request({ path: "/api/v1/flags/", headers })).status, 200);
  }
  await edge.flush();
  assert.doesNotMatch(edge.log, /limited by/);
});

limitTest("a failing limiter limits no request, and is reported", "Broken", async (edge) => {
  const headers = { Authorization: "Token t" };
  for (let count = 0; count < 5; count += 1) assert.equal((await edge.request({ path: PLACE, headers })).status, 200);
  await becomes(() => edge.log, /"failure":"rate limiter"/);
});

function limitTest(name, entrypoint, check) {
  test(name, async (t) => {
    const origin = await startOrigin({ anything: true });
    t.after(() => origin.close());
    const edge = await startEdge({
      origin,
      scripts: [{ name: "limiter", source: LIMITER }],
      services: [{ binding: "ADMIN_RATE_LIMIT", script: "limiter", entrypoint }],
    });
    t.after(() => edge.close());
    for (const method of ["GET", "POST", "DELETE"]) origin.on(method, PLACE, { body: {} });
    await check(edge, origin);
  });
}
