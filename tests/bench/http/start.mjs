// The cost of a start, from the runtime's first instruction to the first answer, without the runtime's own share.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

import { startIdle, startOurs, startParsing } from "./contenders.mjs";
import { median } from "./table.mjs";

/**
 * Milliseconds of CPU of the worker's thread, as medians. `compile`: until it listens. `first`: for the first request of `row`.
 * `parse`: for the first request of a worker that only parses the document. The time of an empty worker with the same
 * configuration is subtracted. Null without /proc.
 */
export async function measureStart(row, rounds) {
  const { edge, requests } = await startOurs(row);
  await edge.close();
  const measured = { compile: [], first: [], parse: [] };
  for (let round = 0; round < rounds; round += 1) {
    const ours = await startAlone((await startOurs(row, { check: false })).edge, requests[0]);
    const runtime = await startAlone(await startIdle(), requests[0]);
    const parsing = await startAlone(await startParsing(), requests[0]);
    assert.equal(parsing.text, JSON.stringify(requests[0].headers["X-Environment-Key"]));
    if (ours.listening === null) return null;
    measured.compile.push(ours.listening - runtime.listening);
    measured.first.push(ours.first - runtime.first);
    measured.parse.push(parsing.first - runtime.first);
  }
  return { compile: median(measured.compile), first: median(measured.first), parse: median(measured.parse) };
}

async function startAlone(edge, request) {
  const listening = threadTime(edge.pid);
  const { status, text } = await edge.request(request);
  const answered = threadTime(edge.pid);
  await edge.close();
  assert.equal(status, 200, text);
  return { listening, first: answered - listening, text };
}

/** The CPU time of a process's first thread, in milliseconds. */
function threadTime(pid) {
  try {
    return Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, "utf8").split(" ")[0]) / 1e6;
  } catch {
    return null;
  }
}
