// Counts the billed units on a running worker: of each operation of the API's description, and of work without a request.

import { startFlagsmith, TOKEN } from "./flagsmith.mjs";
import { eventually, FIXTURES, startEdge } from "./harness.mjs";
import { ADMIN, Caller, PUBLIC, VARIABLES, WITH_ORIGIN } from "./operations.mjs";
import { recordedBody } from "./shapes.mjs";

const COUNTED = { entry: "tests/e2e/counted.js" };
/** Longer than a count, so that nothing is revalidated meanwhile. */
const AGES = { DOCUMENT_SOFT_AGE_SECONDS: 3600, DOCUMENT_HARD_AGE_SECONDS: 3600, DISCOVERY_SECONDS: 3600 };
const PUBLISHED = { ORIGIN_API_TOKEN: TOKEN, REFRESH_SECONDS: 3600, ANALYTICS_INTERVAL_SECONDS: 5 };
/** The work of later alarms is not counted. */
const SOON_MS = 60_000;

/**
 * [{operation, circumstances, counts}]. `operation` is null for work without an operation in the description. `counts` is
 * {kvReads, kvWrites, objectRequests, rowsRead, rowsWritten}. Lists of KV count as writes, since they have the same price.
 */
export async function count() {
  const all = [withoutOrigin(PUBLIC), withoutOrigin(ADMIN), withOrigin(), checksOfIsolates(), refreshes()];
  return (await Promise.all(all)).flat();
}

/** Each operation is counted by an isolate with a cached environment, and by objects that have just been started. */
async function withoutOrigin(operations) {
  const edge = await startEdge({ ...COUNTED, variables: { ...AGES, ...VARIABLES } });
  try {
    const caller = new Caller(edge);
    await caller.populate();
    return await each(caller, operations);
  } finally {
    await edge.close();
  }
}

async function withOrigin() {
  const flagsmith = await startFlagsmith(FIXTURES);
  flagsmith.origin.on("POST", "/api/v1/analytics/flags/", { status: 200 });
  flagsmith.origin.on("POST", "/api/v2/analytics/flags/", { status: 204 });
  flagsmith.origin.on("GET", "/api/v1/swagger.json", { body: recordedBody("GET", "/api/v1/swagger.json") });
  const variables = { ...AGES, ...VARIABLES, ...PUBLISHED, FRESHNESS_SECONDS: 3600 };
  const edge = await startEdge({ ...COUNTED, origin: flagsmith.origin, variables });
  // Without documents in KV the origin's are fetched.
  edge.kv.entries.clear();
  try {
    const caller = new Caller(edge, flagsmith);
    await isServed(caller);
    // The object of evaluations exists already.
    await caller.send(caller.counts());
    const counts = await each(caller, WITH_ORIGIN);
    return [...counts, await batched(caller, counts[0])];
  } finally {
    await edge.close();
    await flagsmith.close();
  }
}

async function each(caller, operations) {
  const counted = [];
  for (const [operation, circumstances, prepare] of operations) {
    const request = await prepare(caller);
    await woken(caller);
    counted.push({ operation, circumstances, counts: await counts(caller.edge, () => caller.send(request)) });
  }
  return counted;
}

/** Evaluations that arrive after others and before the delivery to the origin. */
async function batched(caller, { operation, counts: alone }) {
  await woken(caller);
  // Sent together, so that the second arrives within the interval of the first.
  const both = await counts(caller.edge, () => Promise.all([caller.send(caller.counts()), caller.send(caller.counts())]));
  return { operation, circumstances: "with an origin, a later one in `ANALYTICS_INTERVAL_SECONDS`", counts: without(both, alone) };
}

/** A restarted runtime, in which the isolate has cached the environment. */
async function woken(caller) {
  await rest(caller.edge);
  await caller.edge.stop();
  await caller.edge.start();
  await isServed(caller);
}

async function isServed(caller) {
  for (const request of [caller.sdk("GET", "flags/"), caller.server("GET", "flags/")]) {
    await eventually(async () => (await caller.edge.request(request)).status === 200, "the environment is served");
  }
  await rest(caller.edge);
}

/** An isolate that checks for a new document, and the validity of a server key. */
async function checksOfIsolates() {
  const flagsmith = await startFlagsmith(FIXTURES);
  const alone = await startEdge({ ...COUNTED, variables: { ...AGES, DOCUMENT_HARD_AGE_SECONDS: 0, DOCUMENT_SOFT_AGE_SECONDS: 0 } });
  const behind = await startEdge({ ...COUNTED, origin: flagsmith.origin, variables: { ...AGES, ...PUBLISHED, FRESHNESS_SECONDS: 0 } });
  behind.kv.entries.clear();
  try {
    const countCheck = async (edge, name = "sdk") => {
      const caller = new Caller(edge);
      await isServed(caller);
      return counts(edge, () => caller.send(caller[name]("GET", "flags/")));
    };
    const [document, published, both] = [await countCheck(alone), await countCheck(behind), await countCheck(alone, "server")];
    return [
      { operation: null, circumstances: "an isolate checks for a new document, without an origin", counts: document },
      { operation: null, circumstances: "an isolate checks for a new document, with an origin", counts: published },
      { operation: null, circumstances: "an isolate checks whether a server key is still valid", counts: without(both, document) },
    ];
  } finally {
    await alone.close();
    await behind.close();
    await flagsmith.close();
  }
}

/** A fetch by an environment's object without a change. */
async function refreshes() {
  const flagsmith = await startFlagsmith(FIXTURES);
  const variables = { ...AGES, ...PUBLISHED, FRESHNESS_SECONDS: 3600, REFRESH_SECONDS: 1 };
  const edge = await startEdge({ ...COUNTED, origin: flagsmith.origin, variables });
  edge.kv.entries.clear();
  try {
    const caller = new Caller(edge);
    await edge.request(caller.sdk("GET", "flags/"));
    const alarms = () => ended(edge.log).filter(({ called, method }) => called === "EnvironmentObject" && method === "alarm");
    // The first ones publish.
    await eventually(() => alarms().length >= 8, "the origin is asked again and again");
    // Some alarms fetch the server keys only, and read no rows.
    const { rowsRead, rowsWritten } = alarms().findLast(({ rowsRead }) => rowsRead > 0);
    const counts = { kvReads: 0, kvWrites: 0, objectRequests: 1, rowsRead, rowsWritten };
    return [{ operation: null, circumstances: "the origin is asked for a document that has not changed", counts }];
  } finally {
    await edge.close();
    await flagsmith.close();
  }
}

function without(counts, others) {
  return Object.fromEntries(Object.entries(counts).map(([what, count]) => [what, count - others[what]]));
}

/** The units of `work`, and of the work that it starts. */
async function counts(edge, work) {
  const [from, { ...before }] = [edge.log.length, edge.kv.operations];
  const answered = answers(edge);
  await work();
  // The effects of a request are in the log before its answer.
  await eventually(() => answers(edge) > answered, "the answer is in the log");
  await rest(edge, from);
  const made = ended(edge.log.slice(from));
  const sum = (field) => made.reduce((total, call) => total + call[field], 0);
  const kv = (kind) => edge.kv.operations[kind] - before[kind];
  return {
    kvReads: kv("read"),
    kvWrites: kv("write") + kv("list") + kv("delete"),
    objectRequests: made.length,
    rowsRead: sum("rowsRead"),
    rowsWritten: sum("rowsWritten"),
  };
}

/** Resolves once no work is under way after an answer, in an object, or by an alarm that is due soon. */
async function rest(edge, from = 0) {
  const isOver = async () => {
    await edge.flush();
    return !atWork(edge.log.slice(from));
  };
  await eventually(isOver, "it has come to rest");
}

/** True while work is under way: work after an answer, a call of an object, or an alarm that is due soon. */
function atWork(log) {
  const waiting = [...log.matchAll(/^\{"waiting":(true|false)\}$/gm)].reduce((sum, [, begins]) => sum + (begins === "true" ? 1 : -1), 0);
  if (waiting > 0) return true;
  const objects = new Map();
  for (const { calling, id, alarm } of calls(log)) {
    const object = objects.get(id) ?? { begun: 0, alarm: null };
    objects.set(id, calling === undefined ? { begun: object.begun - 1, alarm } : { begun: object.begun + 1, alarm: null });
  }
  return [...objects.values()].some(({ begun, alarm }) => begun > 0 || (alarm !== null && alarm < Date.now() + SOON_MS));
}

function ended(log) {
  return calls(log).filter(({ called }) => called !== undefined);
}

function calls(log) {
  return [...log.matchAll(/^\{"call(?:ing|ed)".*\}$/gm)].map(([line]) => JSON.parse(line));
}

function answers(edge) {
  return [...edge.log.matchAll(/^\{"route":/gm)].length;
}
