// Overrides that admins make here, as SDKs see them; and traits that are uploaded in bulk.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Flagsmith } from "flagsmith-nodejs";

import { startAdmin } from "./admin.mjs";
import { declaredObjects, eventually } from "./harness.mjs";

test("an SDK that evaluates locally sees an override made here, and its end", async (t) => {
  const admin = await startAdmin(t, { workers: 2 });
  const [, elsewhere] = admin.edge.ports;
  const quiet = Object.fromEntries(["error", "warn", "info", "debug", "trace"].map((level) => [level, () => {}]));
  const sdk = new Flagsmith({
    environmentKey: admin.serverKey,
    apiUrl: `http://127.0.0.1:${elsewhere}/api/v1/`,
    enableLocalEvaluation: true,
    environmentRefreshIntervalSeconds: 3600,
    retries: 0,
    logger: quiet,
  });
  t.after(() => sdk.close());
  const value = async () => (await sdk.getIdentityFlags("ada")).getFeatureValue("support_chat");
  const before = await value();
  await admin.override("ada", "support_chat", { enabled: true, feature_state_value: "vip" });
  await sdk.updateEnvironment();
  assert.equal(await value(), "vip");
  const path = `/api/v1/environments/environments/${admin.key}/edge-identities-featurestates`;
  await admin.expect(204, "DELETE", path, { identifier: "ada", feature: "support_chat" });
  await sdk.updateEnvironment();
  assert.equal(await value(), before);
});

test("a change of overrides does not hide behind what a client keeps, in no location", async (t) => {
  const admin = await startAdmin(t, { workers: 2 });
  for (const value of ["one", "two", "three"]) {
    for (const port of admin.edge.ports) {
      const { headers } = await admin.document({}, port);
      const kept = [{ "If-None-Match": headers.etag }, { "If-Modified-Since": headers["last-modified"] }];
      for (const header of kept) assert.equal((await admin.document(header, port)).status, 304);
      await admin.override("ada", "support_chat", { enabled: true, feature_state_value: `${value}-${port}` });
      for (const header of kept) {
        for (const port of admin.edge.ports) assert.equal((await admin.document(header, port)).status, 200, JSON.stringify(header));
      }
    }
  }
});

test("traits are uploaded in bulk, with and without a slash", async (t) => {
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
  // Larger than any other body may be.
  const large = Array.from({ length: 100 }, (_, number) => item(`user-${number}`, Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`key-${index}`, "x".repeat(1900)]))));
  assert.equal((await upload("PUT", "/api/v1/bulk-identities/", large)).status, 202);
  // Told, and not sent: it is refused unread.
  const tooLarge = await upload("PUT", "/api/v1/bulk-identities/", [], { "Content-Length": 8 * 1024 * 1024 + 1 });
  assert.equal(tooLarge.status, 413);
  const many = await upload("PUT", "/api/v1/bulk-identities/", [...hundred, item("one-more", {})]);
  assert.equal(many.status, 400);
  assert.deepEqual(many.json(), { detail: "Number of identities must not be more than 100" });
  assert.equal((await admin.edge.request({ path: "/api/v1/bulk-identities/", headers: { "X-Environment-Key": admin.key } })).status, 405);
});

test("of an upload that fails in part it is told which identities it was", async (t) => {
  const source = `import { DurableObject } from "cloudflare:workers";
    export class IdentityObject extends DurableObject {
      carryOut(order) {
        if (JSON.parse(order).identifier === "broken") throw new Error("down");
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
  assert.deepEqual(response.json(), { data: [{}, { detail: "The identity is temporarily unavailable." }, {}] });
});

function traitsOf({ traits }) {
  return Object.fromEntries(traits.map(({ trait_key, trait_value }) => [trait_key, trait_value]));
}
