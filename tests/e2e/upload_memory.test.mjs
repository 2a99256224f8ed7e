// The memory of an isolate that takes several of the largest uploads of identities at once.

import assert from "node:assert/strict";
import { test } from "node:test";

import { startEdge } from "./harness.mjs";
import { request } from "./http.mjs";

const MIB = 1024 * 1024;
/** The limit of a body: src/core/api/route.rs. */
const MAX_BODY_LENGTH = 8 * MIB;
/** The maximum number of identities in an upload. */
const IDENTITIES = 100;

/** The number of uploads at once. */
const UPLOADS = 3;

test("an upload that waits for its identities takes its length of WebAssembly memory", async (t) => {
  // The objects are in the first isolate, the request is for the second.
  const edge = await startEdge({ entry: "tests/e2e/wasm_memory.js", workers: 2 });
  t.after(() => edge.close());
  const { key } = edge.environments[0];
  const send = (options) => request(edge.ports[1], options);
  const memory = async () => (await send({ method: "GET", path: "/wasm-memory", headers: {} })).json();
  const flags = await send({ method: "GET", path: "/api/v1/flags/", headers: { "X-Environment-Key": key } });
  assert.equal(flags.status, 200, flags.text);
  const before = await memory();
  const traits = Array.from({ length: 50 }, (_, index) => ({ trait_key: `key-${index}`, trait_value: "x".repeat(1600) }));
  const upload = async (_, upload) => {
    const data = Array.from({ length: IDENTITIES }, (_, index) => ({ identifier: `visitor-${upload}-${index}`, traits }));
    const body = JSON.stringify({ data });
    assert.ok(body.length > 0.95 * MAX_BODY_LENGTH && body.length <= MAX_BODY_LENGTH, `${body.length}`);
    const headers = { "X-Environment-Key": key, "Content-Type": "application/json" };
    const answer = await send({ method: "POST", path: "/api/v1/bulk-identities/", headers, body });
    assert.equal(answer.status, 202, answer.text);
  };
  await Promise.all(Array.from({ length: UPLOADS }, upload));
  const growth = (await memory()) - before;
  // Each waits with its commands as text. One at a time is read, with its body and the values. The rest is unused room.
  assert.ok(growth < (UPLOADS + 3) * MAX_BODY_LENGTH, `${(growth / MIB).toFixed(1)} MiB`);
});
