// Conditions that exceed the budget of an evaluation: the client's answer, the log, and the operator's view.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { startAdmin } from "./admin.mjs";
import { FIXTURES } from "./harness.mjs";

const UNION = `[${Array(12).fill("*").join(",")}]`;
const segment = (id, condition) => ({
  id,
  name: `segment ${id}`,
  feature_states: [],
  rules: [{ type: "ALL", conditions: [], rules: [{ type: "ANY", rules: [], conditions: [condition] }] }],
});
const SEGMENTS = [
  // Each step of the path visits every node twelve times as often as the previous step.
  segment(9001, { property_: `$.*${UNION.repeat(6)}.zz`, operator: "IS_NOT_SET", value: null }),
  segment(9002, { property_: "plan", operator: "REGEX", value: "pro" }),
  segment(9003, { property_: "plan", operator: "EQUAL", value: "pro" }),
];

test("a condition that exceeds the budget does not match, and the log names its segment once", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "edge-documents-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const document = JSON.parse(readFileSync(join(FIXTURES, "production.json"), "utf8"));
  document.project.segments.push(...SEGMENTS);
  writeFileSync(join(folder, "production.json"), JSON.stringify(document));
  writeFileSync(join(folder, "server-keys.json"), readFileSync(join(FIXTURES, "server-keys.json")));
  const admin = await startAdmin(t, { documents: folder });
  const { key } = admin;
  const identify = (identifier) =>
    admin.edge.request({
      method: "POST",
      path: "/api/v1/identities/",
      headers: { "X-Environment-Key": key, "Content-Type": "application/json" },
      body: JSON.stringify({ identifier, traits: [{ trait_key: "plan", trait_value: "pro" }] }),
    });
  const answers = await Promise.all(["first", "second", "first"].map(identify));
  assert.deepEqual(answers.map(({ status }) => status), [200, 200, 200]);
  assert.deepEqual(answers[2].json(), answers[0].json());
  await admin.expect(200, "GET", `/edge/environments/${key}/identities/count/`);
  await admin.edge.flush();
  const lines = admin.edge.log.split("\n").filter((line) => line.includes('"failure":"evaluation"')).map((line) => JSON.parse(line));
  assert.deepEqual(lines, [
    {
      failure: "evaluation",
      cause: "the conditions of segment 9001 need more than the 1000000 steps of an evaluation; those that need more do not hold",
      environment: key,
    },
  ]);
  const explained = await admin.expect(200, "GET", `/edge/environments/${key}/identities/explain/?identifier=first`);
  const of = (id) => explained.segments.find((segment) => segment.id === id);
  const condition = (id) => of(id).rules[0].rules[0].conditions[0];
  assert.deepEqual(SEGMENTS.map(({ id }) => [of(id).matches, of(id).exhausted]), [[false, true], [false, false], [true, false]]);
  assert.deepEqual(SEGMENTS.map(({ id }) => [condition(id).holds, condition(id).exhausted]), [[false, true], [false, true], [true, false]]);
});
