// Requests to the Admin API of a Flagsmith, or of the embedded origin.

import { setTimeout as delay } from "node:timers/promises";

import { MAX_PAGE_SIZE } from "../../src/pages/edge/flagsmith.js";
import { ATTEMPTS, RequestError, backoff, requests } from "../http_client.mjs";

export class AdminApi {
  #send;

  constructor(base, authorization) {
    // A POST whose answer is lost may have created something, so `repeated` looks first.
    this.#send = requests(base, authorization, (method) => method !== "POST");
  }

  get(path) {
    return this.#json("GET", path);
  }

  post(path, body) {
    return this.#json("POST", path, body);
  }

  put(path, body) {
    return this.#json("PUT", path, body);
  }

  patch(path, body) {
    return this.#json("PATCH", path, body);
  }

  /** Every item of a list, page by page, in the order of their ids if they have any. */
  async list(path) {
    const items = [];
    for (let page = 1; ; page += 1) {
      const mark = path.includes("?") ? "&" : "?";
      const answer = await this.get(`${path}${mark}page_size=${MAX_PAGE_SIZE}&page=${page}`);
      const results = Array.isArray(answer) ? answer : answer.results;
      items.push(...results);
      // Server keys and projects have no pages.
      if (Array.isArray(answer) || answer.next === null) return items.sort((a, b) => a.id - b.id);
    }
  }

  /** The list, or none if this Flagsmith or this credential has no such list. */
  async listIfServed(path) {
    try {
      return await this.list(path);
    } catch (error) {
      if (error instanceof RequestError && (error.status === 403 || error.status === 404)) return [];
      throw error;
    }
  }

  async #json(method, path, body) {
    const text = await this.#send(method, path, body === undefined ? {} : { body: JSON.stringify(body) });
    return text === "" ? null : JSON.parse(text);
  }
}

/**
 * Does `work`, again if a POST in it may have been carried out although its answer was lost. `refresh` runs before each
 * repetition, so that `work` finds what exists already.
 */
export async function repeated(work, refresh) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      const isUncertain = error instanceof RequestError && error.method === "POST" && error.isTemporary && error.status !== 429;
      if (!isUncertain || attempt === ATTEMPTS) throw error;
      await delay(backoff(attempt));
      await refresh();
    }
  }
}
