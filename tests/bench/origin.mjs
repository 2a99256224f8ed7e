// `make bench-origin`: the edge with the embedded origin on bare workerd, with FEATURES (1,000), SEGMENTS (500) and
// ENVIRONMENTS_COUNT (20). It measures the processor time of changes and documents at the origin, and the time until the
// edge serves a change, SAMPLES (100) times each.

import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

import { adminOf, embeddedOrigin } from "../e2e/embedded_origin.mjs";
import { startEdge } from "../e2e/harness.mjs";

const count = (name, otherwise) => Number(process.env[name] || otherwise);
const [FEATURES, SEGMENTS, ENVIRONMENTS, SAMPLES] = [count("FEATURES", 1_000), count("SEGMENTS", 500), count("ENVIRONMENTS_COUNT", 20), count("SAMPLES", 100)];
/** The segment overrides of the first environment. */
const OVERRIDES = Math.min(FEATURES, SEGMENTS);
const AT_ONCE = 8;

const edge = await startEdge({ ...embeddedOrigin({ LOG_REQUESTS: 0, ORIGIN_TIMEOUT_SECONDS: 60 }), flushable: false });
const send = adminOf(edge);
try {
  await report(await create());
} finally {
  await edge.close();
}

/** Sends a request that must succeed; resolves to its answer. */
async function admin(method, path, body) {
  const answer = await send(method, `/api/v1/${path}`, body);
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.text.slice(0, 500)}`);
  return answer;
}

async function times(number, work) {
  const all = Array.from({ length: number }, (_, index) => index);
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (let index = all.shift(); index !== undefined; index = all.shift()) await work(index);
  }));
}

/** Creates the project; resolves to its id and the client key of its first environment. */
async function create() {
  const began = performance.now();
  const { id: organisation } = (await admin("POST", "organisations/", { name: "o" })).json();
  const { id: project } = (await admin("POST", "projects/", { name: "p", organisation })).json();
  const keys = [];
  for (let index = 0; index < ENVIRONMENTS; index += 1) {
    const { api_key } = (await admin("POST", "environments/", { name: `environment ${index}`, project })).json();
    keys.push(api_key);
  }
  const features = [];
  await times(FEATURES, async (index) => {
    features.push((await admin("POST", `projects/${project}/features/`, { name: `feature_${index}`, initial_value: `value ${index}` })).json().id);
  });
  const segments = [];
  await times(SEGMENTS, async (index) => {
    const conditions = ["country", "plan", "version"].map((property) => ({ operator: "EQUAL", property, value: `${property} ${index}` }));
    const rules = [{ type: "ALL", rules: [{ type: "ANY", rules: [], conditions }], conditions: [] }];
    segments.push((await admin("POST", `projects/${project}/segments/`, { name: `segment ${index}`, project, rules })).json().id);
  });
  await times(OVERRIDES, async (index) => {
    const body = { feature_segment: { segment: segments[index] }, enabled: true, feature_state_value: { type: "unicode", string_value: "overridden" } };
    await admin("POST", `environments/${keys[0]}/features/${features[index]}/create-segment-override/`, body);
  });
  console.error(`created in ${((performance.now() - began) / 1000).toFixed(0)} s`);
  return [project, keys[0]];
}

async function report([project, key]) {
  const document = (await admin("GET", `environments/${key}/document/`)).text.length;
  const { results: states } = (await admin("GET", `environments/${key}/featurestates/?page_size=100`)).json();
  console.log(`${FEATURES} features, ${SEGMENTS} segments, ${ENVIRONMENTS} environments; a document has ${(document / 1024).toFixed(0)} KiB`);
  const change = (index) => ({ enabled: index % 2 === 0, feature_state_value: `changed ${index}` });
  const visible = [];
  const { feature, id } = states[0];
  const { name } = (await admin("GET", `projects/${project}/features/${feature}/`)).json();
  await settled(key);
  for (let index = 0; index < SAMPLES; index += 1) {
    await admin("PATCH", `environments/${key}/featurestates/${id}/`, change(index));
    const began = performance.now();
    while (!(await served(key, name)).includes(`changed ${index}"`)) await delay(5);
    visible.push(performance.now() - began);
  }
  print("a change until the edge serves it", visible);
  await settled(key);

  // Alone: the edge's own work after a change is not the origin's.
  await edge.stop();
  edge.configure({ variables: { LOG_REQUESTS: 0 } });
  await edge.start();
  const loaded = process_ms();
  await admin("GET", "organisations/");
  console.log(`first request, which loads the state: ${(process_ms() - loaded).toFixed(0)} ms of processor time`);
  const pid = edge.pid;
  for (const [what, work] of [
    ["a change of a state", (index) => admin("PATCH", `environments/${key}/featurestates/${states[index % states.length].id}/`, change(index))],
    ["a document", () => admin("GET", `environments/${key}/document/`)],
    ["a request without work", () => admin("GET", "organisations/")],
  ]) {
    await work(0);
    const [before, began] = [process_ms(), performance.now()];
    for (let index = 0; index < SAMPLES; index += 1) await work(index);
    const [cpu, wall] = [(process_ms() - before) / SAMPLES, (performance.now() - began) / SAMPLES];
    console.log(`${what}: ${cpu.toFixed(1)} ms of processor time, ${wall.toFixed(1)} ms until its answer`);
  }
  const resident = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1];
  console.log(`resident memory of the runtime: ${(resident / 1024).toFixed(0)} MiB`);
}

/** The processor time of the runtime so far, in milliseconds. A tick of the kernel's clock is 10 ms. */
function process_ms() {
  const fields = readFileSync(`/proc/${edge.pid}/stat`, "utf8").split(") ")[1].split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

async function served(key, feature) {
  return (await edge.request({ path: `/api/v1/flags/?feature=${feature}`, headers: { "X-Environment-Key": key } })).text;
}

/** Waits until every environment is published, and nothing more is to be done for two seconds. */
async function settled(key) {
  while ((await edge.request({ path: "/api/v1/flags/", headers: { "X-Environment-Key": key } })).status !== 200) await delay(100);
  for (let before = process_ms(); ; ) {
    await delay(2_000);
    const now = process_ms();
    if (now - before < 100) return;
    before = now;
  }
}

function print(what, values) {
  const sorted = [...values].sort((one, other) => one - other);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))].toFixed(0);
  console.log(`${what}: median ${at(0.5)} ms, 95 % ${at(0.95)} ms, worst of ${values.length} ${at(1)} ms`);
}
