// A panic of the released worker: its line in the log, and the requests after it.

import assert from "node:assert/strict";
import { test } from "node:test";

import { startEdge } from "./harness.mjs";

// A part of the panic's message, as a client's data may be.
const QUOTED = "quoted-by-the-panic";
const PLACE = /^index\.crates\.io-\w+\/worker-[\d.]+\/src\/context\.rs:\d+:\d+$/;

for (const [way, error] of [["panic", "RuntimeError: unreachable"], ["exception", "Error: Critical error"]]) {
  test(`requests after ${way === "panic" ? "a panic" : "an unexpected exception"} are answered, and stored traits are still there`, async (t) => {
    const { edge, end, flags, setTrait } = await start(t);
    const before = await setTrait("first", 1);
    assert.deepEqual(traitsOf(before), { first: 1 });
    for (const name of ["second", "third"]) {
      assert.equal(await end(way), error);
      const response = await flags();
      assert.equal(response.status, 200, edge.log);
      assert.ok(response.json().length > 0);
      const after = await setTrait(name, 1);
      assert.equal(after.status, 200, edge.log);
      assert.equal(traitsOf(after)[name], 1);
      assert.equal(traitsOf(after).first, 1);
    }
  });
}

test("the first call after a panic may go to an object", async (t) => {
  const { edge, end, setTrait } = await start(t);
  await setTrait("first", 2);
  assert.deepEqual(await end("object"), { error: "RuntimeError: unreachable", traits: { first: 2 } });
  const answers = await Promise.all(["second", "third", "fourth"].map((name) => setTrait(name, 2)));
  assert.deepEqual(answers.map(({ status }) => status), [200, 200, 200], edge.log);
});

test("a panic is logged by its place, without its message", async (t) => {
  for (const variables of [{}, { LOG_PANIC_MESSAGES: "false" }]) {
    const { edge, end } = await start(t, variables);
    for (const count of [1, 2]) {
      await end("panic");
      assert.equal((await panicsOf(edge)).length, count, edge.log);
    }
    assert.ok(!edge.log.includes(QUOTED) && !edge.log.includes("panicked"), edge.log);
  }
});

test("with LOG_PANIC_MESSAGES a panic's message is logged after its place", async (t) => {
  const { edge, end } = await start(t, { LOG_PANIC_MESSAGES: "true" });
  for (const count of [1, 2]) {
    await end("panic");
    assert.equal((await panicsOf(edge)).length, count, edge.log);
    const messages = [...edge.log.matchAll(/^panicked at (.*):\n(.*)$/gm)];
    assert.equal(messages.length, count, edge.log);
    for (const [, place, message] of messages) {
      assert.match(place, PLACE);
      assert.match(message, /^called `Result::unwrap\(\)` on an `Err` value: /);
      assert.ok(message.includes(QUOTED), message);
    }
  }
});

/** A worker, requests to it, and `end`, which ends its WebAssembly instance and returns the outcome. */
async function start(t, variables = {}) {
  // Every request for a cached document revalidates it after the answer.
  const edge = await startEdge({ entry: "tests/e2e/panic_recovery.js", variables: { DOCUMENT_SOFT_AGE_SECONDS: 0, ...variables } });
  t.after(() => edge.close());
  const headers = { "X-Environment-Key": edge.environments[0].key, "Content-Type": "application/json" };
  const flags = (more = {}) => edge.request({ path: "/api/v1/flags/", headers: { ...headers, ...more } });
  const instance = async () => (await flags({ "X-Test": "instance" })).json();
  const end = async (way) => {
    assert.equal((await flags()).status, 200, edge.log);
    const before = await instance();
    assert.equal(await instance(), before, "the instance goes on");
    const outcome = (await flags({ "X-Test": way, "X-Message": QUOTED })).json();
    assert.notEqual(await instance(), before, "the instance is another");
    return outcome;
  };
  const setTrait = (key, value) => {
    const body = JSON.stringify({ identifier: "ada", traits: [{ trait_key: key, trait_value: value }] });
    return edge.request({ method: "POST", path: "/api/v1/identities/", headers, body });
  };
  return { edge, end, flags, setTrait };
}

/** The places of the panics in the log. */
async function panicsOf(edge) {
  await edge.flush();
  const lines = edge.log.split("\n").filter((line) => line.startsWith('{"failure":"panic"'));
  const causes = lines.map((line) => JSON.parse(line).cause);
  for (const cause of causes) assert.match(cause, PLACE);
  return causes;
}

function traitsOf(answer) {
  return Object.fromEntries(answer.json().traits.map(({ trait_key, trait_value }) => [trait_key, trait_value]));
}
