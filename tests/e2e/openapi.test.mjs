// The API's description is served as built, and agrees with the worker.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

import converter from "openapi-to-postmanv2";
import { parse } from "yaml";

import { checkExamples, flatten, operationsOf, run } from "./descriptions.mjs";
import { ROOT, startEdge } from "./harness.mjs";

const DESCRIPTION = "build/assets/api/v1/swagger.json";
const ADMIN_KEY = "local.key";
const REALTIME_TOKEN = "realtime";

test("the description is served as JSON and as YAML", async (t) => {
  const edge = await startEdge();
  t.after(() => edge.close());
  const json = await edge.request({ path: "/api/v1/swagger.json" });
  assert.deepEqual([json.status, json.headers["content-type"]], [200, "application/json"]);
  assert.equal(json.headers["access-control-allow-origin"], "*");
  const description = json.json();
  assert.equal(description.openapi, "3.1.0");
  assert.equal(description.info.version, (await edge.request({ path: "/version/" })).json().image_tag);
  const yaml = await edge.request({ path: "/api/v1/swagger.yaml" });
  assert.deepEqual([yaml.status, yaml.headers["content-type"]], [200, "application/yaml"]);
  assert.deepEqual(parse(yaml.text), description);
});

test("every JSON answer has an example, and every example fits its schema", () => {
  const { found, count } = checkExamples(JSON.parse(readFileSync(join(ROOT, DESCRIPTION), "utf8")));
  assert.deepEqual(found, []);
  assert.equal(count, 132, "the number of examples");
});

test("Postman imports the description, and its requests work", async (t) => {
  const edge = await startEdge();
  t.after(() => edge.close());
  const input = { type: "string", data: readFileSync(join(ROOT, DESCRIPTION), "utf8") };
  // The steps of docs/operations.md.
  const settings = { folderStrategy: "Tags", enableOptionalParameters: false };
  const { result, reason, output } = await promisify(converter.convertV2.bind(converter))(input, settings);
  assert.ok(result, reason);
  const requests = output[0].data.item.flatMap((folder) => folder.item.flatMap(flatten));
  assert.equal(requests.length, operationsOf(JSON.parse(input.data)).length);
  const variables = { baseUrl: edge.address, apiKey: edge.environments[0].key };
  for (const [name, count] of [["The environment's flags", 7], ["Set an identity's traits and get its flags", 7]]) {
    const { method, url, header, auth, body } = requests.find((request) => request.name === name).request;
    const set = (text) => text.replaceAll(/\{\{(\w+)\}\}/g, (_, variable) => variables[variable]);
    const query = url.query.filter(({ disabled }) => !disabled);
    assert.deepEqual(query.map(({ key }) => key), [], "only what must be there is sent");
    const headers = header.filter(({ disabled }) => !disabled).map(({ key, value }) => [key, value]);
    const { key, value } = Object.fromEntries(auth.apikey.map(({ key, value }) => [key, value]));
    const response = await fetch(set(`${url.host[0]}/${url.path.join("/")}`), {
      method,
      headers: [...headers, [key, set(value)]],
      body: body?.raw,
    });
    const answer = await response.json();
    assert.deepEqual([response.status, (answer.flags ?? answer).length], [200, count], name);
  }
});

test("every answer conforms to the description", async (t) => {
  const variables = {
    ADMIN_KEY_SHA256: createHash("sha256").update(ADMIN_KEY).digest("hex"),
    SSE_AUTHENTICATION_TOKEN: REALTIME_TOKEN,
    WEBHOOK_SECRET: "secret",
  };
  const edge = await startEdge({ variables });
  t.after(() => edge.close());
  const [{ key, serverKeys }] = edge.environments;
  const output = await run("scripts/schemathesis.sh", ["tests/openapi/schemathesis.toml", DESCRIPTION, "--url", edge.address], {
    ENVIRONMENT_KEY: key,
    SERVER_KEY: serverKeys[0].key,
    ADMIN_CREDENTIAL: `Api-Key ${ADMIN_KEY}`,
    REALTIME_TOKEN: `Token ${REALTIME_TOKEN}`,
  });
  const description = JSON.parse(readFileSync(join(ROOT, DESCRIPTION), "utf8"));
  // All but the two streams, which have no end.
  assert.match(output, new RegExp(`Tested: +${operationsOf(description).length - 2}\\n`), output);
  await edge.flush();
  // The settings for notifications have no effect without an origin, which the worker logs.
  const log = edge.log.replaceAll(/^\{"failure":"settings","cause":"\w+ has no effect without ORIGIN_URL\.".*$/gm, "");
  assert.doesNotMatch(log, /failure|panic|Uncaught|outside the JavaScript/, "what the worker has logged");
});
