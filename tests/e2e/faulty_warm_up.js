// In place of src/edge/warm_up_requests.js: requests with the fault that the variable WARM_UP_FAULT names.

import { env } from "cloudflare:workers";

const DOCUMENT = new TextEncoder().encode(JSON.stringify({ api_key: "warm-up", project: {} }));
const FLAGS = { method: "GET", path: "/api/v1/flags/", status: 200 };
const stored = { get: () => Promise.resolve(DOCUMENT.slice().buffer) };

const FAULTS = {
  /** The worker gives another answer. */
  status: { requests: [FLAGS], ENVIRONMENTS: { get: () => Promise.resolve(null) } },
  /** An answer never comes. */
  unfinished: { requests: [FLAGS], ENVIRONMENTS: { get: () => new Promise(() => {}) } },
  /** The bindings call a method of a value that has none, and the WebAssembly instance ends. */
  exception: { requests: [FLAGS], ENVIRONMENTS: { get: () => ({}) } },
  /** The crate `worker` panics, since the context of a stale document's request fails. */
  panic: {
    requests: [FLAGS, FLAGS],
    ENVIRONMENTS: stored,
    waitUntil() {
      throw new Error("quoted by the panic");
    },
  },
};

const { requests, ENVIRONMENTS, waitUntil } = FAULTS[env.WARM_UP_FAULT];

export const REQUESTS = requests;

export function platform() {
  return { clientKey: "warm-up", env: { ENVIRONMENTS, DOCUMENT_SOFT_AGE_SECONDS: "0" }, context: { waitUntil } };
}
