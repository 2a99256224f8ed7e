// Requests after a panic.

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { startEdge } from "./harness.mjs";

const edge = await startEdge({ entry: "tests/e2e/panic_recovery.js" });
after(() => edge.close());
const headers = { "X-Environment-Key": edge.environments[0].key, "Content-Type": "application/json" };

test("requests after a panic are answered, and stored traits are still there", async () => {
  const before = await setTrait("first", 1);
  assert.deepEqual(traitsOf(before), { first: 1 });
  for (const name of ["second", "third"]) {
    await end();
    const flags = await edge.request({ path: "/api/v1/flags/", headers });
    assert.equal(flags.status, 200, edge.log);
    assert.ok(flags.json().length > 0);
    const after = await setTrait(name, 1);
    assert.equal(after.status, 200, edge.log);
    assert.equal(traitsOf(after)[name], 1);
    assert.equal(traitsOf(after).first, 1);
  }
});

test("the first call after a panic may go to an object", async () => {
  await end();
  const answers = await Promise.all(["fourth", "fifth", "sixth"].map((name) => setTrait(name, 2)));
  assert.deepEqual(answers.map(({ status }) => status), [200, 200, 200], edge.log);
});

/** Ends the instance, with all that it remembers. */
async function end() {
  assert.notEqual(await lastUpdate(), null);
  const ended = await edge.request({ path: "/", headers: { "X-End": "now" } });
  assert.equal(ended.text, "ended");
  assert.equal(await lastUpdate(), null, "the instance is another");
}

async function lastUpdate() {
  const health = await edge.request({ path: "/proxy/health/" });
  return health.json().last_successful_update;
}

function setTrait(key, value) {
  const body = JSON.stringify({ identifier: "ada", traits: [{ trait_key: key, trait_value: value }] });
  return edge.request({ method: "POST", path: "/api/v1/identities/", headers, body });
}

function traitsOf(answer) {
  return Object.fromEntries(answer.json().traits.map(({ trait_key, trait_value }) => [trait_key, trait_value]));
}
