// Objects and their storage: evictions, alarms and failures, by access from within.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";

import { startAdmin } from "./admin.mjs";
import { set, startFlagsmith, TOKEN } from "./flagsmith.mjs";
import { becomes, eventually, FIXTURES, startEdge } from "./harness.mjs";
import { asker, OPENED } from "./inside.mjs";

const HOUR = 3_600_000;

test("a tombstone is deleted after an hour, even without requests", async (t) => {
  const { admin, ask } = await start(t);
  const { identity_uuid } = await admin.create("ada");
  await admin.override("ada", "support_chat", { enabled: true });
  await admin.expect(204, "DELETE", `${identity_uuid}/`);
  const names = [`${admin.key}_${shardOf("ada")}`, `${admin.key}_overrides`];
  // Its first alarm is that of the announcement to event streams.
  await ask("DIRECTORY", names[1], "ring");
  for (const name of names) {
    const [{ gone_at }, ...others] = await ask("DIRECTORY", name, "rows", "SELECT gone_at FROM heard");
    assert.deepEqual(others, []);
    assert.equal(await ask("DIRECTORY", name, "ringsAt"), gone_at + HOUR);
  }
  await ask("DIRECTORY", names[0], "letPass", HOUR);
  for (const name of names) {
    await ask("DIRECTORY", name, "ring");
    assert.deepEqual(await ask("DIRECTORY", name, "rows", "SELECT * FROM heard"), []);
  }
});

test("pending directory updates are sent after an eviction, and after a lost alarm", async (t) => {
  const { admin, ask } = await start(t);
  const names = ["evicted-user", "lost-user", "overridden-user"];
  await ask("DIRECTORY", "any", "fail", true);
  for (const name of names) await admin.identify(name);
  await admin.override("overridden-user", "support_chat", { enabled: true });
  const failures = () => [...admin.edge.log.matchAll(/"failure":"directory object"/g)].length;
  await eventually(() => failures() >= names.length, "the updates of the directory fail");
  for (const name of names) await assert.rejects(ask("IDENTITIES", `${admin.key}_${name}`, "evict"), /evicted/);
  await ask("IDENTITIES", `${admin.key}_lost-user`, "loseAlarm");
  await ask("DIRECTORY", "any", "fail", false);
  // The alarms send the updates.
  await eventually(async () => (await admin.list()).length === 2, "those are listed that have one");
  const made = async () => (await admin.document()).json().identity_overrides.map(({ identifier }) => identifier);
  await eventually(async () => (await made()).includes("overridden-user"), "the override is in the document");
  assert.equal(await ask("IDENTITIES", `${admin.key}_lost-user`, "ringsAt"), null);
  assert.deepEqual(await admin.identifiers(), ["evicted-user", "overridden-user"]);
  // The next request sets the alarm.
  await admin.identify("lost-user");
  await eventually(async () => (await admin.list()).length === 3, "it is listed");
});

test("an alarm that fails sets the next one", async (t) => {
  const { admin, ask } = await start(t);
  const name = `${admin.key}_ada`;
  await admin.identify("ada");
  await eventually(async () => (await admin.list()).length === 1, "it is listed");
  await admin.edge.stop();
  await admin.edge.start();
  const [{ uuid }] = await ask("IDENTITIES", name, "rows", "SELECT uuid FROM details");
  // A value that no version can read.
  await ask("IDENTITIES", name, "rows", "UPDATE details SET uuid = x'00', entry_due = sequence");
  for (const round of [1, 2]) {
    await ask("IDENTITIES", name, "loseAlarm");
    const before = Date.now();
    await ask("IDENTITIES", name, "ring");
    assert.ok((await ask("IDENTITIES", name, "ringsAt")) >= before, `round ${round}`);
  }
  await ask("IDENTITIES", name, "rows", "UPDATE details SET uuid = ?", uuid);
  await ask("IDENTITIES", name, "ring");
  assert.deepEqual(await ask("IDENTITIES", name, "rows", "SELECT entry_due FROM details"), [{ entry_due: null }]);
});

test("a recreated identity is listed although its alarm could not be set at first", async (t) => {
  const { admin, ask } = await start(t);
  const { identity_uuid } = await admin.create("ada");
  await admin.expect(204, "DELETE", `${identity_uuid}/`);
  await ask("IDENTITIES", `${admin.key}_ada`, "failAlarm");
  const path = "/api/v1/identities/?identifier=ada";
  const failed = await admin.edge.request({ path, headers: { "X-Environment-Key": admin.key } });
  assert.equal(failed.status, 503);
  await admin.identify("ada");
  await eventually(async () => (await admin.list()).length === 1, "it is listed");
});

test("an environment is fetched again after its storage failed", async (t) => {
  const { edge, flagsmith, key, ask } = await startPublishing(t);
  set(flagsmith, key, 60);
  await ask("PUBLISHERS", key, "letPass", HOUR);
  await ask("PUBLISHERS", key, "failStatements", true);
  for (const round of [1, 2]) {
    await ask("PUBLISHERS", key, "loseAlarm");
    await ask("PUBLISHERS", key, "ring");
    assert.ok((await ask("PUBLISHERS", key, "ringsAt")) >= Date.now(), `round ${round}`);
  }
  await ask("PUBLISHERS", key, "failStatements", false);
  await ask("PUBLISHERS", key, "ring");
  assert.match(await ask("PUBLISHERS", key, "announcement"), /^\d/);
  await eventually(() => /"feature_state_value":60[,}]/.test(edge.kv.entries.get(`document:${key}`)), "the change is published");
});

test("a discovery is repeated after its storage failed, and a requested discovery is not lost", async (t) => {
  const { flagsmith, key, ask } = await startPublishing(t);
  const { name, document } = flagsmith.environments.get(key);
  flagsmith.environments.set("newEnvironment", { name, document: { ...document, api_key: "newEnvironment" }, serverKeys: [] });
  await ask("REGISTRY", "registry", "letPass", HOUR);
  await ask("REGISTRY", "registry", "failStatements", true);
  for (const round of [1, 2]) {
    await ask("REGISTRY", "registry", "loseAlarm");
    await ask("REGISTRY", "registry", "ring");
    assert.ok((await ask("REGISTRY", "registry", "ringsAt")) >= Date.now(), `round ${round}`);
  }
  await ask("REGISTRY", "registry", "failStatements", false);
  await ask("REGISTRY", "registry", "ring");
  const known = (await ask("REGISTRY", "registry", "rows", "SELECT name FROM environment")).map(({ name }) => name);
  assert.ok(known.includes("newEnvironment"), known.join(" "));
  const again = async () => JSON.parse((await ask("REGISTRY", "registry", "rows", "SELECT state FROM discovery"))[0].state).schedule.again_at;
  assert.equal(await again(), null);
  await ask("REGISTRY", "registry", "failStatements", true);
  await assert.rejects(ask("REGISTRY", "registry", "discover"), /out of order/);
  await ask("REGISTRY", "registry", "failStatements", false);
  // A repeated notification.
  await ask("REGISTRY", "registry", "discover");
  assert.notEqual(await again(), null);
});

test("evaluations are sent later if the storage fails at their delivery", async (t) => {
  const { edge, key, ask } = await startPublishing(t, { ANALYTICS_INTERVAL_SECONDS: 3600 });
  const headers = { "X-Environment-Key": key, "Content-Type": "application/json" };
  const body = JSON.stringify({ free_shipping_threshold: 5 });
  assert.equal((await edge.request({ method: "POST", path: "/api/v1/analytics/flags/", headers, body })).status, 200);
  await ask("ANALYTICS", key, "failStatements", true);
  await ask("ANALYTICS", key, "loseAlarm");
  const before = Date.now();
  await ask("ANALYTICS", key, "ring");
  assert.ok((await ask("ANALYTICS", key, "ringsAt")) >= before);
});

test("an object refuses commands for another identity", async (t) => {
  const { admin, ask } = await start(t);
  await admin.identify("ada", { points: 1 });
  const execute = (environment, identifier) =>
    ask("IDENTITIES", `${admin.key}_ada`, "carryOut", JSON.stringify({ environment, identifier, command: "read" }));
  assert.deepEqual(JSON.parse(await execute(admin.key, "ada")).result.Ok.traits, { points: 1 });
  const { result, occupied } = JSON.parse(await execute(admin.key, "bob"));
  assert.deepEqual([result, occupied], [{ Err: "unavailable" }, true]);
  await assert.rejects(execute(`${admin.key}_a`, "da"), /object of another name/);
  assert.deepEqual(JSON.parse(await execute(admin.key, "ada")).result.Ok.traits, { points: 1 });
});

test("an identity stored by an earlier version is read, written, listed and exported", async (t) => {
  const { admin, ask } = await start(t);
  const name = `${admin.key}_ada`;
  await ask("IDENTITIES", name, "rows", "CREATE TABLE identity (id INTEGER PRIMARY KEY CHECK (id = 1))");
  await ask("IDENTITIES", name, "rows", "CREATE TABLE trait (trait_key TEXT PRIMARY KEY, trait_value TEXT NOT NULL) WITHOUT ROWID");
  await ask("IDENTITIES", name, "rows", "INSERT INTO identity (id) VALUES (1)");
  const traits = { text: "ü", gone: true, large: 9007199254740992, share: 1.5 };
  for (const [key, value] of Object.entries(traits)) {
    await ask("IDENTITIES", name, "rows", "INSERT INTO trait VALUES (?, ?)", key, JSON.stringify(value));
  }
  const get = { path: "/api/v1/identities/?identifier=ada", headers: { "X-Environment-Key": admin.key } };
  assert.deepEqual(await admin.list(), []);
  assert.deepEqual(traitsOf((await admin.edge.request(get)).json()), traits);
  const { gone, ...left } = { ...traits, more: 1 };
  assert.deepEqual(traitsOf(await admin.identify("ada", { gone: null, more: 1 })), left);
  await eventually(async () => (await admin.list()).length === 1, "it is listed");
  await admin.override("ada", "support_chat", { enabled: true, feature_state_value: "vip" });
  await admin.edge.stop();
  await admin.edge.start();
  const flag = (await admin.identify("ada")).flags.find(({ feature }) => feature.name === "support_chat");
  assert.equal(flag.feature_state_value, "vip");
  const { identities } = await admin.expect(200, "GET", `/edge/environments/${admin.key}/identities/export/`);
  assert.deepEqual(traitsOf({ traits: identities[0].identity_traits }), left);
});

test("cached overrides stay when the directory fails a concurrent request", async (t) => {
  const { admin, ask } = await start(t, { workers: 2, variables: { FRESHNESS_SECONDS: 0 } });
  const [, other] = admin.edge.ports;
  const name = `${admin.key}_overrides`;
  const set = (value) => admin.override("ada", "support_chat", { enabled: true, feature_state_value: value });
  const seen = async () => /"(first|second)-value"/.exec((await admin.document({}, other)).text)[1];
  await set("first-value");
  await eventually(async () => (await seen()) === "first", "the other isolate has it");
  await set("second-value");
  await ask("DIRECTORY", name, "hold");
  const early = seen();
  await eventually(() => ask("DIRECTORY", name, "isHolding"), "it is asked");
  assert.equal(await seen(), "second");
  await ask("DIRECTORY", name, "release");
  assert.equal(await early, "second");
});

/** A worker, and a function that calls a method of one of its objects. */
async function start(t, options = {}) {
  const admin = await startAdmin(t, { ...OPENED, ...options });
  return { admin, ask: asker(admin.edge) };
}

/** A worker with a Flagsmith behind it and one published environment. */
async function startPublishing(t, variables = {}) {
  const flagsmith = await startFlagsmith(FIXTURES);
  t.after(() => flagsmith.close());
  const edge = await startEdge({ ...OPENED, origin: flagsmith.origin, variables: { ORIGIN_API_TOKEN: TOKEN, ...variables } });
  t.after(() => edge.close());
  edge.kv.entries.clear();
  const [key] = flagsmith.environments.keys();
  const path = "/api/v1/flags/";
  await becomes(async () => (await edge.request({ path, headers: { "X-Environment-Key": key } })).status, 200, "the environment is served");
  const ask = asker(edge);
  for (const [binding, name] of [["PUBLISHERS", key], ["REGISTRY", "registry"]]) {
    await eventually(async () => (await ask(binding, name, "ringsAt")) > Date.now() + 10_000, "there is nothing more to do");
  }
  return { edge, flagsmith, key, ask };
}

/** The part of the directory that has an identifier's entry. */
function shardOf(identifier) {
  return createHash("sha256").update(identifier).digest()[0] % 8;
}

function traitsOf({ traits }) {
  return Object.fromEntries(traits.map(({ trait_key, trait_value }) => [trait_key, trait_value]));
}
