// `make bench-http`: compares the worker with baselines under wrk, one process each, in turns.
//
// ROWS: parts of the ids in rows.mjs, comma-separated; all rows by default. SECONDS: the length of a round (3). ROUNDS: their
// number (5). START_ROUNDS: the number of starts (7). FORMAT: `table`, or `json` with every round. BENCH_DOCUMENTS: the profiles' environment documents.

import { load, requireWrk } from "./load.mjs";
import { startBaseline, startOurs } from "./contenders.mjs";
import { commit, machine } from "./machine.mjs";
import { rowsNamed } from "./rows.mjs";
import { measureStart } from "./start.mjs";
import { table } from "./table.mjs";

const SECONDS = Number(process.env.SECONDS || 3);
const ROUNDS = Number(process.env.ROUNDS || 5);
// More than of the rates, since a start takes less time and varies more.
const START_ROUNDS = Number(process.env.START_ROUNDS || 7);
// Warm-up: the runtime optimizes hot code before the measurement.
const WARM_UP_SECONDS = Math.ceil(SECONDS / 2);

try {
  requireWrk();
  const chosen = rowsNamed(process.env.ROWS);
  const rows = [];
  for (const row of chosen.rows) {
    console.error(`${row.title} …`);
    rows.push({ ...row, measured: await measure(row) });
  }
  const starts = [];
  for (const start of chosen.starts) {
    console.error(`start, ${start.profile} …`);
    starts.push({ profile: start.profile, measured: await measureStart(start, START_ROUNDS) });
  }
  const run = { commit: commit(), machine: machine(), seconds: SECONDS, rounds: ROUNDS, startRounds: START_ROUNDS, rows, starts };
  console.log(process.env.FORMAT === "json" ? JSON.stringify(run, null, 2) : table(run));
} catch (error) {
  console.error(error.message);
  // Also ends runtimes that are still running.
  process.exit(1);
}

/** Contender → its rounds; null if the worker does not give the answer that the row measures. */
async function measure(row) {
  const contenders = [await startOurs(row)];
  try {
    const [ours] = contenders;
    if (ours.answer === null) return null;
    for (const name of Object.keys(row.baselines)) contenders.push(await startBaseline(name, ours, row));
    for (const contender of contenders) await loadOf(contender, WARM_UP_SECONDS);
    const measured = Object.fromEntries(contenders.map(({ name }) => [name, []]));
    for (let round = 0; round < ROUNDS; round += 1) {
      // The order alternates, so that a change of the machine's speed favours no contender.
      const order = round % 2 === 0 ? contenders : [...contenders].reverse();
      for (const contender of order) measured[contender.name].push(await loadOf(contender, SECONDS));
    }
    return measured;
  } finally {
    for (const { edge } of contenders) await edge.close();
  }
}

async function loadOf({ name, edge, requests }, seconds) {
  try {
    return await load(edge, requests, seconds);
  } catch (error) {
    throw new Error(`${name}: ${error.message}`);
  }
}
