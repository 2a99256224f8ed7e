// `?reasons=true` over HTTP, and the answers without it, which are prepared once for all requests.

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { startEdge } from "./harness.mjs";

const edge = await startEdge();
after(() => edge.close());
const headers = { "X-Environment-Key": edge.environments[0].key };
const get = (path, more = {}) => edge.request({ path, headers: { ...headers, ...more } });

test("cached flags have no reasons, even if the first request asks for reasons", async () => {
  const explained = await get("/api/v1/flags/?reasons=true");
  const plain = await get("/api/v1/flags/");
  assert.deepEqual([explained.status, plain.status], [200, 200]);
  assert.ok(explained.json().length > 0);
  for (const { reason } of explained.json()) assert.equal(reason, "DEFAULT");
  assert.deepEqual(explained.json().map(({ reason, ...flag }) => flag), plain.json());
  assert.equal((await get("/api/v1/flags/")).text, plain.text);
  assert.equal((await get("/api/v1/flags/?reasons=false")).text, plain.text);
  assert.notEqual(explained.headers.etag, plain.headers.etag);
  assert.equal(explained.headers["x-flagsmith-document-updated-at"], plain.headers["x-flagsmith-document-updated-at"]);
});

test("answers with and without reasons have different entity tags", async () => {
  for (const [path, separator] of [["/api/v1/flags/", "?"], ["/api/v1/identities/?identifier=kept", "&"]]) {
    const explained = `${path}${separator}reasons=true`;
    const tags = await Promise.all([path, explained].map(async (path) => (await get(path)).headers.etag));
    for (const [asked, kept, status] of [
      [path, tags[0], 304],
      [path, tags[1], 200],
      [explained, tags[1], 304],
      [explained, tags[0], 200],
    ]) {
      assert.equal((await get(asked, { "If-None-Match": kept })).status, status, `${asked} ${kept}`);
    }
  }
});

test("an identity gets reasons, by GET and by POST", async () => {
  const traits = [{ trait_key: "country", trait_value: "BE" }];
  const posted = await edge.request({
    method: "POST",
    path: "/api/v1/identities/?reasons=true",
    headers: { ...headers, "Content-Type": "application/json" },
    body: JSON.stringify({ identifier: "joan@example.com", traits }),
  });
  const reasons = (answer) => Object.fromEntries(answer.json().flags.map(({ feature, reason }) => [feature.name, reason]));
  const { free_shipping_threshold, support_chat, loyalty_programme } = reasons(posted);
  assert.equal(free_shipping_threshold, "TARGETING_MATCH; segment=benelux");
  assert.equal(support_chat, "TARGETING_MATCH; segment=identity_overrides");
  assert.equal(loyalty_programme, "DEFAULT");
  assert.deepEqual(reasons(await get("/api/v1/identities/?identifier=joan@example.com&reasons=true")), reasons(posted));
});
