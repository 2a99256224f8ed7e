// Client keys with formerly colliding object names of identities: `acme` and `eu_bob`, `acme_eu` and `bob`. Each identity has
// its own object. Data that an earlier version stored under the former name is moved, in any order of requests and failures.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { startAdmin } from "./admin.mjs";
import { eventually, FIXTURES } from "./harness.mjs";
import { request } from "./http.mjs";

const FEATURE = { id: 9007, name: "support_chat", type: "STANDARD" };
const STORED = { plan: "gold", points: 5 };

test("identities of client keys with colliding former names are kept apart", async (t) => {
  const { admin } = await start(t, { workers: 2 });
  const identities = [["acme", "eu_bob"], ["acme_eu", "bob"], ["acme", "eu_x_bob"], ["acme_eu", "x_bob"], ["acme_eu_x", "bob"]];
  const mine = ([key, identifier]) => ({ of: `${key} and ${identifier}` });
  const check = async () => {
    for (const identity of identities) {
      assert.deepEqual(await traitsOf(admin, ...identity), mine(identity), identity.join(" "));
      const [key] = identity;
      const own = identities.filter((other) => other[0] === key).map(([, identifier]) => identifier).sort();
      await eventually(async () => same((await listed(admin, key)).sort(), own), `${key} has its own`);
    }
  };
  for (let round = 0; round < 4; round += 1) {
    const all = identities.flatMap((identity) => admin.edge.ports.map((port) => set(admin, ...identity, mine(identity), port)));
    for (const { status, text } of await Promise.all(all)) assert.equal(status, 200, text);
  }
  await check();
  await admin.edge.kill();
  await admin.edge.start();
  await check();
  for (const [key, identifier] of identities) await override(admin, key, identifier, `${key}, ${identifier}`);
  for (const [key, identifier] of identities) {
    const { flags } = (await get(admin, key, identifier)).json();
    assert.equal(flags.find(({ feature }) => feature.id === FEATURE.id).feature_state_value, `${key}, ${identifier}`);
  }
  const uuid = await uuidOf(admin, "acme_eu", "bob");
  await admin.expect(204, "DELETE", `/api/v1/environments/acme_eu/edge-identities/${uuid}/`);
  assert.deepEqual(await traitsOf(admin, "acme_eu", "bob"), {});
  assert.deepEqual(await traitsOf(admin, "acme", "eu_bob"), mine(identities[0]));
});

test("data stored by an earlier version is moved by the first request for it", async (t) => {
  const { admin, ask } = await start(t);
  const first = {
    "an SDK's GET": ({ identifier }) => get(admin, "acme_eu", identifier),
    "an SDK's POST": ({ identifier }) => set(admin, "acme_eu", identifier, { plan: "gold" }),
    "a trait": ({ identifier }) => sdk(admin, "acme_eu", "POST", "traits/", { identity: { identifier }, trait_key: "plan", trait_value: "gold" }),
    "an upload": ({ identifier }) => sdk(admin, "acme_eu", "PUT", "bulk-identities/", { data: [{ identifier, traits: [{ trait_key: "plan", trait_value: "gold" }] }] }),
    "an administrator's GET": ({ uuid }) => admin.send("GET", `/api/v1/environments/acme_eu/edge-identities/${uuid}/`),
    "an explanation": ({ identifier }) => admin.send("GET", `/edge/environments/acme_eu/identities/explain/?identifier=${identifier}`),
    "a repair": ({ identifier }) => admin.send("POST", "/edge/environments/acme_eu/identities/repair/", { identifiers: [identifier] }),
    "an identity of another key": ({ identifier }) => set(admin, "acme", `eu_${identifier}`, { other: 1 }),
  };
  const stored = [];
  for (const what of Object.keys(first)) stored.push(await store(ask, "acme_eu", what.replace(/\W/g, "-").toLowerCase()));
  // Alarms of earlier versions move their identities.
  for (const { former } of stored) await ask("IDENTITIES", former, "ring");
  const expected = stored.map(({ identifier }) => identifier).sort();
  assert.deepEqual((await listed(admin, "acme_eu")).sort(), expected);
  for (const [number, [what, act]] of Object.entries(first).entries()) {
    const { identifier, uuid, former, own } = stored[number];
    assert.deepEqual(await tables(ask, own), [], what);
    const { status, text } = await act(stored[number]);
    assert.ok([200, 202].includes(status), `${what}: ${status} ${text}`);
    assert.deepEqual(await tables(ask, own), ["details", "identity_override", "trait"], what);
    const there = what === "an identity of another key" ? ["details", "trait"] : [];
    assert.deepEqual(await tables(ask, former), there, what);
    for (const round of ["at once", "after a restart"]) {
      const { traits, flags } = (await get(admin, "acme_eu", identifier)).json();
      assert.deepEqual(byKey(traits), STORED, `${what}, ${round}`);
      assert.equal(flags.find(({ feature }) => feature.id === FEATURE.id).feature_state_value, "made here", `${what}, ${round}`);
      const known = await admin.expect(200, "GET", `/api/v1/environments/acme_eu/edge-identities/${uuid}/`);
      assert.deepEqual(known, { identifier, identity_uuid: uuid, dashboard_alias: `alias of ${identifier}` }, `${what}, ${round}`);
      await admin.edge.kill();
      await admin.edge.start();
    }
  }
  assert.deepEqual(await traitsOf(admin, "acme", `eu_${stored.at(-1).identifier}`), { other: 1 });
  const { identities } = await admin.expect(200, "GET", "/edge/environments/acme_eu/identities/export/");
  assert.deepEqual(identities.map(({ identifier }) => identifier).sort(), expected);
  assert.ok(identities.every(({ created_date }) => created_date === "2025-02-03T04:05:06.789000+00:00"));
});

test("data stored without an owner is moved, too, and deleted identities stay deleted", async (t) => {
  const { admin, ask } = await start(t);
  await ask("IDENTITIES", "acme_eu_old", "rows", "CREATE TABLE identity (id INTEGER PRIMARY KEY CHECK (id = 1))");
  await ask("IDENTITIES", "acme_eu_old", "rows", "CREATE TABLE trait (trait_key TEXT PRIMARY KEY, trait_value TEXT NOT NULL) WITHOUT ROWID");
  await ask("IDENTITIES", "acme_eu_old", "rows", "INSERT INTO trait VALUES ('plan', '\"gold\"'), ('points', '5')");
  assert.deepEqual(await traitsOf(admin, "acme_eu", "old"), STORED);
  assert.deepEqual(await tables(ask, "acme_eu_old"), []);
  await eventually(async () => same(await listed(admin, "acme_eu"), ["old"]), "it is listed");
  // A deleted identity with a pending directory update.
  const { former } = await store(ask, "acme_eu", "erased");
  await ask("IDENTITIES", former, "ring");
  await ask("IDENTITIES", former, "rows", "DELETE FROM trait");
  await ask("IDENTITIES", former, "rows", "DELETE FROM identity_override");
  await ask("IDENTITIES", former, "rows", "UPDATE details SET erased = 1, sequence = sequence + 1, entry_due = sequence + 1, overrides_due = sequence + 1");
  await ask("IDENTITIES", former, "evict").catch(() => {});
  const { status } = await admin.send("GET", "/edge/environments/acme_eu/identities/explain/?identifier=erased");
  assert.equal(status, 200);
  await eventually(async () => same(await listed(admin, "acme_eu"), ["old"]), "the erased one is listed no longer");
  assert.deepEqual([await tables(ask, former), await tables(ask, ownName("acme_eu", "erased"))], [[], []]);
});

test("concurrent first requests, also of the other identity, are all executed", async (t) => {
  const { admin, ask } = await start(t, { workers: 2 });
  for (const identifier of ["one", "two", "three"]) {
    await store(ask, "acme_eu", identifier);
    const increments = Array.from({ length: 60 }, (_, number) => {
      const [key, name] = number % 3 === 2 ? ["acme", `eu_${identifier}`] : ["acme_eu", identifier];
      const body = { identifier: name, trait_key: "points", increment_by: 1 };
      return sdk(admin, key, "POST", "traits/increment-value/", body, admin.edge.ports[number % 2]);
    });
    for (const { status, text } of await Promise.all(increments)) assert.equal(status, 200, text);
    assert.deepEqual(await traitsOf(admin, "acme_eu", identifier), { ...STORED, points: 45 });
    assert.deepEqual(await traitsOf(admin, "acme", `eu_${identifier}`), { points: 20 });
  }
});

test("an interrupted move is repeated, and no command runs before it has finished", async (t) => {
  const { admin, ask } = await start(t, { variables: { LOG_REQUESTS: 0 } });
  const increment = (key, identifier) => sdk(admin, key, "POST", "traits/increment-value/", { identifier, trait_key: "points", increment_by: 1 });
  let number = 0;
  for (const method of ["handOver", "forget"]) {
    for (const when of ["before", "after"]) {
      for (const how of ["fails", "stalls"]) {
        for (const comes of ["acme_eu", "acme"]) {
          const what = `${method} ${how} ${when} it is done, and ${comes} comes`;
          const { identifier, former, own } = await store(ask, "acme_eu", `number-${(number += 1)}`);
          const name = comes === "acme" ? `eu_${identifier}` : identifier;
          await ask("IDENTITIES", former, "breakOff", method, how, when);
          const broken = increment(comes, name).then(({ status }) => status, () => "ended");
          if (how === "fails") assert.equal(await broken, 503, what);
          else if (method === "forget") await eventually(async () => (await tables(ask, own)).includes("moving"), `it is in the middle: ${what}`);
          else await eventually(async () => (await ask("IDENTITIES", former, "isStalled")) === true, `it is in the middle: ${what}`);
          await admin.edge.kill();
          if (how === "stalls") assert.equal(await broken, "ended", what);
          await admin.edge.start();
          assert.equal((await increment(comes, name)).status, 200, what);
          const points = comes === "acme_eu" ? 6 : 5;
          assert.deepEqual(await traitsOf(admin, "acme_eu", identifier), { ...STORED, points }, what);
          assert.deepEqual(await traitsOf(admin, "acme", `eu_${identifier}`), comes === "acme" ? { points: 1 } : {}, what);
          assert.deepEqual(await tables(ask, own), ["details", "identity_override", "trait"], what);
          const [{ environment }] = await ask("IDENTITIES", former, "rows", "SELECT environment FROM details");
          assert.equal(environment, "acme", what);
        }
      }
    }
  }
});

test("a request that arrives after the move repeats no write", async (t) => {
  const { admin, ask } = await start(t);
  const { identifier, former } = await store(ask, "acme_eu", "bob");
  const increment = () => sdk(admin, "acme_eu", "POST", "traits/increment-value/", { identifier, trait_key: "points", increment_by: 1 });
  await ask("IDENTITIES", former, "breakOff", "handOver", "waits", "after");
  const late = increment();
  await eventually(() => ask("IDENTITIES", former, "isStalled"), "its answer is on its way");
  assert.equal((await increment()).status, 200);
  await ask("IDENTITIES", former, "letGo");
  assert.equal((await late).status, 200);
  assert.deepEqual(await traitsOf(admin, "acme_eu", identifier), { ...STORED, points: 7 });
});

test("an object of the former name refuses commands for a renamed identity", async (t) => {
  const { ask } = await start(t);
  const { former, identifier } = await store(ask, "acme_eu", "bob");
  for (const method of ["carryOut", "carryOutAndTell"]) {
    const request = { environment: "acme_eu", identifier, command: { set_traits: [["points", 6]] } };
    await assert.rejects(ask("IDENTITIES", former, method, JSON.stringify(request)), /object of another name/);
  }
  assert.deepEqual(await ask("IDENTITIES", former, "rows", "SELECT trait_value FROM trait WHERE trait_key = 'points'"), [{ trait_value: "5" }]);
  // It neither returns nor deletes data of another identity.
  assert.equal(await ask("IDENTITIES", former, "handOver", "acme_eu", "alice"), null);
  await ask("IDENTITIES", former, "forget", "acme", "eu_bob");
  assert.deepEqual(await tables(ask, former), ["details", "identity_override", "trait"]);
});

async function start(t, options = {}) {
  const documents = mkdtempSync(join(tmpdir(), "keys-"));
  t.after(() => rmSync(documents, { recursive: true }));
  const document = JSON.parse(readFileSync(join(FIXTURES, "production.json"), "utf8"));
  for (const api_key of ["acme", "acme_eu", "acme_eu_x"]) {
    writeFileSync(join(documents, `${api_key}.json`), JSON.stringify({ ...document, api_key, identity_overrides: [] }));
  }
  const keys = { acme: [{ key: "ser.acme", active: true, expires_at: null }] };
  writeFileSync(join(documents, "server-keys.json"), JSON.stringify(keys));
  const admin = await startAdmin(t, { entry: "tests/e2e/objects.js", documents, ...options });
  const ask = async (binding, name, method, ...parameters) => {
    const body = JSON.stringify({ binding, name, method, parameters });
    const { value, error } = (await admin.edge.request({ method: "POST", path: "/", headers: { "X-Object": "yes" }, body })).json();
    if (error !== undefined) throw new Error(error);
    return value;
  };
  return { admin, ask };
}

/** Stores an identity in the form of the version before these names: under its former name, with all of its data. */
async function store(ask, key, identifier) {
  const [former, sequence] = [`${key}_${identifier}`, 1_764_415_000_000];
  const uuid = signed(identifier);
  const state = { feature: FEATURE, enabled: true, feature_state_value: "made here", featurestate_uuid: "6f0f8f6e-1111-4111-8111-000000000000", django_id: null, multivariate_feature_state_values: [] };
  const rows = (query, ...values) => ask("IDENTITIES", former, "rows", query, ...values);
  await rows("CREATE TABLE trait (trait_key TEXT PRIMARY KEY, trait_value TEXT NOT NULL) WITHOUT ROWID");
  await rows(`CREATE TABLE details (id INTEGER PRIMARY KEY CHECK (id = 1), environment TEXT NOT NULL,
    identifier TEXT NOT NULL, uuid TEXT NOT NULL, created_date TEXT NOT NULL, dashboard_alias TEXT,
    sequence INTEGER NOT NULL, erased INTEGER NOT NULL, entry_due INTEGER, overrides_due INTEGER)`);
  await rows("CREATE TABLE identity_override (position INTEGER PRIMARY KEY, feature_id INTEGER NOT NULL UNIQUE, state TEXT NOT NULL)");
  for (const [trait, value] of Object.entries(STORED)) await rows("INSERT INTO trait VALUES (?, ?)", trait, JSON.stringify(value));
  await rows("INSERT INTO identity_override VALUES (1, ?, ?)", FEATURE.id, JSON.stringify(state));
  await rows("INSERT INTO details VALUES (1, ?, ?, ?, ?, ?, ?, 0, ?, ?)", key, identifier, uuid, "2025-02-03T04:05:06.789000+00:00", `alias of ${identifier}`, sequence, sequence, sequence);
  return { identifier, uuid, former, own: ownName(key, identifier) };
}

function ownName(key, identifier) {
  return createHash("sha256").update(`${key}/${identifier}`).digest("hex");
}

/** A UUID in the worker's form: its last digit is the directory's shard. */
function signed(identifier) {
  const hash = createHash("sha256").update(identifier).digest();
  return `00000000-0000-4000-8000-${hash.toString("hex").slice(0, 11)}${hash[0] % 8}`;
}

async function tables(ask, name) {
  const query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\'";
  return (await ask("IDENTITIES", name, "rows", query)).map(({ name }) => name).sort();
}

function sdk({ edge }, key, method, path, body = null, port = edge.port) {
  const headers = { "X-Environment-Key": key, ...(body === null ? {} : { "Content-Type": "application/json" }) };
  return request(port, { method, path: `/api/v1/${path}`, headers, body: body === null ? null : JSON.stringify(body) });
}

function get(admin, key, identifier) {
  return sdk(admin, key, "GET", `identities/?identifier=${identifier}`);
}

function set(admin, key, identifier, traits, port) {
  const list = Object.entries(traits).map(([trait_key, trait_value]) => ({ trait_key, trait_value }));
  return sdk(admin, key, "POST", "identities/", { identifier, traits: list }, port);
}

async function traitsOf(admin, key, identifier) {
  const response = await get(admin, key, identifier);
  assert.equal(response.status, 200, response.text);
  return byKey(response.json().traits);
}

function byKey(traits) {
  return Object.fromEntries(traits.map(({ trait_key, trait_value }) => [trait_key, trait_value]));
}

async function listed(admin, key) {
  const { results } = await admin.expect(200, "GET", `/api/v1/environments/${key}/edge-identities/`);
  return results.map(({ identifier }) => identifier);
}

async function uuidOf(admin, key, identifier) {
  const { results } = await admin.expect(200, "GET", `/api/v1/environments/${key}/edge-identities/?q="${identifier}"`);
  return results[0].identity_uuid;
}

function override(admin, key, identifier, feature_state_value) {
  const state = { identifier, feature: FEATURE.id, enabled: true, feature_state_value };
  return admin.expect(200, "PUT", `/api/v1/environments/${key}/edge-identities-featurestates`, state);
}

function same(left, right) {
  return JSON.stringify(left) === JSON.stringify(right);
}
