// `make bench-streams`: event streams on bare workerd, with an embedded origin and three isolates.
//
// First STREAMS (100) streams of each kind are open, and CHANGES (50) changes are written: the time from a write's answer, and from
// the version's publication, to the event in every stream. Then IDLE (10,000) clients connect at once, and again after some seconds
// if they are refused. Their streams stay open for a minute: the time until all are open, and the memory and processor time of the
// whole runtime.

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { setTimeout as pause } from "node:timers/promises";

import { adminOf, embeddedOrigin } from "../e2e/embedded_origin.mjs";
import { eventually, startEdge } from "../e2e/harness.mjs";

const count = (name, otherwise) => Number(process.env[name] || otherwise);
const [STREAMS, CHANGES, IDLE] = [count("STREAMS", 100), count("CHANGES", 50), count("IDLE", 10_000)];
const IDLE_MS = 60_000;
/** The length of a tick of the processor's time in Linux, in milliseconds. */
const TICK_MS = 10;

const edge = await startEdge({ ...embeddedOrigin({ LOG_REQUESTS: 0 }), workers: 3, flushable: false });
const send = adminOf(edge);
try {
  edge.kv.entries.clear();
  const { key, change } = await create();
  await latency(key, change);
  await idle(key, change);
} finally {
  await edge.close();
}

async function admin(method, path, body) {
  const answer = await send(method, `/api/v1/${path}`, body);
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.text.slice(0, 500)}`);
  return answer.json();
}

async function create() {
  const { id: organisation } = await admin("POST", "organisations/", { name: "o" });
  const { id: project } = await admin("POST", "projects/", { name: "p", organisation });
  const { api_key: key } = await admin("POST", "environments/", { name: "e", project });
  const { id: feature } = await admin("POST", `projects/${project}/features/`, { name: "f", initial_value: "none" });
  const { results } = await admin("GET", `environments/${key}/featurestates/?feature=${feature}`);
  const headers = { "X-Environment-Key": key };
  await eventually(async () => (await edge.request({ path: "/api/v1/flags/", headers })).json()[0]?.feature_state_value === "none", "the environment is published");
  return { key, change: (value) => admin("PATCH", `environments/${key}/featurestates/${results[0].id}/`, { feature_state_value: value }) };
}

/** Opens a stream as a client does, which tries again after some seconds. */
async function openAgain(port, path, take, refused) {
  for (;;) {
    try {
      return await open(port, path, take);
    } catch {
      refused();
      await pause(1000 + Math.random() * 2000);
    }
  }
}

/** Opens a stream, and resolves when its answer has begun. `take` gets each event's id and time. */
async function open(port, path, take) {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  await once(socket, "connect");
  socket.write(`GET ${path}?lastEventId=${Number.MAX_SAFE_INTEGER} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  await new Promise((resolve, reject) => {
    socket.on("data", (bytes) => {
      const text = bytes.toString();
      if (text.startsWith("HTTP/1.1")) (text.startsWith("HTTP/1.1 200") ? resolve : reject)(text.slice(0, 100));
      for (const [, id] of text.matchAll(/^id: (\d+)$/gm)) take(Number(id), performance.now(), Date.now());
    });
    socket.on("close", () => reject(new Error("a stream has ended")));
  });
  return socket;
}

async function latency(key, change) {
  const rows = [];
  for (const [kind, path] of [["Flagsmith", `/sse/environments/${key}/stream`], ["OpenFeature", `/ofrep/v1/environments/${key}/stream`]]) {
    const received = [];
    const sockets = await Promise.all(Array.from({ length: STREAMS }, (_, index) => open(edge.ports[index % 3], path, (id, at, time) => received.push({ id, at, time }))));
    const [afterAnswer, afterPublication] = [[], []];
    for (let number = 0; number < CHANGES; number += 1) {
      await pause(Math.random() * 500);
      received.length = 0;
      await change(`${kind} ${number}`);
      const answered = performance.now();
      await eventually(() => received.length === STREAMS, "every stream has the event");
      for (const { id, at, time } of received) {
        afterAnswer.push(at - answered);
        afterPublication.push(time - id);
      }
    }
    for (const [from, times] of [["the write's answer", afterAnswer], ["the publication", afterPublication]]) {
      times.sort((a, b) => a - b);
      const at = (part) => Math.round(times[Math.min(times.length - 1, Math.floor(times.length * part))]);
      rows.push({ stream: kind, from, "median ms": at(0.5), "95 % ms": at(0.95), "worst ms": at(1) });
    }
    sockets.forEach((socket) => socket.destroy());
  }
  console.table(rows);
}

/** The resident memory in MB and the processor time in ms of the runtime. */
function usage() {
  const memory = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${edge.pid}/status`, "utf8"))[1];
  const fields = readFileSync(`/proc/${edge.pid}/stat`, "utf8").replace(/.*\) /, "").split(" ");
  return { mb: Number(memory) / 1024, ms: (Number(fields[11]) + Number(fields[12])) * TICK_MS };
}

async function idle(key, change) {
  await pause(5_000);
  const before = usage();
  let received = 0;
  const began = performance.now();
  let refused = 0;
  const path = `/ofrep/v1/environments/${key}/stream`;
  const opening = Array.from({ length: IDLE }, (_, index) => openAgain(edge.ports[index % 3], path, () => (received += 1), () => (refused += 1)));
  const sockets = await Promise.all(opening);
  const opened = { seconds: (performance.now() - began) / 1000, ...usage() };
  await pause(IDLE_MS);
  const after = usage();
  const changed = performance.now();
  await change("the last");
  await eventually(() => received >= sockets.length, "every stream has the event");
  const told = performance.now() - changed;
  const rounded = (value) => Math.round(value * 10) / 10;
  console.table([{
    streams: sockets.length,
    "refusals": refused,
    "opened in s": rounded(opened.seconds),
    "CPU of opening, ms a stream": rounded((opened.ms - before.ms) / IDLE),
    "memory, kB a stream": rounded(((after.mb - before.mb) * 1024) / sockets.length),
    "CPU of a minute, ms a stream": rounded((after.ms - opened.ms) / sockets.length),
    "an event reaches all in s": rounded(told / 1000),
  }]);
  sockets.forEach((socket) => socket.destroy());
}
