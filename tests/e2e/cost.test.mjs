// The cost tables of docs/costs.md.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { costTable, countTable, operationsOf } from "../../scripts/bill.mjs";
import { describe } from "../../scripts/openapi.mjs";
import { count } from "./counts.mjs";
import { ROOT } from "./harness.mjs";
import { ADMIN, PUBLIC, WITH_ORIGIN } from "./operations.mjs";

const DESCRIPTION = describe("");

test("every operation of the API's description is counted", () => {
  const counted = [...PUBLIC, ...ADMIN, ...WITH_ORIGIN].map(([operation]) => operation).filter((operation) => operation !== null);
  const described = operationsOf(DESCRIPTION);
  assert.equal(described.size, 59);
  assert.deepEqual([...new Set(counted)].sort(), [...described.keys()].sort());
});

test("the cost tables of the documentation have the counted numbers", async () => {
  const page = readFileSync(join(ROOT, "docs/costs.md"), "utf8");
  const counted = await count();
  for (const table of [countTable(counted, DESCRIPTION), costTable(counted)]) {
    assert.ok(page.includes(table), `docs/costs.md should have this:\n\n${table}\n`);
  }
});
