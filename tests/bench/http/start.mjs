// What it takes to start: from the runtime's first instruction to the first answer, less what the runtime takes itself.

import { readFileSync } from "node:fs";

import { startIdle, startOurs } from "./contenders.mjs";
import { median } from "./table.mjs";

/**
 * Milliseconds of CPU of the thread that runs the worker, medians: `compile`, until it listens, and `first`, for the first
 * request of `row`; of both less what the runtime takes with a worker of the same configuration that does nothing. Null where
 * there is no /proc.
 */
export async function measureStart(row, rounds) {
  const { edge, requests } = await startOurs(row);
  await edge.close();
  const measured = { compile: [], first: [] };
  for (let round = 0; round < rounds; round += 1) {
    const ours = await startAlone((await startOurs(row, { check: false })).edge, requests[0]);
    const runtime = await startAlone(await startIdle(), requests[0]);
    if (ours === null || runtime === null) return null;
    measured.compile.push(ours.listening - runtime.listening);
    measured.first.push(ours.answered - ours.listening - (runtime.answered - runtime.listening));
  }
  return { compile: median(measured.compile), first: median(measured.first) };
}

async function startAlone(edge, request) {
  const listening = threadTime(edge.pid);
  await edge.request(request);
  const answered = threadTime(edge.pid);
  await edge.close();
  return listening === null ? null : { listening, answered };
}

/** What a process's first thread has computed, in milliseconds. */
function threadTime(pid) {
  try {
    return Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, "utf8").split(" ")[0]) / 1e6;
  } catch {
    return null;
  }
}
