// Recorded exchanges of a running Flagsmith's Admin API, replayed through the worker, and the calls of Flagsmith's page on
// direct API access.

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";

import { differences } from "./compare.mjs";
import { RECORDINGS, startEdge } from "./harness.mjs";
import { exchangesIn, startOrigin } from "./origin.mjs";

// The calls of the page that are forwarded to the origin.
const CALLS = {
  "create an environment": ["POST", /^\/api\/v1\/environments\/$/],
  "create a feature": ["POST", /^\/api\/v1\/projects\/\d+\/features\/$/],
  "find the state of a feature": ["GET", /^\/api\/v1\/environments\/\w{22}\/featurestates\/\?feature_name=/],
  "update the state of a feature": ["PATCH", /^\/api\/v1\/environments\/\w{22}\/featurestates\/\d+\/$/],
  "create a segment": ["POST", /^\/api\/v1\/projects\/\d+\/segments\/$/],
  "create a feature segment": ["POST", /^\/api\/v1\/features\/feature-segments\/$/],
  "create a segment override": ["POST", /^\/api\/v1\/features\/featurestates\/$/],
  "update a segment's rules": ["PATCH", /^\/api\/v1\/projects\/\d+\/segments\/\d+\/$/],
  "create an identity override": ["POST", /^\/api\/v1\/environments\/\w{22}\/identities\/\d+\/featurestates\/$/],
  "update an identity override": ["PUT", /^\/api\/v1\/environments\/\w{22}\/identities\/\d+\/featurestates\/\d+\/$/],
  "delete an identity": ["DELETE", /^\/api\/v1\/environments\/\w{22}\/identities\/\d+\/$/],
};

// The paths that the worker answers from published documents.
const SDK = /^\/api\/v1\/(flags|identities|environment-document)\/(\?|$)/;

if (RECORDINGS === null) {
  console.log("NOT RUN: the recorded exchanges of the Admin API, whose folder does not exist; set RECORDINGS");
} else {
  const exchanges = exchangesIn(join(RECORDINGS, "admin.jsonl"));

  test("the recorded exchanges of the Admin API are forwarded and answered", async (t) => {
    const { edge, origin } = await start(t);
    const replayed = exchanges.filter(({ request }) => !SDK.test(request.path));
    const failures = [];
    for (const { name, request, response: expected } of replayed) {
      const { method, headers, body } = request;
      const path = request.path.replaceAll("<", "%3C").replaceAll(">", "%3E");
      // Pagination links have the address that the client requested.
      const here = JSON.parse(JSON.stringify(expected).replaceAll("127.0.0.1:8001", headers.Host ?? `127.0.0.1:${edge.port}`));
      const response = await edge.request({ method, path, headers, body });
      const found = differences(here, response);
      const arrived = origin.requests.at(-1);
      if (arrived.target !== path) found.push(`arrived as ${arrived.target}`);
      // A body after the answer to a HEAD would break the connection, so a GET is sent instead.
      if (arrived.method !== (method === "HEAD" ? "GET" : method)) found.push(`arrived as ${arrived.method}`);
      if (found.length > 0) failures.push([`${name}: ${method} ${path}`, ...found.slice(0, 6)].join("\n    "));
    }
    if (failures.length > 0) assert.fail(`${failures.length} of ${replayed.length} differ\n\n${failures.join("\n\n")}`);
    assert.equal(replayed.length, 709, "the number of exchanges");
    assert.equal(origin.requests.length, replayed.length, "each request arrives at the origin once");
  });

  for (const [what, [method, pattern]] of Object.entries(CALLS)) {
    test(`direct API access: ${what}`, async (t) => {
      const { edge, origin } = await start(t);
      const { request, response: expected } = exchanges.find(
        ({ request, response }) => request.method === method && pattern.test(request.path) && response.status < 300,
      );
      const response = await fetch(edge.address + request.path, request);
      const answer = { status: response.status, headers: Object.fromEntries(response.headers), text: await response.text() };
      assert.deepEqual(differences(expected, answer), []);
      const [arrived] = origin.requests;
      assert.deepEqual([arrived.method, arrived.target, arrived.body.toString()], [method, request.path, request.body ?? ""]);
      assert.equal(arrived.headers.authorization, request.headers.Authorization);
      assert.equal(arrived.headers["content-length"] ?? "0", `${Buffer.byteLength(request.body ?? "")}`);
    });
  }
}

async function start(t) {
  const origin = await startOrigin({ recordings: RECORDINGS });
  t.after(() => origin.close());
  const edge = await startEdge({ origin });
  t.after(() => edge.close());
  return { edge, origin };
}
