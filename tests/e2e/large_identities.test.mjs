// Large identities: their answers share a bounded memory, and small identities are not affected.

import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";

import { startAdmin } from "./admin.mjs";
import { becomes, eventually } from "./harness.mjs";
import { learnRequest } from "./secrets.mjs";

/** The limit on all answers in memory together: src/admin/uploads.rs. */
const MAX_HELD = 24 * 1024 * 1024;
const IDENTIFIERS = ["fat-one", "fat-two", "fat-three"];

test("answers of large identities use bounded memory, and requests beyond it are 503", async (t) => {
  const admin = await startAdmin(t);
  const { edge, key } = admin;
  // As JSON a control character takes six bytes, so each answer is longer than what connections buffer.
  for (const identifier of IDENTIFIERS) {
    for (const part of ["a", "b"]) {
      const traits = Array.from({ length: 500 }, (_, index) => ({ trait_key: `${part}-${index}`, trait_value: "\u0001".repeat(2000) }));
      const headers = { "X-Environment-Key": admin.serverKey, "Content-Type": "application/json" };
      const body = JSON.stringify({ data: [{ identifier, traits }] });
      assert.equal((await edge.request({ method: "PUT", path: "/api/v1/bulk-identities/", headers, body })).status, 202);
    }
  }
  const path = (identifier) => `/api/v1/identities/?identifier=${identifier}`;
  const headers = { "X-Environment-Key": key };

  // No client reads, so the answers stay in memory.
  const asked = await Promise.all(Array.from({ length: 40 }, (_, index) => begin(edge.port, path(IDENTIFIERS[index % 3]), headers)));
  t.after(() => asked.forEach(({ socket }) => socket.destroy()));
  const answered = asked.filter(({ status }) => status === 200);
  const refused = asked.filter(({ status }) => status === 503);
  assert.equal(answered.length + refused.length, 40);
  const lengths = answered.map(({ head }) => Number(/^content-length: (\d+)/im.exec(head)[1]));
  assert.ok(Math.min(...lengths) > 12_000_000, `${lengths}`);
  assert.equal(answered.length, Math.floor(MAX_HELD / lengths[0]));
  for (const { head } of refused) assert.match(head, /^retry-after: 1\r$/im);

  // Other requests are answered: those for small identities, and writes to large ones.
  assert.equal((await edge.request({ path: path("tiny"), headers })).status, 200);
  const set = { method: "POST", path: "/api/v1/traits/", headers: { ...headers, "Content-Type": "application/json" } };
  const body = JSON.stringify({ identity: { identifier: IDENTIFIERS[0] }, trait_key: "later", trait_value: 7 });
  assert.equal((await edge.request({ ...set, body })).status, 200);
  const last = () => edge.request({ path: path(IDENTIFIERS[0]), headers });
  assert.equal((await last()).status, 503);

  // A client that reads frees memory, and so does one that disconnects.
  const [reader, ...others] = answered;
  const whole = await reader.read();
  assert.equal(whole.length, lengths[0]);
  JSON.parse(whole);
  others.forEach(({ socket }) => socket.resetAndDestroy());
  await eventually(async () => {
    const again = await Promise.all([last(), last()]);
    return again.every(({ status }) => status === 200);
  }, "the disconnected clients have freed memory");
  assert.equal((await last()).json().traits.find(({ trait_key }) => trait_key === "later").trait_value, 7);
});

test("a large identity can be incremented, uploaded, exported and explained", async (t) => {
  const admin = await startAdmin(t);
  const { edge, key } = admin;
  const identifiers = Array.from({ length: 12 }, (_, index) => `fat-${String(index).padStart(2, "0")}`);
  for (const identifier of identifiers) await fatten(admin, identifier);
  await admin.create("small");
  const send = (method, path, body) =>
    edge.request({ method, path, headers: { "X-Environment-Key": admin.serverKey, "Content-Type": "application/json" }, body: JSON.stringify(body) });
  const increment = { trait_key: "count", identifier: identifiers[3], increment_by: 5 };
  const incremented = await send("POST", "/api/v1/traits/increment-value/", increment);
  assert.deepEqual([incremented.status, incremented.json().trait_value], [200, 5]);
  const data = identifiers.map((identifier) => ({ identifier, traits: [{ trait_key: "plan", trait_value: "enterprise" }] }));
  assert.equal((await send("PUT", "/api/v1/bulk-identities/", { data })).status, 202);
  const explained = await admin.expect(200, "GET", `/edge/environments/${key}/identities/explain/?identifier=${identifiers[3]}`);
  assert.equal(explained.traits.find(({ trait_key }) => trait_key === "count").trait_value, 5);

  // An alarm lists an identity that an SDK creates, after the answer.
  await becomes(() => admin.identifiers(), [...identifiers, "small"], "the listed identifiers");
  const exported = [];
  let pages = 0;
  for (let after = null; ; ) {
    const query = `page_size=100${after === null ? "" : `&last_evaluated_key=${encodeURIComponent(after)}`}`;
    const response = await admin.send("GET", `/edge/environments/${key}/identities/export/?${query}`);
    assert.equal(response.status, 200, response.text.slice(0, 200));
    assert.ok(response.body.length < 9 * 1024 * 1024, `a page of ${response.body.length} bytes`);
    const page = response.json();
    exported.push(...page.identities);
    pages += 1;
    after = page.last_evaluated_key;
    if (after === null) break;
  }
  assert.deepEqual(exported.map(({ identifier }) => identifier), [...identifiers, "small"]);
  assert.ok(exported.slice(0, 12).every(({ identity_traits }) => identity_traits.some(({ trait_value }) => trait_value === "enterprise")));
  assert.equal(pages, 3);
});

/** Gives an identity 1.8 MB of traits, in two requests; resolves to the length of its answer. */
async function fatten({ edge, key }, identifier) {
  let length = 0;
  for (const part of ["a", "b"]) {
    const traits = Array.from({ length: 900 }, (_, index) => ({ trait_key: `${part}-${index}`, trait_value: `${part}`.repeat(1000) }));
    const response = await edge.request({
      method: "POST",
      path: "/api/v1/identities/",
      headers: { "X-Environment-Key": key, "Content-Type": "application/json" },
      body: JSON.stringify({ identifier, traits }),
    });
    assert.equal(response.status, 200, response.text.slice(0, 200));
    length = response.body.length;
  }
  return length;
}

/** Sends a GET and reads only the head of the answer. */
function begin(port, path, headers) {
  learnRequest({ path, headers });
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    let received = Buffer.alloc(0);
    const lines = [`GET ${path} HTTP/1.1`, "Host: edge", "Connection: close", ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`)];
    socket.write(`${lines.join("\r\n")}\r\n\r\n`);
    socket.on("error", reject);
    socket.on("data", (piece) => {
      received = Buffer.concat([received, piece]);
      const end = received.indexOf("\r\n\r\n");
      if (end < 0) return;
      socket.pause().removeAllListeners("data");
      const head = received.subarray(0, end + 2).toString("latin1");
      const read = async () => {
        const pieces = [received.subarray(end + 4)];
        for await (const piece of socket) pieces.push(piece);
        return Buffer.concat(pieces).toString();
      };
      resolve({ status: Number(head.slice(9, 12)), head, socket, read });
    });
  });
}
