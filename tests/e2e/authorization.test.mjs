// Authorization of the worker's admin routes by the Flagsmith behind it.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";

import { startEdge } from "./harness.mjs";
import { startOrigin } from "./origin.mjs";

const REFUSED = { status: 403, body: { detail: "You do not have permission to perform this action." } };
const NO_IDENTIFIER = { status: 400, body: { identifier: ["This field is required."] } };

test("a user's permissions are read from my-permissions once a minute", async (t) => {
  const { edge, origin, key, list, create } = await start(t);
  const permissions = { permissions: ["VIEW_IDENTITIES"], admin: false, tag_based_permissions: [] };
  origin.on("GET", `/api/v1/environments/${key}/my-permissions/`, { body: permissions });
  const user = { Authorization: "Token one" };
  for (let time = 0; time < 3; time += 1) {
    assert.equal((await list(user)).status, 200);
    const refused = await create(user, "ada");
    assert.equal(refused.status, 403);
    assert.deepEqual(refused.json(), REFUSED.body);
  }
  assert.equal(origin.requests.length, 1);
  assert.equal(origin.requests[0].headers.authorization, "Token one");
  // Decisions are cached for each credential and each kind of credential.
  assert.equal((await list({ Authorization: "Token two" })).status, 200);
  assert.equal((await list({ Cookie: "a=b; jwt=three; c=d" })).status, 200);
  assert.equal(origin.requests.length, 3);
  assert.equal(origin.requests[2].headers.cookie, "jwt=three");
  await edge.flush();
  assert.doesNotMatch(edge.log, /one|two|three/);
});

test("a master API key's permissions are derived from the origin's identity routes", async (t) => {
  const { origin, key, list, create } = await start(t);
  origin.on("GET", `/api/v1/environments/${key}/identities/`, { body: { count: 0, next: null, previous: null, results: [] } });
  origin.on("POST", `/api/v1/environments/${key}/identities/`, ({ headers }) =>
    headers.authorization === "Api-Key may.manage" ? NO_IDENTIFIER : REFUSED,
  );
  assert.equal((await list({ Authorization: "Api-Key may.view" })).status, 200);
  assert.equal((await create({ Authorization: "Api-Key may.view" }, "ada")).status, 403);
  assert.equal((await create({ Authorization: "Api-Key may.manage" }, "ada")).status, 201);
  // Probes cannot write: an identity without an identifier is refused.
  for (const { method, body } of origin.requests) assert.equal(body.toString(), method === "POST" ? "{}" : "");
  assert.deepEqual(origin.requests.map(({ target }) => target.replace(key, "")), [
    "/api/v1/environments//identities/?page_size=1",
    "/api/v1/environments//identities/",
    "/api/v1/environments//identities/",
  ]);
});

test("the origin's answer to an unknown credential is returned", async (t) => {
  const { origin, key, list } = await start(t);
  origin.on("GET", `/api/v1/environments/${key}/my-permissions/`, {
    status: 401,
    headers: { "www-authenticate": 'Cookie realm="api"' },
    body: { detail: "User inactive or deleted." },
  });
  const response = await list({ Authorization: "Token gone" });
  assert.equal(response.status, 401);
  assert.equal(response.headers["www-authenticate"], 'Cookie realm="api"');
  assert.deepEqual(response.json(), { detail: "User inactive or deleted." });
  // A request without a credential causes no probe, and an environment key is not a credential of the Admin API.
  for (const headers of [{}, { "X-Environment-Key": key }]) {
    const response = await list(headers);
    assert.equal(response.status, 401);
    assert.deepEqual(response.json(), { detail: "Authentication credentials were not provided." });
  }
  assert.equal(origin.requests.length, 1);
});

test("an unexpected answer of the origin permits nothing", async (t) => {
  const { origin, key, list, create } = await start(t);
  origin.on("GET", `/api/v1/environments/${key}/my-permissions/`, { body: { permissions: [], admin: true, tag_based_permissions: [] } });
  let number = 0;
  const user = () => ({ Authorization: `Token ${(number += 1)}` });
  for (const way of ["cut", "cut-body", "fail", "garbage", "empty"]) {
    origin.behave(way);
    const response = await list(user());
    assert.equal(response.status, 503, way);
    assert.equal(response.headers["retry-after"], "1");
    assert.deepEqual(response.json(), { detail: "Your permissions cannot be checked now; try again." });
  }
  // Django gives this answer to every request with a host name that it is not configured for.
  origin.behave("serve");
  origin.fault("POST", /identities/, { status: 400, headers: { "content-type": "text/html" }, body: "<h1>Bad Request (400)</h1>" });
  assert.equal((await create({ Authorization: "Api-Key a.b" }, "ada")).status, 503);
  await origin.down();
  assert.equal((await list(user())).status, 503);
  await origin.up();
  assert.equal((await list(user())).status, 200);
});

test("without an origin only the local admin key is accepted", async (t) => {
  const hash = createHash("sha256").update("local.key").digest("hex");
  const { list, create } = await start(t, { origin: null, variables: { ADMIN_KEY_SHA256: hash } });
  assert.equal((await create({ Authorization: "Api-Key local.key" }, "ada")).status, 201);
  assert.equal((await list({ Authorization: "Api-Key local.key" })).json().results.length, 1);
  for (const [headers, detail] of [
    [{ Authorization: "Api-Key another.key" }, "Valid Master API Key not found."],
    [{ Authorization: "Token another.key" }, "Valid Master API Key not found."],
    [{}, "Authentication credentials were not provided."],
  ]) {
    const response = await list(headers);
    assert.equal(response.status, 401);
    assert.deepEqual(response.json(), { detail });
  }
  // The key does not reach the origin.
  const beside = await start(t, { variables: { ADMIN_KEY_SHA256: hash } });
  assert.equal((await beside.list({ Authorization: "Api-Key local.key" })).status, 200);
  assert.equal(beside.origin.requests.length, 0);
  const { list: unauthenticated } = await start(t, { origin: null });
  const response = await unauthenticated({ Authorization: "Api-Key local.key" });
  assert.equal(response.status, 503);
  assert.match(response.json().detail, /ORIGIN_URL or ADMIN_KEY_SHA256/);
});

async function start(t, { origin = undefined, ...options } = {}) {
  if (origin === undefined) {
    origin = await startOrigin();
    t.after(() => origin.close());
  }
  const edge = await startEdge({ origin, ...options });
  t.after(() => edge.close());
  const key = edge.environments[0].key;
  const path = `/api/v1/environments/${key}/edge-identities/`;
  const list = (headers) => edge.request({ path, headers });
  const create = (headers, identifier) =>
    edge.request({
      method: "POST",
      path,
      headers: { "Content-Type": "application/json", ...headers },
      body: JSON.stringify({ identifier }),
    });
  return { edge, origin, key, list, create };
}
