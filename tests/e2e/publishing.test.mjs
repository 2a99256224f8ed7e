// Publishing from the origin to every isolate: the served environments and keys, and the time until a change is served.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { documentEntry, serverKeyEntry } from "../../scripts/environments.mjs";
import { ADMIN_KEY, ADMIN_KEY_SHA256, overrideIn, set, startFlagsmith, stateOf, TOKEN } from "./flagsmith.mjs";
import { becomes, eventually, FIXTURES, startEdge } from "./harness.mjs";
import { request } from "./http.mjs";
import { asker, OPENED } from "./inside.mjs";
import { recordedBody } from "./shapes.mjs";

// Answers to writes.
const SEGMENT = recordedBody("PUT", "/api/v1/projects/{id}/segments/{id}/");
const FEATURE_STATE = recordedBody("PUT", "/api/v1/features/featurestates/{id}/");
const ENVIRONMENT = recordedBody("PUT", "/api/v1/environments/{key}/");
const API_KEY = recordedBody("POST", "/api/v1/environments/{key}/api-keys/", 201);
const MISSING = { detail: "Invalid or missing Environment Key" };
const SECRETS = { SSE_AUTHENTICATION_TOKEN: "sse-token", WEBHOOK_SECRET: "webhook-secret" };

edgeTest("an empty worker serves the origin's documents, from the first request on", {}, async ({ edge, flagsmith, keys }) => {
  for (const key of keys) {
    const response = await served(edge.port, key);
    assert.equal(response.status, 200, response.text);
    const { serverKeys } = flagsmith.environments.get(key);
    for (const { key: serverKey, active, expires_at } of serverKeys) {
      const valid = active && (expires_at === null || Date.parse(expires_at) > Date.now());
      assert.equal((await served(edge.port, serverKey)).status, valid ? 200 : 403);
    }
  }
  await eventually(() => keys.every((key) => edge.kv.entries.has(documentEntry(key))), "KV has the documents");
});

test("the first read of a document that was already in KV publishes the origin's", async (t) => {
  const { edge, flagsmith, keys: [key, other] } = await startSeeded(t);
  set(flagsmith, key, 60);
  assert.equal(await threshold(edge.port, key), 50, "the one in KV is served meanwhile");
  await eventually(async () => (await threshold(edge.port, key)) === 60, "the origin's document is served");
  assert.equal((await flags(edge.port, other)).status, 200);
  assert.equal(flagsmith.origin.requestsFor("GET", "/api/v1/projects/").length, 1, "there was one discovery");
});

test("an isolate starts the registry once, even with other documents in KV", async (t) => {
  const { edge, flagsmith, keys: [key] } = await startSeeded(t, { entry: "tests/e2e/counted.js", workers: 3 });
  // A document that no object publishes.
  const document = { ...flagsmith.environments.get(key).document, api_key: "putHere" };
  edge.kv.entries.set(documentEntry("putHere"), Buffer.from(JSON.stringify(document)));
  const starts = () => edge.log.match(/^\{"called":"RegistryObject".*"method":"start"/gm)?.length ?? 0;
  for (let round = 0; round < 10; round += 1) {
    for (const port of edge.ports) assert.equal(await threshold(port, "putHere"), 50);
  }
  await eventually(() => starts() === edge.ports.length, "every isolate has had it begin");
  const [{ key: serverKey }] = flagsmith.environments.get(key).serverKeys;
  await eventually(() => edge.kv.writes.includes(serverKeyEntry(serverKey)), "the discovery has come to its end");
  for (const port of edge.ports) assert.equal(await threshold(port, "putHere"), 50);
  assert.equal(starts(), edge.ports.length);
  assert.equal(flagsmith.origin.requestsFor("GET", "/api/v1/projects/").length, 1, "there was one discovery");
});

edgeTest("a write through the worker is served by every isolate", { workers: 3 }, async ({ edge, flagsmith, keys: [key] }) => {
  for (const port of edge.ports) assert.equal(await threshold(port, key), 50);
  const { id, write } = writer(edge, flagsmith, key);
  assert.ok(id > 0);
  await write(60);
  for (const port of edge.ports) await eventually(async () => (await threshold(port, key)) === 60, "the change is served");
});

edgeTest("a write whose path names no environment is published, too", {}, async ({ edge, flagsmith, keys: [key] }) => {
  assert.equal(await threshold(edge.port, key), 50);
  const writes = [["/api/v1/projects/1/segments/5/", 60, SEGMENT], ["/api/v1/features/featurestates/7/", 70, FEATURE_STATE]];
  for (const [path, value, body] of writes) {
    flagsmith.origin.on("PUT", path, () => {
      set(flagsmith, key, value);
      return { body };
    });
    assert.equal((await request(edge.port, { method: "PUT", path, body: "{}" })).status, 200);
    await eventually(async () => (await threshold(edge.port, key)) === value, `${path} is followed`);
  }
});

edgeTest("a write that the origin processes after its answer is published", {}, async ({ edge, flagsmith, keys: [key] }) => {
  assert.equal(await threshold(edge.port, key), 50);
  const path = `/api/v1/environments/${key}/`;
  flagsmith.origin.on("PUT", path, () => {
    setTimeout(() => set(flagsmith, key, 60), 2_000);
    return { body: ENVIRONMENT };
  });
  assert.equal((await request(edge.port, { method: "PUT", path, body: "{}" })).status, 200);
  await eventually(async () => (await threshold(edge.port, key)) === 60, "the change is served");
});

edgeTest("a failed write causes no fetch", OPENED, async ({ edge, flagsmith, keys: [key] }) => {
  assert.equal(await threshold(edge.port, key), 50);
  // The work after the first request has ended.
  const ask = asker(edge);
  await becomes(() => ask("PUBLISHERS", key, "ringsAt"), (at) => at > Date.now() + 10_000, "there is nothing more to do");
  const path = `/api/v1/environments/${key}/`;
  flagsmith.origin.on("PUT", path, { status: 400, body: { name: ["This field is required."] } });
  const before = flagsmith.fetches(key);
  assert.equal((await request(edge.port, { method: "PUT", path, body: "{}" })).status, 400);
  assert.equal((await request(edge.port, { path, headers: { Authorization: `Api-Key ${TOKEN}` } })).status, 404);
  await send(edge, key);
  await eventually(() => flagsmith.fetches(key) > before, "a notification causes a fetch");
  assert.equal(flagsmith.fetches(key), before + 1);
});

edgeTest("a notification to the realtime server causes a fetch, and only with the token", {}, async ({ edge, flagsmith, keys: [key] }) => {
  assert.equal(await threshold(edge.port, key), 50);
  set(flagsmith, key, 60);
  const send = (authorization, body = '{"updated_at": "2026-01-01T00:00:00+00:00"}', path = `/sse/environments/${key}/queue-change`) =>
    request(edge.port, { method: "POST", path, headers: { Authorization: authorization, "Content-Type": "application/json" }, body });
  for (const [authorization, body, status] of [["Token other", undefined, 401], ["", undefined, 401], ["Token sse-token", "{}", 400]]) {
    assert.equal((await send(authorization, body)).status, status);
  }
  assert.equal((await request(edge.port, { path: `/sse/environments/${key}/queue-change` })).status, 405);
  assert.equal(await threshold(edge.port, key), 50);
  assert.equal((await send("Token sse-token")).status, 202);
  await eventually(async () => (await threshold(edge.port, key)) === 60, "the change is served");
});

edgeTest("a signed webhook causes a fetch", {}, async ({ edge, flagsmith, keys: [key, other] }) => {
  assert.equal(await threshold(edge.port, key), 50);
  const id = (subject) => createHmac("sha256", "webhook-secret").update(subject).digest("hex").slice(0, 32);
  const send = (id, body, secret = "webhook-secret") => {
    const signature = createHmac("sha256", secret).update(body).digest("hex");
    return request(edge.port, { method: "POST", path: `/edge/webhooks/${id}`, headers: { "X-Flagsmith-Signature": signature }, body });
  };
  const body = '{"data": {"environment": {"id": 1}}, "event_type": "FLAG_UPDATED"}';
  set(flagsmith, key, 60);
  assert.equal((await send(id(`environment:${key}`), body, "other")).status, 401);
  assert.equal((await send(id("environment:nobody"), body)).status, 404);
  assert.equal((await send(id(`environment:${other}`), body)).status, 202);
  assert.equal(await threshold(edge.port, key), 50);
  assert.equal((await send(id(`environment:${key}`), body)).status, 202);
  await eventually(async () => (await threshold(edge.port, key)) === 60, "the change is served");
  set(flagsmith, key, 70);
  assert.equal((await send(id("all"), body)).status, 202);
  await eventually(async () => (await threshold(edge.port, key)) === 70, "the change is served");
  // A notification that may concern another environment leads to a discovery.
  const { name, document } = flagsmith.environments.get(key);
  flagsmith.environments.set("newEnvironment", { name, document: { ...document, api_key: "newEnvironment" }, serverKeys: [] });
  const audited = '{"data": {"related_object_type": "ENVIRONMENT"}, "event_type": "AUDIT_LOG_CREATED"}';
  assert.equal((await send(id("all"), audited)).status, 202);
  await eventually(async () => (await flags(edge.port, "newEnvironment")).status === 200, "the new environment is served");
});

edgeTest("a change without a notification is found", { variables: { REFRESH_SECONDS: 1 } }, async ({ edge, flagsmith, keys: [key] }) => {
  assert.equal(await threshold(edge.port, key), 50);
  // Some changes keep the date of the document.
  stateOf(flagsmith.environments.get(key).document).feature_state_value = 60;
  await eventually(async () => (await threshold(edge.port, key)) === 60, "the change is served");
});

edgeTest("an unchanged document is not published again", { variables: { REFRESH_SECONDS: 1 } }, async ({ edge, flagsmith, keys: [key] }) => {
  await served(edge.port, key);
  const writes = () => edge.kv.writes.filter((written) => written.startsWith(documentEntry(key))).length;
  await eventually(() => writes() === 2, "KV has the document");
  const before = flagsmith.fetches(key);
  await eventually(() => flagsmith.fetches(key) >= before + 3, "the origin is asked again");
  assert.equal(writes(), 2, edge.kv.writes.join(" "));
});

edgeTest("environments and server keys are added and removed as in the origin", { variables: { DISCOVERY_SECONDS: 1 } }, async ({ edge, flagsmith, keys: [key, other] }) => {
  assert.equal((await served(edge.port, other)).status, 200);
  const { document, serverKeys, name } = flagsmith.environments.get(key);
  const added = { ...structuredClone(document), api_key: "newEnvironment" };
  flagsmith.environments.set("newEnvironment", { name, document: added, serverKeys: [{ key: "ser.new", active: true, expires_at: null }] });
  await eventually(async () => (await flags(edge.port, "ser.new")).status === 200, "the new environment is served");
  serverKeys.push({ key: "ser.rotated", active: true, expires_at: null });
  await eventually(async () => (await flags(edge.port, "ser.rotated")).status === 200, "the new key is served");

  // A failed discovery removes nothing.
  flagsmith.origin.fault("GET", "/api/v1/projects/", { status: 500, body: "" });
  flagsmith.environments.delete("newEnvironment");
  const asked = () => flagsmith.origin.requestsFor("GET", "/api/v1/projects/").length;
  const before = asked();
  await eventually(() => asked() >= before + 2, "the origin is asked again");
  assert.equal((await served(edge.port, "newEnvironment")).status, 200);
  flagsmith.origin.on("GET", "/api/v1/projects/", { body: flagsmith.projects });
  serverKeys.pop();
  await eventually(async () => (await flags(edge.port, "newEnvironment")).status === 403, "the environment is served no longer");
  assert.deepEqual((await flags(edge.port, "newEnvironment")).json(), MISSING);
  for (const gone of [serverKeyEntry("ser.rotated"), serverKeyEntry("ser.new"), documentEntry("newEnvironment")]) {
    await eventually(() => !edge.kv.entries.has(gone), `KV does not have ${gone}`);
  }
  assert.equal((await served(edge.port, key)).status, 200);
});

edgeTest("an origin with more environments than one alarm can fetch is served", {}, async ({ edge, flagsmith, keys: [key] }) => {
  const { document, name } = flagsmith.environments.get(key);
  const all = Array.from({ length: 25 }, (_, number) => ({ key: `environment${number}`, serverKey: `ser.${number}` }));
  for (const { key, serverKey } of all) {
    const serverKeys = [{ key: serverKey, active: true, expires_at: null }];
    flagsmith.environments.set(key, { name, document: { ...document, api_key: key }, serverKeys });
  }
  await flags(edge.port, key);
  const entries = all.flatMap(({ key, serverKey }) => [documentEntry(key), serverKeyEntry(serverKey)]);
  await eventually(() => entries.every((entry) => edge.kv.entries.has(entry)), "KV has all of them");
  for (const { serverKey } of all) assert.equal((await served(edge.port, serverKey)).status, 200);
});

edgeTest("a write that may concern many environments fetches each of them once", { variables: { REFRESH_SECONDS: 3600 } }, async ({ edge, flagsmith, keys: [key] }) => {
  const { document, name } = flagsmith.environments.get(key);
  // More environments than one request and one alarm fetch.
  const others = Array.from({ length: 83 }, (_, number) => `environment${number}`);
  for (const key of others) flagsmith.environments.set(key, { name, document: { ...document, api_key: key }, serverKeys: [] });
  await flags(edge.port, key);
  await eventually(() => others.every((key) => edge.kv.entries.has(documentEntry(key))), "KV has all of them");
  const discoveries = () => flagsmith.origin.requestsFor("GET", "/api/v1/projects/").length;
  const discovered = discoveries();
  const before = new Map([key, ...others].map((key) => [key, flagsmith.fetches(key)]));
  const since = (key) => flagsmith.fetches(key) - before.get(key);
  const path = "/api/v1/features/featurestates/7/";
  flagsmith.origin.on("PUT", path, { body: FEATURE_STATE });
  assert.equal((await request(edge.port, { method: "PUT", path, body: "{}" })).status, 200);
  await eventually(() => [...before.keys()].every((key) => since(key) > 0), "all are fetched");
  // A named environment is fetched a second time, after the time of all others.
  await send(edge, key);
  await eventually(() => since(key) === 3, "it is fetched twice more");
  assert.deepEqual(others.filter((key) => since(key) !== 1), []);
  assert.equal(discoveries(), discovered, "there is nothing to discover");
});

edgeTest("a document of several megabytes survives a restart, without KV and without the origin", {}, async ({ edge, flagsmith, keys: [key] }) => {
  flagsmith.change(key, (document) => {
    const text = "x".repeat(1_000);
    document.identity_overrides = Array.from({ length: 2_500 }, (_, number) => overrideIn(document, `${number}`, `${text}${number}`));
  });
  edge.kv.behave("fail");
  assert.equal((await served(edge.port, key)).status, 200);
  await flagsmith.origin.down();
  await edge.kill();
  await edge.start();
  const path = "/api/v1/identities/?identifier=2499";
  const identity = await served(edge.port, key, path);
  assert.equal(identity.status, 200, identity.text);
  assert.match(stateOf(identity.json().flags).feature_state_value, /^x{1000}2499$/);
});

edgeTest("many requests with unknown keys cause few discoveries", {}, async ({ edge, flagsmith, keys: [key] }) => {
  assert.equal((await served(edge.port, key)).status, 200);
  const asked = () => flagsmith.origin.requestsFor("GET", "/api/v1/projects/").length;
  const before = asked();
  const responses = [];
  for (let number = 0; number < 50; number += 1) {
    responses.push(await flags(edge.port, number % 2 ? `ser.unknown${number}` : `unknown${number}`));
  }
  // The registry is called for only a few keys a second; all other keys are unavailable.
  const refused = responses.filter(({ status }) => status === 403);
  assert.ok(refused.length >= 5, `${refused.length}`);
  for (const response of refused) assert.deepEqual(response.json(), MISSING);
  for (const response of responses.filter(({ status }) => status !== 403)) requireUnavailable(response);
  await eventually(async () => (await flags(edge.port, "unknown48")).status === 403, "the last one is refused, too");
  assert.equal(asked(), before, "a discovery has just been");
  assert.equal(flagsmith.origin.requests.filter(({ target }) => target.includes("unknown")).length, 0);
});

edgeTest("a key is not refused before a discovery has finished", {}, async ({ edge, flagsmith, keys: [key] }) => {
  const valid = [key, flagsmith.environments.get(key).serverKeys[0].key];
  flagsmith.origin.fault("GET", "/api/v1/projects/", { status: 500, body: "" });
  for (const name of [...valid, "unknown", "ser.unknown"]) requireUnavailable(await flags(edge.port, name));
  flagsmith.origin.on("GET", "/api/v1/projects/", { body: flagsmith.projects });
  const becomes = (name, status) => eventually(async () => (await flags(edge.port, name)).status === status, `${status} it is`);
  for (const name of valid) await becomes(name, 200);
  for (const name of ["unknown", "ser.unknown"]) await becomes(name, 403);
  // From now on keys can be unknown.
  flagsmith.origin.fault("GET", "/api/v1/projects/", { status: 500, body: "" });
  const path = `/api/v1/environments/${key}/api-keys/`;
  flagsmith.origin.on("POST", path, { status: 201, body: API_KEY });
  assert.equal((await request(edge.port, { method: "POST", path, body: "{}" })).status, 201);
  await becomes("ser.newest", 503);
  assert.equal((await flags(edge.port, key)).status, 200);
});

test("without a token only the environments of configured server keys are served", async (t) => {
  const flagsmith = await startFlagsmith(FIXTURES);
  t.after(() => flagsmith.close());
  const [[key, { serverKeys }], [other]] = flagsmith.environments;
  // All overrides of a document in pages are served.
  const { document } = flagsmith.environments.get(key);
  const page = { ...document, identity_overrides: [overrideIn(document, "paged", 77)] };
  const first = `/api/v1/environment-document/`;
  flagsmith.origin.on("GET", /^\/api\/v1\/environment-document\/\?page_id=2$/, { body: page });
  flagsmith.origin.on("GET", new RegExp(`^${first}$`), ({ headers }) =>
    headers["x-environment-key"] === serverKeys[0].key
      ? { body: document, headers: { link: `<${first}?page_id=2>; rel="next"` } }
      : { status: 403, body: MISSING },
  );
  const variables = { SERVER_KEYS: serverKeys[0].key, ...SECRETS };
  const edge = await startEdge({ origin: flagsmith.origin, variables });
  t.after(() => edge.close());
  edge.kv.entries.clear();
  assert.equal((await served(edge.port, serverKeys[0].key)).status, 200);
  assert.equal(await threshold(edge.port, key), 50);
  assert.equal((await served(edge.port, other)).status, 403);
  const identity = await served(edge.port, key, "/api/v1/identities/?identifier=paged");
  assert.equal(stateOf(identity.json().flags).feature_state_value, 77);
  await edge.flush();
  assert.equal(edge.log.includes(serverKeys[0].key), false, "the key is in the log");
});

test("the second server key of an environment publishes it only after the first is refused", async (t) => {
  const flagsmith = await startFlagsmith(FIXTURES);
  t.after(() => flagsmith.close());
  const [[key, environment]] = flagsmith.environments;
  environment.serverKeys = ["ser.first", "ser.second"].map((key) => ({ key, active: true, expires_at: null }));
  const path = "/api/v1/environment-document/";
  const asked = () => flagsmith.origin.requestsFor("GET", path).map(({ headers }) => headers["x-environment-key"]);
  const variables = { SERVER_KEYS: "ser.first,ser.second", DISCOVERY_SECONDS: 1, REFRESH_SECONDS: 1, FRESHNESS_SECONDS: 0 };
  const edge = await startEdge({ origin: flagsmith.origin, variables: { ...variables, ADMIN_KEY_SHA256 } });
  t.after(() => edge.close());
  edge.kv.entries.clear();
  for (const name of [key, "ser.first", "ser.second"]) await eventually(async () => (await flags(edge.port, name)).status === 200, "it is served");
  // Discoveries continue, and do not use the second key again.
  const status = async () => (await request(edge.port, { path: "/edge/status", headers: { Authorization: `Api-Key ${ADMIN_KEY}` } })).json();
  const { last_success } = (await status()).discovery;
  const before = asked().length;
  await eventually(async () => Date.parse((await status()).discovery.last_success) > Date.parse(last_success) + 2_000, "there are more discoveries");
  assert.deepEqual(asked().slice(before).filter((name) => name !== "ser.first"), []);
  environment.serverKeys[0].active = false;
  set(flagsmith, key, 60);
  await eventually(async () => (await threshold(edge.port, key)) === 60, "the second key gives the change");
});

test("replacing a server key while the origin is down keeps its environment served", async (t) => {
  const flagsmith = await startFlagsmith(FIXTURES);
  t.after(() => flagsmith.close());
  const [[key, { serverKeys }]] = flagsmith.environments;
  const [before, after] = [serverKeys[0].key, "ser.replacement"];
  const { document } = flagsmith.environments.get(key);
  flagsmith.origin.on("GET", /^\/api\/v1\/environment-document\/$/, ({ headers }) =>
    [before, after].includes(headers["x-environment-key"]) ? { body: document } : { status: 403, body: MISSING },
  );
  const variables = { SERVER_KEYS: before, DISCOVERY_SECONDS: 1, ...SECRETS };
  const edge = await startEdge({ origin: flagsmith.origin, variables });
  t.after(() => edge.close());
  edge.kv.entries.clear();
  assert.equal((await served(edge.port, before)).status, 200);
  await edge.stop();
  const configuration = join(edge.folder, "edge.capnp");
  writeFileSync(configuration, readFileSync(configuration, "utf8").replaceAll(before, after));
  flagsmith.origin.behave("fail");
  await edge.start();
  assert.equal(await threshold(edge.port, key), 50);
  await eventually(() => /a server key: /.test(edge.log), "the new key is asked about");
  assert.ok(edge.kv.entries.has(`document:${key}`));
  assert.equal(await threshold(edge.port, key), 50);
  flagsmith.origin.behave("serve");
  await eventually(async () => (await flags(edge.port, after)).status === 200, "the new key is served");
  await eventually(async () => (await flags(edge.port, before)).status === 403, "the old key is not");
  assert.equal(await threshold(edge.port, key), 50);
});

edgeTest("the status lists each environment, and marks one whose overrides are left out", { variables: { ADMIN_KEY_SHA256 } }, async ({ edge, flagsmith, keys: [key] }) => {
  flagsmith.change(key, (document) => {
    document.use_identity_overrides_in_local_eval = false;
    document.identity_overrides = [];
  });
  assert.equal((await served(edge.port, key)).status, 200);
  const status = (authorization) => request(edge.port, { path: "/edge/status", headers: { Authorization: authorization } });
  assert.equal((await request(edge.port, { path: "/edge/status" })).status, 401);
  assert.equal((await status("Api-Key other")).status, 401);
  assert.equal((await status(`Api-Key ${TOKEN}`)).json().environments.length, 2);
  const find = async () => (await status(`Api-Key ${ADMIN_KEY}`)).json().environments.find(({ environment }) => environment === key);
  await eventually(async () => (await find())?.version, "the environment is published");
  const { identity_overrides_left_out, source, last_fault, age_seconds, last_success, version, webhook } = await find();
  assert.deepEqual({ identity_overrides_left_out, source, last_fault }, { identity_overrides_left_out: true, source: "ORIGIN_API_TOKEN", last_fault: null });
  assert.ok(age_seconds >= 0 && Date.parse(last_success) > 0 && /^\d{13}-[0-9a-f]{16}$/.test(version));
  assert.equal(webhook, `${edge.address}/edge/webhooks/${createHmac("sha256", "webhook-secret").update(`environment:${key}`).digest("hex").slice(0, 32)}`);
  await becomes(() => edge.log, /use_identity_overrides_in_local_eval/);
});

edgeTest("the status has the latest time of each kind of notification, and URLs for webhooks", { variables: { ADMIN_KEY_SHA256 } }, async ({ edge, flagsmith, keys: [key, other] }) => {
  assert.equal((await served(edge.port, key)).status, 200);
  const status = async () => (await request(edge.port, { path: "/edge/status", headers: { Authorization: `Api-Key ${ADMIN_KEY}` } })).json();
  const of = async (key) => (await status()).environments.find(({ environment }) => environment === key);
  await eventually(async () => (await of(key)).version && (await of(other)).version, "both are published");
  assert.deepEqual([(await of(key)).last_notification, (await of(other)).last_notification], [null, null], "none ever came");
  // A write through the worker does not count as a notification of the origin.
  await writer(edge, flagsmith, key).write(55);
  assert.equal((await of(key)).last_notification, null);

  const began = Date.now();
  await send(edge, key);
  const { kind, at } = (await of(key)).last_notification;
  assert.equal(kind, "realtime");
  assert.ok(Date.parse(at) >= began - 1_000 && Date.parse(at) <= Date.now(), at);
  assert.equal((await of(other)).last_notification, null);
  // Webhooks go to the URLs that the status lists.
  const body = '{"data": {"environment": {"id": 1}}, "event_type": "FLAG_UPDATED"}';
  const signature = createHmac("sha256", "webhook-secret").update(body).digest("hex");
  const post = async (url) => {
    assert.ok(url.startsWith(edge.address), url);
    const { status } = await request(edge.port, { method: "POST", path: url.slice(edge.address.length), headers: { "X-Flagsmith-Signature": signature }, body });
    assert.equal(status, 202, url);
  };
  await post((await of(key)).webhook);
  assert.equal((await of(key)).last_notification.kind, "environment_webhook");
  await post((await status()).webhook);
  const kinds = async () => [(await of(key)).last_notification?.kind, (await of(other)).last_notification?.kind];
  await becomes(kinds, ["organisation_webhook", "organisation_webhook"], "all environments have had it");
  await edge.kill();
  await edge.start();
  assert.deepEqual(await kinds(), ["organisation_webhook", "organisation_webhook"], "it is stored");
});

edgeTest("the status lists manually published documents to administrators of all environments", { variables: { ADMIN_KEY_SHA256 } }, async ({ edge, flagsmith, keys: [key, other] }) => {
  assert.equal((await served(edge.port, key)).status, 200);
  const document = { ...flagsmith.environments.get(key).document, api_key: "putHere" };
  edge.kv.entries.set(documentEntry("putHere"), Buffer.from(JSON.stringify(document)));
  edge.kv.entries.set(serverKeyEntry("ser.put-here"), Buffer.from('{"environment": "putHere", "active": true, "expires_at": null}'));
  const listed = async (authorization) => {
    const { environments, more } = (await request(edge.port, { path: "/edge/status", headers: { Authorization: authorization } })).json();
    return [Object.fromEntries(environments.map(({ environment, source, server_keys }) => [environment, [source, server_keys.count]])), more];
  };
  const good = (key) => flagsmith.environments.get(key).serverKeys.filter(({ active, expires_at }) => active && (expires_at === null || Date.parse(expires_at) > Date.now())).length;
  const published = Object.fromEntries([key, other].map((key) => [key, ["ORIGIN_API_TOKEN", good(key)]]));
  const all = [{ ...published, putHere: ["KV", 1] }, false];
  await becomes(() => listed(`Api-Key ${ADMIN_KEY}`), all);
  assert.deepEqual(await listed(`Api-Key ${TOKEN}`), all);
  assert.equal((await flags(edge.port, "ser.put-here")).status, 200, "it is served");
  flagsmith.origin.on("GET", /\/my-permissions\/$/, ({ path }) => ({ body: { admin: path.includes(key), permissions: [], tag_based_permissions: [] } }));
  assert.deepEqual(await listed("Token of-a-user"), [{ [key]: published[key] }, false]);
  edge.kv.behave("fail");
  assert.deepEqual(await listed(`Api-Key ${ADMIN_KEY}`), [published, true], "while KV is down there may be more");
});

edgeTest("the status shows an administrator only the administered environments", { variables: { ADMIN_KEY_SHA256 } }, async ({ edge, flagsmith, keys: [key, other] }) => {
  assert.equal((await served(edge.port, key)).status, 200);
  const permissions = { [key]: { admin: true, permissions: [], tag_based_permissions: [] }, [other]: { admin: false, permissions: ["VIEW_ENVIRONMENT"], tag_based_permissions: [] } };
  flagsmith.origin.on("GET", /\/my-permissions\/$/, ({ path, headers }) => {
    if (headers.authorization !== "Token of-a-user") return { status: 401, headers: { "www-authenticate": "Cookie realm=\"api\"" }, body: { detail: "Invalid token." } };
    return { body: permissions[path.split("/")[4]] };
  });
  const status = (authorization) => request(edge.port, { path: "/edge/status/", headers: { Authorization: authorization } });
  const response = await status("Token of-a-user");
  assert.equal(response.status, 200, response.text);
  assert.deepEqual(response.json().environments.map(({ environment }) => environment), [key]);
  // Facts about all environments are for administrators of all.
  assert.deepEqual([response.json().webhook, response.json().discovery], [null, null]);
  assert.equal((await status(`Api-Key ${ADMIN_KEY}`)).json().discovery.last_fault, null);
  const refused = await status("Token of-nobody");
  assert.deepEqual([refused.status, refused.json()], [401, { detail: "Invalid token." }]);
  permissions[key].admin = false;
  assert.equal((await status("Token of-a-user")).status, 200, "for a minute");
  flagsmith.origin.on("GET", /\/my-permissions\/$/, () => ({ body: permissions[other] }));
  assert.equal((await status("Token of-another")).status, 403);
  await flagsmith.origin.down();
  assert.equal((await status("Token of-a-third")).status, 503);
  assert.equal((await status(`Api-Key ${ADMIN_KEY}`)).json().environments.length, 2);
});

/** A test with a Flagsmith of the fixtures' environments, and a worker in front of it that starts with an empty KV. */
function edgeTest(name, { workers = 1, variables = {}, ...options }, body) {
  test(name, async (t) => {
    const flagsmith = await startFlagsmith(FIXTURES);
    t.after(() => flagsmith.close());
    const settings = { ORIGIN_API_TOKEN: TOKEN, FRESHNESS_SECONDS: 1, DOCUMENT_SOFT_AGE_SECONDS: 1, DOCUMENT_HARD_AGE_SECONDS: 1 };
    const edge = await startEdge({ origin: flagsmith.origin, workers, variables: { ...settings, ...SECRETS, ...variables }, ...options });
    t.after(() => edge.close());
    edge.kv.entries.clear();
    await body({ edge, flagsmith, keys: [...flagsmith.environments.keys()] });
  });
}

/** A Flagsmith and a worker in front of it. KV has the documents before the first request to the origin. */
async function startSeeded(t, options = {}) {
  const flagsmith = await startFlagsmith(FIXTURES);
  t.after(() => flagsmith.close());
  const edge = await startEdge({ origin: flagsmith.origin, variables: { ORIGIN_API_TOKEN: TOKEN, FRESHNESS_SECONDS: 0 }, ...options });
  t.after(() => edge.close());
  return { edge, flagsmith, keys: [...flagsmith.environments.keys()] };
}

function flags(port, key) {
  return request(port, { path: "/api/v1/flags/", headers: { "X-Environment-Key": key } });
}

/** The first answer that is not a 503. Until the origin has answered, first requests get a 503 with a Retry-After. */
function served(port, key, path = "/api/v1/flags/") {
  return becomes(
    () => request(port, { path, headers: { "X-Environment-Key": key } }),
    (response) => response.status !== 503 || void requireUnavailable(response),
  );
}

function requireUnavailable(response) {
  assert.deepEqual([response.status, response.headers["retry-after"]], [503, "1"], response.text);
  assert.equal(typeof response.json().detail, "string");
}

async function threshold(port, key) {
  const response = await served(port, key);
  assert.equal(response.status, 200, response.text);
  return stateOf(response.json()).feature_state_value;
}

/** A notification of a change, in the form for a realtime server. */
async function send(edge, key) {
  const headers = { Authorization: "Token sse-token", "Content-Type": "application/json" };
  const body = JSON.stringify({ updated_at: new Date().toISOString() });
  const response = await request(edge.port, { method: "POST", path: `/sse/environments/${key}/queue-change`, headers, body });
  assert.equal(response.status, 202, response.text);
}

/** Writes through the worker's Admin API. */
function writer(edge, flagsmith, key) {
  const id = stateOf(flagsmith.environments.get(key).document).django_id;
  const write = async (value) => {
    const response = await request(edge.port, {
      method: "PATCH",
      path: `/api/v1/environments/${key}/featurestates/${id}/`,
      headers: { Authorization: `Api-Key ${TOKEN}`, "Content-Type": "application/json" },
      body: JSON.stringify({ feature_state_value: value }),
    });
    assert.equal(response.status, 200, response.text);
  };
  return { id, write };
}
