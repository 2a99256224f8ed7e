// The module that the platform starts: the worker, and the classes of its objects.

import { DurableObject } from "cloudflare:workers";

import worker, * as rust from "../../build/index.js";
import { Metrics } from "./metrics.js";

const { answer, scheduled, start } = worker.prototype;
/** The data set for a data point of each request, if one is bound; the same for all requests of an isolate. */
let metrics;

/**
 * A plain handler: the generated class would be made anew, behind a proxy, for each request.
 *
 * A panic, or an exception that no code of ours expects, ends the WebAssembly instance. The next call begins a new one, but
 * only after it has put its texts into the memory of the old one; so a call without any, `start`, comes first.
 */
export default {
  fetch(request, env, ctx) {
    const { method, url, headers } = request;
    start();
    if (env.METRICS !== undefined) metrics ??= new Metrics(env.METRICS);
    // Named here, these need no text to be made for each call, as a call from WebAssembly does.
    const key = headers.get("x-environment-key");
    const tags = method === "GET" ? headers.get("if-none-match") : null;
    const type = method === "GET" ? null : headers.get("content-type");
    const length = method === "GET" ? null : headers.get("content-length");
    const encoding = method === "GET" ? null : headers.get("content-encoding");
    const response = answer(request, method, url, key, tags, type, length, encoding, env, ctx, metrics);
    // Without this, work would stop when its client leaves, and stay in memory as long as the isolate lives.
    if (response instanceof Promise) ctx.waitUntil(response);
    return response;
  },

  scheduled(event, env, ctx) {
    return scheduled.call({ env, ctx }, event);
  },
};

/** One identity. */
export const IdentityObject = objectClass(rust.IdentityObject, [
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
export const DirectoryObject = objectClass(rust.DirectoryObject, ["answer", "alarm"]);

/** Publishes one environment. */
export const EnvironmentObject = objectClass(rust.EnvironmentObject, [
  "announcement",
  "document",
  "told",
  "follow",
  "leave",
  "reconcile",
  "status",
  "alarm",
]);

/** Knows which environments and server keys there are. */
export const RegistryObject = objectClass(rust.RegistryObject, [
  "look",
  "serverKey",
  "start",
  "discover",
  "told",
  "reconcile",
  "environments",
  "alarm",
]);

/** Keeps evaluations until the origin has them. */
export const AnalyticsObject = objectClass(rust.AnalyticsObject, ["record", "alarm"]);

/**
 * A class whose methods can be called from elsewhere: that takes one that extends the platform's, which Rust's cannot.
 *
 * An object of an instance that has ended refuses every call, before it does anything; it is made anew from its storage.
 */
function objectClass(Rust, methods) {
  return class extends DurableObject {
    #rust;

    constructor(state, env) {
      super(state, env);
      this.#rust = new Rust(state, env);
    }

    static {
      for (const method of methods) {
        this.prototype[method] = function (...parameters) {
          start();
          try {
            return this.#rust[method](...parameters);
          } catch (error) {
            if (error?.message !== "Invalid stale object from previous Wasm instance") throw error;
            this.#rust = new Rust(this.ctx, this.env);
            return this.#rust[method](...parameters);
          }
        };
      }
    }
  };
}
