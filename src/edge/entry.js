// The entry module: the worker, and the classes of its objects.

import worker, * as rust from "../../build/index.js";
import { objectClass } from "../platform/object_class.js";
import { Metrics } from "./metrics.js";
import { ShardedReader, withShards } from "./shards.js";
import { openStream } from "./stream_answer.js";
import { StreamObject } from "./stream_object.js";
import { start } from "./warm_up.js";

const { answer, scheduled } = worker.prototype;
const shards = new ShardedReader();
// WebAssembly calls them by their names.
globalThis.askShards = (...parameters) => shards.ask(...parameters);
globalThis.openStream = (env, clientKey, ...parameters) => openStream(env, shards.shardOf(clientKey), clientKey, ...parameters);
/** The data set for data points, if one is bound. It is the same for all requests of an isolate. */
let metrics;

/**
 * A plain handler, because the generated class would be instantiated behind a proxy for each request.
 *
 * A panic or an unexpected exception ends the WebAssembly instance, and the next call starts a new instance. That call would
 * write its arguments into the memory of the old instance. So `start`, a call without arguments, is always first.
 */
export default {
  fetch(request, env, ctx) {
    const { method, url, headers } = request;
    start();
    if (env.METRICS !== undefined) metrics ??= new Metrics(env.METRICS);
    // Read here, since a call from WebAssembly would create a string for each name.
    const key = headers.get("x-environment-key");
    const tags = method === "GET" ? headers.get("if-none-match") : null;
    const type = method === "GET" ? null : headers.get("content-type");
    const length = method === "GET" ? null : headers.get("content-length");
    const encoding = method === "GET" ? null : headers.get("content-encoding");
    const response = answer(request, method, url, key, tags, type, length, encoding, env, ctx, metrics);
    // Otherwise work would stop when its client disconnects, and stay in memory until the isolate ends.
    if (response instanceof Promise) ctx.waitUntil(response);
    return response;
  },

  scheduled(event, env, ctx) {
    start();
    return scheduled.call({ env, ctx }, event);
  },
};

// The methods' names stay as they were released: during a deployment, isolates of both versions call the objects.

/** The object of one identity. */
export const IdentityObject = objectClass(start, rust.IdentityObject, [
  "carryOut",
  "carryOutLarge",
  "carryOutAndTell",
  "carryOutRenamed",
  "carryOutRenamedAndTell",
  "handOver",
  "forget",
  "takeOver",
  "vacate",
  "alarm",
]);

/** A shard of an environment's directory of identities. */
export const DirectoryObject = objectClass(start, rust.DirectoryObject, ["answer", "alarm"]);

/** Publishes one environment. */
export const EnvironmentObject = withShards(objectClass(start, rust.EnvironmentObject, [
  "announcement",
  "document",
  "told",
  "follow",
  "leave",
  "reconcile",
  "status",
  "alarm",
]));

/** The registry of environments and server keys. */
export const RegistryObject = withShards(objectClass(start, rust.RegistryObject, [
  "look",
  "serverKey",
  "start",
  "discover",
  "told",
  "reconcile",
  "environments",
  "alarm",
]));

/** Keeps event streams of one environment, and answers for other objects as their shard. */
export { StreamObject };

/** Stores evaluations until the origin has them. */
export const AnalyticsObject = objectClass(start, rust.AnalyticsObject, ["record", "alarm"]);
