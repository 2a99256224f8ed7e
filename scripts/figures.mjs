// Writes the figures that the operator's page shows and the WebAssembly cannot contain: its uploaded size, and its budget
// in KiB.

import { readFileSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const [wasm, budget, target] = process.argv.slice(2);
const binary = readFileSync(wasm);
const figures = { bytes: binary.length, gzip_bytes: gzipSync(binary, { level: 9 }).length, budget_kib: Number(budget) };
writeFileSync(target, JSON.stringify(figures));
