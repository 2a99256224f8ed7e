// An identity with many concurrent writers, and after the end of its process.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";

import { startEdge } from "./harness.mjs";
import { request } from "./http.mjs";

// Three isolates, as in three locations of the network: they share the objects and no memory.
const edge = await startEdge({ workers: 3 });
after(() => edge.close());
const key = edge.environments[0].key;

test("200 concurrent POSTs that set different traits of one identity are all stored", async () => {
  const names = numbers(200).map((number) => `trait-${number}`);
  const answers = await Promise.all(names.map((name) => setTraits("busy", { [name]: name })));
  // Each answer is the state after its own write, so no two may have the same size.
  assert.deepEqual(answers.map((traits) => Object.keys(traits).length).sort((a, b) => a - b), numbers(200).map((n) => n + 1));
  assert.deepEqual(await traitsOf("busy"), Object.fromEntries(names.map((name) => [name, name])));
});

// Each request changes two traits together. After a set both have its value; after a delete both are absent. In any serial
// order, these are the only states for an answer or for the end. Different values, or one trait alone, would mean that two
// requests were interleaved. The third trait is changed by one request only, so every order keeps it.
test("concurrent sets and deletes are serializable", async () => {
  const writes = numbers(120).map((number) => {
    const own = { [`own-${number}`]: number };
    return number % 3 === 0 ? { left: null, right: null, ...own } : { left: number, right: number, ...own };
  });
  const answers = await Promise.all(writes.map((write) => setTraits("mixed", write)));
  answers.forEach((traits, number) => {
    const { left = null, right = null } = writes[number];
    assert.deepEqual([traits.left ?? null, traits.right ?? null], [left, right], `the answer to write ${number}`);
    assert.equal(traits[`own-${number}`], number);
  });
  const { left, right, ...own } = await traitsOf("mixed");
  assert.equal(left, right);
  assert.ok(left === undefined || left % 3 !== 0, `${left} was never set`);
  assert.deepEqual(own, Object.fromEntries(numbers(120).map((number) => [`own-${number}`, number])));
  // A request that follows an answer sees its write.
  assert.equal((await setTraits("mixed", { left: "last" })).left, "last");
  assert.equal((await traitsOf("mixed")).left, "last");
});

test("concurrent writes through several isolates are visible in each isolate", async () => {
  const names = numbers(60).map((number) => `trait-${number}`);
  await Promise.all(names.map((name, number) => setTraits("roaming", { [name]: number }, edge.ports[number % 3])));
  const expected = Object.fromEntries(names.map((name, number) => [name, number]));
  for (const port of edge.ports) assert.deepEqual(await traitsOf("roaming", port), expected);
});

test("each concurrent increment counts once", async () => {
  const increment = { identifier: "counted", trait_key: "visits", increment_by: 1 };
  const answers = await Promise.all(numbers(100).map(() => post("/api/v1/traits/increment-value/", increment)));
  const values = answers.map(({ trait_value }) => trait_value).sort((a, b) => a - b);
  assert.deepEqual(values, numbers(100).map((number) => number + 1));
  assert.deepEqual(await traitsOf("counted"), { visits: 100 });
});

// Control characters are stored as Python prints them, with four characters each, so this is near the limit.
test("a large write is atomic", async () => {
  const large = (prefix) => Object.fromEntries(numbers(980).map((number) => [`${prefix}-${number}`, ["\u0085".repeat(490)]]));
  await setTraits("large", { victim: "here" });
  const first = { victim: null, ...large("first") };
  assert.equal(Object.keys(await setTraits("large", first)).length, 980);
  const before = await traitsOf("large");
  assert.equal(Object.keys(before).length, 980);
  // Twice as much is beyond the limit of an identity.
  const traits = Object.entries({ "first-0": null, ...large("second") });
  const refused = await edge.request({
    method: "POST",
    path: "/api/v1/identities/",
    headers: { "X-Environment-Key": key, "Content-Type": "application/json" },
    body: JSON.stringify({ identifier: "large", traits: traits.map(([trait_key, trait_value]) => ({ trait_key, trait_value })) }),
  });
  assert.equal(refused.status, 400);
  assert.deepEqual(await traitsOf("large"), before);
});

test("an identity may have thousands of traits", async () => {
  const traits = Object.fromEntries(numbers(5_000).map((number) => [`key-${number}`, `${"ä".repeat(100)} ${number}`]));
  const list = Object.entries(traits).map(([trait_key, trait_value]) => ({ trait_key, trait_value }));
  const upload = { method: "PUT", path: "/api/v1/bulk-identities/", headers: { "X-Environment-Key": key, "Content-Type": "application/json" } };
  const done = await edge.request({ ...upload, body: JSON.stringify({ data: [{ identifier: "rich-user", traits: list }] }) });
  assert.equal(done.status, 202, done.text);
  assert.deepEqual(await traitsOf("rich-user"), traits);
  assert.deepEqual(await setTraits("rich-user", { "key-7": null, more: 1 }), { ...Object.fromEntries(Object.entries(traits).filter(([name]) => name !== "key-7")), more: 1 });
  await edge.kill();
  await edge.start();
  assert.equal(Object.keys(await traitsOf("rich-user")).length, 5_000);
});

test("an identity that is written and read 500 times a second loses no write", async () => {
  const headers = { "X-Environment-Key": key, "Content-Type": "application/json" };
  const send = (number, path, body) =>
    request(edge.ports[number % 3], { path, method: body === undefined ? "GET" : "POST", headers, body: body === undefined ? null : JSON.stringify(body) });
  const identifier = "hot-user";
  const sent = (number) => {
    if (number % 5 === 0) return send(number, "/api/v1/traits/increment-value/", { identifier, trait_key: "visits", increment_by: 1 });
    if (number % 5 === 1) return send(number, "/api/v1/identities/", { identifier, traits: [{ trait_key: `trait-${number}`, trait_value: number }] });
    return send(number, `/api/v1/identities/?identifier=${identifier}`);
  };
  // Each isolate reads the environment first, since KV runs in this process, which is busy during the test.
  for (const port of edge.ports) await traitsOf(identifier, port);
  const [began, count] = [Date.now(), 2_000];
  const statuses = new Set();
  let next = 0;
  const client = async () => {
    for (let number = next++; number < count; number = next++) {
      await delay(began + 2 * number - Date.now());
      statuses.add((await sent(number)).status);
    }
  };
  await Promise.all(numbers(32).map(client));
  console.log(`${count} requests for one identity were answered in ${((Date.now() - began) / 1000).toFixed(1)} s`);
  assert.deepEqual([...statuses], [200], edge.log.slice(-2000));
  const written = numbers(count).filter((number) => number % 5 === 1).map((number) => [`trait-${number}`, number]);
  assert.deepEqual(await traitsOf(identifier), { visits: count / 5, ...Object.fromEntries(written) });
});

test("acknowledged writes survive 20 kills of the runtime", async () => {
  const written = new Map();
  for (const round of numbers(20)) {
    // A different number each time, so that the kill interrupts the writes at different points.
    const acknowledged = await writeUntilKilled(round, 10 + 3 * round);
    for (const [identifier, traits] of acknowledged) written.set(identifier, { ...written.get(identifier), ...traits });
    await edge.start();
    for (const [identifier, traits] of written) {
      const stored = await traitsOf(identifier);
      for (const [name, value] of Object.entries(traits)) {
        // A write without an acknowledgement may be stored, too: it is the next value of its trait.
        assert.ok(stored[name] >= value, `round ${round}: ${identifier} has ${name}=${stored[name]} after ${value} was acknowledged`);
      }
    }
  }
});

/**
 * Eight writers write to four identities, and each increments its own trait. The runtime is killed when `count` writes are
 * acknowledged and others are in progress. Returns the acknowledged writes: identifier → traits.
 */
async function writeUntilKilled(round, count) {
  const acknowledged = new Map();
  let total = 0;
  let killed = null;
  const writer = async (number) => {
    const identifier = `survivor-${number % 4}`;
    const name = `round-${round}-writer-${number}`;
    for (let value = 1; killed === null; value += 1) {
      try {
        await setTraits(identifier, { [name]: value });
      } catch (error) {
        if (killed === null) throw error;
        return;
      }
      acknowledged.set(identifier, { ...acknowledged.get(identifier), [name]: value });
      total += 1;
      if (total === count) killed = edge.kill();
    }
  };
  await Promise.all(numbers(8).map(writer));
  await killed;
  assert.ok(total >= count);
  return acknowledged;
}

async function setTraits(identifier, traits, port = edge.port) {
  const list = Object.entries(traits).map(([trait_key, trait_value]) => ({ trait_key, trait_value }));
  return byKey(await post("/api/v1/identities/", { identifier, traits: list }, port));
}

async function traitsOf(identifier, port = edge.port) {
  const path = `/api/v1/identities/?identifier=${encodeURIComponent(identifier)}`;
  const response = await request(port, { path, headers: { "X-Environment-Key": key } });
  assert.equal(response.status, 200, response.text);
  return byKey(response.json());
}

async function post(path, body, port = edge.port) {
  const headers = { "X-Environment-Key": key, "Content-Type": "application/json" };
  const response = await request(port, { method: "POST", path, headers, body: JSON.stringify(body) });
  assert.equal(response.status, 200, response.text);
  return response.json();
}

function byKey({ traits }) {
  return Object.fromEntries(traits.map(({ trait_key, trait_value }) => [trait_key, trait_value]));
}

function numbers(count) {
  return Array.from({ length: count }, (_, index) => index);
}
