// The API's description: it is served as it was built, and what it says is so.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { parse } from "yaml";

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

test("every answer is one that the description has", async (t) => {
  const variables = {
    ADMIN_KEY_SHA256: createHash("sha256").update(ADMIN_KEY).digest("hex"),
    SSE_AUTHENTICATION_TOKEN: REALTIME_TOKEN,
    WEBHOOK_SECRET: "secret",
  };
  const edge = await startEdge({ variables });
  t.after(() => edge.close());
  const [{ key, serverKeys }] = edge.environments;
  const output = await run(".make/schemathesis.sh", [DESCRIPTION, "--url", edge.address], {
    ENVIRONMENT_KEY: key,
    SERVER_KEY: serverKeys[0].key,
    ADMIN_CREDENTIAL: `Api-Key ${ADMIN_KEY}`,
    REALTIME_TOKEN: `Token ${REALTIME_TOKEN}`,
  });
  const { paths } = JSON.parse(readFileSync(join(ROOT, DESCRIPTION), "utf8"));
  const operations = Object.values(paths).flatMap((item) => Object.keys(item).filter((name) => name !== "parameters"));
  assert.match(output, new RegExp(`Tested: +${operations.length}\\n`), output);
  assert.doesNotMatch(edge.log, /failure|panic|Uncaught|outside the JavaScript/, "what the worker has logged");
});

/** Runs a command to its end; what it has printed, if it was content. */
async function run(command, parameters, variables) {
  const child = spawn(command, parameters, { cwd: ROOT, env: { ...process.env, ...variables } });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
  const [code] = await once(child, "close");
  assert.equal(code, 0, output);
  return output;
}
