// Environments that hash identities by the numbers of their origin's database. Imported identities have the origin's buckets,
// and identities without a known number are counted.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { startAdmin } from "./admin.mjs";
import { startBrowser, visit } from "./browser.mjs";
import { ADMIN_KEY, ADMIN_KEY_SHA256, TOKEN, startFlagsmith, stateOf } from "./flagsmith.mjs";
import { FIXTURES, eventually, startEdge } from "./harness.mjs";

const KEY = "legacyHashingEnvironment";
const IDENTITIES = 60;

test("imported identities keep the buckets of their Django ids, also after a restart and in another worker", async (t) => {
  const admin = await startLegacy(t);
  const bring = async (to, lines) => {
    const body = lines.map((line) => JSON.stringify(line)).join("\n");
    const { imported } = await to.expect(200, "POST", `/edge/environments/${KEY}/identities/import/`, body);
    assert.equal(imported, lines.length);
  };
  const lines = Array.from({ length: IDENTITIES }, (_, number) => line(number));
  await bring(admin, lines);
  const expected = lines.map(({ identifier, django_id, identity_features }) => [identifier, valuesOf(String(django_id), identity_features)]);
  const composite = lines.map(({ identifier, identity_features }) => [identifier, valuesOf(`${KEY}_${identifier}`, identity_features)]);
  assert.ok(expected.filter(([, values], index) => values.join() !== composite[index][1].join()).length > IDENTITIES / 3);
  assert.deepEqual(await answers(admin, lines), expected);
  await admin.edge.stop();
  await admin.edge.start();
  assert.deepEqual(await answers(admin, lines), expected);
  // Writes of SDKs do not change the buckets. `transient` requests ignore overrides.
  await admin.identify(lines[0].identifier, { plan: "pro" });
  assert.deepEqual(await answers(admin, lines), expected);
  const transient = lines.map(({ identifier, django_id }) => [identifier, valuesOf(String(django_id))]);
  assert.deepEqual(await answers(admin, lines, "&transient=true"), transient);
  // In answers for administrators, values of overrides are hashed from the number and the override's UUID.
  const { results } = await admin.expect(200, "GET", `/api/v1/environments/${KEY}/edge-identity-overrides`);
  assert.equal(results.length, IDENTITIES / 2);
  for (const { identifier, feature_state } of results) {
    const { django_id } = lines.find((line) => line.identifier === identifier);
    assert.equal(feature_state.feature_state_value, variantOf(percentageOf(feature_state.featurestate_uuid, String(django_id))), identifier);
  }
  const { identities } = await admin.expect(200, "GET", `/edge/environments/${KEY}/identities/export/`);
  assert.deepEqual(identities.map(({ django_id }) => django_id), identities.map(({ identifier }) => numberOf(identifier)));
  const next = await startLegacy(t);
  await bring(next, identities);
  assert.deepEqual(await answers(next, lines), expected);
});

test("identities without a number are counted where the setting is off", async (t) => {
  const admin = await startLegacy(t, { entry: "tests/e2e/objects.js" });
  const path = `/edge/environments/${KEY}/identities`;
  const count = async () => {
    const { identities, without_django_id } = await admin.expect(200, "GET", `${path}/count/`);
    return [identities, without_django_id];
  };
  const bring = (line) => admin.expect(200, "POST", `${path}/import/`, JSON.stringify(line));
  assert.deepEqual(await count(), [0, 0]);
  const { identity_uuid } = await admin.create("ada");
  await admin.create("bob");
  assert.deepEqual(await count(), [2, 2]);
  await bring({ identifier: "ada", identity_uuid, django_id: 7 });
  assert.deepEqual(await count(), [2, 1]);
  // An export of an earlier version has null for every identity.
  await bring({ identifier: "ada", identity_uuid, django_id: null });
  assert.deepEqual(await count(), [2, 1]);
  await admin.expect(204, "DELETE", `${identity_uuid}/`);
  assert.deepEqual(await count(), [1, 1]);
  await admin.create("ada");
  assert.deepEqual(await count(), [2, 2]);
  await bring({ identifier: "ada", django_id: "8" });
  assert.deepEqual(await count(), [2, 1]);
  // The directory keeps no row of deleted identities.
  await admin.expect(204, "DELETE", `${(await admin.list()).find(({ identifier }) => identifier === "ada").identity_uuid}/`);
  const shard = `${KEY}_${createHash("sha256").update("ada").digest()[0] % 8}`;
  assert.deepEqual(await ask(admin.edge, "DIRECTORY", shard, "rows", "SELECT * FROM with_django_id"), []);
});

test("identities without a number are not counted where the setting is on", async (t) => {
  const admin = await startAdmin(t);
  await admin.create("ada");
  const { identities, without_django_id } = await admin.expect(200, "GET", `/edge/environments/${admin.key}/identities/count/`);
  assert.deepEqual([identities, without_django_id], [1, null]);
});

test("storage of the previous version is readable, and the previous version reads today's", async (t) => {
  const admin = await startLegacy(t, { entry: "tests/e2e/objects.js" });
  const rows = (binding, name, query, ...values) => ask(admin.edge, binding, name, "rows", query, ...values);
  const identifier = "user-1";
  const name = `${KEY}_${identifier}`;
  const uuid = "00000000-0000-4000-8000-000000000001";
  const details = [KEY, identifier, uuid, "2026-01-01T00:00:00+00:00", null, 5, 0, null, null];
  await rows("IDENTITIES", name, "CREATE TABLE trait (trait_key TEXT PRIMARY KEY, trait_value TEXT NOT NULL) WITHOUT ROWID");
  await rows(
    "IDENTITIES",
    name,
    `CREATE TABLE details (id INTEGER PRIMARY KEY CHECK (id = 1), environment TEXT NOT NULL, identifier TEXT NOT NULL,
      uuid TEXT NOT NULL, created_date TEXT NOT NULL, dashboard_alias TEXT, sequence INTEGER NOT NULL, erased INTEGER NOT NULL,
      entry_due INTEGER, overrides_due INTEGER)`,
  );
  await rows("IDENTITIES", name, "INSERT INTO details VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?)", ...details);
  const values = async () => valuesIn(await admin.identify(identifier));
  assert.deepEqual(await values(), valuesOf(`${KEY}_${identifier}`));
  const [state] = line(0).identity_features;
  const imported = { identifier, identity_uuid: uuid, django_id: 1234567890123456789, identity_features: [state] };
  // More digits than JavaScript's numbers have.
  const text = JSON.stringify(imported).replace("1234567890123456800", "1234567890123456789");
  await admin.expect(200, "POST", `/edge/environments/${KEY}/identities/import/`, text);
  assert.deepEqual(await values(), valuesOf("1234567890123456789", [state]));
  const exported = await admin.send("GET", `/edge/environments/${KEY}/identities/export/`);
  assert.match(exported.text, /"django_id":1234567890123456789[,}]/);
  const shard = `${KEY}_${createHash("sha256").update(identifier).digest()[0] % 8}`;
  for (const [binding, object, table, columns] of [
    ["IDENTITIES", name, "details", 10],
    ["IDENTITIES", name, "identity_override", 3],
    ["DIRECTORY", shard, "entry", 4],
    ["DIRECTORY", `${KEY}_overrides`, "override", 6],
  ]) {
    const [{ count }] = await rows(binding, object, "SELECT count(*) AS count FROM pragma_table_info(?)", table);
    assert.equal(count, columns, `${table}: the previous version writes rows with this number of values`);
  }
});

test("the status reports that the setting is off and the number of identities without a number", async (t) => {
  const flagsmith = await startFlagsmith(FIXTURES);
  t.after(() => flagsmith.close());
  const [key, other] = flagsmith.environments.keys();
  flagsmith.change(key, (document) => (document.use_identity_composite_key_for_hashing = false));
  const edge = await startEdge({ origin: flagsmith.origin, variables: { ADMIN_KEY_SHA256, ORIGIN_API_TOKEN: TOKEN, WEBHOOK_SECRET: "webhook-secret" } });
  t.after(() => edge.close());
  edge.kv.entries.clear();
  const send = (path, headers, method = "GET", body = null) => edge.request({ method, path, headers, body });
  const identify = (identifier) => send(`/api/v1/identities/?identifier=${identifier}`, { "X-Environment-Key": key });
  await eventually(async () => (await identify("ada")).status === 200, "the environment is published");
  const authorization = { Authorization: `Api-Key ${ADMIN_KEY}` };
  const status = async () => (await send("/edge/status", authorization)).json().environments;
  await eventually(async () => (await status()).filter(({ version }) => version).length === 2, "both are published");
  const legacy = Object.fromEntries((await status()).map(({ environment, legacy_hashing }) => [environment, legacy_hashing]));
  assert.deepEqual(legacy, { [key]: true, [other]: false });
  const counted = async () => (await send(`/edge/environments/${key}/identities/count/`, authorization)).json().without_django_id;
  await eventually(async () => (await counted()) === 1, "it is counted");
  const { webhook } = (await status()).find(({ environment }) => environment === key);
  assert.ok(webhook);
  // The next version is published, and the log reports the setting once.
  const reports = () => [...edge.log.matchAll(/identities without one here: (\d+)/g)].map(([, count]) => count);
  await edge.flush();
  const before = reports().length;
  const { version } = (await status()).find(({ environment }) => environment === key);
  const { django_id } = stateOf(flagsmith.environments.get(key).document);
  const headers = { Authorization: `Api-Key ${TOKEN}`, "Content-Type": "application/json" };
  const changed = await send(`/api/v1/environments/${key}/featurestates/${django_id}/`, headers, "PATCH", JSON.stringify({ feature_state_value: 77 }));
  assert.equal(changed.status, 200);
  await eventually(async () => (await status()).find(({ environment }) => environment === key).version !== version, "the change is published");
  await eventually(() => reports().length > before, "the log reports it");
  assert.deepEqual(reports().slice(before), ["1"]);
  for (let round = 0; round < 20; round += 1) assert.equal((await identify("ada")).status, 200);
  await edge.flush();
  assert.equal(reports().length, before + 1);
  // The operator's page shows it for this environment only.
  const browser = await startBrowser();
  t.after(() => browser.close());
  // The origin refuses the worker's own key, so there are no flags.
  const { page, leave } = await visit(browser, `${edge.address}/edge/`, { viewport: { width: 1280, height: 900 }, reducedMotion: "reduce", refusals: true });
  await page.fill("#secret", ADMIN_KEY);
  await page.click("#sign-in button.primary");
  await page.waitForSelector(`[data-hashing="${key}"] .warning`);
  assert.match(await page.textContent(`[data-hashing="${key}"]`), /^1 of 1 identities have no django_id/);
  await eventually(async () => (await page.textContent(`[data-count="${other}"]`)) === "0", "the other's are counted");
  assert.equal(await page.textContent(`[data-hashing="${other}"]`), "");
  await leave();
});

/** A worker with one environment with the setting off. */
function startLegacy(t, options = {}) {
  const folder = mkdtempSync(join(tmpdir(), "legacy-"));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "legacy.json"), JSON.stringify(document()));
  writeFileSync(join(folder, "server-keys.json"), JSON.stringify({ [KEY]: [{ key: "ser.legacyHashing", active: true, expires_at: null }] }));
  return startAdmin(t, { documents: folder, ...options });
}

/** A feature with two values of a third each, and a feature that a segment of 40 % switches. */
function document() {
  const state = (id, name, type, value, rest = {}) => ({
    feature: { id, name, type },
    enabled: true,
    feature_state_value: value,
    django_id: id + 40,
    featurestate_uuid: `00000000-0000-4000-8000-00000000000${id}`,
    multivariate_feature_state_values: [],
    ...rest,
  });
  const condition = { operator: "PERCENTAGE_SPLIT", property_: null, value: "40" };
  const rules = [{ type: "ALL", rules: [], conditions: [condition] }];
  const feature_states = [state(2, "rollout", "STANDARD", "in", { feature_segment: { priority: 0 } })];
  return {
    id: 1,
    api_key: KEY,
    name: "Legacy",
    updated_at: "2026-11-22T15:52:01.900399+00:00",
    use_identity_composite_key_for_hashing: false,
    feature_states: [state(1, "split", "MULTIVARIATE", "control", { multivariate_feature_state_values: VALUES }), state(2, "rollout", "STANDARD", "out")],
    identity_overrides: [],
    project: { id: 1, name: "p", organisation: { id: 1, name: "o" }, segments: [{ id: 7, name: "forty", rules, feature_states }] },
  };
}

const VALUES = ["first", "second"].map((value, index) => ({
  id: index + 1,
  mv_fs_value_uuid: `00000000-0000-4000-8000-0000000000a${index}`,
  percentage_allocation: 33,
  multivariate_feature_option: { id: index + 11, value, key: value },
}));

/** An identity of an export; every second one has an override that is split like the feature. */
function line(number) {
  const state = {
    feature: { id: 1, name: "split", type: "MULTIVARIATE" },
    enabled: true,
    feature_state_value: "control",
    django_id: null,
    featurestate_uuid: `00000000-1111-4111-8111-${String(number).padStart(12, "0")}`,
    multivariate_feature_state_values: VALUES,
  };
  const identifier = `user-${number}`;
  return { identifier, django_id: numberOf(identifier), identity_traits: [], identity_features: number % 2 === 0 ? [state] : [] };
}

function numberOf(identifier) {
  return 1_000 + Number(identifier.split("-")[1]) * 7;
}

/** The values of an identity with buckets from this key, with or without its own override. */
function valuesOf(key, [override] = []) {
  const split = variantOf(percentageOf(override?.featurestate_uuid ?? "41", key));
  return [split, percentageOf("7", key) <= 40 ? "in" : "out"];
}

function variantOf(percentage) {
  if (percentage < 33) return "first";
  return percentage < 66 ? "second" : "control";
}

/** Flagsmith's percentage of two ids (contract §C.3), independent of the worker's code. */
function percentageOf(...ids) {
  for (let times = 1; ; times += 1) {
    const text = Array(times).fill(ids).flat().join(",");
    const number = BigInt(`0x${createHash("md5").update(text).digest("hex")}`) % 9999n;
    if (number !== 9998n) return (Number(number) / 9998) * 100;
  }
}

async function answers(admin, lines, query = "") {
  const found = [];
  for (const { identifier } of lines) {
    const path = `/api/v1/identities/?identifier=${identifier}${query}`;
    const response = await admin.edge.request({ path, headers: { "X-Environment-Key": KEY } });
    assert.equal(response.status, 200);
    found.push([identifier, valuesIn(response.json())]);
  }
  return found;
}

function valuesIn({ flags }) {
  return ["split", "rollout"].map((name) => flags.find(({ feature }) => feature.name === name).feature_state_value);
}

async function ask(edge, binding, name, method, ...parameters) {
  const body = JSON.stringify({ binding, name, method, parameters });
  const response = await edge.request({ method: "POST", path: "/", headers: { "X-Object": "yes" }, body });
  const { value, error } = response.json();
  if (error !== undefined) throw new Error(error);
  return value;
}
