// Overrides that admins store in the worker, in the answers for SDKs, and traits that are uploaded in bulk.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Flagsmith } from "flagsmith-nodejs";

import { startAdmin } from "./admin.mjs";
import { DEADLINE_MS } from "./deadline.mjs";
import { becomes, declaredObjects, eventually } from "./harness.mjs";

test("an SDK that evaluates locally sees an override and its deletion", async (t) => {
  const admin = await startAdmin(t, { workers: 2, variables: { FRESHNESS_SECONDS: 1 } });
  const [, other] = admin.edge.ports;
  const quiet = Object.fromEntries(["error", "warn", "info", "debug", "trace"].map((level) => [level, () => {}]));
  const sdk = new Flagsmith({
    environmentKey: admin.serverKey,
    apiUrl: `http://127.0.0.1:${other}/api/v1/`,
    enableLocalEvaluation: true,
    environmentRefreshIntervalSeconds: 3600,
    requestTimeoutSeconds: DEADLINE_MS / 1000,
    retries: 0,
    logger: quiet,
  });
  t.after(() => sdk.close());
  const value = async () => {
    await sdk.updateEnvironment();
    return (await sdk.getIdentityFlags("ada")).getFeatureValue("support_chat");
  };
  const before = await value();
  await admin.override("ada", "support_chat", { enabled: true, feature_state_value: "vip" });
  await eventually(async () => (await value()) === "vip", "it has the override");
  const path = `/api/v1/environments/environments/${admin.key}/edge-identities-featurestates`;
  await admin.expect(204, "DELETE", path, { identifier: "ada", feature: "support_chat" });
  await eventually(async () => (await value()) === before, "it has it no longer");
});

test("repeated identical requests see intermediate changes", async (t) => {
  const admin = await startAdmin(t);
  const sent = { color: "red", size: 2.5, new: true };
  const read = async (response) => {
    const { traits, flags } = await response;
    const { feature_state_value } = flags.find(({ feature }) => feature.name === "support_chat");
    return [Object.fromEntries(traits.map(({ trait_key, trait_value }) => [trait_key, trait_value])), feature_state_value];
  };
  const stored = async () => {
    const response = await admin.edge.request({ path: "/api/v1/identities/?identifier=ada", headers: { "X-Environment-Key": admin.key } });
    return response.json();
  };
  const [, value] = await read(admin.identify("ada", sent));
  /** Sends the request and reads the stored state, several times. */
  const check = async (...expected) => {
    for (const _ of [1, 2, 3]) {
      for (const _ of [1, 2, 3]) assert.deepEqual(await read(admin.identify("ada", sent)), expected);
      for (const _ of [1, 2, 3]) assert.deepEqual(await read(stored()), expected);
    }
  };
  await check(sent, value);
  await admin.identify("ada", { color: "blue" });
  await check(sent, value);
  await admin.identify("ada", { shape: "round" });
  await check({ ...sent, shape: "round" }, value);
  await admin.override("ada", "support_chat", { enabled: true, feature_state_value: "vip" });
  await check({ ...sent, shape: "round" }, "vip");
  const [{ identity_uuid }] = await admin.list();
  await admin.expect(200, "PUT", `${identity_uuid}/update-traits/`, { trait_key: "color", trait_value: "green" });
  assert.deepEqual(await read(stored()), [{ ...sent, color: "green", shape: "round" }, "vip"]);
  await check({ ...sent, shape: "round" }, "vip");
  await admin.expect(204, "DELETE", `${identity_uuid}/`);
  await check(sent, value);
  await eventually(async () => (await admin.list()).length === 1, "it is there again");
});

test("a change of overrides invalidates every client's cached document, in every location", async (t) => {
  const admin = await startAdmin(t, { workers: 2, variables: { FRESHNESS_SECONDS: 1 } });
  const [here, other] = admin.edge.ports;
  const set = (value) => admin.override("ada", "support_chat", { enabled: true, feature_state_value: value });
  const valueIn = (document) => document.json().identity_overrides.find(({ identifier }) => identifier === "ada").identity_features[0].feature_state_value;
  await set("zero");
  for (const round of [1, 2, 3]) {
    // Two changes, within one second.
    const kept = [];
    for (const value of [`${round}-first`, `${round}-second`]) {
      await set(value);
      // The isolate that handled the write serves the change.
      for (const header of kept) assert.equal((await admin.document(header, here)).status, 200, JSON.stringify(header));
      const document = await admin.document({}, here);
      assert.equal(valueIn(document), value);
      const { etag, "last-modified": date } = document.headers;
      kept.push({ "If-None-Match": etag }, { "If-Modified-Since": date });
    }
    const [firstTag, firstDate, secondTag, secondDate] = kept;
    await eventually(async () => valueIn(await admin.document({}, other)) === `${round}-second`, "the other isolate has it");
    for (const port of [here, other]) {
      for (const header of [firstTag, firstDate]) assert.equal((await admin.document(header, port)).status, 200, JSON.stringify(header));
      for (const header of [secondTag, secondDate]) assert.equal((await admin.document(header, port)).status, 304, JSON.stringify(header));
    }
  }
});

test("documents are served without reading overrides for each request", async (t) => {
  const admin = await startAdmin(t, { workers: 2, variables: { LOG_ROWS: "true", FRESHNESS_SECONDS: 3600 } });
  const [here, other] = admin.edge.ports;
  const lines = (object) => [...admin.edge.log.matchAll(new RegExp(`^\\{"object":"${object}"`, "gm"))].length;
  await admin.identify("known-user");
  // The log line of the update, which follows the listed entry.
  await eventually(() => lines("directory") === 1, "the directory is updated");
  await eventually(async () => (await admin.list()).length === 1, "it is listed");
  await admin.edge.flush();
  const before = lines("directory");
  const calls = async () => {
    await admin.edge.flush();
    return lines("directory") - before;
  };
  const read = async (port) => {
    for (let count = 0; count < 100; count += 1) assert.equal((await admin.document({}, port)).status, 200);
  };
  for (const [port, expected] of [[here, 1], [other, 2]]) {
    await read(port);
    assert.equal(await calls(), expected);
  }
  await admin.override("ada", "support_chat", { enabled: true, feature_state_value: "vip" });
  const written = await calls();
  // Only the isolate that handled the write reads the overrides again.
  await read(here);
  await read(other);
  assert.equal(await calls(), written + 1);
  assert.ok((await admin.document({}, here)).text.includes('"vip"'));
});

test("an environment's overrides are bounded, and its document includes all of them", async (t) => {
  const admin = await startAdmin(t);
  const features = (await admin.document()).json().feature_states.map(({ feature: { id, name, type } }) => ({ id, name, type }));
  // One character outside Latin-1, so that each character takes two bytes between objects.
  const value = `${"x".repeat(19_999)}€`;
  const uuid = (first, second) => `${first.toString(16).padStart(8, "0")}-1111-4111-8111-${second.toString(16).padStart(12, "0")}`;
  const line = (number) =>
    JSON.stringify({
      identifier: `user-${String(number).padStart(3, "0")}`,
      identity_features: features.map((feature, index) => ({
        feature,
        enabled: true,
        feature_state_value: value,
        featurestate_uuid: uuid(number, index),
        multivariate_feature_state_values: [],
      })),
    });
  const bring = (first, count) => {
    const lines = Array.from({ length: count }, (_, index) => line(first + index));
    return admin.send("POST", `/edge/environments/${admin.key}/identities/import/`, lines.join("\n"));
  };
  let count = 0;
  for (; count < 120; count += 20) assert.equal((await bring(count, 20)).status, 200);
  const full = await bring(count, 1);
  assert.deepEqual([full.status, full.json()], [400, { detail: "The overrides of an environment must not be more than 16777216 bytes." }]);
  const path = `/api/v1/environments/${admin.key}/edge-identities-featurestates/`;
  const refused = await admin.send("PUT", path, { identifier: "ada", feature: "support_chat", enabled: true });
  assert.deepEqual([refused.status, refused.json()], [400, ["The overrides of an environment must not be more than 16777216 bytes."]]);
  const document = await fetch(`${admin.edge.address}/api/v1/environment-document/`, { headers: { "X-Environment-Key": admin.serverKey } });
  assert.equal(document.status, 200);
  const overrides = new Map((await document.json()).identity_overrides.map((identity) => [identity.identifier, identity.identity_features]));
  for (let number = 0; number < count; number += 1) {
    const states = overrides.get(`user-${String(number).padStart(3, "0")}`);
    assert.deepEqual(states?.map(({ feature, feature_state_value }) => [feature.id, feature_state_value === value]), features.map(({ id }) => [id, true]));
  }
  const { results } = await admin.expect(200, "GET", `/api/v1/environments/${admin.key}/edge-identity-overrides?feature=${features[0].id}`);
  assert.equal(results.length, count);
  // A deletion is accepted, and frees space.
  for (let number = 0; number < 17; number += 1) {
    const identifier = `user-${String(number).padStart(3, "0")}`;
    for (const { id } of features) await admin.expect(204, "DELETE", path, { identifier, feature: id });
  }
  await admin.override("ada", "support_chat", { enabled: true });
});

test("traits are uploaded in bulk, with and without a trailing slash", async (t) => {
  const admin = await startAdmin(t);
  const upload = (method, path, data, headers = {}) =>
    admin.edge.request({
      method,
      path,
      headers: { "X-Environment-Key": admin.key, "Content-Type": "application/json", ...headers },
      body: JSON.stringify({ data }),
    });
  const item = (identifier, traits) => ({
    identifier,
    traits: Object.entries(traits).map(([trait_key, trait_value]) => ({ trait_key, trait_value })),
  });
  const hundred = Array.from({ length: 100 }, (_, number) => item(`user-${number}`, { number, gone: "x" }));
  const done = await upload("POST", "/api/v1/bulk-identities", hundred);
  assert.equal(done.status, 202);
  assert.equal(done.text, "");
  assert.equal((await upload("PUT", "/api/v1/bulk-identities/", [item("user-7", { gone: null, more: true })])).status, 202);
  assert.deepEqual(traitsOf(await admin.identify("user-7")), { number: 7, more: true });
  assert.equal((await upload("POST", "/api/v1/bulk-identities/", [item("user-8", { only: 1.5 })], { "X-Environment-Key": admin.serverKey })).status, 202);
  assert.deepEqual(traitsOf(await admin.identify("user-8")), { only: 1.5 });
  await eventually(async () => (await admin.list()).length === 100, "all are listed");
  // Larger than the limit of all other bodies.
  const large = Array.from({ length: 100 }, (_, number) => item(`user-${number}`, Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`key-${index}`, "x".repeat(1900)]))));
  assert.equal((await upload("PUT", "/api/v1/bulk-identities/", large)).status, 202);
  // A body that is too long by its `Content-Length` is refused unread.
  const tooLarge = await upload("PUT", "/api/v1/bulk-identities/", [], { "Content-Length": 8 * 1024 * 1024 + 1 });
  assert.equal(tooLarge.status, 413);
  const many = await upload("PUT", "/api/v1/bulk-identities/", [...hundred, item("one-more", {})]);
  assert.equal(many.status, 400);
  assert.deepEqual(many.json(), { detail: "Number of identities must not be more than 100" });
  assert.equal((await admin.edge.request({ path: "/api/v1/bulk-identities/", headers: { "X-Environment-Key": admin.key } })).status, 405);
});

test("a partly failed upload reports the failed identities", async (t) => {
  const source = `import { DurableObject } from "cloudflare:workers";
    export class IdentityObject extends DurableObject {
      carryOut(request) {
        if (JSON.parse(request).identifier === "broken") throw new Error("down");
        return '{"result":{"Ok":{"exists":true,"traits":{}}},"rows":[0,0]}';
      }
    }
    export default { fetch() { return new Response("none"); } };`;
  const objects = declaredObjects().map((object) => (object.binding === "IDENTITIES" ? { ...object, service: "partly" } : object));
  const admin = await startAdmin(t, { objects, scripts: [{ name: "partly", source, classes: ["IdentityObject"] }] });
  const response = await admin.edge.request({
    method: "PUT",
    path: "/api/v1/bulk-identities/",
    headers: { "X-Environment-Key": admin.key, "Content-Type": "application/json" },
    body: JSON.stringify({ data: ["a", "broken", "b"].map((identifier) => ({ identifier, traits: [] })) }),
  });
  assert.equal(response.status, 503);
  assert.equal(response.headers["retry-after"], "1");
  assert.deepEqual(response.json(), { data: [{}, { detail: "The identity is temporarily unavailable; try again." }, {}] });
});

function traitsOf({ traits }) {
  return Object.fromEntries(traits.map(({ trait_key, trait_value }) => [trait_key, trait_value]));
}
