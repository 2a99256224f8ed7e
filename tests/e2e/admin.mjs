// The shared parts of tests of the Admin API's identities: a worker with a local admin key, and requests to it.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";

import { startEdge } from "./harness.mjs";
import { request } from "./http.mjs";

const ADMIN_KEY = "local.key";
const AUTHORIZATION = `Api-Key ${ADMIN_KEY}`;

/** Starts a worker without an origin, with one admin key. */
export async function startAdmin(t, { variables = {}, ...options } = {}) {
  const ADMIN_KEY_SHA256 = createHash("sha256").update(ADMIN_KEY).digest("hex");
  const edge = await startEdge({ variables: { ADMIN_KEY_SHA256, ...variables }, ...options });
  t.after(() => edge.close());
  return new Admin(edge);
}

class Admin {
  constructor(edge) {
    this.edge = edge;
    const [{ key, serverKeys }] = edge.environments;
    this.key = key;
    this.serverKey = serverKeys[0].key;
    this.path = `/api/v1/environments/${key}/edge-identities/`;
  }

  /** Sends an admin request; `path` is the part after `edge-identities/`, or a whole path. */
  send(method, path, body = undefined, port = this.edge.port) {
    const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
    const headers = { Authorization: AUTHORIZATION, ...(text === undefined ? {} : { "Content-Type": "application/json" }) };
    return request(port, { method, path: path.startsWith("/") ? path : this.path + path, headers, body: text ?? null });
  }

  /** Sends an admin request, asserts the status of the answer, and resolves to its JSON. */
  async expect(status, method, path, body = undefined, port = this.edge.port) {
    const response = await this.send(method, path, body, port);
    assert.equal(response.status, status, `${method} ${path}: ${response.text}`);
    return response.text === "" ? null : response.json();
  }

  /** Creates an identity and resolves to it. */
  create(identifier, port = this.edge.port) {
    return this.expect(201, "POST", "", { identifier }, port);
  }

  /** Every identity of the list, page by page. */
  async list(query = "", port = this.edge.port) {
    const results = [];
    for (let after = null; ; ) {
      const page = await this.expect(200, "GET", `?${query}${after === null ? "" : `&last_evaluated_key=${encodeURIComponent(after)}`}`, undefined, port);
      results.push(...page.results);
      after = page.last_evaluated_key;
      if (after === null) return results;
    }
  }

  /** The identifiers of all identities. */
  async identifiers(query = "", port = this.edge.port) {
    return (await this.list(query, port)).map(({ identifier }) => identifier);
  }

  /** Sets an override of a feature by an identifier. */
  override(identifier, feature, state) {
    const path = `/api/v1/environments/${this.key}/edge-identities-featurestates/`;
    return this.expect(200, "PUT", path, { identifier, feature, ...state });
  }

  /** Sends an SDK's POST for an identity; resolves to its JSON. */
  async identify(identifier, traits = {}, port = this.edge.port) {
    const list = Object.entries(traits).map(([trait_key, trait_value]) => ({ trait_key, trait_value }));
    const response = await request(port, {
      method: "POST",
      path: "/api/v1/identities/",
      headers: { "X-Environment-Key": this.key, "Content-Type": "application/json" },
      body: JSON.stringify({ identifier, traits: list }),
    });
    assert.equal(response.status, 200, response.text);
    return response.json();
  }

  /** The environment document, requested with a server key. */
  document(headers = {}, port = this.edge.port) {
    return request(port, { path: "/api/v1/environment-document/", headers: { "X-Environment-Key": this.serverKey, ...headers } });
  }
}

/** Compares texts by their UTF-8 bytes. */
export function byBytes(a, b) {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
