// Measures evaluation on wasm32 in this Node. Writes a JSON object: profile → nanoseconds for each identity. `make bench` runs
// this first.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const ROUNDS = 15;
const ROUND_MS = 100;

const [module, documents, output] = process.argv.slice(2);
if (!existsSync(documents)) process.exit();
const { Subject, profiles } = await import(module);
const names = profiles();
const figures = {};
for (let at = 0; at < names.length; at += 2) {
  figures[names[at + 1]] = nanoseconds(new Subject(readFileSync(join(documents, names[at]))));
}
writeFileSync(output, JSON.stringify(figures));

/** The median of some rounds. The first rounds are a warm-up until the code is optimized. */
function nanoseconds(subject) {
  let times = 16;
  while (run(subject, times) < ROUND_MS) times *= 2;
  const rounds = Array.from({ length: ROUNDS }, () => run(subject, times) / times);
  return rounds.sort((a, b) => a - b)[ROUNDS >> 1] * 1e6;
}

function run(subject, times) {
  const start = performance.now();
  if (subject.answer(times) === 0) throw new Error("no answer");
  return performance.now() - start;
}
