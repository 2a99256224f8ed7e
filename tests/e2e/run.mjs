// Runs the end-to-end tests, several files at a time: node tests/e2e/run.mjs <concurrency>

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { fileURLToPath } from "node:url";

const FOLDER = fileURLToPath(new URL(".", import.meta.url));
const SUFFIX = ".test.mjs";
/** The files that take longest, which start first: otherwise the last of them would run alone. */
const FIRST = ["origin_openapi", "operator_flags", "deploy", "dev", "chaos", "dev_embedded", "explorer", "openapi", "publishing", "operator"];

const all = readdirSync(FOLDER).filter((name) => name.endsWith(SUFFIX)).sort();
const first = FIRST.map((name) => `${name}${SUFFIX}`);
const missing = first.filter((name) => !all.includes(name));
if (missing.length > 0) throw new Error(`tests/e2e/run.mjs names files that do not exist: ${missing.join(", ")}`);
const files = [...first, ...all.filter((name) => !first.includes(name))];

run({ files: files.map((name) => join(FOLDER, name)), concurrency: Number(process.argv[2]) })
  .on("test:fail", () => (process.exitCode = 1))
  .compose(new spec())
  .pipe(process.stdout);
