// Evaluations that SDKs report, on their way to the Flagsmith behind the worker.

import assert from "node:assert/strict";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { startFlagsmith, TOKEN } from "./flagsmith.mjs";
import { becomes, eventually, FIXTURES, startEdge } from "./harness.mjs";
import { asker, OPENED } from "./inside.mjs";
import { startOrigin } from "./origin.mjs";

const V1 = "/api/v1/analytics/flags/";
const V2 = "/api/v2/analytics/flags/";
// Evaluations are sent at once.
const AT_ONCE = { ANALYTICS_INTERVAL_SECONDS: 0 };
// Evaluations are sent soon after the first one.
const SOON = { ANALYTICS_INTERVAL_SECONDS: 1 };
const NEVER = { ANALYTICS_INTERVAL_SECONDS: 3600 };

// An object that fails every call.
const BROKEN = `
  import { DurableObject } from "cloudflare:workers";
  export class Broken extends DurableObject {
    record() {
      throw new Error("out of order");
    }
  }
  export default { fetch: () => new Response() };
`;

// The test itself ends the collection interval, so the sums do not depend on the speed of its requests.
analyticsTest("counts of several requests are summed and sent with the environment's key", NEVER, async (edge, origin) => {
  const [{ key, serverKeys }] = edge.environments;
  const feature = "free_shipping_threshold";
  await report(edge, key, { [feature]: 3, nothing_of_ours: 7 });
  await report(edge, serverKeys[0].key, { [feature]: "4", checkout_redesign: 1.0 });
  await report(edge, key, { [feature]: -1, checkout_redesign: 1.5 });
  assert.equal(origin.requests.length, 0, "they are collected");
  const ask = asker(edge);
  await ask("ANALYTICS", key, "letPass", 1000 * NEVER.ANALYTICS_INTERVAL_SECONDS);
  await ask("ANALYTICS", key, "ring");
  const [request] = origin.requestsFor("POST", V1);
  assert.deepEqual(JSON.parse(request.body), { checkout_redesign: 1, [feature]: 7 });
  assert.equal(request.headers["x-environment-key"], key);
  assert.equal(request.headers["content-type"], "application/json");
  assert.equal(origin.requests.length, 1);
});

analyticsTest("equal evaluations of identities are summed", SOON, async (edge, origin) => {
  const [{ key }] = edge.environments;
  const feature_name = "free_shipping_threshold";
  const evaluations = [
    { feature_name, identity_identifier: "ada", enabled_when_evaluated: true, count: 2 },
    { feature_name, identity_identifier: "ada", enabled_when_evaluated: true, count: 3 },
    { feature_name, identity_identifier: 'b"o,b}', enabled_when_evaluated: true, count: 1 },
    { feature_name, enabled_when_evaluated: false, count: 1 },
    { feature_name: "nothing_of_ours", enabled_when_evaluated: false, count: 1 },
  ];
  await report(edge, key, { evaluations }, V2);
  await eventually(() => origin.requestsFor("POST", V2).length > 0, "the evaluations arrive");
  const sent = JSON.parse(origin.requestsFor("POST", V2)[0].body).evaluations;
  const ordered = (list) => list.map((item) => JSON.stringify(Object.entries(item).sort())).sort();
  assert.deepEqual(ordered(sent), ordered([{ ...evaluations[0], count: 5 }, ...evaluations.slice(2, 4)]));
});

analyticsTest("an SDK does not wait for the origin", AT_ONCE, async (edge, origin) => {
  origin.behave("stall");
  const [{ key }] = edge.environments;
  await report(edge, key, { free_shipping_threshold: 1 });
  await eventually(() => origin.requests.length === 1, "the origin is asked");
  // The origin never answers.
  for (let count = 0; count < 5; count += 1) await report(edge, key, { free_shipping_threshold: 1 });
});

for (const way of ["fail", "cut"]) {
  analyticsTest(`evaluations that the origin does not accept (${way}) are delivered later, once`, AT_ONCE, async (edge, origin) => {
    origin.behave(way);
    const [{ key }] = edge.environments;
    await report(edge, key, { free_shipping_threshold: 2 });
    await eventually(() => origin.requests.length > 0, "the origin is asked");
    origin.behave("serve");
    await report(edge, key, { free_shipping_threshold: 3 });
    await eventually(() => origin.requests.length > 1, "the origin is asked again");
    assert.deepEqual(JSON.parse(origin.requests.at(-1).body), { free_shipping_threshold: 5 });
    // The next batch has only new evaluations, so delivered ones were removed.
    await report(edge, key, { checkout_redesign: 1 });
    await eventually(() => origin.requests.at(-1).body.toString() === '{"checkout_redesign":1}', "the next count arrives");
  });
}

analyticsTest("evaluations that arrive during a delivery are not lost", AT_ONCE, async (edge, origin) => {
  const [{ key }] = edge.environments;
  const pending = [];
  origin.on("POST", V1, (request) => new Promise((resolve) => pending.push([request, resolve])));
  let delivered = 0;
  const deliver = () => {
    for (const [request, answer] of pending.splice(0)) {
      delivered += JSON.parse(request.body).free_shipping_threshold;
      answer({ status: 200 });
    }
  };
  for (let round = 0; round < 20; round += 1) {
    await Promise.all(Array.from({ length: 10 }, () => report(edge, key, { free_shipping_threshold: 1 })));
    if (round % 3 === 0) deliver();
  }
  await eventually(() => (deliver(), delivered >= 200), "everything is delivered");
  assert.equal(delivered, 200);
});

analyticsTest("acknowledged evaluations survive a restart", SOON, async (edge, origin) => {
  const [{ key }] = edge.environments;
  // The delivery may begin before the runtime ends or after it.
  await origin.down();
  await report(edge, key, { free_shipping_threshold: 5 });
  await edge.kill();
  await origin.up();
  await edge.start();
  // No request follows: the alarm alone is enough.
  await eventually(() => origin.requests.length > 0, "the counts arrive");
  assert.deepEqual(JSON.parse(origin.requests[0].body), { free_shipping_threshold: 5 });
});

analyticsTest("evaluations survive a restart during a delivery", AT_ONCE, async (edge, origin) => {
  const [{ key }] = edge.environments;
  origin.behave("stall");
  await report(edge, key, { free_shipping_threshold: 5 });
  await eventually(() => origin.requests.length > 0, "the origin is asked");
  await edge.kill();
  origin.behave("serve");
  await edge.start();
  await eventually(() => origin.requests.length > 1, "the origin is asked again");
  assert.deepEqual(JSON.parse(origin.requests[1].body), { free_shipping_threshold: 5 });
});

analyticsTest("a failing origin is called at growing intervals, also after a restart", AT_ONCE, async (edge, origin) => {
  const [{ key }] = edge.environments;
  const asked = [];
  let before = "";
  origin.fault("POST", V1, () => {
    asked.push(Date.now());
    before = written(edge);
    return { status: 503, body: "" };
  });
  await report(edge, key, { free_shipping_threshold: 5 });
  await eventually(() => asked.length === 2, "the origin is asked twice");
  await eventually(() => written(edge) !== before, "the object has stored what came of it");
  await edge.kill();
  await edge.start();
  await report(edge, key, { free_shipping_threshold: 5 });
  await eventually(() => asked.length === 3, "the origin is asked again");
  // The pause after the second failure is four seconds; the first of these may begin before the answer.
  assert.ok(asked[2] - asked[1] >= 3_900, `${asked[2] - asked[1]} ms`);
});

analyticsTest("a batch that the origin finds invalid is dropped and counted", AT_ONCE, async (edge, origin) => {
  const [{ key }] = edge.environments;
  origin.on("POST", V1, { status: 400, body: { non_field_errors: ["Expected a JSON object."] } });
  await report(edge, key, { free_shipping_threshold: 5 });
  await eventually(() => /5 evaluations are dropped, 5 so far: the origin refuses them/.test(edge.log), "the log reports it");
  await report(edge, key, { free_shipping_threshold: 2 });
  await eventually(() => /2 evaluations are dropped, 7 so far/.test(edge.log), "it is counted");
  assert.deepEqual(origin.requests.map(({ body }) => JSON.parse(body).free_shipping_threshold), [5, 2]);
});

for (const status of [401, 403, 404]) {
  analyticsTest(`a batch that the origin refuses with ${status} is kept`, AT_ONCE, async (edge, origin) => {
    const [{ key }] = edge.environments;
    origin.on("POST", V1, { status, body: { detail: "Not now." } });
    await report(edge, key, { free_shipping_threshold: 5 });
    await eventually(() => origin.requests.length > 0, "the origin is asked");
    origin.on("POST", V1, { status: 200 });
    await eventually(() => origin.requests.length > 1, "the origin is asked again");
    assert.deepEqual(JSON.parse(origin.requests[1].body), { free_shipping_threshold: 5 });
    await edge.flush();
    assert.doesNotMatch(edge.log, /dropped/);
  });
}

test("evaluations of a deleted environment are dropped", async (t) => {
  const flagsmith = await startFlagsmith(FIXTURES);
  t.after(() => flagsmith.close());
  const edge = await startEdge({ origin: flagsmith.origin, variables: { ORIGIN_API_TOKEN: TOKEN, DISCOVERY_SECONDS: 1, ...AT_ONCE } });
  t.after(() => edge.close());
  edge.kv.entries.clear();
  const [key] = flagsmith.environments.keys();
  flagsmith.origin.on("POST", V1, { status: 403, body: { detail: "Invalid or missing Environment Key" } });
  const asked = () => flagsmith.origin.requestsFor("POST", V1).length;
  assert.equal((await edge.request({ path: "/api/v1/flags/", headers: { "X-Environment-Key": key } })).status, 200);
  await report(edge, key, { free_shipping_threshold: 5 });
  await eventually(() => asked() >= 2, "the origin is asked again");
  await edge.flush();
  assert.doesNotMatch(edge.log, /dropped/);
  flagsmith.environments.delete(key);
  await eventually(() => /5 evaluations are dropped, 5 so far: the origin has no such environment/.test(edge.log), "they are dropped");
});

for (const [fails, path, others] of [["v1", V1, V2], ["v2", V2, V1]]) {
  for (const way of ["fail", "stall"]) {
    analyticsTest(`${fails} evaluations that the origin does not accept (${way}) do not delay the others`, AT_ONCE, async (edge, origin) => {
      const [{ key }] = edge.environments;
      const bodies = {
        [V1]: { free_shipping_threshold: 1 },
        [V2]: { evaluations: [{ feature_name: "free_shipping_threshold", enabled_when_evaluated: true, count: 1 }] },
      };
      origin.behaviour = (request) => (request.path === path ? way : "serve");
      // Concurrent reports are sent by one alarm.
      await Promise.all([path, others].map((path) => report(edge, key, bodies[path], path)));
      await eventually(() => origin.requestsFor("POST", others).length > 0, "the other arrives");
      await eventually(() => origin.requestsFor("POST", path).length > 0, "the origin is asked");
    });
  }
}

analyticsTest("queued evaluations are bounded, and dropped ones are counted", NEVER, async (edge) => {
  const [{ key }] = edge.environments;
  const item = (index) => ({ feature_name: "free_shipping_threshold", identity_identifier: `user-${index}`, enabled_when_evaluated: true, count: 1 });
  for (let batch = 0; batch < 5; batch += 1) {
    await report(edge, key, { evaluations: Array.from({ length: 5000 }, (_, index) => item(batch * 5000 + index)) }, V2);
  }
  await becomes(() => edge.log, /5000 evaluations are dropped, 5000 so far: too many are queued for the origin/);
  // An evaluation that is queued already takes no further room.
  await report(edge, key, { evaluations: [item(0), item(30_000), item(19_999)] }, V2);
  await becomes(() => edge.log, /1 evaluations are dropped, 5001 so far: too many are queued for the origin/);
  await edge.flush();
  assert.doesNotMatch(edge.log, /user-/);
});

analyticsTest("many evaluations are sent in several batches", SOON, async (edge, origin) => {
  const [{ key }] = edge.environments;
  const evaluations = Array.from({ length: 2000 }, (_, index) => ({
    feature_name: "free_shipping_threshold",
    identity_identifier: `${index} ${"x".repeat(300)}`,
    enabled_when_evaluated: true,
    count: 1,
  }));
  await report(edge, key, { evaluations }, V2);
  const arrived = () => origin.requestsFor("POST", V2).flatMap(({ body }) => JSON.parse(body).evaluations);
  await eventually(() => arrived().length >= 2000, "all arrive");
  assert.equal(new Set(arrived().map(({ identity_identifier }) => identity_identifier)).size, 2000);
  assert.equal(arrived().length, 2000);
});

analyticsTest("evaluations beyond one alarm's limit are sent by the next alarms", SOON, async (edge, origin) => {
  const [{ key }] = edge.environments;
  const item = (number) => ({ feature_name: "free_shipping_threshold", identity_identifier: `${number}`, enabled_when_evaluated: true, count: 1 });
  for (let start = 0; start < 15_000; start += 5_000) {
    await report(edge, key, { evaluations: Array.from({ length: 5_000 }, (_, index) => item(start + index)) }, V2);
  }
  const arrived = () => origin.requestsFor("POST", V2).flatMap(({ body }) => JSON.parse(body).evaluations);
  await eventually(() => arrived().length >= 15_000, "all arrive");
  assert.ok(origin.requests.length > 20, `${origin.requests.length}`);
  assert.equal(arrived().length, 15_000);
});

test("without an origin evaluations are accepted and not stored", async (t) => {
  const edge = await startEdge({ objects: [] });
  t.after(() => edge.close());
  await report(edge, edge.environments[0].key, { free_shipping_threshold: 1 });
  await edge.flush();
  // The missing bindings are reported, and nothing else.
  assert.doesNotMatch(edge.log, /"failure":"(?!settings")/);
});

test("a failing analytics object is 503, so that the SDK retries", async (t) => {
  const origin = await startOrigin();
  t.after(() => origin.close());
  const edge = await startEdge({
    origin,
    scripts: [{ name: "broken", source: BROKEN, classes: ["Broken"] }],
    objects: [{ binding: "ANALYTICS", className: "Broken", service: "broken" }],
  });
  t.after(() => edge.close());
  const response = await post(edge, edge.environments[0].key, { free_shipping_threshold: 1 }, V1);
  assert.deepEqual([response.status, response.headers["retry-after"]], [503, "1"]);
  await becomes(() => edge.log, /"failure":"analytics"/);
});

async function report(edge, key, body, path = V1) {
  const response = await post(edge, key, body, path);
  assert.deepEqual([response.status, response.text], [path === V1 ? 200 : 204, ""]);
}

function post(edge, key, body, path) {
  return edge.request({
    method: "POST",
    path,
    headers: { "X-Environment-Key": key, "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
}

function analyticsTest(name, variables, check) {
  test(name, async (t) => {
    const origin = await startOrigin();
    t.after(() => origin.close());
    const edge = await startEdge({ origin, variables, ...OPENED });
    t.after(() => edge.close());
    origin.on("POST", V1, { status: 200 });
    origin.on("POST", V2, { status: 204 });
    await check(edge, origin);
  });
}

/** A text that changes with each write of the object. */
function written(edge) {
  const folder = join(edge.stateFolder, "AnalyticsObject");
  const files = readdirSync(folder).map((file) => statSync(join(folder, file), { bigint: true }));
  return files.map(({ size, mtimeNs }) => `${size} ${mtimeNs}`).join();
}
