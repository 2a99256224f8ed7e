// `make bench-identities`: loads identities into a worker on bare workerd, and measures admin requests at 1,000, 10,000 and
// COUNT identities. It measures the latency of sequential requests, and the stored bytes.

import { createHash, randomUUID } from "node:crypto";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";

import { pace } from "../../scripts/http_client.mjs";
import { startEdge } from "../e2e/harness.mjs";
import { request } from "../e2e/http.mjs";

const COUNT = Number(process.env.COUNT ?? 100_000);
const SAMPLES = Number(process.env.SAMPLES ?? 200);
const BATCH = 50;
// workerd keeps each object for 10 s, and has memory for some 2,900 databases.
const wait = pace(200);
const SIZES = [...new Set([1_000, 10_000, COUNT].filter((size) => size <= COUNT))];

const ADMIN_KEY_SHA256 = createHash("sha256").update("bench.key").digest("hex");
const edge = await startEdge({ variables: { ADMIN_KEY_SHA256, LOG_REQUESTS: 0 }, flushable: false });
const [{ key }] = edge.environments;
const root = `/api/v1/environments/${key}`;
const measured = [];
try {
  let loaded = 0;
  for (const size of SIZES) {
    for (; loaded < size; loaded += BATCH) {
      await wait(BATCH);
      await load(loaded);
    }
    console.error(`${size} identities are there`);
    // Stopped, so that the files are compact and nothing is in memory.
    await edge.stop();
    const bytes = stored(size);
    await edge.start();
    measured.push({ size, ...(await measure(size)), "one identity, POSTs a second": await hot(), ...bytes });
  }
} finally {
  await edge.close();
}
print();

async function load(start) {
  const lines = Array.from({ length: BATCH }, (_, offset) =>
    JSON.stringify({
      identifier: name(start + offset),
      identity_uuid: uuid(start + offset),
      dashboard_alias: `alias ${start + offset}`,
      identity_traits: [
        { trait_key: "plan", trait_value: "premium" },
        { trait_key: "logins", trait_value: start + offset },
        { trait_key: "country", trait_value: "BE" },
      ],
    }),
  );
  await send(200, "POST", `/edge/environments/${key}/identities/import/`, lines.join("\n"));
}

async function measure(size) {
  const any = () => Math.floor(Math.random() * size);
  const { last_evaluated_key: middle } = (await send(200, "GET", `${root}/edge-identities/?page_size=1&q=${name(size / 2)}`)).json();
  const middlePage = middle ?? (await send(200, "GET", `${root}/edge-identities/?page_size=1`)).json().last_evaluated_key;
  const put = (number) => {
    const body = { identifier: name(number), feature: 9007, enabled: true, feature_state_value: randomUUID() };
    return send(200, "PUT", `${root}/edge-identities-featurestates/`, JSON.stringify(body));
  };
  const acts = {
    "list, first page of 100": () => send(200, "GET", `${root}/edge-identities/`),
    "list, a page of 100 in the middle": () => send(200, "GET", `${root}/edge-identities/?last_evaluated_key=${middlePage}`),
    "search by a beginning, 100 found": () => send(200, "GET", `${root}/edge-identities/?q=user-00000`),
    "search by an alias": () => send(200, "GET", `${root}/edge-identities/?q=dashboard_alias:%22alias%20${any()}%22`),
    "get by UUID, made elsewhere": () => send(200, "GET", `${root}/edge-identities/${uuid(any())}/`),
    "set an override": () => put(any()),
    "one identity, an unchanged POST": () => post(),
  };
  const result = {};
  for (const [what, act] of Object.entries(acts)) {
    const times = [];
    for (let sample = 0; sample < SAMPLES; sample += 1) {
      const began = performance.now();
      await act();
      times.push(performance.now() - began);
    }
    times.sort((a, b) => a - b);
    result[what] = `${at(times, 0.5)} / ${at(times, 0.99)}`;
  }
  return result;
}

/** The most frequent request of an identity, which changes nothing. */
function post() {
  const body = JSON.stringify({ identifier: name(1), traits: [{ trait_key: "plan", trait_value: "premium" }] });
  return send(200, "POST", "/api/v1/identities/", body, { "X-Environment-Key": key });
}

/** The rate of that request with 16 clients. */
async function hot() {
  const end = Date.now() + 3_000;
  let count = 0;
  const client = async () => {
    for (; Date.now() < end; count += 1) await post();
  };
  await Promise.all(Array.from({ length: 16 }, client));
  return Math.round(count / 3);
}

function at(times, share) {
  return times[Math.min(times.length - 1, Math.floor(times.length * share))].toFixed(1);
}

/** The stored bytes by class; every SQLite database has some pages. */
function stored(size) {
  const of = (className) => {
    const folder = join(edge.stateFolder, className);
    return readdirSync(folder).reduce((sum, file) => sum + statSync(join(folder, file)).size, 0);
  };
  return {
    "bytes an identity, its object": Math.round(of("IdentityObject") / size),
    "bytes an identity, directory": Math.round(of("DirectoryObject") / size),
  };
}

function print() {
  const [first] = measured;
  const rows = Object.keys(first).filter((name) => name !== "size");
  console.log(`| | ${measured.map(({ size }) => size.toLocaleString("en")).join(" | ")} |\n|---|${"---|".repeat(measured.length)}`);
  for (const row of rows) console.log(`| ${row} | ${measured.map((at) => at[row]).join(" | ")} |`);
}

function name(number) {
  return `user-${String(Math.floor(number)).padStart(7, "0")}`;
}

/** A UUID from another source, without the number of its shard. */
function uuid(number) {
  return `ffffffff-0000-4000-8000-${String(number).padStart(12, "0")}`;
}

async function send(status, method, path, body = null, more = {}) {
  const headers = { Authorization: "Api-Key bench.key", "Content-Type": "application/json", ...more };
  const response = await request(edge.port, { method, path, headers, body, timeout: 60_000 });
  if (response.status !== status) {
    const said = `${response.status} ${response.text.slice(0, 200)}`;
    throw new Error(`${method} ${path}: ${said}; the runtime's last words:\n${edge.log.slice(-1000)}`);
  }
  return response;
}
