// What the README says that it costs.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { costTable, countTable } from "../../.make/bill.mjs";
import { count } from "./counts.mjs";
import { ROOT } from "./harness.mjs";

test("the README's tables of what is billed are those that are counted", async () => {
  const readme = readFileSync(join(ROOT, "README.md"), "utf8");
  const counts = await count();
  for (const table of [countTable(counts), costTable(counts)]) {
    assert.ok(readme.includes(table), `the README should have this:\n\n${table}\n`);
  }
});
