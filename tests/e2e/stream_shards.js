// The worker, with shards that have rare faults. Some paths are cases, which answer with the events of one stream.

import worker, * as objects from "./entry.js";

export { AnalyticsObject, DirectoryObject, EnvironmentObject, IdentityObject, RegistryObject } from "./entry.js";

let isHanging = false;

export class StreamObject extends objects.StreamObject {
  /** In the first case, the first object has an event before a shard has the answer. */
  async join(name) {
    const latest = await super.join(name);
    if (!name.startsWith("joining/")) return latest;
    await super.announce("", Date.now(), 0);
    // Until the shard has got the event, or has left.
    const { sql } = this.ctx.storage;
    while (sql.exec("SELECT 1 FROM shard JOIN event ON shard.sequence < event.sequence").toArray().length > 0) await scheduler.wait(1);
    return latest;
  }

  #pages = new Map();

  /** Keeps each later page of overrides, as if little time had passed. */
  relay(...question) {
    const key = JSON.stringify(question[0].parameters);
    if (!key.includes('\\"after\\":\\"')) return super.relay(...question);
    if (!this.#pages.has(key)) this.#pages.set(key, super.relay(...question));
    return this.#pages.get(key);
  }

  /** In the last case, the first call has no answer. */
  deliver(event) {
    if (!isHanging) return super.deliver(event);
    isHanging = false;
    return new Promise(() => {});
  }
}

const CASES = {
  async joining(object) {
    const stream = await open(object, "joining");
    for (const version of ["1-a", "2-b"]) {
      await object("joining").announce(version, Date.now(), 0);
      await stream.has(version);
    }
    return stream.versions;
  },
  async overtaken(object) {
    const later = Date.now() + 1_000_000;
    await object("overtaken/1").deliver({ sequence: later + 1, updated_at: 1, version: "2-b" });
    await object("overtaken/1").deliver({ sequence: later, updated_at: 1, version: "1-a" });
    const stream = await open(object, "overtaken", String(later));
    await stream.has("2-b");
    return stream.versions;
  },
  async hanging(object) {
    const stream = await open(object, "hanging");
    isHanging = true;
    await object("hanging").announce("1-a", Date.now(), 0);
    await stream.has("1-a");
    return stream.versions;
  },
};

/** Opens a stream at a shard: {versions, has(version)}. */
async function open(object, first, lastEventId = "0") {
  const headers = { Upgrade: "websocket", "First-Object": first, Object: `${first}/1`, "Last-Event-ID": lastEventId };
  const { webSocket } = await object(`${first}/1`).fetch("https://stream/", { headers });
  const versions = [];
  webSocket.accept();
  webSocket.addEventListener("message", ({ data }) => versions.push(JSON.parse(data).version));
  const has = async (version) => {
    for (let attempt = 0; attempt < 1_500 && !versions.includes(version); attempt += 1) await scheduler.wait(10);
  };
  return { versions, has };
}

export default {
  ...worker,
  async fetch(request, env, context) {
    const events = CASES[new URL(request.url).pathname.slice(1)];
    if (events === undefined) return worker.fetch(request, env, context);
    return Response.json(await events((name) => env.STREAMS.get(env.STREAMS.idFromName(name))));
  },
};
