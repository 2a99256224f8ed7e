// The worker, with additional requests that end its WebAssembly instance or read the number of the instance.
//
// The released worker has no code that panics for a test. This module passes it a request's context with a failing `waitUntil`,
// which the platform's own never does. The crate `worker` unwraps the result of that call, so the call panics.

import * as rust from "../../build/index.js";
import entry from "./entry.js";

export * from "./entry.js";

const WAYS = { panic, exception, instance, object };

export default {
  ...entry,
  async fetch(request, env, ctx) {
    const way = WAYS[request.headers.get("x-test")];
    return way === undefined ? entry.fetch(request, env, ctx) : Response.json(await way(request, env, ctx));
  },
};

/** Causes a panic with the text of the header in its message. The request must be for a stale document. */
function panic(request, env) {
  const waitUntil = () => {
    throw new Error(request.headers.get("x-message"));
  };
  return thrown(() => entry.fetch(request, env, { waitUntil }));
}

/** Makes a call to the platform throw an unexpected exception, which is not a panic. */
function exception(request, env, ctx) {
  let isRead = false;
  return thrown(() => entry.fetch({
    method: "OPTIONS",
    url: request.url,
    /** The entry reads the headers first, then WebAssembly. */
    get headers() {
      if (isRead) throw new Error("unexpected");
      isRead = true;
      return new Headers();
    },
  }, env, ctx));
}

/** Reads the traits of the identity `ada` from its object, after a panic and before anything else. */
async function object(request, env) {
  const key = request.headers.get("x-environment-key");
  const error = panic(request, env);
  const command = { environment: key, identifier: "ada", command: "read" };
  const answer = await env.IDENTITIES.get(env.IDENTITIES.idFromName(`${key}_ada`)).carryOut(JSON.stringify(command));
  return { error, traits: JSON.parse(answer).result.Ok.traits };
}

/** The number of the instance, which every object of a Rust class has. */
function instance() {
  return new rust.DirectoryObject({ storage: { sql: {} } }, {}).__wbg_inst;
}

function thrown(call) {
  try {
    call();
  } catch (error) {
    return `${error.constructor.name}: ${error.message}`;
  }
  return "nothing";
}
