// Fails if the worker, compressed as for an upload, is larger than its budget in KiB.

import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const [file, budget] = process.argv.slice(2);
const size = gzipSync(readFileSync(file), { level: 9 }).length / 1024;
console.log(`${file}: ${size.toFixed(1)} KiB of ${budget} KiB (gzip)`);
if (size > Number(budget)) {
  console.error("The worker is over its budget. Make it smaller, or raise WASM_BUDGET_KIB in the Makefile if the growth is worth it.");
  process.exit(1);
}
