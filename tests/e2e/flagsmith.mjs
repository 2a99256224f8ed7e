// A small Flagsmith behind the worker: projects, environments, server keys and documents that can change, served by the
// stand-in origin, which decides how well.

import { createHash, randomUUID } from "node:crypto";

import { readEnvironments } from "../../.make/environments.mjs";
import { startOrigin } from "./origin.mjs";

export const TOKEN = "Stand-in.master-api-key";
/** A key for the worker's own admin endpoints, and what the worker is told of it. */
export const ADMIN_KEY = "Stand-in.local-admin-key";
export const ADMIN_KEY_SHA256 = createHash("sha256").update(ADMIN_KEY).digest("hex");

/** Starts a Flagsmith that has the environments of a folder, all in one project. */
export async function startFlagsmith(folder) {
  const { entries, environments } = readEnvironments(folder);
  const flagsmith = new Flagsmith(await startOrigin());
  for (const { key, name, serverKeys } of environments) {
    flagsmith.environments.set(key, { name, serverKeys, document: JSON.parse(entries.get(`document:${key}`)) });
  }
  return flagsmith;
}

class Flagsmith {
  /** client key → {name, serverKeys: [{key, active, expires_at}], document}. A test changes it as it likes. */
  environments = new Map();
  /** What is done to a document before it is sent: (document, key) → document, text or bytes. */
  spoil = (document) => document;

  constructor(origin) {
    this.origin = origin;
    const list = (path, answer) => origin.on("GET", path, (request) => authorized(request) ?? answer(request));
    list("/api/v1/projects/", () => ({ body: [{ id: 1, name: "Shop" }] }));
    list(/^\/api\/v1\/environments\/\?/, ({ query }) => this.#page(new URLSearchParams(query)));
    list(/^\/api\/v1\/environments\/[^/]+\/api-keys\/$/, ({ path }) => this.#of(path, ({ serverKeys }) => serverKeys));
    list(/^\/api\/v1\/environments\/[^/]+\/document\/$/, ({ path }) => this.#of(path, (_, key) => this.#document(key)));
    // What tells what a master key may do.
    list(/^\/api\/v1\/environments\/[^/]+\/identities\/\?/, () => ({ body: { count: 0, results: [] } }));
    origin.on("POST", /^\/api\/v1\/environments\/[^/]+\/identities\/$/, (request) =>
      authorized(request) ?? { status: 400, body: { identifier: ["This field is required."] } },
    );
    origin.on("GET", "/api/v1/environment-document/", ({ headers }) => {
      const key = headers["x-environment-key"];
      for (const [clientKey, { serverKeys }] of this.environments) {
        if (serverKeys.some((known) => known.key === key && known.active)) return { body: this.#document(clientKey) };
      }
      return { status: 403, body: { detail: "Invalid or missing Environment Key" } };
    });
    origin.on("PATCH", /^\/api\/v1\/environments\/[^/]+\/featurestates\/\d+\/$/, (request) => {
      const [, , , , key, , id] = request.path.split("/");
      const value = JSON.parse(request.body).feature_state_value;
      this.change(key, (document) => {
        document.feature_states.find((state) => state.django_id === Number(id)).feature_state_value = value;
      });
      return authorized(request) ?? { body: { id: Number(id), feature_state_value: value } };
    });
  }

  /** Changes an environment's document, and its date with it. */
  change(key, change) {
    const { document } = this.environments.get(key);
    change(document);
    document.updated_at = new Date(Math.max(Date.now(), Date.parse(document.updated_at) + 1)).toISOString();
  }

  /** How often an environment's document was asked for. */
  fetches(key) {
    return this.origin.requestsFor("GET", `/api/v1/environments/${key}/document/`).length;
  }

  close() {
    return this.origin.close();
  }

  /** As Flagsmith renders it: what nobody stores is made anew each time. */
  #document(key) {
    const document = structuredClone(this.environments.get(key).document);
    for (const override of document.identity_overrides ?? []) override.identity_uuid = randomUUID();
    return this.spoil(document, key);
  }

  #of(path, answer) {
    const key = path.split("/")[4];
    const environment = this.environments.get(key);
    return environment === undefined ? { status: 404, body: { detail: "Not found." } } : { body: answer(environment, key) };
  }

  /** Two to a page, so that there is more than one. */
  #page(query) {
    const all = Array.from(this.environments, ([api_key, { name }]) => ({ api_key, name, project: 1 }));
    const page = Number(query.get("page") ?? 1);
    const next = all.length > page * 2 ? `${this.origin.url}/api/v1/environments/?page=${page + 1}&project=1` : null;
    return { body: { count: all.length, next, previous: null, results: all.slice(page * 2 - 2, page * 2) } };
  }
}

function authorized({ headers }) {
  if (headers.authorization === `Api-Key ${TOKEN}`) return undefined;
  return { status: 401, body: { detail: "Authentication credentials were not provided." } };
}

/** The state that tests change, in a document or in a list of flags. */
export function stateOf(states) {
  return (states.feature_states ?? states).find(({ feature }) => feature.name === "free_shipping_threshold");
}

/** Changes its value at the origin. */
export function set(flagsmith, key, value) {
  flagsmith.change(key, (document) => (stateOf(document).feature_state_value = value));
}
