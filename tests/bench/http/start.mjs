// The cost of a start: the processor time of the worker's thread until it listens, and for the first request.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

import { startIdle, startOurs, startParsing } from "./contenders.mjs";
import { requestsOf } from "./rows.mjs";
import { median } from "./table.mjs";

const WITHOUT_WARM_UP = { "src/edge/warm_up.js": "tests/e2e/without_warm_up.js" };

/**
 * Milliseconds of CPU as medians, with and without the warm-up: {start: {warm, cold}, requests: [{kind, warm, cold, parse}]}.
 * `kind` and `limit_ms` of the first requests are from `firstRequests`. `parse`: the first request of a worker that only
 * parses the document. The time of an empty worker with the same configuration is subtracted. Null without /proc.
 */
export async function measureStart({ profile, firstRequests }, rounds) {
  const measured = firstRequests.map(({ kind, limitMs }) => ({ kind, limitMs, rounds: [] }));
  for (let round = 0; round < rounds; round += 1) {
    for (const { kind, rounds } of measured) {
      const ours = (replaced) => startOurs({ profile }, { check: false, replaced });
      const runtime = await startAlone(await startIdle(), profile, kind);
      const warm = await startAlone((await ours({})).edge, profile, kind);
      const cold = await startAlone((await ours(WITHOUT_WARM_UP)).edge, profile, kind);
      const parsing = await startAlone(await startParsing(), profile, kind);
      if (runtime.listening === null) return null;
      const less = ({ listening, first }) => ({ listening: listening - runtime.listening, first: first - runtime.first });
      rounds.push({ warm: less(warm), cold: less(cold), parsing: less(parsing) });
    }
  }
  const all = measured.flatMap(({ rounds }) => rounds);
  const listening = (name) => median(all.map((round) => round[name].listening));
  const first = (rounds, name) => median(rounds.map((round) => round[name].first));
  return {
    start: { warm: listening("warm"), cold: listening("cold") },
    requests: measured.map(({ kind, limitMs, rounds }) => {
      return { kind, limitMs, warm: first(rounds, "warm"), cold: first(rounds, "cold"), parse: first(rounds, "parsing") };
    }),
  };
}

/** Sends the first request of a kind to a runtime that has just started. */
async function startAlone(edge, profile, kind) {
  const { key } = edge.environments.find(({ file }) => file.startsWith(profile));
  const [request] = requestsOf({ kind }, key);
  const listening = threadTime(edge.pid);
  const { status, text } = await edge.request(request);
  const answered = threadTime(edge.pid);
  await edge.close();
  assert.equal(status, 200, text);
  return { listening, first: answered - listening };
}

/** The CPU time of a process's first thread, in milliseconds. */
function threadTime(pid) {
  try {
    return Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, "utf8").split(" ")[0]) / 1e6;
  } catch {
    return null;
  }
}
