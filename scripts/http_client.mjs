// Requests of the commands to a worker or to an origin: retries, a bounded rate, and bounded concurrency.

import { setTimeout as delay } from "node:timers/promises";

import { fail } from "./command.mjs";

/** The number of times that a request is sent. */
export const ATTEMPTS = 6;

/** A request without a successful answer; the status is 0 if there was no answer at all. */
export class RequestError extends Error {
  constructor(method, path, status, text) {
    super(`${method} ${path}: ${status} ${text.slice(0, 2000)}`);
    Object.assign(this, { method, status, text });
  }

  /** True if the same request may succeed later. */
  get isTemporary() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

/** The pause after a failed attempt, in milliseconds. */
export function backoff(attempt) {
  return 500 * 2 ** attempt;
}

/**
 * Requests to the server at `base` with the caller's credential. The returned function resolves to the text of the answer, or
 * throws a RequestError. It retries after 429, 5xx and network errors, with backoff or as Retry-After requires.
 * `isRepeatable`: false for a request that must not be carried out twice, which is retried after 429 only.
 */
export function requests(base, authorization, isRepeatable = () => true) {
  const root = base.replace(/\/$/, "");
  return async function send(method, path, { body, type = "application/json", accept = "application/json" } = {}) {
    const headers = { Authorization: authorization, Accept: accept, ...(body === undefined ? {} : { "Content-Type": type }) };
    const answer = async () => {
      const response = await fetch(root + path, { method, headers, body });
      return { status: response.status, headers: response.headers, text: await response.text() };
    };
    for (let attempt = 1; ; attempt += 1) {
      const response = await answer().catch((error) => ({ status: 0, text: String(error.cause ?? error) }));
      const { status, text } = response;
      if (status >= 200 && status < 300) return text;
      const error = new RequestError(method, path, status, text);
      const again = error.isTemporary && (status === 429 || isRepeatable(method));
      if (!again || attempt === ATTEMPTS) throw error;
      // In seconds. A date, which a proxy of the origin may send, is ignored.
      const retryAfter = Number(response.headers?.get("retry-after") ?? 0) || 0;
      await delay(Math.max(backoff(attempt), 1000 * retryAfter));
    }
  };
}

/** The same requests for a command that ends with the first failure. */
export function client(base, authorization) {
  const send = requests(base, authorization);
  return (...request) => send(...request).catch((error) => fail(`\n${error.message}`));
}

/** Returns a function that delays its caller so that at most `rate` items are handled in a second. */
export function pace(rate) {
  let next = Date.now();
  return async (count) => {
    next = Math.max(next, Date.now()) + (1000 * count) / rate;
    const wait = next - Date.now() - 1000;
    if (wait > 0) await delay(wait);
  };
}

/** Calls `work` with each item, `atOnce` of them concurrently; resolves to the results, in order. */
export async function concurrently(items, atOnce, work) {
  const done = [];
  let next = 0;
  const workThrough = async () => {
    while (next < items.length) {
      const index = next;
      next += 1;
      done[index] = await work(items[index]);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, workThrough));
  return done;
}
