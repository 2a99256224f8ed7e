// The compared workers: the worker itself, and baselines that give the worker's answers.

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { ROOT, startEdge } from "../../e2e/harness.mjs";
import { requestsOf } from "./rows.mjs";
import { Truth } from "./expected.mjs";

const DOCUMENTS = resolve(ROOT, process.env.BENCH_DOCUMENTS ?? "../shared/bench");

const BASELINES = {
  B1: { build: baseline("constant/build"), objectClass: null },
  "B1-empty": { build: baseline("constant/build"), objectClass: null },
  J1: { build: baseline("constant-js"), objectClass: null },
  B2: { build: baseline("object/build"), objectClass: "Reader" },
  B2w: { build: baseline("object/build"), objectClass: "Writer" },
  J2: { build: baseline("object-js"), objectClass: "Reader" },
};
const IDLE = { build: baseline("idle-js") };
const PARSING = { build: baseline("parsing/build"), objectClass: null };
/** Headers that depend on the connection or the time. */
const HOP_HEADERS = new Set(["content-length", "transfer-encoding", "connection", "date"]);

/**
 * Starts the worker and checks its answers to a row's requests. Returns the worker, the requests and the first answer. With
 * `check` false no request is sent.
 */
export async function startOurs(row, { check = true, ...options } = {}) {
  const edge = await startEdge({ documents: DOCUMENTS, variables: { LOG_REQUESTS: 0 }, flushable: false, ...options });
  if (!check) return { name: "ours", edge };
  const { file, key } = environmentOf(edge, row.profile);
  const truth = new Truth(join(DOCUMENTS, file));
  if (row.kind === "unmodified") return { name: "ours", edge, ...(await unmodified(edge, row, key, truth)) };
  const requests = requestsOf(row, key);
  const answers = [];
  // This also writes each identity once.
  for (const request of requests) {
    const answer = await edge.request(request);
    await truth.check(request, answer);
    answers.push(answer);
  }
  return { name: "ours", edge, requests, answer: answers[0] };
}

/** Starts a baseline with the worker's answer to the row's requests, and checks its answers. */
export async function startBaseline(name, { requests, answer }, row, options = {}) {
  // The worker itself, with transient requests of the same profile.
  if (name === "T") return { ...(await startOurs({ ...row, kind: "transient" }, options)), name };
  if (!(name in BASELINES)) throw new Error(`no such baseline: ${name}; there are ${Object.keys(BASELINES).join(", ")}`);
  const variables = {
    ANSWER: JSON.stringify({ status: answer.status, headers: headersOf(answer), body: answer.text }),
    TRAITS: JSON.stringify(requests[0]?.identity?.traits ?? null),
  };
  const edge = await startEdge({ documents: DOCUMENTS, variables, flushable: false, ...BASELINES[name], ...options });
  for (const request of requests) {
    const theirs = await edge.request(request);
    assert.equal(theirs.status, answer.status, `${name}: ${theirs.text}\n${edge.log}`);
    assert.deepEqual(headersOf(theirs).sort(), headersOf(answer).sort(), name);
    assert.ok(theirs.body.equals(answer.body), `${name} answers with another body`);
  }
  return { name, edge, requests };
}

/** Starts an empty worker in JavaScript with the worker's configuration. */
export function startIdle() {
  return startEdge({ documents: DOCUMENTS, variables: { LOG_REQUESTS: 0 }, flushable: false, ...IDLE });
}

/** Starts a worker in Rust that only parses a request's environment document. */
export function startParsing() {
  return startEdge({ documents: DOCUMENTS, flushable: false, ...PARSING });
}

/** The worker's 304 to the row's requests; the answer is null if the worker sends another status. */
async function unmodified(edge, row, key, truth) {
  const [plain] = requestsOf({ kind: "flags" }, key);
  const whole = await edge.request(plain);
  await truth.check(plain, whole);
  const requests = requestsOf(row, key, whole.headers.etag ?? '"none"');
  const answer = await edge.request(requests[0]);
  if (answer.status !== 304) return { requests, answer: null };
  assert.equal(answer.body.length, 0);
  return { requests, answer };
}

function environmentOf(edge, profile) {
  const environment = edge.environments.find(({ file }) => file.startsWith(profile));
  if (environment === undefined) throw new Error(`no ${profile}*.json among ${readdirSync(DOCUMENTS).join(", ")}`);
  return environment;
}

function headersOf({ headers }) {
  return Object.entries(headers).filter(([name]) => !HOP_HEADERS.has(name));
}

function baseline(path) {
  return fileURLToPath(new URL(`baselines/${path}`, import.meta.url));
}
