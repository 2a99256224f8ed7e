// Measures evaluation, compilation and loading on wasm32 in this Node. Writes a JSON object: profile → nanoseconds of each.
// `make bench` runs this first.
//
// An isolate compiles or loads an environment once, in code that V8 has not optimized. So each sample of these has a
// process of its own, which compiles or loads the smallest profile before, as the worker's warm-up does.

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROUNDS = 15;
const ROUND_MS = 100;
const COLD_SAMPLES = 11;

const [module, documents, output, step, file] = process.argv.slice(2);
if (!existsSync(documents)) process.exit();
const { Subject, image, profiles } = await import(module);
const names = profiles();
const read = (name) => readFileSync(join(documents, name));

const STEPS = {
  compile: () => (document) => new Subject(document),
  load(name) {
    const bytes = readFileSync(`${output}.${name}.image`);
    return (document) => Subject.from_image(bytes, document);
  },
};

if (step === undefined) measure();
else console.log(cold(STEPS[step]));

function measure() {
  const figures = {};
  for (let at = 0; at < names.length; at += 2) {
    const [file, profile] = names.slice(at);
    writeFileSync(`${output}.${file}.image`, image(read(file)));
    const samples = { compile: [], load: [] };
    for (let sample = 0; sample < COLD_SAMPLES; sample++) {
      for (const step of Object.keys(STEPS)) {
        const command = [fileURLToPath(import.meta.url), module, documents, output, step, file];
        samples[step].push(Number(execFileSync(process.execPath, command, { encoding: "utf8" })));
      }
    }
    figures[profile] = {
      evaluate: nanoseconds(new Subject(read(file))),
      compile: median(samples.compile),
      load: median(samples.load),
    };
  }
  writeFileSync(output, JSON.stringify(figures));
}

/** The nanoseconds of the first call for a document. */
function cold(prepare) {
  prepare(names[0])(read(names[0])).answer(16);
  const [run, document] = [prepare(file), read(file)];
  const start = performance.now();
  run(document);
  return (performance.now() - start) * 1e6;
}

/** The median of some rounds. The first rounds are a warm-up until the code is optimized. */
function nanoseconds(subject) {
  let times = 16;
  while (run(subject, times) < ROUND_MS) times *= 2;
  return median(Array.from({ length: ROUNDS }, () => run(subject, times) / times)) * 1e6;
}

function run(subject, times) {
  const start = performance.now();
  if (subject.answer(times) === 0) throw new Error("no answer");
  return performance.now() - start;
}

function median(samples) {
  return samples.sort((a, b) => a - b)[samples.length >> 1];
}
