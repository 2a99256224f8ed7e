// The warm-up: some requests while the module is loaded, so that V8 has compiled the code of a request before the first one.
//
// Cloudflare loads a module during the TLS handshake, and does not bill that time. The requests take the paths of real ones,
// with a document of their own. They run in a WebAssembly instance of their own: the next instance shares the compiled code
// with it, and nothing else. So a later request sees no state of the warm-up, even after a panic.

import worker, { IdentityObject } from "../../build/index.js";
import { platform, REQUESTS } from "./warm_up_requests.js";

const { answer, discard_instance: discardInstance, log_warm_up_fault: logFault, start: startInstance } = worker.prototype;

/** What the platform refuses outside of a request. A response without a body is allowed, one with a body is not. */
const STAND_INS = {
  Response: class {
    constructor(_body, { status } = {}) {
      this.status = status ?? 200;
    }
  },
  setTimeout: () => 0,
  clearTimeout() {},
  // Its errors would take 3 ms.
  crypto: { getRandomValues: (bytes) => bytes },
};
const GLOBALS = Object.fromEntries(Object.keys(STAND_INS).map((name) => [name, globalThis[name]]));

/** True if the instance of the warm-up is discarded. */
let isOver = false;
/** The cause of a fault that is not logged yet. */
let fault = null;

/**
 * Starts the WebAssembly instance for a request, which must be the first call of each. Logs a fault of the warm-up, since
 * lines from outside of requests may be lost.
 */
export function start() {
  if (!isOver) end("it did not end while the module was loaded");
  startInstance();
  if (fault !== null) {
    const cause = fault;
    fault = null;
    logFault(cause);
  }
}

function end(cause) {
  isOver = true;
  fault = cause;
  Object.assign(globalThis, GLOBALS);
  try {
    discardInstance();
    startInstance();
  } catch (error) {
    fault = String(error);
  }
}

async function send({ clientKey, env, context }, { method, path, key = clientKey, body, status }) {
  const bytes = body === undefined ? null : new TextEncoder().encode(JSON.stringify(body));
  const [type, length] = bytes === null ? [null, null] : ["application/json", String(bytes.length)];
  const url = `https://warm-up${path}`;
  // An object with the used parts of a request, since the platform refuses a body outside of requests.
  const request = { method, url, headers: new Headers(), body: null, arrayBuffer: () => Promise.resolve(bytes.buffer) };
  startInstance();
  const response = await answer(request, method, url, key, null, type, length, null, env, context, undefined);
  if (response.status !== status) throw new Error(`${method} ${path}: ${response.status} and not ${status}`);
}

async function warmUp() {
  Object.assign(globalThis, STAND_INS);
  startInstance();
  const place = platform(IdentityObject);
  for (const request of REQUESTS) {
    if (isOver) return;
    await send(place, request);
  }
}

// Not awaited, since a module that waits for ever fails the start. Its promises need no IO, so they are settled when the
// module is loaded.
warmUp().then(
  () => isOver || end(null),
  (error) => isOver || end(String(error)),
);
