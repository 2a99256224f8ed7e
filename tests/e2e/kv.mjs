// A stand-in for Workers KV, an HTTP service for the runtime. The test controls its content and its faults.

import { createStandIn } from "./stand_in.mjs";

/** Starts a KV service on a free loopback port, holding `entries` (key → Buffer) and their `metadata` (key → object). */
export async function startKv(entries = new Map(), metadata = new Map()) {
  const kv = new Kv(entries, metadata);
  await new Promise((resolve) => kv.server.listen(0, "127.0.0.1", resolve));
  return kv;
}

class Kv {
  /** The stored values: key → Buffer. Tests may change them. */
  entries;
  /** The metadata of values, for lists: key → object. */
  metadata;
  /** The maximum number of keys on a page of a list; the real KV has 1,000. */
  pageLength = 1000;
  /** The requested keys, in order. A list has an empty name. */
  requests = [];
  /** The keys that were written, in order. */
  writes = [];
  /** The number of requests of each kind, as they are billed. */
  operations = { read: 0, list: 0, write: 0, delete: 0 };
  /** The value for readers of a key; the real KV shows changes late. */
  view = (key) => this.entries.get(key);
  /**
   * The answer to a key: "serve", "fail" (500), "garbage" (200 with meaningless bytes, to a reader) or "stall" (no answer).
   */
  behaviour = (_key) => "serve";

  constructor(entries, metadata) {
    this.entries = entries;
    this.metadata = metadata;
    this.server = createStandIn((request, response) => this.#answer(request, response));
  }

  get port() {
    return this.server.address().port;
  }

  /** Sets the behaviour for all keys. */
  behave(way) {
    this.behaviour = () => way;
  }

  /** The number of requests for `key`. */
  count(key) {
    return this.requests.filter((requested) => requested === key).length;
  }

  stop() {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  }

  async #answer(request, response) {
    const { pathname, searchParams } = new URL(request.url, "http://kv");
    const key = decodeURIComponent(pathname.slice(1));
    this.requests.push(key);
    this.operations[operation(request.method, key)] += 1;
    const way = this.behaviour(key);
    if (way === "stall") return;
    if (way === "fail") return send(response, 500, "storage failure");
    if (way === "garbage" && request.method === "GET") return send(response, 200, Buffer.from([0xff, 0x00, 0x7b, 0xc3, 0x28]));
    if (request.method === "GET" && key === "") return send(response, 200, JSON.stringify(this.#page(searchParams.get("prefix") ?? "")));
    if (request.method === "GET") {
      const value = this.view(key);
      return value === undefined ? send(response, 404, "") : send(response, 200, value);
    }
    if (request.method === "PUT") {
      this.entries.set(key, await bytesOf(request));
      this.metadata.delete(key);
      this.writes.push(key);
      return send(response, 200, "");
    }
    if (request.method === "DELETE") {
      this.entries.delete(key);
      return send(response, 200, "");
    }
    send(response, 501, "");
  }

  /** The first page of a list in the runtime's form, with metadata as JSON text. */
  #page(prefix) {
    const names = [...this.entries.keys()].filter((name) => name.startsWith(prefix)).sort();
    const keys = names.slice(0, this.pageLength).map((name) => ({ name, metadata: JSON.stringify(this.metadata.get(name)) }));
    return keys.length === names.length ? { keys, list_complete: true } : { keys, list_complete: false, cursor: keys.at(-1)?.name ?? "" };
  }
}

function operation(method, key) {
  if (method === "PUT" || method === "DELETE") return method === "PUT" ? "write" : "delete";
  return key === "" ? "list" : "read";
}

function send(response, status, body) {
  response.writeHead(status, { "Content-Length": Buffer.byteLength(body) });
  response.end(body);
}

async function bytesOf(request) {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  return Buffer.concat(pieces);
}
