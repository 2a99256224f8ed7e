// Stand-ins give the recorded answers of Flagsmith, and a deviation makes the process fail.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";

import { ROOT } from "./harness.mjs";
import { inventionsIn, recordedBody } from "./shapes.mjs";

const TRAITS = "/api/v1/environments/{key}/identities/{id}/traits/";
const target = "/api/v1/environments/pfbeAebLHX5eBgzX56vopS/identities/7/traits/?page=1";
const run = promisify(execFile);

test("the table of shapes is up to date with the recordings", async () => {
  const { stdout } = await run(process.execPath, ["tests/shapes/generate.mjs", "--check"], { cwd: ROOT });
  process.stdout.write(stdout);
});

test("a recorded body conforms to its schema, also with other values", () => {
  const body = recordedBody("GET", TRAITS);
  assert.deepEqual(inventionsIn("GET", target, { body }), []);
  const [trait] = body.results;
  body.results.push({ ...trait, value_type: "float", string_value: null, float_value: 0.5 });
  assert.deepEqual(inventionsIn("GET", target, { body: JSON.stringify(body) }), []);
  assert.deepEqual(inventionsIn("DELETE", `${target.split("?")[0]}1/`, { status: 204 }), []);
  assert.deepEqual(inventionsIn("GET", "/api/v1/anything/", { status: 404, body: { detail: "Not found." } }), []);
});

test("deviations from the recordings are found: members, types, statuses, invalid JSON", () => {
  const name = `GET ${TRAITS} 200`;
  const body = recordedBody("GET", TRAITS);
  const [trait] = body.results;
  const { value_type, ...untyped } = trait;
  for (const [given, expected] of [
    [{ ...body, results: [{ ...trait, trait_value: 1 }] }, `${name}: no recording has body.results.0.trait_value`],
    [{ ...body, results: [untyped] }, `${name}: every recording has body.results.0.value_type`],
    [{ ...body, count: "1" }, `${name}: body.count must be integer (integer)`],
    ["{", `${name}: the body is not JSON`],
  ]) {
    assert.deepEqual(inventionsIn("GET", target, { body: given }), [expected]);
  }
  assert.deepEqual(inventionsIn("PATCH", target, { body: {} }), [`PATCH ${TRAITS} 200: no recording has this answer`]);
  assert.deepEqual(inventionsIn("GET", "/api/v1/projects/", { status: 500 }), ["GET /api/v1/projects/ 500: no recording has this answer"]);
});

// An answer that differs from every recorded one.
const INVENTED = '{ body: [{ id: 1, trait_key: "number", trait_value: 1, created_date: "2026-01-01T00:00:00Z" }] }';

for (const [what, handler, isFound] of [
  ["gives an invented answer", `origin.on("GET", /traits/, ${INVENTED});`, true],
  ["answers by a function of its own", 'origin.on("GET", /traits/, (_, response) => void response.end("[]"));', true],
  ["declares its answer a fault", `origin.fault("GET", /traits/, ${INVENTED});`, false],
]) {
  test(`a process in which a stand-in ${what} ${isFound ? "fails" : "does not fail"}`, async () => {
    const script = `import { startOrigin } from "./tests/e2e/origin.mjs";
      const origin = await startOrigin();
      ${handler}
      await (await fetch(origin.url + ${JSON.stringify(target)})).text();
      await origin.close();`;
    const ended = run(process.execPath, ["--input-type=module", "--eval", script], { cwd: ROOT });
    if (!isFound) return void (await ended);
    await assert.rejects(ended, ({ code, stderr }) => code === 1 && /invented answers:\n(GET .*traits\/.*\n?)+/.test(stderr));
  });
}
