// Partial failures of writes: a trigger in the object's database fails a later statement of a transaction. Then nothing of the
// change is stored, and the state in memory equals the stored one.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";

import { startAdmin } from "./admin.mjs";
import { set, startFlagsmith, TOKEN } from "./flagsmith.mjs";
import { becomes, eventually, FIXTURES, startEdge } from "./harness.mjs";
import { asker, OPENED } from "./inside.mjs";

const INJECTED = /injected: SQLITE_CONSTRAINT/;
const HOUR = 3_600_000;

test("a write of traits that fails half way changes nothing, and the next one works", async (t) => {
  const { admin, object, failures } = await start(t);
  const traits = { kept: 1, removed: 2 };
  await admin.identify("ada", traits);
  const before = await stored(object);
  await object.failOn("INSERT ON trait WHEN NEW.trait_key = 'late'");
  const many = Object.fromEntries(Array.from({ length: 64 }, (_, number) => [`early-${number}`, number]));
  for (const [round, change] of [
    // The removal is a separate statement, and the first.
    { removed: null, late: 1 },
    // A statement takes 64 traits, so the last one is in a second statement.
    { ...many, late: 1 },
  ].entries()) {
    assert.equal((await identify(admin, change)).status, 503);
    await failures(round + 1);
    assert.deepEqual(await stored(object), before);
    assert.deepEqual(await traitsRead(admin), traits);
  }
  assert.equal((await identify(admin, { removed: null, added: 3 })).status, 200);
  assert.deepEqual(await traitsRead(admin), { kept: 1, added: 3 });
  await object.mend();
  assert.equal((await identify(admin, { late: 1 })).status, 200);
  const expected = { kept: 1, added: 3, late: 1 };
  assert.deepEqual(await traitsRead(admin), expected);
  assert.deepEqual((await stored(object)).traits, expected);
  await failures(2);
});

test("an identity whose first write fails half way does not exist, and the directory does not get it", async (t) => {
  const { admin, object, failures } = await start(t);
  await object.rows("CREATE TABLE trait (trait_key TEXT PRIMARY KEY, trait_value TEXT NOT NULL) WITHOUT ROWID");
  await object.rows(`CREATE TABLE details (id INTEGER PRIMARY KEY CHECK (id = 1), environment TEXT NOT NULL,
    identifier TEXT NOT NULL, uuid TEXT NOT NULL, created_date TEXT NOT NULL, dashboard_alias TEXT,
    sequence INTEGER NOT NULL, erased INTEGER NOT NULL, entry_due INTEGER, overrides_due INTEGER)`);
  // The last statement of the transaction.
  await object.failOn("INSERT ON details");
  assert.equal((await identify(admin, { early: 1 })).status, 503);
  assert.equal((await admin.send("POST", "", { identifier: "ada" })).status, 503);
  await failures(2);
  assert.deepEqual(await stored(object), { traits: {}, details: [] });
  assert.equal(await object.ringsAt(), null, "no update of the directory is pending");
  assert.deepEqual(await admin.list(), []);
  await object.mend();
  const { traits } = await admin.identify("ada", { late: 2 });
  assert.deepEqual(traits.map(({ trait_key }) => trait_key), ["late"]);
  await eventually(async () => (await admin.list()).length === 1, "it is listed");
});

test("an override whose write fails half way is neither stored nor served, and the directory does not get it", async (t) => {
  const { admin, ask, object, failures } = await start(t);
  await admin.identify("ada");
  await eventually(async () => (await admin.list()).length === 1, "it is listed");
  await becomes(() => object.ringsAt(), null, "the alarm");
  const before = await stored(object);
  const flag = await flagRead(admin);
  await object.failOn("UPDATE ON details");
  const path = `/api/v1/environments/${admin.key}/edge-identities-featurestates/`;
  const override = { feature: "support_chat", enabled: true, feature_state_value: "half" };
  assert.equal((await admin.send("PUT", path, { identifier: "ada", ...override })).status, 503);
  await failures(1);
  assert.deepEqual(await stored(object), before);
  // The table is created in the same transaction.
  assert.deepEqual(await object.rows("SELECT name FROM sqlite_master WHERE name = 'identity_override'"), []);
  assert.deepEqual(await flagRead(admin), flag);
  assert.equal(await object.ringsAt(), null, "no update of the directory is pending");
  assert.deepEqual(await overridesRead(admin), []);
  assert.deepEqual(await ask("DIRECTORY", `${admin.key}_overrides`, "rows", "SELECT name FROM sqlite_master"), []);
  await object.mend();
  await admin.override("ada", "support_chat", { enabled: true, feature_state_value: "whole" });
  assert.equal((await flagRead(admin)).feature_state_value, "whole");
  assert.deepEqual(await overridesRead(admin), ["whole"]);
});

test("a shard of the directory that fails half way through an update keeps its entry, and gets the update later", async (t) => {
  const { admin, ask, object } = await start(t);
  const { identity_uuid } = await admin.create("ada");
  const shard = opened(ask, "DIRECTORY", `${admin.key}_${createHash("sha256").update("ada").digest()[0] % 8}`);
  const before = await shard.rows("SELECT * FROM entry");
  assert.equal(before.length, 1);
  // The entry is deleted before that.
  await shard.failOn("INSERT ON heard");
  await admin.expect(204, "DELETE", `${identity_uuid}/`);
  await logged(admin.edge, "directory object", 1);
  assert.deepEqual(await shard.rows("SELECT * FROM entry"), before);
  assert.deepEqual(await admin.identifiers(), ["ada"]);
  await shard.mend();
  await object.ring();
  assert.deepEqual(await shard.rows("SELECT * FROM entry"), []);
  assert.deepEqual(await admin.identifiers(), []);
});

test("the directory's overrides that fail half way through an update stay as they are, and get the update later", async (t) => {
  const { admin, ask, object } = await start(t);
  await admin.override("ada", "support_chat", { enabled: true, feature_state_value: "first" });
  const overrides = opened(ask, "DIRECTORY", `${admin.key}_overrides`);
  const all = async () => [await overrides.rows("SELECT state FROM override"), await overrides.rows("SELECT * FROM total"), await overrides.rows("SELECT * FROM version")];
  const before = await all();
  // The override and its length are written before that.
  await overrides.failOn("UPDATE ON version");
  await admin.override("ada", "support_chat", { enabled: true, feature_state_value: "the second" });
  await logged(admin.edge, "directory object", 1);
  assert.deepEqual(await all(), before);
  assert.deepEqual(await overridesRead(admin), ["first"]);
  await overrides.mend();
  await object.ring();
  await becomes(() => overridesRead(admin), ["the second"], "the overrides in the document");
});

test("a document whose write fails half way is not published, and is fetched again", async (t) => {
  const flagsmith = await startFlagsmith(FIXTURES);
  t.after(() => flagsmith.close());
  const edge = await startEdge({ ...OPENED, origin: flagsmith.origin, variables: { ORIGIN_API_TOKEN: TOKEN, FRESHNESS_SECONDS: 0 } });
  t.after(() => edge.close());
  edge.kv.entries.clear();
  const [key] = flagsmith.environments.keys();
  const flags = () => edge.request({ path: "/api/v1/flags/", headers: { "X-Environment-Key": key } });
  await becomes(async () => (await flags()).status, 200, "the environment is served");
  const publisher = opened(asker(edge), "PUBLISHERS", key);
  await eventually(async () => (await publisher.ringsAt()) > Date.now() + 10_000, "there is nothing more to do");
  const all = async () => [await publisher.rows("SELECT state FROM publisher"), await publisher.rows("SELECT number, hex(bytes) FROM chunk")];
  const [before, announcement, served] = [await all(), await publisher.ask("announcement"), (await flags()).text];
  set(flagsmith, key, 60);
  // The state and the removal of the last document come before that.
  await publisher.failOn("INSERT ON chunk");
  await publisher.ask("letPass", HOUR);
  for (const round of [1, 2]) {
    await publisher.ask("loseAlarm");
    await publisher.ring();
    await logged(edge, "environment object", round);
    assert.deepEqual(await all(), before);
    assert.equal(await publisher.ask("announcement"), announcement);
    assert.equal((await flags()).text, served);
    assert.ok((await publisher.ringsAt()) >= Date.now(), "it is tried again");
  }
  await publisher.mend();
  await publisher.ring();
  assert.notEqual(await publisher.ask("announcement"), announcement);
  await eventually(async () => /"feature_state_value":60[,}]/.test((await flags()).text), "the change is served");
});

/** A worker, the object of the identity `ada`, and a check of the number of failed writes. */
async function start(t) {
  const admin = await startAdmin(t, OPENED);
  const ask = asker(admin.edge);
  const object = opened(ask, "IDENTITIES", `${admin.key}_ada`);
  return { admin, ask, object, failures: (count) => logged(admin.edge, "identity object", count) };
}

/** An object, and triggers in its database. */
function opened(ask, binding, name) {
  const call = (method, ...parameters) => ask(binding, name, method, ...parameters);
  const rows = (...query) => call("rows", ...query);
  return {
    ask: call,
    rows,
    ringsAt: () => call("ringsAt"),
    ring: () => call("ring"),
    failOn: (event) => rows(`CREATE TRIGGER injected BEFORE ${event} BEGIN SELECT RAISE(ABORT, 'injected'); END`),
    mend: () => rows("DROP TRIGGER injected"),
  };
}

/** Waits for this number of failures of a source; each must be an injected one. */
async function logged(edge, source, count) {
  const failures = () => edge.log.split("\n").filter((line) => line.startsWith(`{"failure":"${source}"`));
  await eventually(() => failures().length >= count, "the failure is logged");
  assert.equal(failures().length, count, edge.log);
  for (const line of failures()) assert.match(JSON.parse(line).cause, INJECTED);
}

/** The rows of an identity's object. */
async function stored(object) {
  const traits = await object.rows("SELECT trait_key, trait_value FROM trait");
  return {
    traits: Object.fromEntries(traits.map(({ trait_key, trait_value }) => [trait_key, JSON.parse(trait_value)])),
    details: await object.rows("SELECT * FROM details"),
  };
}

function identify(admin, traits) {
  const list = Object.entries(traits).map(([trait_key, trait_value]) => ({ trait_key, trait_value }));
  const headers = { "X-Environment-Key": admin.key, "Content-Type": "application/json" };
  return admin.edge.request({ method: "POST", path: "/api/v1/identities/", headers, body: JSON.stringify({ identifier: "ada", traits: list }) });
}

async function read(admin) {
  const response = await admin.edge.request({ path: "/api/v1/identities/?identifier=ada", headers: { "X-Environment-Key": admin.key } });
  assert.equal(response.status, 200, response.text);
  return response.json();
}

async function traitsRead(admin) {
  return Object.fromEntries((await read(admin)).traits.map(({ trait_key, trait_value }) => [trait_key, trait_value]));
}

async function flagRead(admin) {
  return (await read(admin)).flags.find(({ feature }) => feature.name === "support_chat");
}

/** The values of the identity's overrides in the environment document. */
async function overridesRead(admin) {
  const { identity_overrides } = (await admin.document()).json();
  const own = identity_overrides.filter(({ identifier }) => identifier === "ada");
  return own.flatMap(({ identity_features }) => identity_features.map(({ feature_state_value }) => feature_state_value));
}
