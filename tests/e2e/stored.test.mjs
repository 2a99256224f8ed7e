// The stored data of released versions. For each version, fixtures/stored has the objects' databases, KV, and the version's
// answers from them (fixtures/stored/README.md).

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { ADMIN_KEY, ADMIN_KEY_SHA256, startFlagsmith, TOKEN } from "./flagsmith.mjs";
import { eventually, FIXTURES, ROOT, startEdge } from "./harness.mjs";

test("data stored by version 0.1.0 is readable", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "stored-"));
  t.after(() => rmSync(folder, { recursive: true }));
  execFileSync("tar", ["-xzf", join(ROOT, "fixtures/stored/0.1.0.tar.gz"), "-C", folder]);
  const read = (name) => JSON.parse(readFileSync(join(folder, name), "utf8"));
  const [kv, before] = [read("kv.json"), read("answers.json")];
  const flagsmith = await startFlagsmith(FIXTURES);
  t.after(() => flagsmith.close());
  // Documents are read from the store only.
  flagsmith.origin.behaviour = ({ path }) => (path.includes("analytics") ? "serve" : "fail");
  for (const path of ["/api/v1/analytics/flags/", "/api/v2/analytics/flags/"]) {
    flagsmith.origin.on("POST", path, { status: path.includes("v1") ? 200 : 204 });
  }
  const variables = { ORIGIN_API_TOKEN: TOKEN, ADMIN_KEY_SHA256, ANALYTICS_INTERVAL_SECONDS: 1 };
  const edge = await startEdge({ stored: join(folder, "objects"), origin: flagsmith.origin, variables });
  t.after(() => edge.close());
  edge.kv.entries.clear();
  for (const [name, value] of Object.entries(kv.entries)) edge.kv.entries.set(name, Buffer.from(value));

  const { key } = before;
  const sdk = { "X-Environment-Key": key };
  const admin = { Authorization: `Api-Key ${ADMIN_KEY}` };
  const get = async (path, headers) => {
    const answer = await edge.request({ path, headers });
    assert.equal(answer.status, 200, `${path}: ${answer.text}\n${edge.log}`);
    return answer.json();
  };
  assert.deepEqual(await get("/api/v1/flags/", sdk), before.flags, "the document in its latest version");
  for (const [identifier, answer] of Object.entries(before.identities)) {
    assert.deepEqual(await get(`/api/v1/identities/?identifier=${identifier}`, sdk), answer, identifier);
  }
  const root = `/api/v1/environments/${key}`;
  assert.deepEqual((await get(`${root}/edge-identities/`, admin)).results, before.listed);
  assert.deepEqual(await get(`${root}/edge-identity-overrides`, admin), before.overrides);
  // The export is compared as text, so that no number changes.
  const exported = await edge.request({
    path: `/edge/environments/${key}/identities/export/?page_size=50`,
    headers: { ...admin, Accept: "application/x-ndjson" },
  });
  const lines = exported.text.trimEnd().split("\n");
  assert.equal(`{"identities":[${lines.slice(0, -1).join(",")}],${lines.at(-1).slice(1)}`, before.exported);

  const answer = await edge.request({
    method: "POST",
    path: `/edge/environments/${key}/identities/import/`,
    headers: { ...admin, "Content-Type": "application/x-ndjson" },
    body: lines.slice(0, -1).join("\n"),
  });
  assert.equal(answer.status, 200, answer.text);
  for (const { identity_uuid } of before.listed) {
    const erased = await edge.request({ method: "DELETE", path: `${root}/edge-identities/${identity_uuid}/`, headers: admin });
    assert.equal(erased.status, 204, erased.text);
  }
  assert.deepEqual((await get(`${root}/edge-identities/`, admin)).results, []);

  // One more evaluation triggers the delivery, since the stored ones alone may wait longer than a test should.
  const feature = before.flags[0].feature.name;
  const report = (path, body) => edge.request({ method: "POST", path, headers: { ...sdk, "Content-Type": "application/json" }, body: JSON.stringify(body) });
  await report("/api/v1/analytics/flags/", { [feature]: 1 });
  const sent = (version) => flagsmith.origin.requestsFor("POST", `/api/${version}/analytics/flags/`).map(({ body }) => JSON.parse(body));
  const counted = () => sent("v1").reduce((sum, counts) => sum + counts[feature], 0);
  await eventually(() => counted() >= 8 && sent("v2").length > 0, "the queued evaluations reach the origin");
  assert.equal(counted(), 8);
  assert.deepEqual(sent("v2").flatMap(({ evaluations }) => evaluations), [
    { feature_name: feature, identity_identifier: "ada", enabled_when_evaluated: true, count: 3 },
  ]);
});
