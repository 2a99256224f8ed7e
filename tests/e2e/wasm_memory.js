// The worker, with an additional path that reports the length of its WebAssembly memory in bytes.

import entry from "./entry.js";

export * from "./entry.js";

const { Instance } = WebAssembly;
let memory;

// Replaced before the warm-up ends, after which requests have a new instance.
WebAssembly.Instance = function (module, imports) {
  const instance = new Instance(module, imports);
  ({ memory } = instance.exports);
  return instance;
};

export default {
  ...entry,
  fetch(request, env, ctx) {
    if (!request.url.endsWith("/wasm-memory")) return entry.fetch(request, env, ctx);
    return Response.json(memory.buffer.byteLength);
  },
};
