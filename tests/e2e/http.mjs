// An HTTP/1.1 client at the level of bytes. fetch refuses some requests that a server must handle: unknown methods, dot
// segments, bodies that never end, bodies without a type.

import { connect } from "node:net";

import { DEADLINE_MS } from "./deadline.mjs";
import { learnRequest } from "./secrets.mjs";

const BODILESS = new Set([204, 304]);

/**
 * Sends one request on its own connection and resolves to {status, headers, lines, body, text, json()}; `lines` are the
 * received header lines.
 *
 * - `headers`: name → value; an array sends the header several times. Host and a length are added if they are absent.
 * - `body`: string or Buffer. `chunked: true` sends it chunked. `unfinished: true` sends the given part and keeps the
 *   connection open. Only a server that does not need the rest can answer.
 */
export function request(port, { method = "GET", path = "/", headers = {}, body = null, chunked = false, unfinished = false, timeout = DEADLINE_MS } = {}) {
  learnRequest({ path, headers, body });
  const payload = body === null ? null : Buffer.from(body);
  const head = requestHead(port, method, path, headers, payload, chunked);
  return exchange(port, method, [head, ...bodyParts(payload, chunked, unfinished)], timeout);
}

function requestHead(port, method, path, headers, payload, chunked) {
  const names = new Set(Object.keys(headers).map((name) => name.toLowerCase()));
  const lines = [`${method} ${path} HTTP/1.1`];
  if (!names.has("host")) lines.push(`Host: 127.0.0.1:${port}`);
  for (const [name, values] of Object.entries(headers)) {
    for (const value of [values].flat()) lines.push(`${name}: ${value}`);
  }
  if (chunked) lines.push("Transfer-Encoding: chunked");
  else if (payload !== null && !names.has("content-length")) lines.push(`Content-Length: ${payload.length}`);
  return Buffer.from(`${lines.join("\r\n")}\r\n\r\n`);
}

function bodyParts(payload, chunked, unfinished) {
  if (payload === null) return [];
  if (!chunked) return [payload];
  const parts = [];
  for (let start = 0; start < payload.length; start += 65_536) {
    const piece = payload.subarray(start, start + 65_536);
    parts.push(Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from("\r\n"));
  }
  if (!unfinished) parts.push(Buffer.from("0\r\n\r\n"));
  return parts;
}

function exchange(port, method, parts, timeout) {
  return new Promise((resolve, reject) => {
    const received = [];
    const socket = connect(port, "127.0.0.1");
    const timer = setTimeout(() => fail(new Error(`no whole answer within ${timeout} ms`)), timeout);
    const end = (settle, value) => {
      clearTimeout(timer);
      socket.destroy();
      settle(value);
    };
    const fail = (error) => end(reject, error);
    socket.on("connect", () => parts.forEach((part) => socket.write(part)));
    socket.on("data", (data) => {
      received.push(data);
      try {
        const response = parse(method, Buffer.concat(received));
        if (response !== null) end(resolve, response);
      } catch (error) {
        fail(error);
      }
    });
    socket.on("error", fail);
    socket.on("close", () => fail(new Error(`connection closed after ${Buffer.concat(received).length} bytes of an answer`)));
  });
}

/** The response in `bytes`, or null while it is incomplete. */
function parse(method, bytes) {
  const headEnd = bytes.indexOf("\r\n\r\n");
  if (headEnd < 0) return null;
  const [statusLine, ...lines] = bytes.subarray(0, headEnd).toString("latin1").split("\r\n");
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(statusLine)?.[1]);
  if (Number.isNaN(status)) throw new Error(`not an HTTP status line: ${statusLine}`);
  const headers = {};
  for (const line of lines) {
    const colon = line.indexOf(":");
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    headers[name] = name in headers ? `${headers[name]}, ${value}` : value;
  }
  const body = bodyOf(method, status, headers, bytes.subarray(headEnd + 4));
  if (body === null) return null;
  return { status, headers, lines, body, text: body.toString("utf8"), json: () => JSON.parse(body.toString("utf8")) };
}

function bodyOf(method, status, headers, rest) {
  if (method === "HEAD" || BODILESS.has(status)) return Buffer.alloc(0);
  // A stream has no end.
  if (headers["content-type"] === "text/event-stream") return rest;
  if (headers["transfer-encoding"] === "chunked") return dechunk(rest);
  if (headers["content-length"] === undefined) throw new Error(`${status} with neither a length nor chunks`);
  const length = Number(headers["content-length"]);
  return rest.length < length ? null : rest.subarray(0, length);
}

function dechunk(rest) {
  const pieces = [];
  let at = 0;
  for (;;) {
    const lineEnd = rest.indexOf("\r\n", at);
    if (lineEnd < 0) return null;
    const size = Number.parseInt(rest.subarray(at, lineEnd).toString("latin1"), 16);
    const start = lineEnd + 2;
    if (rest.length < start + size + 2) return null;
    if (size === 0) return Buffer.concat(pieces);
    pieces.push(rest.subarray(start, start + size));
    at = start + size + 2;
  }
}
