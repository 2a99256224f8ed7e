// Event streams: the objects that keep an environment's streams, and the answer to a client.
//
// A stream is a WebSocket between the answering isolate and an object, and an HTTP answer from that isolate to its client. The
// object sleeps between changes and keeps its sockets (the platform's WebSocket hibernation). If an object loses its sockets,
// as in a deployment, the isolate connects again, and the client's stream stays open.
//
// An environment has one first object, which knows the latest event. If it has many streams or readers, there are others: they
// join at the first, and it passes events on to them.

import { DurableObject } from "cloudflare:workers";

import { askSource, MAX_SHARDS, Relay, shardName } from "./shards.js";

/** The most streams of one object. The platform allows 32,768 sockets. */
const MAX_STREAMS = 10_000;
/** A client that connects so soon after an event may have fetched its flags before it, so it gets the event. */
const RECENT_MS = 10_000;
/** Comments keep the connection open, and show that a client has gone. */
const COMMENT_INTERVAL_MS = 20_000;
const COMMENT = ": keep-alive\n\n";
/** The pause of a client before it connects again. Each client has another, so that they do not come all at once. */
const MIN_RETRY_MS = 2_000;
const MAX_RETRY_MS = 10_000;
/** The pauses before an isolate connects to its object again, each with a random part of the same length. */
const RECONNECT_MS = [250, 1_000, 4_000, 15_000];
/** The longest pause before an object tells another of an event again. */
const MAX_PAUSE_MS = 300_000;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS event
    (id INTEGER PRIMARY KEY CHECK (id = 1), sequence INTEGER NOT NULL, updated_at REAL NOT NULL, version TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS shard
    (name TEXT PRIMARY KEY, joins INTEGER NOT NULL, sequence INTEGER NOT NULL, failures INTEGER NOT NULL)`;
const READ_EVENT = "SELECT sequence, updated_at, version FROM event";
const WRITE_EVENT = "INSERT OR REPLACE INTO event (id, sequence, updated_at, version) VALUES (1, ?, ?, ?)";
const JOIN = `INSERT INTO shard VALUES (?, 1, ?, 0)
  ON CONFLICT (name) DO UPDATE SET joins = joins + 1, sequence = excluded.sequence, failures = 0`;
const UNTOLD = "SELECT name, joins, failures FROM shard WHERE sequence < ?";
const SET_TOLD = "UPDATE shard SET sequence = max(sequence, ?), failures = 0 WHERE name = ?";
const SET_FAILED = "UPDATE shard SET failures = failures + 1 WHERE name = ?";
// A shard that has joined again meanwhile has streams.
const LEAVE = "DELETE FROM shard WHERE name = ? AND joins = ?";

/** The streams of one environment or a part of them. It also answers for other objects, as their shard. */
export class StreamObject extends DurableObject {
  /** The latest event; null if there is none, undefined before it is read. */
  #latest;
  /** Resolves when this shard has joined at the first object. */
  #joined;
  #relay = new Relay((source, reader) => askSource(this.env, source, reader));

  /**
   * Tells every stream that a version can be served. `version`: a text that is the same for the same version, or empty for a
   * change without a version. `sequence`: its time in milliseconds. `updatedAt`: the document's own time in seconds. Telling
   * the latest version again has no effect.
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
    this.ctx.waitUntil(this.#tellShards());
  }

  /** Passes an event on to this shard's streams. Returns false if it has none. */
  tell(event) {
    this.#deliver(event);
    if (this.ctx.getWebSockets().length > 0) return true;
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
      try {
        const latest = await this.#joined;
        if (latest !== null && latest.sequence > (this.#latest?.sequence ?? 0)) this.#deliver(latest);
      } catch (error) {
        this.#joined = undefined;
        throw error;
      }
    }
    if (this.ctx.getWebSockets().length >= MAX_STREAMS) return new Response(null, { status: 503 });
    const [client, server] = Object.values(new WebSocketPair());
    this.ctx.acceptWebSocket(server);
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

  /** Tells the shards that could not be told. */
  async alarm() {
    await this.#tellShards();
  }

  webSocketMessage() {}

  webSocketClose(socket) {
    socket.close();
  }

  #deliver(event) {
    this.#latest = event;
    this.#relay.clear();
    for (const socket of this.ctx.getWebSockets()) send(socket, event);
  }

  async #tellShards() {
    const event = this.#read();
    if (event === null) return;
    const { STREAMS } = this.env;
    const told = this.#sql(UNTOLD, event.sequence).map(async ({ name, joins, failures }) => {
      try {
        const hasStreams = await STREAMS.get(STREAMS.idFromName(name)).tell(event);
        if (hasStreams) this.#sql(SET_TOLD, event.sequence, name);
        else this.#sql(LEAVE, name, joins);
        return null;
      } catch (error) {
        console.error(JSON.stringify({ failure: "streams", cause: `a shard has not got an event: ${error?.message ?? error}` }));
        this.#sql(SET_FAILED, name);
        return Math.min(1000 * 2 ** failures, MAX_PAUSE_MS);
      }
    });
    const pauses = (await Promise.all(told)).filter((pause) => pause !== null);
    if (pauses.length > 0) await this.ctx.storage.setAlarm(Date.now() + Math.min(...pauses));
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

/** The texts of an event, by the kind of stream. */
const EVENTS = {
  flagsmith: ({ updated_at }) => `event: environment_updated\ndata: {"updated_at": ${updated_at.toFixed(3)}}\n\n`,
  // Events of OpenFeature's protocol have no name.
  ofrep: ({ sequence, version }) => {
    const lastModified = Math.floor(sequence / 1000);
    return `data: ${JSON.stringify({ type: "refetchEvaluation", ...(version === "" ? {} : { etag: version }), lastModified })}\n\n`;
  },
};

/**
 * Answers with a stream of an environment's events; null if no object takes more streams. `count` and `index`: the number of
 * shards and this isolate's own. `kind`: a name in `EVENTS`. An event is passed on `delayMs` after its version was published.
 */
export async function openStream(env, { count, index }, clientKey, kind, lastEventId, delayMs) {
  let object;
  let socket = await connect(env, clientKey, (object = shardName(clientKey, index)), lastEventId);
  for (let spread = Math.max(2, count); !socket && spread <= MAX_SHARDS; spread *= 2) {
    object = shardName(clientKey, Math.floor(Math.random() * spread));
    socket = await connect(env, clientKey, object, lastEventId);
  }
  if (!socket) return null;
  const { readable, writable } = new IdentityTransformStream();
  const stream = new Stream(new StreamWriter(writable.getWriter()), EVENTS[kind], delayMs, lastEventId);
  stream.follow(socket, (seen) => connect(env, clientKey, object, seen));
  return new Response(readable, {
    headers: {
      "Content-Type": "text/event-stream",
      "Cache-Control": "no-cache, no-transform",
      "Access-Control-Allow-Origin": "*",
      "X-Accel-Buffering": "no",
    },
  });
}

/** Connects to an object: its socket, or null if it takes no more streams. */
async function connect(env, clientKey, object, lastEventId) {
  const headers = { Upgrade: "websocket" };
  if (lastEventId !== undefined) headers["Last-Event-ID"] = lastEventId;
  if (object !== clientKey) Object.assign(headers, { "First-Object": clientKey, Object: object });
  const { webSocket } = await env.STREAMS.get(env.STREAMS.idFromName(object)).fetch("https://stream/", { headers });
  webSocket?.accept();
  return webSocket ?? null;
}

/** One client's stream: events from a socket, after their delay. */
class Stream {
  #client;
  #text;
  #delayMs;
  #delay;
  #comments;
  #seen;
  #taken = 0;
  #socket;
  #hasEnded = false;

  constructor(client, text, delayMs, seen) {
    this.#client = client;
    this.#text = text;
    this.#delayMs = delayMs;
    this.#seen = seen;
    this.#comments = setInterval(() => client.comment(), COMMENT_INTERVAL_MS);
    client.closed.then(() => this.#end(), () => this.#end());
  }

  /** Passes on the events of a socket. If it closes, `reconnect` makes another; the stream ends if that fails for long. */
  follow(socket, reconnect) {
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => this.#take(JSON.parse(data)));
    let isLost = false;
    const lost = async () => {
      if (isLost || this.#hasEnded) return;
      isLost = true;
      for (const pause of RECONNECT_MS) {
        await new Promise((resolve) => setTimeout(resolve, pause * (1 + Math.random())));
        if (this.#hasEnded) return;
        const next = await reconnect(this.#seen).catch(() => null);
        if (next) {
          if (this.#hasEnded) next.close();
          else this.follow(next, reconnect);
          return;
        }
      }
      this.#end();
    };
    for (const name of ["close", "error"]) socket.addEventListener(name, lost);
  }

  #take(event) {
    // A new socket may bring the latest event again.
    if (event.sequence <= this.#taken) return;
    this.#taken = event.sequence;
    this.#seen = String(event.sequence);
    const wait = Math.max(0, event.sequence + this.#delayMs - Date.now());
    // A later event replaces one that waits.
    clearTimeout(this.#delay);
    this.#delay = setTimeout(() => this.#client.write(`id: ${event.sequence}\n${this.#text(event)}`), Math.min(wait, this.#delayMs));
  }

  #end() {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    clearInterval(this.#comments);
    clearTimeout(this.#delay);
    this.#client.close();
    this.#socket.close();
  }
}

/** Writes to a client that may read slowly: at most one text is on its way, and one event waits. */
class StreamWriter {
  #writer;
  #encoder = new TextEncoder();
  #isWriting = false;
  #waiting = null;

  constructor(writer) {
    this.#writer = writer;
    this.write(`retry: ${Math.floor(MIN_RETRY_MS + Math.random() * (MAX_RETRY_MS - MIN_RETRY_MS))}\n\n`);
  }

  get closed() {
    return this.#writer.closed;
  }

  /** Writes a text, or lets it wait in place of another. */
  write(text) {
    if (this.#isWriting) {
      this.#waiting = text;
      return;
    }
    this.#isWriting = true;
    const written = () => {
      this.#isWriting = false;
      const waiting = this.#waiting;
      this.#waiting = null;
      if (waiting !== null) this.write(waiting);
    };
    // A failure is seen by `closed`.
    this.#writer.write(this.#encoder.encode(text)).then(written, () => {});
  }

  comment() {
    // Otherwise the client has yet to read what is on its way.
    if (!this.#isWriting) this.write(COMMENT);
  }

  close() {
    this.#writer.close().catch(() => {});
  }
}
