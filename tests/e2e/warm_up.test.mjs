// The warm-up of an isolate: its coverage, its faults, and that requests see nothing of it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { platform, REQUESTS } from "../../src/edge/warm_up_requests.js";
import { ROOT, startEdge } from "./harness.mjs";

const WITHOUT = { "src/edge/warm_up.js": "tests/e2e/without_warm_up.js" };
const FAULTY = { "src/edge/warm_up_requests.js": "tests/e2e/faulty_warm_up.js" };
/** Headers that depend on the connection or the time. */
const HOP_HEADERS = ["date", "connection", "keep-alive"];

test("the document of the warm-up has every operator", async () => {
  const source = readFileSync(join(ROOT, "src/core/document/condition.rs"), "utf8");
  const operators = Array.from(source.matchAll(/^ {12}"([A-Z_]+)" => /gm), ([, name]) => name);
  assert.ok(operators.length >= 14, operators.join());
  const bytes = await platform(class {}).env.ENVIRONMENTS.get("document:warm-up");
  const { project } = JSON.parse(Buffer.from(bytes));
  const used = project.segments.flatMap(({ rules }) => rules[0].rules[0].conditions.map(({ operator }) => operator));
  assert.deepEqual([...new Set(used)].sort(), operators.sort());
});

test("answers are the same with and without the warm-up", async (t) => {
  const [withIt, without] = await Promise.all([{}, WITHOUT].map((replaced) => start(t, { replaced })));
  for (const request of requestsOf(withIt.environments)) {
    const [ours, theirs] = await Promise.all([withIt, without].map((edge) => edge.request(request)));
    const name = `${request.method} ${request.path}`;
    assert.equal(ours.status, theirs.status, name);
    assert.deepEqual(headersOf(ours), headersOf(theirs), name);
    assert.ok(ours.body.equals(theirs.body), name);
  }
  for (const edge of [withIt, without]) {
    assert.deepEqual(await faultsOf(edge), []);
    // The random numbers are the platform's.
    const anonymous = () => edge.request(post(edge.environments[0].key, { identifier: null, traits: [] }));
    const [one, other] = [await anonymous(), await anonymous()].map((answer) => answer.json().identifier);
    assert.match(one, /^[0-9a-f]{32}$/);
    assert.notEqual(one, other);
  }
});

const CAUSES = {
  status: "Error: GET /api/v1/flags/: 403 and not 200",
  unfinished: "it did not end while the module was loaded",
  exception: "Error: Critical error",
  panic: "RuntimeError: unreachable",
};

for (const [fault, cause] of Object.entries(CAUSES)) {
  test(`a warm-up with a fault (${fault}) is logged once, and requests are answered`, async (t) => {
    const edge = await start(t, { replaced: FAULTY, variables: { WARM_UP_FAULT: fault } });
    const { key } = edge.environments[0];
    // The first call goes to an object, too.
    for (const visits of [1, 2]) {
      const answer = await edge.request(post(key, { identifier: "ada", traits: [{ trait_key: "visits", trait_value: visits }] }));
      assert.equal(answer.status, 200, edge.log);
      assert.deepEqual(answer.json().traits, [{ trait_key: "visits", trait_value: visits }]);
    }
    const unknown = await edge.request(get("/api/v1/flags/", "warm-up"));
    assert.equal(unknown.status, 403, edge.log);
    assert.deepEqual(await faultsOf(edge), [{ failure: "warm-up", cause, environment: null }]);
    assert.ok(!edge.log.includes("quoted by the panic"), edge.log);
  });
}

/** The requests of the warm-up for each environment, for that of the warm-up, and some others. */
function requestsOf(environments) {
  const keys = [...environments.map(({ key }) => key), "warm-up"];
  const server = environments.find(({ serverKeys }) => serverKeys.length > 0).serverKeys[0].key;
  const same = REQUESTS.flatMap(({ method, path, body }) =>
    keys.map((key) => (method === "GET" ? get(path, key) : post(key, body, path))));
  return [
    ...same,
    ...keys.map((key) => get("/api/v1/identities/?identifier=ada", key)),
    get("/api/v1/environment-document/", server),
    get("/health", ""),
    get("/api/v1/flags/", ""),
  ];
}

function get(path, key) {
  return { method: "GET", path, headers: { "X-Environment-Key": key } };
}

function post(key, body, path = "/api/v1/identities/") {
  const headers = { "X-Environment-Key": key, "Content-Type": "application/json" };
  return { method: "POST", path, headers, body: JSON.stringify(body) };
}

function headersOf({ headers }) {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !HOP_HEADERS.includes(name)));
}

/** The lines of the log about the warm-up. */
async function faultsOf(edge) {
  await edge.flush();
  const lines = edge.log.split("\n").filter((line) => line.startsWith("{"));
  return lines.map((line) => JSON.parse(line)).filter(({ failure }) => failure === "warm-up");
}

async function start(t, options) {
  const edge = await startEdge(options);
  t.after(() => edge.close());
  return edge;
}
