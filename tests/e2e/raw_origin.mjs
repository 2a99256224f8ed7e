// A stand-in for an origin at the level of connections. It answers with any bytes, also invalid HTTP, and keeps every received
// byte. Bytes are not compared with recordings, but the content for the worker is a recorded one (shapes.mjs).

import { once } from "node:events";
import { createServer } from "node:net";

const OK = answer("200 OK", {}, "ok");

/** Starts the stand-in on a free loopback port. As in HTTP/1.1, connections stay open after each answer. */
export async function startRawOrigin() {
  const origin = new RawOrigin();
  origin.server.listen(0, "127.0.0.1");
  await once(origin.server, "listening");
  return origin;
}

/** The bytes of an answer. Content-Length is added unless `headers` have it or Transfer-Encoding. */
export function answer(status, headers, body = "") {
  const names = Object.keys(headers).map((name) => name.toLowerCase());
  const hasEnd = names.includes("content-length") || names.includes("transfer-encoding");
  const all = { ...(hasEnd ? {} : { "Content-Length": Buffer.byteLength(body) }), ...headers };
  return `HTTP/1.1 ${status}\r\n${Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n${body}`;
}

class RawOrigin {
  /** The complete requests, in order: {method, target, head, body, connection}; `connection` is a number. */
  requests = [];
  /** All received bytes, as text of one byte a character. */
  received = "";
  /** The number of connections. */
  connections = 0;
  #sockets = new Set();
  #answers = [];

  constructor() {
    this.server = createServer((socket) => this.#serve(socket));
  }

  get host() {
    return `127.0.0.1:${this.server.address().port}`;
  }

  get url() {
    return `http://${this.host}`;
  }

  /**
   * Sets the answer to these requests: bytes, or a function of the socket and the request. The last call counts; all other
   * requests are answered with 200 and "ok". `path` is that of the target, without its query.
   */
  on(method, path, bytes) {
    this.#answers.unshift({ method, path, bytes });
  }

  /** The requests for a path, with any query. */
  requestsFor(method, path) {
    return this.requests.filter((request) => request.method === method && request.target.split("?")[0] === path);
  }

  async close() {
    this.#sockets.forEach((socket) => socket.destroy());
    this.server.close();
    await once(this.server, "close");
  }

  #serve(socket) {
    const connection = (this.connections += 1);
    let pending = "";
    this.#sockets.add(socket);
    // Some tests close connections early.
    socket.on("error", () => {});
    socket.on("close", () => this.#sockets.delete(socket));
    socket.setEncoding("latin1").on("data", (text) => {
      this.received += text;
      pending += text;
      for (let request = parse(pending); request !== null; request = parse(pending)) {
        pending = pending.slice(request.length);
        this.requests.push({ ...request, connection });
        this.#answer(socket, request);
      }
    });
  }

  #answer(socket, request) {
    const path = request.target.split("?")[0];
    const found = this.#answers.find((known) => known.method === request.method && known.path === path);
    const bytes = found?.bytes ?? OK;
    if (typeof bytes === "function") bytes(socket, request);
    else socket.write(bytes);
  }
}

/** The request at the start of a text; null while it is incomplete. */
function parse(text) {
  const headEnd = text.indexOf("\r\n\r\n");
  if (headEnd < 0) return null;
  const head = text.slice(0, headEnd);
  const [method, target] = head.split(" ");
  const bodyLength = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
  const length = headEnd + 4 + bodyLength;
  return text.length < length ? null : { method, target, head, body: text.slice(headEnd + 4, length), length };
}
