// Counting identities, explaining one, and listing KV's environments: permissions, content, and no side effects.

import assert from "node:assert/strict";
import { test } from "node:test";

import { startAdmin } from "./admin.mjs";
import { adminOf, createProject, embeddedOrigin } from "./embedded_origin.mjs";
import { ADMIN_KEY, ADMIN_KEY_SHA256, TOKEN, startFlagsmith } from "./flagsmith.mjs";
import { FIXTURES, startEdge } from "./harness.mjs";
import { request } from "./http.mjs";

test("identities are counted over all shards", async (t) => {
  const admin = await startAdmin(t);
  const count = async () => (await admin.expect(200, "GET", `${routes(admin.key)}/count/`)).identities;
  assert.equal(await count(), 0);
  const identifiers = Array.from({ length: 40 }, (_, number) => `user-${number}`);
  const created = await Promise.all(identifiers.map((identifier) => admin.create(identifier)));
  assert.equal(await count(), 40);
  await admin.expect(204, "DELETE", `${created[0].identity_uuid}/`);
  assert.equal(await count(), 39);
});

test("an explanation has the stored traits and overrides, and the flags that SDKs get", async (t) => {
  const admin = await startAdmin(t);
  const identifier = "ada+ü@example.com/%?";
  const { traits } = await admin.identify(identifier, { country: "BE" });
  await admin.override(identifier, "support_chat", { enabled: true, feature_state_value: "here" });
  const explained = await admin.expect(200, "GET", `${routes(admin.key)}/explain/?identifier=${encodeURIComponent(identifier)}`);
  assert.deepEqual([explained.identifier, explained.traits, explained.key], [identifier, traits, `${admin.key}_${identifier}`]);
  const [found] = (await admin.expect(200, "GET", `?q=${encodeURIComponent(`"${identifier}"`)}`)).results;
  assert.equal(explained.identity_uuid, found.identity_uuid);
  const path = `/api/v1/identities/?identifier=${encodeURIComponent(identifier)}&reasons=true`;
  const { flags } = (await admin.edge.request({ path, headers: { "X-Environment-Key": admin.serverKey } })).json();
  const plain = explained.flags.map(({ shown_to_client_keys, shown_to_server_keys, candidates, split, ...flag }) => flag);
  assert.deepEqual(plain, flags);
  const chat = explained.flags.find(({ feature }) => feature.name === "support_chat");
  assert.deepEqual([chat.candidates[0].source, chat.candidates[0].wins, chat.feature_state_value], ["identity", true, "here"]);
});

test("counting and explaining do not create identities", async (t) => {
  const admin = await startAdmin(t);
  const explained = await admin.expect(200, "GET", `${routes(admin.key)}/explain/?identifier=nobody`);
  assert.deepEqual([explained.identity_uuid, explained.traits], [null, []]);
  assert.ok(explained.flags.length > 0);
  assert.equal((await admin.expect(200, "GET", `${routes(admin.key)}/count/`)).identities, 0);
});

test("invalid count and explain requests are refused", async (t) => {
  const admin = await startAdmin(t);
  const explain = `${routes(admin.key)}/explain/`;
  assert.deepEqual(await admin.expect(400, "GET", explain), { detail: "Missing identifier" });
  await admin.expect(400, "GET", `${explain}?identifier=a%00b`);
  await admin.expect(400, "GET", `${explain}?identifier=${"x".repeat(2001)}`);
  await admin.expect(404, "GET", `${routes("nobodyHasThisEnvironment")}/explain/?identifier=a`);
  await admin.expect(404, "GET", `${routes("a%2e%2eb")}/count/`);
  const refused = await admin.send("POST", explain, {});
  assert.deepEqual([refused.status, refused.headers.allow], [405, "GET, HEAD, OPTIONS"]);
  const unknown = await request(admin.edge.port, { path: `${explain}?identifier=a`, headers: {} });
  assert.equal(unknown.status, 401);
  const key = await request(admin.edge.port, { path: `${explain}?identifier=a`, headers: { "X-Environment-Key": admin.serverKey } });
  assert.equal(key.status, 401, "an environment key is no admin's credential");
});

test("counting and explaining require the origin's VIEW_IDENTITIES permission", async (t) => {
  const flagsmith = await startFlagsmith(FIXTURES);
  t.after(() => flagsmith.close());
  const edge = await startEdge({ origin: flagsmith.origin, variables: { ORIGIN_API_TOKEN: TOKEN } });
  t.after(() => edge.close());
  const [key] = flagsmith.environments.keys();
  const permissions = { "Token viewer": ["VIEW_ENVIRONMENT"], "Token seer": ["VIEW_ENVIRONMENT", "VIEW_IDENTITIES"] };
  flagsmith.origin.on("GET", /\/my-permissions\/$/, ({ headers }) => ({ body: { admin: false, permissions: permissions[headers.authorization], tag_based_permissions: [] } }));
  for (const [authorization, status] of [["Token viewer", 403], ["Token seer", 200]]) {
    for (const path of ["/count/", "/explain?identifier=a"]) {
      const response = await request(edge.port, { path: routes(key) + path, headers: { Authorization: authorization } });
      assert.equal(response.status, status, `${authorization} ${path}: ${response.text}`);
    }
  }
});

test("without an origin the status lists the environments in KV", async (t) => {
  const admin = await startAdmin(t);
  const { kv, environments } = admin.edge;
  const [first, second] = environments.toSorted((a, b) => (a.key < b.key ? -1 : 1));
  const { version } = kv.metadata.get(`document:${first.key}`);
  kv.entries.set(`document:${first.key}:${version}`, kv.entries.get(`document:${first.key}`));
  kv.metadata.delete(`document:${second.key}`);
  const asked = Date.now();
  const { environments: listed, ...all } = await admin.expect(200, "GET", "/edge/status");
  const answered = Date.now();
  assert.deepEqual(all, { discovery: null, webhook: null, more: false, settings_faults: [] });
  const [{ age_seconds, published_at, ...known }, unknown] = listed;
  const good = { [first.key]: goodKeys(first), [second.key]: goodKeys(second) };
  assert.deepEqual(known, { environment: first.key, name: first.name, version, server_keys: good[first.key], source: "KV" });
  const published = Number(version.split("-")[0]);
  assert.equal(Date.parse(published_at), published);
  const [least, most] = [asked, answered].map((now) => Math.floor((now - published) / 1000));
  assert.ok(age_seconds >= least - 1 && age_seconds <= most + 1, `${age_seconds} s of ${least} to ${most}`);
  const nothing = { name: null, version: null, published_at: null, age_seconds: null };
  assert.deepEqual(unknown, { environment: second.key, ...nothing, server_keys: good[second.key], source: "KV" });
  // The document's name and version are read together with the number of identities.
  const { updated_at } = JSON.parse(kv.entries.get(`document:${second.key}`));
  const counted = await admin.expect(200, "GET", `${routes(second.key)}/count/`);
  assert.deepEqual({ ...counted, updated_at: Date.parse(counted.updated_at) }, { identities: 0, without_django_id: null, name: second.name, updated_at: Date.parse(updated_at) });

  // Entries without metadata are read one by one, if there are few.
  const keys = async () => Object.fromEntries((await admin.expect(200, "GET", "/edge/status")).environments.map(({ environment, server_keys }) => [environment, server_keys]));
  const entries = [...kv.entries.keys()].filter((name) => name.startsWith("server-key:"));
  entries.forEach((name) => kv.metadata.delete(name));
  assert.deepEqual(await keys(), good);
  assert.equal(kv.count(entries[0]), 1);
  kv.entries.set("server-key:spoilt", Buffer.from("no JSON"));
  assert.deepEqual(await keys(), good);
  for (let number = 0; number < 100; number += 1) kv.entries.set(`server-key:${number}`, kv.entries.get(entries[0]));
  assert.deepEqual(await keys(), { [first.key]: null, [second.key]: null });

  kv.pageLength = 1;
  const { environments: some, more } = await admin.expect(200, "GET", "/edge/status");
  assert.deepEqual([some.map(({ environment }) => environment), more], [[first.key], true]);

  const before = kv.requests.length;
  const headers = { Authorization: "Api-Key other" };
  assert.equal((await request(admin.edge.port, { path: "/edge/status", headers })).status, 401);
  assert.equal(kv.requests.length, before, "KV is not read for unauthenticated requests");
  kv.behave("fail");
  assert.deepEqual(await admin.expect(503, "GET", "/edge/status"), { detail: "The environment is temporarily unavailable; try again." });
});

test("with an origin the status lists environments in KV to their administrators", async (t) => {
  const flagsmith = await startFlagsmith(FIXTURES);
  t.after(() => flagsmith.close());
  const edge = await startEdge({ origin: flagsmith.origin });
  t.after(() => edge.close());
  const [key] = flagsmith.environments.keys();
  flagsmith.origin.on("GET", /\/my-permissions\/$/, ({ path }) => ({ body: { admin: path.includes(key), permissions: [], tag_based_permissions: [] } }));
  const response = await request(edge.port, { path: "/edge/status", headers: { Authorization: "Token of-a-user" } });
  assert.equal(response.status, 200, response.text);
  assert.deepEqual(response.json().environments.map(({ environment, source }) => [environment, source]), [[key, "KV"]]);
});

test("before the first environment exists, the status is empty for the right key and refused to a wrong one", async (t) => {
  const edge = await startEdge(embeddedOrigin());
  t.after(() => edge.close());
  edge.kv.entries.clear();
  const send = adminOf(edge);
  const empty = { environments: [], discovery: null, webhook: null, more: false, settings_faults: [] };
  const isEmpty = async () => {
    const { status, text } = await send("GET", "/edge/status");
    assert.equal(status, 200, text);
    assert.deepEqual(JSON.parse(text), empty);
  };
  const refuses = async (key) => {
    const { status, text } = await send("GET", "/edge/status", undefined, key);
    assert.deepEqual([status, JSON.parse(text)], [401, { detail: "Valid Master API Key not found." }], key);
  };
  await isEmpty();
  await refuses("Tf6JxQp2.another");
  // An organisation and a project change nothing.
  await createProject(edge);
  await isEmpty();
  await refuses("another");
});

test("without environments the origin's users are known by its answer, and get no facts about all environments", async (t) => {
  const flagsmith = await startFlagsmith(FIXTURES);
  t.after(() => flagsmith.close());
  flagsmith.environments.clear();
  const { origin } = flagsmith;
  const edge = await startEdge({ origin, variables: { ORIGIN_API_TOKEN: TOKEN, ADMIN_KEY_SHA256, WEBHOOK_SECRET: "webhook-secret" } });
  t.after(() => edge.close());
  edge.kv.entries.clear();
  origin.on("GET", /\/my-permissions\/$/, ({ headers }) =>
    headers.authorization === "Token of-a-user"
      ? { status: 404, body: { detail: "No Environment matches the given query." } }
      : { status: 401, body: { detail: "Invalid token." } },
  );
  const status = (authorization) => edge.request({ path: "/edge/status", headers: { Authorization: authorization } });
  const user = await status("Token of-a-user");
  assert.equal(user.status, 200, user.text);
  assert.deepEqual(user.json(), { environments: [], discovery: null, webhook: null, more: false, settings_faults: [] });
  const unknown = await status("Token nobody's");
  assert.deepEqual([unknown.status, unknown.json()], [401, { detail: "Invalid token." }]);
  const { environments, discovery, webhook } = (await status(`Api-Key ${ADMIN_KEY}`)).json();
  assert.deepEqual([environments, discovery === null], [[], false]);
  assert.ok(webhook.startsWith(`${edge.address}/edge/webhooks/`));
  // A failure of the origin is no refusal.
  origin.behave("fail");
  assert.equal((await status("Token of-another-user")).status, 503);
});

/** The number of an environment's valid server keys, and the first expiry. */
function goodKeys({ serverKeys }) {
  const good = serverKeys.filter(({ active, expires_at }) => active && (expires_at === null || Date.parse(expires_at) > Date.now()));
  const expiries = good.flatMap(({ expires_at }) => expires_at ?? []).sort();
  return { count: good.length, soonest_expiry: expiries[0] ?? null };
}

function routes(key) {
  return `/edge/environments/${key}/identities`;
}
