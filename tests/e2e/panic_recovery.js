// The worker, with a request of its own that ends its WebAssembly instance as a panic does: an exception that no code
// expects comes back from a call to the platform.

import entry from "./entry.js";

export * from "./entry.js";

export default {
  ...entry,
  fetch(request, env, ctx) {
    if (!request.headers.has("x-end")) return entry.fetch(request, env, ctx);
    return end(env, ctx);
  },
};

function end(env, ctx) {
  let isRead = false;
  const request = {
    method: "OPTIONS",
    url: "https://worker/api/v1/flags/",
    /** The entry reads them first, and WebAssembly after it. */
    get headers() {
      if (isRead) throw new Error("unexpected");
      isRead = true;
      return new Headers();
    },
  };
  try {
    entry.fetch(request, env, ctx);
  } catch {
    return new Response("ended");
  }
  throw new Error("it did not end");
}
