// Event streams: the object that keeps an environment's streams, and the answer to a client.
//
// A stream is a WebSocket between the answering isolate and the environment's object, and an HTTP answer from that isolate to
// its client. The object sleeps between changes and keeps its sockets (the platform's WebSocket hibernation).

import { DurableObject } from "cloudflare:workers";

/** The most streams of one object. The platform allows 32,768 sockets. */
const MAX_STREAMS = 30_000;
/** Comments keep the connection open, and show that a client has gone. */
const COMMENT_INTERVAL_MS = 20_000;
const COMMENT = ": keep-alive\n\n";
/** The pause of a client before it connects again, in milliseconds. */
const START = "retry: 3000\n\n";
const SCHEMA = `CREATE TABLE IF NOT EXISTS event
  (id INTEGER PRIMARY KEY CHECK (id = 1), sequence INTEGER NOT NULL, updated_at REAL NOT NULL, version TEXT NOT NULL)`;
const READ = "SELECT sequence, updated_at, version FROM event";
const WRITE = "INSERT OR REPLACE INTO event (id, sequence, updated_at, version) VALUES (1, ?, ?, ?)";

/** The streams of one environment, and its latest event. */
export class StreamObject extends DurableObject {
  #latest;

  /**
   * Tells every stream that a version can be served. `version`: a text that is the same for the same version, or empty for a
   * change without a version. `sequence`: its time in milliseconds. `updatedAt`: the document's own time in seconds. Telling
   * the latest version again has no effect.
   */
  announce(version, sequence, updatedAt) {
    const { sql } = this.ctx.storage;
    const before = this.#read();
    if (version !== "" && before?.version === version) return;
    const next = Math.max(sequence, (before?.sequence ?? 0) + 1);
    // SDKs compare it with the document's own time, and with that of the event before.
    const updated_at = Math.max(next / 1000, updatedAt + 0.001, (before?.updated_at ?? 0) + 0.001);
    const event = { sequence: next, updated_at, version: version || (before?.version ?? "") };
    sql.exec(SCHEMA);
    sql.exec(WRITE, event.sequence, event.updated_at, event.version);
    this.#latest = event;
    for (const socket of this.ctx.getWebSockets()) send(socket, event);
  }

  /** Opens a stream. A client that missed the latest event gets it at once. */
  fetch(request) {
    if (this.ctx.getWebSockets().length >= MAX_STREAMS) return new Response(null, { status: 503 });
    const [client, server] = Object.values(new WebSocketPair());
    this.ctx.acceptWebSocket(server);
    const seen = Number(request.headers.get("last-event-id") ?? NaN);
    const latest = this.#read();
    if (latest !== null && latest.sequence > seen) send(server, latest);
    return new Response(null, { status: 101, webSocket: client });
  }

  webSocketMessage() {}

  webSocketClose(socket) {
    socket.close();
  }

  #read() {
    if (this.#latest !== undefined) return this.#latest;
    const { sql } = this.ctx.storage;
    const isThere = sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'event'").toArray().length > 0;
    this.#latest = isThere ? (sql.exec(READ).toArray()[0] ?? null) : null;
    return this.#latest;
  }
}

/** Sends an event. A socket that is closing gets none. */
function send(socket, { sequence, updated_at }) {
  try {
    socket.send(JSON.stringify({ sequence, updated_at }));
  } catch {
    // Its client connects again, and gets the event then.
  }
}

/**
 * Answers with a stream of an environment's events; null if the object takes no more streams. An event is passed on
 * `delayMs` after its version was published, when no isolate serves an older one.
 */
export async function openStream(object, lastEventId, delayMs) {
  const headers = { Upgrade: "websocket", ...(lastEventId === undefined ? {} : { "Last-Event-ID": lastEventId }) };
  const { webSocket: socket } = await object.fetch("https://stream/", { headers });
  if (!socket) return null;
  socket.accept();
  const { readable, writable } = new IdentityTransformStream();
  const client = new StreamWriter(writable.getWriter());
  const comments = setInterval(() => client.comment(), COMMENT_INTERVAL_MS);
  let delay;
  const end = () => {
    clearInterval(comments);
    clearTimeout(delay);
    client.close();
    socket.close();
  };
  socket.addEventListener("message", ({ data }) => {
    const event = JSON.parse(data);
    const wait = Math.max(0, event.sequence + delayMs - Date.now());
    // A later event replaces one that waits.
    clearTimeout(delay);
    delay = setTimeout(() => client.event(event), Math.min(wait, delayMs));
  });
  for (const name of ["close", "error"]) socket.addEventListener(name, end);
  client.closed.then(end, end);
  return new Response(readable, {
    headers: {
      "Content-Type": "text/event-stream",
      "Cache-Control": "no-cache, no-transform",
      "Access-Control-Allow-Origin": "*",
      "X-Accel-Buffering": "no",
    },
  });
}

/** Writes to a client that may read slowly: at most one text is on its way, and one event waits. */
class StreamWriter {
  #writer;
  #encoder = new TextEncoder();
  #isWriting = false;
  #waiting = null;

  constructor(writer) {
    this.#writer = writer;
    this.#write(START);
  }

  get closed() {
    return this.#writer.closed;
  }

  event({ sequence, updated_at }) {
    this.#write(`id: ${sequence}\nevent: environment_updated\ndata: {"updated_at": ${updated_at.toFixed(3)}}\n\n`);
  }

  comment() {
    // Otherwise the client has yet to read what is on its way.
    if (!this.#isWriting) this.#write(COMMENT);
  }

  close() {
    this.#writer.close().catch(() => {});
  }

  #write(text) {
    if (this.#isWriting) {
      this.#waiting = text;
      return;
    }
    this.#isWriting = true;
    const written = () => {
      this.#isWriting = false;
      const waiting = this.#waiting;
      this.#waiting = null;
      if (waiting !== null) this.#write(waiting);
    };
    // A failure is seen by `closed`.
    this.#writer.write(this.#encoder.encode(text)).then(written, () => {});
  }
}
