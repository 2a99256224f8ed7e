// A CPU profile of a row under load: `ROWS=flags-small node tests/bench/http/profile.mjs`.
//
// ROWS: part of the id of one row. WORKER: `ours`, or one of the row's baselines. SECONDS (5).
// PROFILE: the file to write, for the performance panel of DevTools. Prints the functions with the most self time.

import { writeFileSync } from "node:fs";

import { DevTools } from "./devtools.mjs";
import { load, requireWrk } from "./load.mjs";
import { startBaseline, startOurs } from "./contenders.mjs";
import { rowsNamed } from "./rows.mjs";

const SECONDS = Number(process.env.SECONDS || 5);
const WORKER = process.env.WORKER || "ours";
const SAMPLE_MICROSECONDS = 100;
const FUNCTIONS = 40;

const [row] = rowsNamed(process.env.ROWS).rows;
if (row === undefined) throw new Error(`${process.env.ROWS} is not a row`);
const file = process.env.PROFILE || `${row.id}-${WORKER}.cpuprofile`;
try {
  requireWrk();
  const subject = await startSubject();
  await load(subject.edge, subject.requests, 2);
  const tools = await DevTools.connect(subject.edge.inspectorPort);
  await tools.call("Profiler.enable");
  await tools.call("Profiler.setSamplingInterval", { interval: SAMPLE_MICROSECONDS });
  await tools.call("Profiler.start");
  const { perSecond } = await load(subject.edge, subject.requests, SECONDS);
  const { profile } = await tools.call("Profiler.stop");
  tools.close();
  writeFileSync(file, JSON.stringify(profile));
  console.log(`${row.title}: ${WORKER}, ${Math.round(perSecond)} requests/s while profiled`);
  console.log(selfTimes(profile, perSecond * SECONDS).join("\n"));
  console.log(`Written to ${file}`);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
// Also ends the runtimes.
process.exit();

async function startSubject() {
  const ours = await startOurs(row, { inspector: WORKER === "ours" });
  if (ours.answer === null) throw new Error("not answered with 304");
  if (WORKER === "ours") return ours;
  return startBaseline(WORKER, ours, row, { inspector: true });
}

/** A line for each function: its share of the busy time, microseconds for each request, name, place. */
function selfTimes({ nodes, samples, timeDeltas }, requests) {
  const callers = new Map(nodes.flatMap(({ children = [], callFrame }) => children.map((id) => [id, callFrame])));
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame, callers.get(id))]));
  const times = new Map();
  // A delta is the time since the previous sample.
  samples.forEach((id, at) => {
    const name = names.get(id);
    times.set(name, (times.get(name) ?? 0) + (timeDeltas[at + 1] ?? 0));
  });
  times.delete("(idle)");
  const total = [...times.values()].reduce((sum, time) => sum + time, 0);
  return [...times]
    .sort(([, a], [, b]) => b - a)
    .slice(0, FUNCTIONS)
    .map(([name, time]) => `${((100 * time) / total).toFixed(1).padStart(5)} %  ${(time / requests).toFixed(1).padStart(6)} µs  ${name}`);
}

/** The runtime's own functions have no place and sometimes no name, so their caller is shown. */
function nameOf({ functionName, url, lineNumber }, caller) {
  if (url === "") return functionName || `(native, called by ${nameOf(caller)})`;
  const name = functionName || "(anonymous)";
  if (url.startsWith("wasm:")) return `${name.replace(/::h[0-9a-f]{16}$/, "").replace(/\[[0-9a-f]{16}\]/g, "")}  wasm`;
  return `${name}  ${url.split("/").pop()}:${lineNumber + 1}`;
}
