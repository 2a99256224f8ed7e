// The Admin API as a running Flagsmith was recorded to answer it, replayed through the worker; and the calls of
// Flagsmith's page on direct API access, as they stand.

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";

import { differences } from "./compare.mjs";
import { RECORDINGS, startEdge } from "./harness.mjs";
import { exchangesIn, startOrigin } from "./origin.mjs";

// Served here, from what is published here.
const SDK = /^\/api\/v1\/(flags|identities|environment-document)\/(\?|$)/;

if (RECORDINGS === null) {
  console.log("RECORDINGS is not there: the Admin API is not replayed.");
} else {
  const exchanges = exchangesIn(join(RECORDINGS, "admin.jsonl"));

  test("everything that was recorded of the Admin API", async (t) => {
    const { edge, origin } = await start(t);
    const replayed = exchanges.filter(({ request }) => !SDK.test(request.path));
    const failures = [];
    for (const { name, request, response: expected } of replayed) {
      const { path, body } = request;
      const { headers, ...rest } = { ...request, path: path.replaceAll("<", "%3C").replaceAll(">", "%3E"), body };
      // The page's addresses are where the client found it.
      const here = JSON.parse(JSON.stringify(expected).replaceAll("127.0.0.1:8001", headers.Host ?? `127.0.0.1:${edge.port}`));
      const response = await edge.request({ ...rest, headers });
      const found = differences(here, response);
      const arrived = origin.requests.at(-1);
      if (arrived.target !== rest.path) found.push(`arrived as ${arrived.target}`);
      if (arrived.method !== request.method) found.push(`arrived as ${arrived.method}`);
      if (found.length > 0) failures.push([`${name}: ${request.method} ${path}`, ...found.slice(0, 6)].join("\n    "));
    }
    if (failures.length > 0) assert.fail(`${failures.length} of ${replayed.length} differ\n\n${failures.join("\n\n")}`);
    assert.equal(replayed.length, 709, "the number of exchanges");
    assert.equal(origin.requests.length, replayed.length, "what is the origin's arrives there, once");
  });
}

async function start(t) {
  const origin = await startOrigin({ recordings: RECORDINGS });
  t.after(() => origin.close());
  const edge = await startEdge({ origin });
  t.after(() => edge.close());
  return { edge, origin };
}
