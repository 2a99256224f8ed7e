// The description of the embedded origin's API agrees with the recorded Flagsmith, and with the origin.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

import converter from "openapi-to-postmanv2";

import { checkExamples, flatten, operationsOf, run, Schemas } from "./descriptions.mjs";
import { API_KEY, startEmbeddedOrigin } from "./embedded_origin.mjs";
import { RECORDINGS, ROOT } from "./harness.mjs";
import { exchangesIn } from "./origin.mjs";

const DESCRIPTION = "build/origin/assets/api/v1/swagger.json";
const description = JSON.parse(readFileSync(join(ROOT, DESCRIPTION), "utf8"));
/** The methods that a description has no operation for. */
const NOT_DESCRIBED = ["HEAD", "OPTIONS"];
/** A recorded answer that the origin does not give, since it has no feature versioning. */
const WITH_VERSIONS = "v2-list-featurestates";
const RULES = [{ type: "ALL", rules: [{ type: "ANY", conditions: [{ operator: "EQUAL", property: "plan", value: "gold" }] }] }];

test("every JSON body has an example, and every example fits its schema", () => {
  const { found, count } = checkExamples(description);
  assert.deepEqual(found, []);
  assert.equal(count, 142, "the number of examples");
});

test("Postman imports the description", async () => {
  const input = { type: "string", data: JSON.stringify(description) };
  const { result, reason, output } = await promisify(converter.convertV2.bind(converter))(input, { folderStrategy: "Tags" });
  assert.ok(result, reason);
  const requests = output[0].data.item.flatMap((folder) => folder.item.flatMap(flatten));
  assert.equal(requests.length, operationsOf(description).length);
});

test("every recorded answer fits the description", { skip: RECORDINGS === null && "there are no recordings" }, () => {
  const schemas = new Schemas(description);
  const found = [];
  let count = 0;
  for (const { name, request, response } of exchangesIn(join(RECORDINGS, "admin.jsonl"))) {
    const path = templateOf(request.path);
    if (path === null || response.status === 405 || NOT_DESCRIBED.includes(request.method) || name === WITH_VERSIONS) continue;
    count += 1;
    const method = request.method.toLowerCase();
    const at = schemas.responseAt(path, method, response.status);
    const body = JSON.parse(JSON.stringify(response.body).replaceAll(/<<uuid-\d+>>/g, "8a3c52f0-6d1b-4e97-b0d4-2f6f5ac1e700"));
    if (at === undefined) found.push(`${name}: ${method} ${path} has no answer ${response.status}`);
    else if (at === null) assert.equal(body, null, name);
    else if (body !== "<any>") found.push(...[schemas.fault(at, body)].filter(Boolean).map((fault) => `${name}: ${fault}`));
  }
  assert.deepEqual(found, []);
  assert.equal(count, 677, "the number of answers");
});

test("every answer conforms to the description", async (t) => {
  const origin = await startEmbeddedOrigin();
  t.after(() => origin.close());
  const output = await run("scripts/schemathesis.sh", ["tests/openapi/schemathesis-origin.toml", DESCRIPTION, "--url", origin.address], {
    KEY: API_KEY,
    ...(await createRows(origin)),
  });
  assert.match(output, new RegExp(`Tested: +${operationsOf(description).length}\\n`), output);
});

/** Creates two rows of each kind, one to change and one to delete, and returns their ids as the settings name them. */
async function createRows({ address }) {
  const send = async (method, path, body) => {
    const headers = { Authorization: `Api-Key ${API_KEY}`, "Content-Type": "application/json" };
    const response = await fetch(`${address}/api/v1/${path}/`, { method, headers, body: JSON.stringify(body) });
    assert.ok(response.ok, `${method} ${path}: ${response.status}`);
    return response.json();
  };
  const ids = {};
  const create = async (kind, path, bodies, idOf = ({ id }) => id) => {
    const rows = [];
    for (const body of bodies) rows.push(await send("POST", path, body));
    [ids[kind], ids[`SPARE_${kind}`]] = rows.map((row) => String(idOf(row)));
    return rows;
  };
  const named = ["one", "two"].map((name) => ({ name }));
  const [organisation] = await create("ORGANISATION", "organisations", named);
  await create("PREFIX", `organisations/${organisation.id}/master-api-keys`, named, ({ prefix }) => prefix);
  const [project] = await create("PROJECT", "projects", named.map((body) => ({ ...body, organisation: organisation.id })));
  const inProject = `projects/${project.id}`;
  const [environment] = await create("ENVIRONMENT", "environments", named.map((body) => ({ ...body, project: project.id })), ({ api_key }) => api_key);
  const inEnvironment = `environments/${environment.api_key}`;
  await create("SERVER_KEY", `${inEnvironment}/api-keys`, named);
  const [feature, other] = await create("FEATURE", `${inProject}/features`, named.map((body) => ({ ...body, type: "MULTIVARIATE" })));
  const options = ["a", "b"].map((string_value) => ({ type: "unicode", string_value, default_percentage_allocation: 20 }));
  await create("OPTION", `${inProject}/features/${feature.id}/mv-options`, options);
  const [segment, otherSegment] = await create("SEGMENT", `${inProject}/segments`, named.map((body) => ({ ...body, rules: RULES })));
  const featureSegments = [segment, otherSegment].map(({ id }) => ({ feature: feature.id, segment: id, environment: environment.id }));
  const [featureSegment] = await create("FEATURE_SEGMENT", "features/feature-segments", featureSegments);
  const value = { type: "unicode", string_value: "of the segment" };
  const state = { feature: feature.id, feature_segment: featureSegment.id, environment: environment.id, feature_state_value: value };
  await send("POST", "features/featurestates", state);
  const { results: states } = await send("GET", `${inEnvironment}/featurestates`);
  const stateOf = ({ id }) => states.find((each) => each.feature === id);
  const identifiers = ["one", "two", "three"].map((identifier) => ({ identifier }));
  const [identity, , third] = await create("IDENTITY", `${inEnvironment}/identities`, identifiers);
  const ofIdentity = `${inEnvironment}/identities/${identity.id}`;
  await create("TRAIT", `${ofIdentity}/traits`, [{ trait_key: "plan", string_value: "gold" }, { trait_key: "age", value_type: "int", integer_value: 5 }]);
  const override = { feature: feature.id, enabled: true };
  await create("OVERRIDE", `${ofIdentity}/featurestates`, [override]);
  // Overrides of the first identity are replaced, and those of the second are deleted with it.
  const ofThird = await send("POST", `${inEnvironment}/identities/${third.id}/featurestates`, override);
  return {
    ...ids,
    THIRD_IDENTITY: String(third.id),
    SPARE_OVERRIDE: String(ofThird.id),
    FEATURE_STATE: String(stateOf(feature).id),
    FEATURE_STATE_UUID: stateOf(feature).uuid,
    SPARE_FEATURE_STATE: String(stateOf(other).id),
    ENVIRONMENT_UUID: environment.uuid,
    SEGMENT_UUID: segment.uuid,
    FEATURE_SEGMENT_UUID: featureSegment.uuid,
  };
}

/** The described path of a request, or null. A path that has a word in place of a parameter comes first. */
function templateOf(target) {
  const [path] = target.split("?");
  const paths = Object.keys(description.paths).filter((each) => new RegExp(`^${each.replaceAll(/\{\w+\}/g, "[^/]+")}$`).test(path));
  const parameters = (each) => each.split("{").length;
  return paths.sort((one, other) => parameters(one) - parameters(other))[0] ?? null;
}
