// Recorded exchanges, replayed in order over HTTP: request → whole response.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";

import { differences } from "./compare.mjs";
import { FIXTURES, RECORDINGS, ROOT, startEdge } from "./harness.mjs";

const EXCHANGES = join(ROOT, "fixtures/exchanges");

test("the project's own exchanges are answered as written", async (t) => {
  const edge = await startEdge({ documents: FIXTURES });
  t.after(() => edge.close());
  const counts = {};
  for (const file of readdirSync(EXCHANGES)) counts[file] = await replay(edge, join(EXCHANGES, file), FIXTURES);
  assert.deepEqual(counts, { "ofrep.jsonl": 16, "shop.jsonl": 43 }, "the number of exchanges in each file of fixtures/exchanges");
});

if (RECORDINGS === null) {
  console.log("NOT RUN: the recordings of a running Flagsmith, whose folder does not exist; set RECORDINGS");
} else {
  const edge = await startEdge({ documents: join(RECORDINGS, "documents") });
  after(() => edge.close());

  // The files are one sequence: the second uses the identities of the first.
  for (const [file, count] of [["sdk.jsonl", 388], ["sdk-differences.jsonl", 85]]) {
    test(`the recordings in ${file} are answered as recorded`, async () => {
      assert.equal(await replay(edge, join(RECORDINGS, file), join(RECORDINGS, "documents")), count, "the number of exchanges");
    });
  }
}

/** Replays the exchanges of a file, fails with all differences together, and reports the number of exchanges. */
async function replay(edge, file, documents) {
  const exchanges = readFileSync(file, "utf8").split("\n").filter(Boolean).map((line) => JSON.parse(line));
  const failures = [];
  for (const { name, environment, request, response: expected } of exchanges) {
    const found = await edge
      .request({ ...request, body: bytesOf(request.body) })
      .then((response) => differences(expected, response, join(documents, `${environment}.json`)))
      .catch((error) => [error.message]);
    if (found.length > 0) failures.push(describe(name, request, found));
  }
  if (failures.length > 0) assert.fail(`${failures.length} of ${exchanges.length} differ\n\n${failures.join("\n\n")}`);
  return exchanges.length;
}

function bytesOf(body) {
  if (body === null || typeof body === "string") return body;
  return Buffer.from(body.base64, "base64");
}

function describe(name, { method, path, body }, found) {
  const sent = body === null ? "" : ` ${JSON.stringify(body).slice(0, 200)}`;
  const more = found.length > 6 ? [`and ${found.length - 6} more`] : [];
  return [`${name}: ${method} ${path}${sent}`, ...found.slice(0, 6), ...more].join("\n    ");
}
