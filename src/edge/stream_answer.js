// The answer to a client of an event stream: events from the socket of an object (stream_object.js), and comments.
//
// If an object loses its sockets, as in a deployment, the isolate connects again, and the client's stream stays open.

import { MAX_SHARDS, shardName } from "./shards.js";

/** Comments keep the connection open, and show that a client has gone. */
const COMMENT_INTERVAL_MS = 20_000;
const COMMENT = ": keep-alive\n\n";
/** The pause of a client before it connects again. Each client has another, so that they do not come all at once. */
const MIN_RETRY_MS = 2_000;
const MAX_RETRY_MS = 10_000;
/** The pauses before an isolate connects to its object again, each with a random part of the same length. */
const RECONNECT_MS = [250, 1_000, 4_000, 15_000];

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
export class StreamWriter {
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
