// `make bench-http`: our worker against the baselines, one process each, in turn, under wrk.
//
// ROWS: parts of the ids in rows.mjs, comma-separated; all without. SECONDS: of a round (3). ROUNDS (5).
// FORMAT: `table` or `json`, which has every round. BENCH_DOCUMENTS: the profiles' environment documents.

import { load, requireWrk } from "./load.mjs";
import { startBaseline, startOurs } from "./contenders.mjs";
import { commit, machine } from "./machine.mjs";
import { rowsNamed } from "./rows.mjs";
import { measureStart } from "./start.mjs";
import { table } from "./table.mjs";

const SECONDS = Number(process.env.SECONDS || 3);
const ROUNDS = Number(process.env.ROUNDS || 5);
// The runtime compiles hot code again, better; that is not part of the measurement.
const WARM_UP_SECONDS = Math.ceil(SECONDS / 2);

try {
  requireWrk();
  const rows = [];
  for (const row of rowsNamed(process.env.ROWS)) {
    console.error(`${row.title} …`);
    rows.push({ ...row, measured: await measure(row) });
  }
  const starts = [];
  for (const row of rows.filter(({ kind }) => kind === "flags")) {
    console.error(`start, ${row.profile} …`);
    starts.push({ profile: row.profile, measured: await measureStart(row, ROUNDS) });
  }
  const run = { commit: commit(), machine: machine(), seconds: SECONDS, rounds: ROUNDS, rows, starts };
  console.log(process.env.FORMAT === "json" ? JSON.stringify(run, null, 2) : table(run));
} catch (error) {
  console.error(error.message);
  // Also ends the runtimes that are still there.
  process.exit(1);
}

/** Contender → its rounds; null if ours does not give the answer that the row is about. */
async function measure(row) {
  const contenders = [await startOurs(row)];
  try {
    const [ours] = contenders;
    if (ours.answer === null) return null;
    for (const name of Object.keys(row.baselines)) contenders.push(await startBaseline(name, ours));
    for (const contender of contenders) await loadOf(contender, WARM_UP_SECONDS);
    const measured = Object.fromEntries(contenders.map(({ name }) => [name, []]));
    for (let round = 0; round < ROUNDS; round += 1) {
      // Back and forth, so that a machine that slows down favours no contender.
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
