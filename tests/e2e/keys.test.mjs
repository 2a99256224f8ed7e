// Valid and invalid keys: every request and every command that writes documents applies the same rule.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { readEnvironments } from "../../scripts/environments.mjs";
import { checkDocument } from "../../scripts/rules.mjs";
import { startAdmin } from "./admin.mjs";
import { startFlagsmith, TOKEN } from "./flagsmith.mjs";
import { becomes, eventually, FIXTURES, startEdge } from "./harness.mjs";

const UNKNOWN = { detail: "Invalid or missing Environment Key" };
const CLIENT_KEYS = ["k", "a-b", "a_b", "a.b", "ser", "_", "x".repeat(128)];
const NO_CLIENT_KEYS = ["a:b", "a b", "a/b", "a%b", ".a", "..", "sér", "a,b", "x".repeat(129)];
const SERVER_KEYS = ["ser.k", "ser.a-b_c.d", `ser.${"x".repeat(124)}`];
const NO_SERVER_KEYS = ["ser.", "ser.a:b", "ser.a b", "ser.é", `ser.${"x".repeat(125)}`];

test("an impossible key is refused without any lookup", async (t) => {
  const admin = await startAdmin(t);
  const { edge, key } = admin;
  // Publishing writes entries with a version; other entries have invalid keys.
  const version = "1764415000000-0123456789abcdef";
  const document = edge.kv.entries.get(`document:${key}`);
  edge.kv.entries.set(`document:${key}:${version}`, document);
  for (const no of NO_CLIENT_KEYS) edge.kv.entries.set(`document:${no}`, documentOf(no));
  const before = edge.kv.requests.length;
  for (const no of [`${key}:${version}`, ...NO_CLIENT_KEYS, ...NO_SERVER_KEYS]) {
    // The UTF-8 bytes of the key, one character each.
    const sent = Buffer.from(no).toString("latin1");
    for (const [method, path] of [["GET", "flags/"], ["GET", "identities/?identifier=a"], ["POST", "identities/"], ["PUT", "traits/bulk/"], ["GET", "environment-document/"]]) {
      const response = await edge.request({ method, path: `/api/v1/${path}`, headers: { "X-Environment-Key": sent } });
      assert.deepEqual([response.status, response.json()], [403, UNKNOWN], `${method} ${path} ${no}`);
    }
    const inPath = encodeURIComponent(no).replaceAll("%3A", ":");
    if (/^\.*$/.test(no)) continue;
    for (const path of [
      `/api/v1/environments/${inPath}/edge-identities/`,
      ...["export/", "count/", "explain/?identifier=a"].map((rest) => `/edge/environments/${inPath}/identities/${rest}`),
    ]) {
      const response = await admin.send("GET", path);
      assert.deepEqual([response.status, response.json()], [404, { detail: "No Environment matches the given query." }], path);
    }
  }
  assert.equal(edge.kv.requests.length, before, edge.kv.requests.slice(before).join(" "));
  await edge.flush();
  assert.ok(!edge.log.includes('"failure"'), edge.log);
});

test("make dev and make publish accept the keys that the worker serves, and no other", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "keys-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const write = (clientKeys, serverKeys) => {
    clientKeys.forEach((key, number) => writeFileSync(join(folder, `${number}.json`), documentOf(key)));
    const keys = serverKeys.map((key) => ({ key, active: true, expires_at: null }));
    writeFileSync(join(folder, "server-keys.json"), JSON.stringify({ [clientKeys[0]]: keys }));
  };
  for (const no of [...NO_CLIENT_KEYS, ...SERVER_KEYS]) {
    write([no], []);
    assert.throws(() => readEnvironments(folder), /is no client key: that has 1 to 128 letters/, no);
    assert.match(checkDocument(documentOf(no)).fault, /api_key: is no client key: that has 1 to 128 letters/);
  }
  for (const no of NO_SERVER_KEYS) {
    write(["k"], [no]);
    assert.throws(() => readEnvironments(folder), ({ message }) => /server keys is invalid/.test(message) && (no === "ser." || !message.includes(no)), no);
  }
  write(CLIENT_KEYS, SERVER_KEYS);
  const edge = await startEdge({ documents: folder });
  t.after(() => edge.close());
  for (const key of [...CLIENT_KEYS, ...SERVER_KEYS]) {
    const response = await edge.request({ path: "/api/v1/flags/", headers: { "X-Environment-Key": key } });
    assert.deepEqual([response.status, response.json()], [200, []], key);
  }
});

test("only environments with an invalid key are left out of a discovery", async (t) => {
  const { edge, flagsmith, keys } = await startPublishing(t, (environments, first) => {
    environments.set("my shop", { ...first, document: { ...first.document, api_key: "my shop" }, serverKeys: [] });
  });
  for (const key of keys) await becomes(async () => (await flags(edge, key)).status, 200, "the environment is served");
  await eventually(() => /1 environments are not published: their api_key is no client key/.test(edge.log), "the log has the reason");
  const refused = await flags(edge, "my shop");
  assert.deepEqual([refused.status, refused.json()], [403, UNKNOWN]);
  assert.deepEqual(flagsmith.origin.requests.filter(({ path }) => path.includes("my%20shop") || path.includes("my shop")), []);
});

test("the hash of a server key is not accepted as a key", async (t) => {
  const { edge, flagsmith, keys: [key] } = await startPublishing(t);
  const [{ key: serverKey }] = flagsmith.environments.get(key).serverKeys;
  await becomes(async () => (await flags(edge, serverKey)).status, 200, "the server key is served");
  const refused = await flags(edge, createHash("sha256").update(serverKey).digest("hex"));
  assert.deepEqual([refused.status, refused.json()], [403, UNKNOWN]);
});

async function startPublishing(t, change = () => {}) {
  const flagsmith = await startFlagsmith(FIXTURES);
  t.after(() => flagsmith.close());
  const keys = [...flagsmith.environments.keys()];
  change(flagsmith.environments, flagsmith.environments.get(keys[0]));
  const edge = await startEdge({ origin: flagsmith.origin, variables: { ORIGIN_API_TOKEN: TOKEN } });
  t.after(() => edge.close());
  edge.kv.entries.clear();
  return { edge, flagsmith, keys };
}

function flags(edge, key) {
  return edge.request({ path: "/api/v1/flags/", headers: { "X-Environment-Key": key } });
}

/** An empty environment document. */
function documentOf(api_key) {
  return Buffer.from(JSON.stringify({ api_key, project: {}, feature_states: [] }));
}
