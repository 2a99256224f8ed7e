// The worker, with a request of its own that ends its WebAssembly instance as a panic does: an exception that no code
// expects comes back from a call to the platform.

import worker from "../../build/index.js";

import entry from "./entry.js";

export * from "./entry.js";

const { answer, start } = worker.prototype;

export default {
  ...entry,
  fetch(request, env, ctx) {
    if (!request.headers.has("x-end")) return entry.fetch(request, env, ctx);
    return end(env, ctx);
  },
};

function end(env, ctx) {
  start();
  const request = {
    get headers() {
      throw new Error("unexpected");
    },
  };
  try {
    answer(request, "OPTIONS", "https://worker/api/v1/flags/", null, null, null, null, env, ctx, undefined);
  } catch {
    return new Response("ended");
  }
  throw new Error("it did not end");
}
