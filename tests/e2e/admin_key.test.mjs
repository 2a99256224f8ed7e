// The worker's own admin key never reaches the origin, in any form that a client may send.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";

import { startEdge } from "./harness.mjs";
import { answer, startRawOrigin } from "./raw_origin.mjs";
import { recordedBody } from "./shapes.mjs";

const KEY = "0123456789abcdef.local-admin-key";
const ADMINISTRATOR = recordedBody("GET", "/api/v1/environments/{key}/my-permissions/");
const HOW_TO_SEND_IT = "The admin key is taken from the header `Authorization: Api-Key <key>` only: send it so.";
const basic = (text) => `Basic ${Buffer.from(text).toString("base64")}`;

const GRANTING = ["Api-Key", "api-key", "API-KEY", " Api-Key ", "Api-Key\t"].map((keyword) => ({ Authorization: `${keyword} ${KEY}` }));
const OTHERS = [
  ...["Token", "Bearer", "JWT", "Key", "Api-Key:", "Token token =", ""].map((keyword) => ({ Authorization: `${keyword} ${KEY}` })),
  { Authorization: `Token\t${KEY}` },
  { Authorization: `Token "${KEY}"` },
  { Authorization: `Token token="${KEY}", realm="api"` },
  { Authorization: `Api-Key=${KEY}` },
  { Authorization: [`Api-Key other.key`, `Token ${KEY}`] },
  { Authorization: basic(`${KEY}:`) },
  { Authorization: basic(`admin:${KEY}`) },
  { Cookie: `jwt=${KEY}` },
  { Cookie: `theme=dark; jwt="${KEY}"; csrftoken=x` },
  { Cookie: `jwt=${KEY.replaceAll("-", "%2D")}` },
  { Authorization: "Token user", Cookie: `jwt=${KEY}` },
];

test("permission probes never contain the admin key", async (t) => {
  const { edge, origin } = await start(t);
  const [{ key }] = edge.environments;
  for (const path of [`/api/v1/environments/${key}/edge-identities/`, `/edge/environments/${key}/identities/count/`, "/edge/status"]) {
    for (const headers of GRANTING) {
      assert.equal((await edge.request({ path, headers })).status, 200, `${path} ${JSON.stringify(headers)}`);
    }
    for (const headers of OTHERS) {
      const response = await edge.request({ path, headers });
      assert.deepEqual([response.status, response.json()], [401, { detail: HOW_TO_SEND_IT }], `${path} ${JSON.stringify(headers)}`);
    }
  }
  assert.equal(origin.received, "");
  // The origin decides about every other credential.
  origin.on("GET", `/api/v1/environments/${key}/my-permissions/`, answer("200 OK", {}, JSON.stringify(ADMINISTRATOR)));
  for (const headers of [{ Authorization: `Token ${KEY}x` }, { Cookie: `jwt=x${KEY}` }]) {
    assert.equal((await edge.request({ path: `/api/v1/environments/${key}/edge-identities/`, headers })).status, 200);
  }
  assert.equal(origin.requests.length, 2);
});

test("forwarded requests never contain the admin key", async (t) => {
  const { edge, origin } = await start(t);
  const inOtherHeaders = ["X-Api-Key", "X-Environment-Key", "X-Auth-Token"].map((name) => ({ [name]: KEY }));
  for (const headers of [...GRANTING, ...OTHERS, ...inOtherHeaders]) {
    const response = await edge.request({ method: "POST", path: "/api/v1/projects/", headers: { "X-Kept": "kept", ...headers }, body: "{}" });
    assert.equal(response.status, 200, JSON.stringify(headers));
  }
  assert.equal(origin.requests.length, GRANTING.length + OTHERS.length + inOtherHeaders.length);
  for (const form of [KEY, KEY.replaceAll("-", "%2D"), basic(`${KEY}:`), basic(`admin:${KEY}`)]) {
    assert.ok(!origin.received.includes(form), `the origin received ${form}`);
  }
  // Other cookies and headers are forwarded.
  assert.equal(origin.requests.filter(({ head }) => /^x-kept: kept$/im.test(head)).length, origin.requests.length);
  const cookies = origin.requests.map(({ head }) => /^cookie: (.*)$/im.exec(head)?.[1]).filter(Boolean);
  assert.deepEqual(cookies, ["theme=dark; csrftoken=x"]);
  const credentials = origin.requests.map(({ head }) => /^authorization: (.*)$/im.exec(head)?.[1]).filter(Boolean);
  assert.deepEqual(credentials, ["Token user"]);
});

async function start(t) {
  const origin = await startRawOrigin();
  t.after(() => origin.close());
  const edge = await startEdge({ origin, variables: { ADMIN_KEY_SHA256: createHash("sha256").update(KEY).digest("hex") } });
  t.after(() => edge.close());
  return { edge, origin };
}
