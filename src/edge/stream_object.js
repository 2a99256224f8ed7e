// The objects that keep an environment's event streams.
//
// A stream is a WebSocket between the answering isolate and an object, and an HTTP answer from that isolate to its client
// (stream_answer.js). The object sleeps between changes and keeps its sockets (the platform's WebSocket hibernation).
//
// An environment has one first object, which knows the latest event. If it has many streams or readers, there are others: they
// join at the first, and it passes events on to them.

import { DurableObject } from "cloudflare:workers";

import { askAbove, Relay } from "./shards.js";

/** The most streams of one object. The platform allows 32,768 sockets. */
const MAX_STREAMS = 10_000;
/** A client that connects so soon after an event may have fetched its flags before it, so it gets the event. */
const RECENT_MS = 10_000;
/** The pause before an object sends another an event again: after the first failure, doubled after each, and at most. */
const MIN_PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 300_000;
/** The time after which the first object, if it ends while it sends an event to shards, goes on. */
const DELIVERY_TIMEOUT_MS = 5_000;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS event
    (id INTEGER PRIMARY KEY CHECK (id = 1), sequence INTEGER NOT NULL, updated_at REAL NOT NULL, version TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS shard
    (name TEXT PRIMARY KEY, joins INTEGER NOT NULL, sequence INTEGER NOT NULL, failures INTEGER NOT NULL)`;
const READ_EVENT = "SELECT sequence, updated_at, version FROM event";
const WRITE_EVENT = "INSERT OR REPLACE INTO event (id, sequence, updated_at, version) VALUES (1, ?, ?, ?)";
// A known shard keeps its sequence: the answer to its join may be lost.
const JOIN = `INSERT INTO shard VALUES (?, 1, ?, 0) ON CONFLICT (name) DO UPDATE SET joins = joins + 1, failures = 0`;
const UNDELIVERED = "SELECT name, joins, failures FROM shard WHERE sequence < ?";
const SET_DELIVERED = "UPDATE shard SET sequence = max(sequence, ?), failures = 0 WHERE name = ?";
const SET_FAILED = "UPDATE shard SET failures = failures + 1 WHERE name = ?";
// A shard that has joined again meanwhile has streams.
const LEAVE = "DELETE FROM shard WHERE name = ? AND joins = ?";

/** The streams of one environment or a part of them. It also answers for other objects, as their shard. */
export class StreamObject extends DurableObject {
  /** The latest event; null if there is none, undefined before it is read. */
  #latest;
  /** Resolves when this shard has joined at the first object. */
  #joined;
  /** The number of streams that wait for that. */
  #opening = 0;
  /** The number of sockets, since listing them takes time for each. It is read again after a sleep. */
  #streams = this.ctx.getWebSockets().length;
  #relay = new Relay((...question) => askAbove(this.env, ...question));

  /**
   * Sends every stream the event that a version can be served. `version`: a text that is the same for the same version, or empty for a
   * change without a version. `sequence`: its time in milliseconds. `updatedAt`: the document's own time in seconds.
   * Announcing the latest version again has no effect.
   */
  async announce(version, sequence, updatedAt) {
    const before = this.#read();
    if (version === "" || before?.version !== version) {
      const next = Math.max(sequence, (before?.sequence ?? 0) + 1);
      // SDKs compare it with the document's own time, and with that of the event before.
      const updated_at = Math.max(next / 1000, updatedAt + 0.001, (before?.updated_at ?? 0) + 0.001);
      const event = { sequence: next, updated_at, version: version || (before?.version ?? "") };
      this.#sql(SCHEMA);
      this.#sql(WRITE_EVENT, event.sequence, event.updated_at, event.version);
      this.#deliver(event);
    }
    this.ctx.waitUntil(this.#sendToShards());
  }

  /** Passes an event on to this shard's streams. Returns false if it has none. */
  deliver(event) {
    this.#deliver(event);
    if (this.#opening > 0 || this.ctx.getWebSockets().length > 0) return true;
    // The first object forgets it, so it joins again with its next stream.
    this.#joined = undefined;
    return false;
  }

  /** A shard with streams joins, and gets the latest event, or null. */
  join(name) {
    const latest = this.#read();
    this.#sql(SCHEMA);
    this.#sql(JOIN, name, latest?.sequence ?? 0);
    return latest;
  }

  /** Opens a stream. A client that missed the latest event gets it at once. */
  async fetch(request) {
    const first = request.headers.get("first-object");
    if (first !== null) {
      const { STREAMS } = this.env;
      this.#joined ??= STREAMS.get(STREAMS.idFromName(first)).join(request.headers.get("object"));
      this.#opening += 1;
      try {
        const latest = await this.#joined;
        if (latest !== null) this.#deliver(latest);
      } catch (error) {
        this.#joined = undefined;
        throw error;
      } finally {
        this.#opening -= 1;
      }
    }
    if (this.#streams >= MAX_STREAMS) return new Response(null, { status: 503 });
    const [client, server] = Object.values(new WebSocketPair());
    this.ctx.acceptWebSocket(server);
    this.#streams += 1;
    const latest = first === null ? this.#read() : (this.#latest ?? null);
    const given = request.headers.get("last-event-id");
    const now = latest?.sequence ?? 0;
    const isRecent = Date.now() - now < RECENT_MS;
    const seen = given !== null && Number.isFinite(Number(given)) ? Number(given) : now - (isRecent ? 1 : 0);
    server.serializeAttachment(Math.min(seen, now));
    if (latest !== null) send(server, latest);
    return new Response(null, { status: 101, webSocket: client });
  }

  /** Answers as another object does, by an answer that may be some time old (see `Relay`). */
  relay(source, demand, reader) {
    return this.#relay.ask(source, demand, reader);
  }

  /** Sends the latest event to the shards that have not got it. */
  async alarm() {
    await this.#sendToShards();
  }

  webSocketMessage() {}

  webSocketClose(socket) {
    this.#streams -= 1;
    socket.close();
  }

  webSocketError() {
    this.#streams -= 1;
  }

  /** Passes an event on to all streams, unless a later one has overtaken it. */
  #deliver(event) {
    if (event.sequence <= (this.#latest?.sequence ?? 0)) return;
    this.#latest = event;
    this.#relay.clear();
    for (const socket of this.ctx.getWebSockets()) send(socket, event);
  }

  async #sendToShards() {
    const event = this.#read();
    if (event === null) return;
    const undelivered = this.#sql(UNDELIVERED, event.sequence);
    if (undelivered.length === 0) return;
    await this.ctx.storage.setAlarm(Date.now() + DELIVERY_TIMEOUT_MS);
    const { STREAMS } = this.env;
    const deliver = async ({ name, joins }) => {
      try {
        const hasStreams = await STREAMS.get(STREAMS.idFromName(name)).deliver(event);
        if (hasStreams) this.#sql(SET_DELIVERED, event.sequence, name);
        else this.#sql(LEAVE, name, joins);
      } catch (error) {
        console.error(JSON.stringify({ failure: "streams", cause: `a shard has not got an event: ${error?.message ?? error}` }));
        this.#sql(SET_FAILED, name);
      }
    };
    await Promise.all(undelivered.map(deliver));
    // There may be a later event meanwhile.
    const pauses = this.#sql(UNDELIVERED, this.#read().sequence).map(({ failures }) => MIN_PAUSE_MS * 2 ** (failures - 1));
    if (pauses.length === 0) await this.ctx.storage.deleteAlarm();
    else await this.ctx.storage.setAlarm(Date.now() + Math.min(...pauses, MAX_PAUSE_MS));
  }

  #read() {
    if (this.#latest !== undefined) return this.#latest;
    this.#latest = null;
    // A read of an object without tables creates none.
    if (this.#sql("SELECT 1 FROM sqlite_master WHERE name = 'event'").length > 0) {
      this.#sql(SCHEMA);
      this.#latest = this.#sql(READ_EVENT)[0] ?? null;
    }
    return this.#latest;
  }

  #sql(statement, ...values) {
    return this.ctx.storage.sql.exec(statement, ...values).toArray();
  }
}

/** Sends an event, unless the stream has had it. */
function send(socket, { sequence, updated_at, version }) {
  if ((socket.deserializeAttachment() ?? 0) >= sequence) return;
  try {
    socket.send(JSON.stringify({ sequence, updated_at, version }));
    socket.serializeAttachment(sequence);
  } catch {
    // The socket is closing. Its client connects again, and gets the event then.
  }
}
