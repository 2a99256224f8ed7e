// The examples of Flagsmith's page "Direct API Access", with only the host and the ids replaced, against a worker with the
// embedded origin. Answers of the origin have the shapes that a real Flagsmith was recorded with.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { promisify } from "node:util";

import { becomes } from "./deadline.mjs";
import { API_KEY, embeddedOrigin } from "./embedded_origin.mjs";
import { startForwarder } from "./forwarder.mjs";
import { ROOT, startEdge } from "./harness.mjs";
import { inventionsIn } from "./shapes.mjs";

const EXAMPLES = join(ROOT, "tests/e2e/direct_api_access");
/** The hosts of the page; this worker stands for both. */
const HOSTS = ["https://api.flagsmith.com", "https://edge.api.flagsmith.com"];
/** The paths that the worker answers itself. Their answers are not in the recordings of the Admin API. */
const OF_EDGE = /\/(flags|identities\/$|bulk-identities|environments\/.*edge-identities)/;
const VENV = join(ROOT, ".venv-requests");

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), "examples-"));
after(() => rmSync(folder, { recursive: true }));
await run(join(ROOT, "scripts/venv.sh"), [VENV, join(EXAMPLES, "requirements.txt")], { cwd: ROOT });

const edge = await startEdge(embeddedOrigin());
after(() => edge.close());
/** Keeps the exchanges of the examples, which are programs of their own. */
const forwarder = await startForwarder({ after }, { url: edge.address });

const organisation = await admin("POST", "/organisations/", { name: "Examples" });
const project = await admin("POST", "/projects/", { name: "Examples", organisation: organisation.id });
/** Variables of the Python examples; examples add ids. */
const variables = { PROJECT_ID: String(project.id), API_TOKEN: API_KEY };
let environment;
let feature;

test("create an environment", async () => {
  const [{ status, body }, ...others] = await example("create_environment.sh", {
    "<API TOKEN FROM ORGANISATION PAGE>": API_KEY,
    "<Project ID>": project.id,
  });
  assert.deepEqual([status, others], [201, []], body);
  environment = JSON.parse(body);
  assert.deepEqual([environment.name, environment.project], ["New Environment", project.id]);
  Object.assign(variables, { ENV_KEY: environment.api_key, ENVIRONMENT_ID: String(environment.id) });
});

test("create a feature", async () => {
  const [{ status, body }, ...others] = await example("create_feature.py", {}, { FEATURE_NAME: "custom_background_colour" });
  assert.deepEqual([status, others], [201, []], body);
  feature = JSON.parse(body);
  assert.equal(feature.name, "custom_background_colour");
  variables.FEATURE_ID = String(feature.id);
});

test("update the value and the state of a feature in an environment", async () => {
  const [found, updated, ...others] = await example("update_feature_state.py", {}, { FEATURE_NAME: feature.name });
  assert.deepEqual([found.status, updated.status, others], [200, 200, []], updated.body);
  assert.deepEqual(JSON.parse(updated.body), { feature: feature.id, enabled: true });
  await becomes(flags, ([flag]) => flag?.enabled === true && flag.feature_state_value === "new value");
});

test("get the flags of an environment", async () => {
  const [{ status, body }, ...others] = await example("environment_flags.sh", { "<Your Env Key>": environment.api_key });
  const { id, name, type } = feature;
  assert.deepEqual([status, others], [200, []], body);
  assert.deepEqual(JSON.parse(body), [{ feature: { id, name, type }, enabled: true, feature_state_value: "new value" }]);
});

test("send an identity with traits, and receive flags", async () => {
  const [{ status, body }, ...others] = await example("identity_with_traits.sh", { "<Your Env Key>": environment.api_key });
  assert.deepEqual([status, others], [200, []], body);
  const { identifier, traits, flags: [flag] } = JSON.parse(body);
  assert.equal(identifier, "identifier_5");
  assert.deepEqual(Object.fromEntries(traits.map(({ trait_key, trait_value }) => [trait_key, trait_value])), { my_trait_key: 123.5, my_other_key: true });
  assert.deepEqual([flag.feature.name, flag.feature_state_value], [feature.name, "new value"]);
});

test("create a segment, without an override", async () => {
  const [{ status, body }, ...others] = await example("segment_override.py", {}, { SEGMENT_NAME: "plain" });
  assert.deepEqual([status, others], [201, []], body);
  assert.deepEqual(JSON.parse(body).feature, null);
});

for (const [what, isSpecific] of [["a segment", "False"], ["a segment of the feature", "True"]]) {
  test(`create ${what}, and its override`, async () => {
    const exchanges = await example("segment_override.py", {}, {
      SEGMENT_NAME: what,
      IS_FEATURE_SPECIFIC: isSpecific,
      ENABLE_FOR_SEGMENT: "True",
      VALUE_FOR_SEGMENT: `value of ${what}`,
    });
    assert.deepEqual(exchanges.map(({ status }) => status), [201, 201, 201]);
    const [segment, featureSegment, state] = exchanges.map(({ body }) => JSON.parse(body));
    assert.equal(segment.feature, isSpecific === "True" ? feature.id : null);
    assert.deepEqual([featureSegment.feature, featureSegment.segment], [feature.id, segment.id]);
    assert.deepEqual([state.feature_segment, state.enabled], [featureSegment.id, true]);
    assert.equal(state.feature_state_value.string_value, `value of ${what}`);
    variables.SEGMENT_ID = String(segment.id);
    if (isSpecific === "True") return;
    await becomes(() => flagOf("matching", { my_trait: "my-value" }), ({ feature_state_value }) => feature_state_value === `value of ${what}`);
    assert.equal((await flagOf("other", { my_trait: "other" })).feature_state_value, "new value");
  });
}

test("update the rules of a segment", async () => {
  const path = `/projects/${project.id}/segments/${variables.SEGMENT_ID}/`;
  const condition = (value) => [{ type: "ALL", rules: [{ type: "ANY", conditions: [{ operator: "EQUAL", property: "my_trait", value }] }] }];
  await admin("PATCH", path, { rules: condition("before") });
  forwarder.take();
  const [{ status, body }, ...others] = await example("update_segment_rules.py");
  assert.deepEqual([status, others], [200, []], body);
  const { rules } = await admin("GET", path);
  assert.deepEqual(rules.map(({ rules }) => rules.map(({ conditions }) => conditions.map(({ value }) => value))), [[["my-value"]]]);
});

test("create an identity override (Flagsmith SaaS), and change it with the same call", async () => {
  const ids = { YOUR_ENVIRONMENT_KEY: environment.api_key, YOUR_ADMIN_API_KEY: API_KEY };
  const answers = [];
  for (let round = 0; round < 2; round += 1) {
    const [{ status, body }, ...others] = await example("edge_identity_override.sh", ids);
    assert.deepEqual([status, others], [200, []], body);
    answers.push(JSON.parse(body));
  }
  const [created, updated] = answers;
  assert.deepEqual(updated, created);
  const { featurestate_uuid, identity_uuid, ...state } = created;
  assert.match(`${featurestate_uuid} ${identity_uuid}`, /^[0-9a-f-]{36} [0-9a-f-]{36}$/);
  assert.deepEqual(state, { enabled: true, feature: feature.id, feature_state_value: "blue", multivariate_feature_state_values: [] });
  assert.equal((await flagOf("my_user_id", {})).feature_state_value, "blue");
});

test("create and update an identity override (self-hosted)", async () => {
  const identity = await admin("POST", `/environments/${environment.api_key}/identities/`, { identifier: "self_hosted" });
  forwarder.take();
  variables.IDENTITY_ID = String(identity.id);
  const ids = { YOUR_ENVIRONMENT_KEY: environment.api_key, YOUR_ADMIN_API_KEY: API_KEY, "identities/1234/": `identities/${identity.id}/` };
  const ofFeature = { '"feature":10': `"feature":${feature.id}` };
  const [created, ...others] = await example("identity_override_create.sh", { ...ids, ...ofFeature });
  assert.deepEqual([created.status, others], [201, []], created.body);
  const override = JSON.parse(created.body);
  assert.deepEqual([override.enabled, override.feature, override.feature_state_value], [true, feature.id, "blue"]);
  await becomes(() => flagOf("self_hosted", {}), ({ feature_state_value }) => feature_state_value === "blue");

  await admin("PATCH", `/environments/${environment.api_key}/identities/${identity.id}/featurestates/${override.id}/`, { enabled: false });
  await becomes(() => flagOf("self_hosted", {}), ({ enabled }) => enabled === false);
  const [updated, ...further] = await example("identity_override_update.sh", { ...ids, ...ofFeature, "featurestates/200": `featurestates/${override.id}` });
  assert.deepEqual([updated.status, further], [200, []], updated.body);
  const { id, enabled, feature_state_value } = JSON.parse(updated.body);
  assert.deepEqual([id, enabled, feature_state_value], [override.id, true, "blue"]);
  await becomes(() => flagOf("self_hosted", {}), ({ enabled }) => enabled === true);
});

test("iterate over identities", async () => {
  const [page, ...flags] = await example("iterate_identities.py");
  assert.equal(page.status, 200, page.body);
  const { results } = JSON.parse(page.body);
  const uuids = flags.map(({ status, target }) => [status, target.split("/")[6]]);
  assert.deepEqual(uuids, results.map(({ identity_uuid }) => [200, identity_uuid]));
  const overridden = results.findIndex(({ identifier }) => identifier === "my_user_id");
  const [flag] = JSON.parse(flags[overridden].body);
  assert.deepEqual([flag.feature.name, flag.feature_state_value, flag.overridden_by], [feature.name, "blue", "IDENTITY"]);
  variables.IDENTITY_UUDI = results[overridden].identity_uuid;
});

test("delete an edge identity", async () => {
  const exchanges = await example("delete_edge_identity.py");
  assert.deepEqual(exchanges.map(({ status, body }) => [status, body]), [[204, ""]]);
  assert.notEqual((await flagOf("my_user_id", {})).feature_state_value, "blue");
});

test("delete an identity", async () => {
  const exchanges = await example("delete_identity.py");
  assert.deepEqual(exchanges.map(({ status, body }) => [status, body]), [[204, ""]]);
  await becomes(() => flagOf("self_hosted", {}), ({ feature_state_value }) => feature_state_value === "new value");
});

test("upload identities and traits", async () => {
  const exchanges = await example("bulk_identities.sh", {}, { FLAGSMITH_ENVIRONMENT_KEY: environment.api_key });
  assert.deepEqual(exchanges.map(({ status }) => status), [202], exchanges[0].body);
  const path = "/api/v1/identities/?identifier=my_identifier_1";
  const identity = await edge.request({ path, headers: { "X-Environment-Key": environment.api_key } });
  assert.deepEqual(identity.json().traits, [{ trait_key: "my_key_name", trait_value: "set from POST /bulk-identities" }]);
});

/**
 * Runs an example and resolves to its exchanges. `ids`: placeholders of its text and their values. Fails if the example fails, or
 * if an answer of the origin differs from every recorded one.
 */
async function example(name, ids = {}, given = {}) {
  let text = readFileSync(join(EXAMPLES, name), "utf8");
  assert.ok(HOSTS.some((host) => text.includes(host)), `${name} has a host`);
  for (const host of HOSTS) text = text.replaceAll(host, forwarder.url);
  for (const [placeholder, value] of Object.entries(ids)) {
    assert.ok(text.includes(placeholder), `${name} has ${placeholder}`);
    text = text.replaceAll(placeholder, String(value));
  }
  const file = join(folder, name);
  writeFileSync(file, text);
  const [program, ...options] = name.endsWith(".py") ? [join(VENV, "bin/python")] : ["bash", "-eu"];
  await run(program, [...options, file], { env: { PATH: process.env.PATH, ...(name.endsWith(".py") ? variables : {}), ...given } });
  const exchanges = forwarder.take();
  for (const { method, target, status, body } of exchanges.filter(({ target }) => !OF_EDGE.test(target.split("?")[0]))) {
    // Recordings of this route have the slash, which one example leaves out.
    assert.deepEqual(inventionsIn(method, target.replace(/\d$/, "$&/"), { status, body }), []);
  }
  return exchanges;
}

/** The answer of the Admin API, through the worker. */
async function admin(method, path, body = undefined) {
  const headers = { Authorization: `Api-Key ${API_KEY}`, ...(body === undefined ? {} : { "Content-Type": "application/json" }) };
  const response = await edge.request({ method, path: `/api/v1${path}`, headers, body: body === undefined ? null : JSON.stringify(body) });
  assert.ok(response.status < 300, `${method} ${path}: ${response.text}`);
  return response.json();
}

async function flags() {
  const response = await edge.request({ path: "/api/v1/flags/", headers: { "X-Environment-Key": environment.api_key } });
  return response.status === 200 ? response.json() : [];
}

/** The example's flag for an identity with these traits, which are not stored. */
async function flagOf(identifier, traits) {
  const body = {
    identifier,
    traits: Object.entries(traits).map(([trait_key, trait_value]) => ({ trait_key, trait_value, transient: true })),
  };
  const headers = { "X-Environment-Key": environment.api_key, "Content-Type": "application/json" };
  const response = await edge.request({ method: "POST", path: "/api/v1/identities/", headers, body: JSON.stringify(body) });
  return response.json().flags[0];
}
