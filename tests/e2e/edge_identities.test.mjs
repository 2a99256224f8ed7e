// The edge-identities Admin API over HTTP, authorized by a stand-in for the Flagsmith behind the worker. Recorded answers
// of a running Flagsmith are replayed whole, as in the native tests, and so are those of the worker's own routes.

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { startAdmin } from "./admin.mjs";
import { differences } from "./compare.mjs";
import { RECORDINGS, ROOT, startEdge } from "./harness.mjs";
import { exchangesIn, startOrigin } from "./origin.mjs";

const FIXTURES = join(ROOT, "fixtures/admin");

if (RECORDINGS === null) console.log("NOT RUN: the recorded edge identities, whose folder does not exist; set RECORDINGS");

test("the recorded edge-identities exchanges are answered, with the known differences", { skip: RECORDINGS === null }, async (t) => {
  const origin = await startOrigin({ recordings: RECORDINGS });
  t.after(() => origin.close());
  const edge = await startEdge({ origin, documents: join(RECORDINGS, "documents") });
  t.after(() => edge.close());
  const bindings = new Map();
  await replay(edge, join(RECORDINGS, "edge-identities.jsonl"), 150, bindings, ({ response }) => response);
  await replay(edge, join(RECORDINGS, "edge-identities-differences.jsonl"), 24, bindings, ({ name }) => ours(name.replace("edge:", "")));
});

// The number of exchanges in each file.
const OUR_EXCHANGES = { "edge_identities.jsonl": 49, "operating.jsonl": 18 };

test("every file of our own exchanges is replayed", () => {
  assert.deepEqual(readdirSync(FIXTURES).sort(), Object.keys(OUR_EXCHANGES));
});

for (const [name, count] of Object.entries(OUR_EXCHANGES)) {
  test(`our own exchanges in ${name} are answered as written`, async (t) => {
    const admin = await startAdmin(t, { variables: { SSE_AUTHENTICATION_TOKEN: "realtime", WEBHOOK_SECRET: "secret" } });
    await replay(admin.edge, join(FIXTURES, name), count, new Map(), ({ response }) => response);
  });
}

// The examples of Flagsmith's documentation about identities, with a user's token, an SDK's key and a feature of the sample.
test("the documented calls for identities work unchanged", async (t) => {
  const origin = await startOrigin();
  t.after(() => origin.close());
  const edge = await startEdge({ origin });
  t.after(() => edge.close());
  const [{ key }] = edge.environments;
  origin.on("GET", `/api/v1/environments/${key}/my-permissions/`, { body: { permissions: [], admin: true, tag_based_permissions: [] } });
  const session = { Authorization: "Token user", "Content-Type": "application/json" };
  const upsert = await edge.request({
    method: "PUT",
    path: `/api/v1/environments/environments/${key}/edge-identities-featurestates`,
    headers: { Accept: "application/json", Authorization: "Token user", "content-type": "application/json" },
    body: '{"enabled":true,"feature":"support_chat","feature_state_value":"blue", "identifier":"my_user_id"}',
  });
  assert.equal(upsert.status, 200, upsert.text);
  const page = await edge.request({ path: `/api/v1/environments/${key}/edge-identities/?page_size=20`, headers: session });
  assert.equal(page.status, 200);
  const [{ identity_uuid, identifier }] = page.json().results;
  assert.equal(identifier, "my_user_id");
  const all = await edge.request({ path: `/api/v1/environments/${key}/edge-identities/${identity_uuid}/edge-featurestates/all/`, headers: session });
  const state = all.json().find(({ feature }) => feature.name === "support_chat");
  assert.deepEqual([state.enabled, state.feature_state_value, state.overridden_by], [true, "blue", "IDENTITY"]);
  const deleted = await edge.request({ method: "DELETE", path: `/api/v1/environments/${key}/edge-identities/${identity_uuid}/`, headers: session });
  assert.equal(deleted.status, 204);
  const upload = await edge.request({
    method: "POST",
    path: "/api/v1/bulk-identities",
    headers: { "X-Environment-Key": key, "Content-Type": "application/json" },
    body: `{"data": [{"identifier": "my_identifier_1", "traits": [{"trait_key": "my_key_name", "trait_value": "set from POST /bulk-identities"}]},
      {"identifier": "my_identifier_3", "traits": [{"trait_key": "this_trait_will_be_deleted", "trait_value": null}]}]}`,
  });
  assert.equal(upload.status, 202);
});

const NOT_FOUND = { status: 404, body: { detail: "Not found." } };
const NO_FEATURE = { status: 400, body: { feature: ["There is no such feature in this environment."] } };
const NO_PAGE = { status: 400, body: { last_evaluated_key: ["This is no key of a page of this list."] } };

/** The answers that differ from Flagsmith's. */
function ours(name) {
  const state = (feature, uuid, value) => ({
    feature_state_value: value,
    feature,
    multivariate_feature_state_values: [],
    enabled: true,
    featurestate_uuid: "<any>",
    identity_uuid: `<<${uuid}>>`,
  });
  const aliased = { identity_uuid: "<<uuid-416>>", identifier: "aliased-user", dashboard_alias: "my alias" };
  const patched = { identity_uuid: "<<uuid-405>>", identifier: "edge-user-01", dashboard_alias: "patched" };
  if (name.startsWith("search:dashboard_alias:")) return { status: 200, body: { results: [aliased], last_evaluated_key: null } };
  if (name.endsWith("-wrong-env")) return NOT_FOUND;
  if (name.startsWith("list-bad-lek")) return NO_PAGE;
  if (name.includes("unknown-feature")) return NO_FEATURE;
  if (/^with-identifier-(trailing|single)/.test(name)) return { status: 200, body: state(66, "uuid-429", null) };
  return {
    "get-no-slash": { status: 200, body: patched },
    "fs-create-by-name": { status: 201, body: state(67, "uuid-405", 99) },
    "fs-create-no-feature": { status: 400, body: { feature: ["This field is required."] } },
    "with-identifier-get": { status: 405, headers: { allow: "PUT, DELETE, OPTIONS" }, body: { detail: 'Method "GET" not allowed.' } },
    "identity-overrides-slash": { status: 200, body: { results: "<any>" } },
    "list-unknown-env": { status: 404, body: { detail: "No Environment matches the given query." } },
    "list-non-dynamo-project": { status: 200, body: { results: [], last_evaluated_key: null } },
    "list-non-dynamo-project-no-auth": {
      status: 401,
      headers: { "www-authenticate": 'Cookie realm="api"' },
      body: { detail: "Authentication credentials were not provided." },
    },
    options: { status: 200, headers: { "access-control-allow-origin": "*" }, body: null },
  }[name];
}

async function replay(edge, file, count, bindings, expectedOf) {
  const exchanges = exchangesIn(file);
  assert.equal(exchanges.length, count, file);
  const failures = [];
  for (const exchange of exchanges) {
    const { name, request } = exchange;
    const path = substituted(request.path, bindings, encodeURIComponent);
    const body = request.body === null ? null : substituted(request.body, bindings);
    const response = await edge.request({ ...request, path, body });
    const expected = expectedOf(exchange);
    assert.ok(expected, `${name} is not known to differ`);
    bind(expected.body, response.text === "" ? null : response.json(), bindings);
    const bound = JSON.parse(substituted(JSON.stringify({ headers: {}, ...expected }), bindings));
    // Traits are matched by key; in a list of traits alone, the contract has no order.
    if (name === "edge:list-traits") bound.body.sort(byKey);
    const found = differences(bound, name === "edge:list-traits" ? sorted(response) : response, null);
    if (found.length > 0) failures.push([`${name}: ${request.method} ${path}`, ...found].join("\n    "));
  }
  if (failures.length > 0) assert.fail(`${failures.length} of ${exchanges.length} differ\n\n${failures.join("\n\n")}`);
}

/** Binds each new placeholder to the answered value. */
function bind(expected, actual, bindings) {
  if (typeof expected === "string" && /^<<.*>>$/.test(expected)) {
    if (!bindings.has(expected) && typeof actual === "string") bindings.set(expected, actual);
  } else if (typeof expected === "object" && expected !== null) {
    for (const [key, value] of Object.entries(expected)) bind(value, actual?.[key], bindings);
  }
}

function substituted(text, bindings, encode = (value) => value) {
  return text.replaceAll(/<<[a-z]+-\d+>>/g, (name) => (bindings.has(name) ? encode(bindings.get(name)) : name));
}

function sorted(response) {
  return { ...response, text: JSON.stringify(response.json().sort(byKey)) };
}

function byKey(a, b) {
  return a.trait_key < b.trait_key ? -1 : 1;
}
