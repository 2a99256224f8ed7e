// A small Flagsmith behind the worker: projects, environments, server keys and documents that tests can change. The stand-in
// origin serves it, with the faults that a test sets.

import { createHash, randomUUID } from "node:crypto";

import { readEnvironments } from "../../scripts/environments.mjs";
import { startOrigin } from "./origin.mjs";
import { recordedBody } from "./shapes.mjs";

export const TOKEN = "Stand-in.master-api-key";
/** A key for the worker's own admin endpoints, and its hash for the worker. */
export const ADMIN_KEY = "Stand-in.local-admin-key";
export const ADMIN_KEY_SHA256 = createHash("sha256").update(ADMIN_KEY).digest("hex");

// Recorded answers; the stand-in replaces the values that tests depend on.
const [PROJECT] = recordedBody("GET", "/api/v1/projects/");
const { results: [ENVIRONMENT] } = recordedBody("GET", "/api/v1/environments/");
const [SERVER_KEY] = recordedBody("GET", "/api/v1/environments/{key}/api-keys/");
const [OVERRIDDEN] = recordedBody("GET", "/api/v1/environments/{key}/document/").identity_overrides;

/** Starts a Flagsmith with the environments of a folder, all in one project. */
export async function startFlagsmith(folder) {
  const { entries, environments } = readEnvironments(folder);
  const flagsmith = new Flagsmith(await startOrigin());
  for (const { key, name, serverKeys } of environments) {
    flagsmith.environments.set(key, { name, serverKeys, document: JSON.parse(entries.get(`document:${key}`)) });
  }
  return flagsmith;
}

class Flagsmith {
  /** client key → {name, serverKeys: [{key, active, expires_at}], document}. Tests may change it. */
  environments = new Map();
  /** The transformation of a sent document: (document, key) → document, text or bytes. A changed document counts as a fault. */
  spoil = (document) => document;

  constructor(origin) {
    this.origin = origin;
    const list = (path, answer) => origin.on("GET", path, (request) => authorized(request) ?? answer(request));
    list("/api/v1/projects/", () => ({ body: this.projects }));
    list(/^\/api\/v1\/environments\/\?/, ({ query }) => this.#page(new URLSearchParams(query)));
    list(/^\/api\/v1\/environments\/[^/]+\/api-keys\/$/, ({ path }) => this.#of(path, ({ serverKeys }) => ({ body: serverKeys.map(serverKey) })));
    list(/^\/api\/v1\/environments\/[^/]+\/document\/$/, ({ path }) => this.#of(path, (_, key) => this.#document(key)));
    // The answers that prove a master API key's permissions.
    list(/^\/api\/v1\/environments\/[^/]+\/identities\/\?/, () => ({ body: { count: 0, next: null, previous: null, results: [] } }));
    origin.on("POST", /^\/api\/v1\/environments\/[^/]+\/identities\/$/, (request) =>
      authorized(request) ?? { status: 400, body: { identifier: ["This field is required."] } },
    );
    origin.on("GET", "/api/v1/environment-document/", ({ headers }) => {
      const key = headers["x-environment-key"];
      for (const [clientKey, { serverKeys }] of this.environments) {
        if (serverKeys.some((known) => known.key === key && known.active)) return this.#document(clientKey);
      }
      return { status: 403, body: { detail: "Invalid or missing Environment Key" } };
    });
    origin.on("PATCH", /^\/api\/v1\/environments\/[^/]+\/featurestates\/\d+\/$/, (request) => {
      const [, , , , key, , id] = request.path.split("/");
      const stateIn = ({ feature_states }) => feature_states.find((state) => state.django_id === Number(id));
      this.change(key, (document) => (stateIn(document).feature_state_value = JSON.parse(request.body).feature_state_value));
      const { feature, enabled } = stateIn(this.environments.get(key).document);
      return authorized(request) ?? { body: { feature: feature.id, enabled } };
    });
  }

  /** The list of projects, with one project. */
  get projects() {
    return [{ ...PROJECT, id: 1, name: "Shop" }];
  }

  /** Changes an environment's document, and its date with it. */
  change(key, change) {
    const { document } = this.environments.get(key);
    change(document);
    document.updated_at = new Date(Math.max(Date.now(), Date.parse(document.updated_at) + 1)).toISOString();
  }

  /** The number of requests for an environment's document. */
  fetches(key) {
    return this.origin.requestsFor("GET", `/api/v1/environments/${key}/document/`).length;
  }

  close() {
    return this.origin.close();
  }

  /** The answer with a document. Like in Flagsmith, values that are not stored are generated at every rendering. */
  #document(key) {
    const document = structuredClone(this.environments.get(key).document);
    for (const override of document.identity_overrides ?? []) override.identity_uuid = randomUUID();
    const sent = this.spoil(document, key);
    return { body: sent, fault: sent !== document };
  }

  #of(path, answer) {
    const key = path.split("/")[4];
    const environment = this.environments.get(key);
    return environment === undefined ? { status: 404, body: { detail: "Not found." } } : answer(environment, key);
  }

  /** A page of two items, so that lists have several pages. */
  #page(query) {
    const all = Array.from(this.environments, ([api_key, { name }]) => ({ ...ENVIRONMENT, api_key, name, project: 1 }));
    const page = Number(query.get("page") ?? 1);
    const next = all.length > page * 2 ? `${this.origin.url}/api/v1/environments/?page=${page + 1}&project=1` : null;
    return { body: { count: all.length, next, previous: null, results: all.slice(page * 2 - 2, page * 2) } };
  }
}

function serverKey(known, index) {
  return { ...SERVER_KEY, id: index + 1, ...known };
}

/** An identity's override in a document: of the state that tests change, with another value. */
export function overrideIn(document, identifier, value) {
  const identity = { ...OVERRIDDEN, identifier, identity_uuid: randomUUID(), environment_api_key: document.api_key };
  const composite_key = `${document.api_key}_${identifier}`;
  return { ...identity, composite_key, identity_features: [{ ...stateOf(document), feature_state_value: value }] };
}

function authorized({ headers }) {
  if (headers.authorization === `Api-Key ${TOKEN}`) return undefined;
  return { status: 401, body: { detail: "Authentication credentials were not provided." } };
}

/** The state that tests change, in a document or in a list of flags. */
export function stateOf(states) {
  return (states.feature_states ?? states).find(({ feature }) => feature.name === "free_shipping_threshold");
}

/** Changes the value of that state at the origin. */
export function set(flagsmith, key, value) {
  flagsmith.change(key, (document) => (stateOf(document).feature_state_value = value));
}
