// Fails where the worker, compressed as it is sent to an account, is larger than its budget in KiB.

import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const [file, budget] = process.argv.slice(2);
const size = gzipSync(readFileSync(file), { level: 9 }).length / 1024;
console.log(`${file}: ${size.toFixed(1)} KiB of ${budget} KiB (gzip)`);
if (size > Number(budget)) {
  console.error("It is over its budget. If what it grew by is worth it, raise WASM_BUDGET_KIB in the Makefile.");
  process.exit(1);
}
