// A stand-in for the Flagsmith behind the worker, over a real socket. It sends the answers of a test, else recorded answers of
// a running Flagsmith, and can be slow, broken or absent. An answer must have the shape of a recorded one (shapes.mjs), unless
// the test declares it a fault.

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { requireRecorded } from "./shapes.mjs";
import { createStandIn } from "./stand_in.mjs";

// The address of the recorded Flagsmith.
const RECORDED_HOST = "127.0.0.1:8001";
// The limit on the kept part of a request's body; its length is always counted.
const MAX_KEPT_BYTES = 16 * 1024 * 1024;
const NOT_FOUND = { status: 404, headers: { "content-type": "application/json" }, body: '{"detail":"Not found."}' };

/**
 * Starts an origin on a free loopback port. `recordings`: a folder with an admin.jsonl to answer from. A request that was
 * recorded several times gets its answers in order, and then the last one repeatedly. `anything`: true for a test that only
 * forwards answers, so that their content is not compared with recordings.
 */
export async function startOrigin({ recordings = null, anything = false } = {}) {
  const origin = new Origin(recordings === null ? [] : exchangesIn(join(recordings, "admin.jsonl")), anything);
  await origin.up();
  return origin;
}

/** The exchanges of a file of recordings. */
export function exchangesIn(file) {
  return readFileSync(file, "utf8").split("\n").filter(Boolean).map((line) => JSON.parse(line));
}

class Origin {
  /**
   * The received requests, in order: {method, target, path, query, headers, rawHeaders, body, bodyLength}. `target` is the text
   * of the request line; `headers` have lower-case names; `body` is a Buffer, or null if it was too long.
   */
  requests = [];
  /** The number of started requests, including those that never ended. */
  begun = 0;
  /**
   * The behaviour for a request. "serve". "stall": no answer. "cut": the connection is closed. "cut-body": closed after half of
   * the answer's body. "fail": 500. "garbage": 200 with meaningless bytes. "empty": 200 without a body. A number: served after
   * these milliseconds.
   */
  behaviour = (_request) => "serve";
  port = 0;
  #handlers = [];
  #recorded;
  #anything;
  #server = null;

  constructor(exchanges, anything) {
    this.#recorded = new Recorded(exchanges);
    this.#anything = anything;
  }

  get host() {
    return `127.0.0.1:${this.port}`;
  }

  get url() {
    return `http://${this.host}`;
  }

  /** Sets the behaviour for all requests. */
  behave(way) {
    this.behaviour = () => way;
  }

  /**
   * Sets the answer to these requests, instead of a recorded one. `path`: a text, or a pattern for the target. `answer`:
   * {status, headers, body}, or a function of the request that returns it. A body that is neither text nor bytes is sent as
   * JSON. The last call counts.
   */
  on(method, path, answer) {
    this.#handlers.unshift({ method, path, answer, isFault: this.#anything });
  }

  /**
   * Sets an answer that no recording has: a failure, garbage, or wrong data. A function may also answer itself through its
   * second parameter, a ServerResponse. An answer of `on` may be a fault, too: {fault: true, …}.
   */
  fault(method, path, answer) {
    this.#handlers.unshift({ method, path, answer, isFault: true });
  }

  /** The requests for a path, with any query. */
  requestsFor(method, path) {
    return this.requests.filter((request) => request.method === method && request.path === path);
  }

  /** Refuses new connections, and closes open ones. */
  async down() {
    const server = this.#server;
    if (server === null) return;
    this.#server = null;
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    await closed;
  }

  /** Listens again, on the same port. */
  async up() {
    this.#server = createStandIn((request, response) => this.#answer(request, response));
    this.#server.listen(this.port, "127.0.0.1");
    await once(this.#server, "listening");
    this.port = this.#server.address().port;
  }

  close() {
    return this.down();
  }

  async #answer(incoming, response) {
    this.begun += 1;
    const request = await read(incoming).catch(() => null);
    if (request === null) return;
    this.requests.push(request);
    const way = this.behaviour(request);
    if (way === "stall") return;
    if (way === "cut") return response.destroy();
    if (way === "fail") return send(response, { status: 500, headers: { "content-type": "text/html" }, body: "<h1>Server Error (500)</h1>" });
    if (way === "garbage") return send(response, { body: Buffer.from([0xff, 0x00, 0x7b, 0xc3, 0x28]) });
    if (way === "empty") return send(response, {});
    if (typeof way === "number") await new Promise((resolve) => setTimeout(resolve, way));
    const handler = this.#handlers.find(
      ({ method, path }) =>
        method === request.method && (typeof path === "string" ? path === request.path : path.test(request.target)),
    );
    const answer =
      handler === undefined
        ? this.#recorded.answer(request, this.host)
        : typeof handler.answer === "function"
          ? await handler.answer(request, response)
          : handler.answer;
    if (!(handler?.isFault || answer?.fault)) requireRecorded(request, answer);
    if (answer === undefined) return;
    if (way === "cut-body") return cutBody(response, answer);
    send(response, answer);
  }
}

/** The recorded answers of a running Flagsmith, by request. */
class Recorded {
  #exact = new Map();
  #loose = new Map();

  constructor(exchanges) {
    for (const { request, response } of exchanges) {
      const path = decoded(request.path);
      const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name.toLowerCase(), value]));
      append(this.#exact, exactKey(request.method, path, headers, request.body ?? ""), response);
      append(this.#loose, looseKey(request.method, path, headers), response);
    }
  }

  /** The next recorded answer to the same request; else to the same path and credential, with any headers and body. */
  answer({ method, target, headers, body }, host) {
    const path = decoded(target);
    const exact = this.#exact.get(exactKey(method, path, headers, body?.toString() ?? ""));
    const answers = exact ?? this.#loose.get(looseKey(method, path, headers));
    if (answers === undefined) return NOT_FOUND;
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    return { ...answer, body: answer.body === null ? "" : JSON.stringify(answer.body).replaceAll(RECORDED_HOST, host) };
  }
}

function exactKey(method, path, headers, body) {
  const identifying = ["authorization", "x-environment-key", "cookie", "accept", "origin"].map((name) => headers[name] ?? null);
  return JSON.stringify([method, path, ...identifying, body]);
}

function looseKey(method, path, headers) {
  return JSON.stringify([method, path, headers.authorization ?? null]);
}

// In recordings, `<<uuid-1>>` stands for a uuid, also in paths.
function decoded(target) {
  return target.replaceAll(/%3c/gi, "<").replaceAll(/%3e/gi, ">");
}

function append(map, key, value) {
  map.set(key, [...(map.get(key) ?? []), value]);
}

async function read(incoming) {
  const pieces = [];
  let bodyLength = 0;
  for await (const piece of incoming) {
    bodyLength += piece.length;
    if (bodyLength <= MAX_KEPT_BYTES) pieces.push(piece);
    else pieces.length = 0;
  }
  const [path, ...query] = incoming.url.split("?");
  const { method, url: target, headers, rawHeaders } = incoming;
  const body = bodyLength <= MAX_KEPT_BYTES ? Buffer.concat(pieces) : null;
  return { method, target, path, query: query.join("?"), headers, rawHeaders, body, bodyLength };
}

function send(response, answer) {
  const { status, headers, body } = whole(answer);
  response.writeHead(status, headers);
  response.end(body);
}

function cutBody(response, answer) {
  const { status, headers, body } = whole(answer);
  response.writeHead(status, headers);
  response.write(body.subarray(0, body.length / 2), () => response.destroy());
}

/** The answer to send; a body without a type is JSON, and the length is set. */
function whole({ status = 200, headers = {}, body = "" }) {
  const isRaw = typeof body === "string" || body instanceof Uint8Array;
  const bytes = Buffer.from(isRaw ? body : JSON.stringify(body));
  const type = isRaw ? {} : { "content-type": "application/json" };
  const length = status === 204 || status === 304 ? {} : { "content-length": bytes.length };
  return { status, headers: { ...type, ...length, ...headers }, body: bytes };
}
