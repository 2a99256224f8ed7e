// Every operation that reads a body refuses a Content-Encoding, and the error names the accepted form.

import assert from "node:assert/strict";
import { test } from "node:test";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";

import { startFlagsmith } from "./flagsmith.mjs";
import { FIXTURES, startEdge } from "./harness.mjs";
import { ADMIN, Caller, PUBLIC, VARIABLES, WITH_ORIGIN } from "./operations.mjs";

const ENCODINGS = [
  ["gzip", gzipSync],
  ["br", brotliCompressSync],
  ["deflate", deflateSync],
  // An encoding in the header that was not applied to the body.
  ["x-unknown", Buffer.from],
  ["identity, GZIP", gzipSync],
];

test("every route that reads a body refuses a compressed one", async (t) => {
  const flagsmith = await startFlagsmith(FIXTURES);
  t.after(() => flagsmith.close());
  const edge = await startEdge({ origin: flagsmith.origin, variables: VARIABLES });
  t.after(() => edge.close());
  const caller = new Caller(edge, flagsmith);
  const failures = [];
  const refused = new Set();
  // Requests without an operation are forwarded to the origin, and events to their server.
  const isRead = ([operation]) => operation !== null && operation !== "recordEvents";
  for (const [operation, , prepare] of [...PUBLIC, ...ADMIN, ...WITH_ORIGIN].filter(isRead)) {
    const request = await prepare(caller);
    if (request.body === null) continue;
    refused.add(operation);
    for (const [encoding, encode] of ENCODINGS) {
      for (const chunked of [false, true]) {
        const headers = { ...request.headers, "Content-Encoding": encoding };
        const answer = await edge.request({ ...request, headers, body: encode(request.body), chunked });
        const detail = `Unsupported content encoding "${encoding}" in request: send uncompressed JSON.`;
        // OpenFeature's protocol has another shape of errors.
        const text = operation.startsWith("evaluateFlag") ? answer.json().errorDetails : answer.text;
        const got = [answer.status, answer.headers["accept-encoding"], text];
        const expected = [415, "identity", operation.startsWith("evaluateFlag") ? detail : JSON.stringify({ detail })];
        if (JSON.stringify(got) !== JSON.stringify(expected)) failures.push(`${operation}, ${encoding}: ${got.join(" ")}`);
      }
    }
    const plain = await edge.request({ ...request, headers: { ...request.headers, "Content-Encoding": "identity" } });
    if (plain.status === 415) failures.push(`${operation}, identity: ${plain.status} ${plain.text}`);
  }
  assert.deepEqual(failures, []);
  assert.equal(refused.size, 25, [...refused].join(" "));
});

test("Content-Encoding without a body is ignored", async (t) => {
  const edge = await startEdge();
  t.after(() => edge.close());
  const [{ key }] = edge.environments;
  const headers = { "X-Environment-Key": key, "Content-Encoding": "gzip" };
  for (const request of [{ method: "GET", path: "/api/v1/flags/" }, { method: "POST", path: "/api/v1/identities/" }, { method: "POST", path: "/api/v1/identities/", body: "" }]) {
    const { status, text } = await edge.request({ ...request, headers });
    assert.equal(status, 200, `${request.method} ${request.path}: ${text}`);
  }
});
