// `make cost`: counts and prints the tables of docs/costs.md. With wrk and /proc it also measures the processor time that
// bill.mjs assumes.

import { load, requireWrk } from "../tests/bench/http/load.mjs";
import { count } from "../tests/e2e/counts.mjs";
import { startFlagsmith, TOKEN } from "../tests/e2e/flagsmith.mjs";
import { FIXTURES, startEdge } from "../tests/e2e/harness.mjs";
import { Caller } from "../tests/e2e/operations.mjs";
import { costTable, countTable, CPU_MS, NAMES } from "./bill.mjs";
import { describe } from "./openapi.mjs";

const SECONDS = 4;

const counted = await count();
console.log(`${countTable(counted, describe(""))}\n\n${costTable(counted)}\n`);
try {
  requireWrk();
} catch (error) {
  console.log(`Processor time is not measured: ${error.message}`);
  process.exit();
}
const flagsmith = await startFlagsmith(FIXTURES);
flagsmith.origin.on("POST", /analytics/, { status: 200 });
const edge = await startEdge({ origin: flagsmith.origin, variables: { ORIGIN_API_TOKEN: TOKEN, LOG_REQUESTS: 0 } });
try {
  // The processor time of the whole runtime, including HTTP and the objects: more than is billed.
  for (const [name, sent] of Object.entries(requests(new Caller(edge)))) {
    for (const request of sent.slice(0, 64)) await edge.request(request);
    await load(edge, sent, 1);
    const { cpu } = await load(edge, sent, SECONDS);
    console.log(`${name}: ${cpu === null ? "not measured" : `${(cpu / 1000).toFixed(2)} ms`}; scripts/bill.mjs assumes ${CPU_MS[name]} ms`);
  }
} finally {
  await edge.close();
  await flagsmith.close();
}

/** The requests that are sent in turn for each measurement. */
function requests(caller) {
  const post = (number, plan) => {
    const traits = [{ trait_key: "plan", trait_value: plan }, { trait_key: "country", trait_value: "BE" }];
    return caller.sdk("POST", "identities/", { identifier: `measured-${number}`, traits });
  };
  const numbers = (count) => Array.from({ length: count }, (_, number) => number);
  return {
    [NAMES.flags]: [caller.sdk("GET", "flags/")],
    [NAMES.anonymous]: [caller.sdk("POST", "identities/", { identifier: "", transient: true, traits: [] })],
    [NAMES.unchanged]: numbers(64).map((number) => post(number, "basic")),
    [NAMES.changed]: numbers(1024).map((number) => post(number % 64, `plan ${number}`)),
    // More requests than the measurement can send.
    [NAMES.created]: numbers(50_000).map((number) => post(64 + number, "basic")),
    [NAMES.document]: [caller.server("GET", "environment-document/")],
    [NAMES.evaluations]: [caller.counts()],
  };
}
