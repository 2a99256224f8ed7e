// Requests for each operation of the API's description, for counts.mjs; several if the cost depends on circumstances. Each is
// [operation, circumstances, (caller) → request], and prepares its state.

import { createHash, createHmac } from "node:crypto";

import { set, stateOf, TOKEN } from "./flagsmith.mjs";

/** The number of identities in the environment: enough for every shard of the directory. */
const IDENTITIES = 64;
const [ADMIN_KEY, REALTIME_TOKEN, WEBHOOK_SECRET] = ["local.key", "realtime", "webhook secret"];
const OVERRIDE = { feature: 9007, enabled: true, feature_state_value: "vip" };
const ALL = "";

/** The worker's settings for these operations. */
export const VARIABLES = {
  ADMIN_KEY_SHA256: createHash("sha256").update(ADMIN_KEY).digest("hex"),
  SSE_AUTHENTICATION_TOKEN: REALTIME_TOKEN,
  WEBHOOK_SECRET,
};

/** Without an origin: SDKs, health checks, and pages. */
export const PUBLIC = [
  ["getFlags", "304 included", (caller) => caller.sdk("GET", "flags/")],
  ["getFlags", "304 included", (caller) => caller.unmodified()],
  ["postIdentity", "without an identifier", (caller) => caller.sdk("POST", "identities/", { identifier: "", transient: true, traits: traits("basic") })],
  ["postIdentity", "nothing changed", async (caller) => post(caller, await caller.identity())],
  ["postIdentity", "one trait changed", async (caller) => post(caller, changed(await caller.identity()))],
  ["postIdentity", "a new identity with two traits", (caller) => caller.sdk("POST", "identities/", { identifier: "new", traits: traits("basic") })],
  ["getIdentity", ALL, async (caller) => caller.sdk("GET", `identities/?identifier=${(await caller.identity()).identifier}`)],
  ["setTrait", "one trait changed", async (caller) => caller.sdk("POST", "traits/", trait(await caller.identity()))],
  ["setTraits", "one identity, one trait changed", async (caller) => caller.sdk("PUT", "traits/bulk/", [trait(await caller.identity())])],
  ["incrementTrait", "one trait changed", async (caller) => caller.sdk("POST", "traits/increment-value/", increment(await caller.identity()))],
  ["replaceTraitsOfIdentities", "one identity, one trait changed", async (caller) => caller.sdk("POST", "bulk-identities/", { data: [posted(changed(await caller.identity()))] })],
  ["addTraitsToIdentities", "one identity, one trait changed", async (caller) => caller.sdk("PUT", "bulk-identities/", { data: [posted(changed(await caller.identity()))] })],
  ["getEnvironmentDocument", "an isolate's first in `FRESHNESS_SECONDS`", (caller) => caller.server("GET", "environment-document/")],
  ["evaluateFlags", "without a `targetingKey`, and 304", (caller) => caller.openFeature("", { plan: "basic" })],
  ["evaluateFlags", "without a `targetingKey`, and 304", (caller) => caller.unmodifiedOpenFeature()],
  ["evaluateFlags", "with a `targetingKey`", async (caller) => caller.openFeature("", { targetingKey: (await caller.identity()).identifier })],
  ["evaluateFlag", "without a `targetingKey`", (caller) => caller.openFeature("/support_chat", { plan: "basic" })],
  ["evaluateFlag", "with a `targetingKey`", async (caller) => caller.openFeature("/support_chat", { targetingKey: (await caller.identity()).identifier })],
  ["countEvaluations", "without an origin", (caller) => caller.counts()],
  ["countEvaluationsOfIdentities", "without an origin", (caller) => caller.evaluations()],
  ["recordEvents", ALL, (caller) => caller.events()],
  ["health", ALL, () => get("/health/")],
  ["readiness", ALL, () => get("/health/readiness/")],
  ["liveness", ALL, () => get("/health/liveness/")],
  ["proxyHealth", ALL, () => get("/proxy/health/")],
  ["proxyReadiness", ALL, () => get("/proxy/health/readiness/")],
  ["proxyLiveness", ALL, () => get("/proxy/health/liveness/")],
  ["version", ALL, () => get("/version/")],
  ["homePage", ALL, () => get("/", { Accept: "text/html" })],
  ["operatorsPage", ALL, () => get("/edge/")],
  ["operatorsFile", ALL, () => get("/edge/operator.js")],
  ["explorer", ALL, () => get("/api/v1/docs/")],
  ["explorersFile", ALL, () => get("/api/v1/docs/explorer.js")],
  ["describe", ALL, () => get("/api/v1/swagger.json")],
  ["describeInYaml", ALL, () => get("/api/v1/swagger.yaml")],
];

/** Without an origin: operations of administrators. */
export const ADMIN = [
  ["listIdentities", ALL, (caller) => caller.admin("GET", "edge-identities/")],
  ["exportIdentities", ALL, (caller) => caller.moving("GET", "export/")],
  ["countIdentities", ALL, (caller) => caller.moving("GET", "count/")],
  ["createIdentity", ALL, (caller) => caller.admin("POST", "edge-identities/", { identifier: "made by an admin" })],
  ["readIdentity", ALL, (caller) => caller.ofIdentity("GET", "")],
  ["readIdentity", "with a UUID that was made elsewhere", async (caller) => {
    const { identity_uuid } = await caller.imported();
    return caller.admin("GET", `edge-identities/${identity_uuid}/`);
  }],
  ["setAlias", ALL, (caller) => caller.ofIdentity("PUT", "", { dashboard_alias: "put" })],
  ["changeAlias", ALL, (caller) => caller.ofIdentity("PATCH", "", { dashboard_alias: "patched" })],
  ["deleteIdentity", ALL, (caller) => caller.ofIdentity("DELETE", "")],
  ["listTraits", ALL, (caller) => caller.ofIdentity("GET", "list-traits/")],
  ["updateTrait", ALL, (caller) => caller.ofIdentity("PUT", "update-traits/", { trait_key: "plan", trait_value: "premium" })],
  ["listOverrides", ALL, (caller) => caller.ofIdentity("GET", "edge-featurestates/")],
  ["createOverride", ALL, (caller) => caller.ofIdentity("POST", "edge-featurestates/", OVERRIDE)],
  ["readOverride", ALL, (caller) => caller.ofOverride("GET")],
  ["replaceOverride", ALL, (caller) => caller.ofOverride("PUT", { ...OVERRIDE, feature_state_value: "other" })],
  ["deleteOverride", ALL, (caller) => caller.ofOverride("DELETE")],
  ["listFeatureStates", ALL, (caller) => caller.ofIdentity("GET", "edge-featurestates/all/")],
  ["cloneOverrides", "one override", async (caller) => {
    const source_identity_uuid = (await caller.overridden()).identity_uuid;
    return caller.ofIdentity("POST", "edge-featurestates/clone-from-given-identity/", { source_identity_uuid });
  }],
  ["putOverrideByIdentifier", ALL, (caller) => caller.byIdentifier("PUT", "environments/")],
  ["deleteOverrideByIdentifier", ALL, (caller) => caller.byIdentifier("DELETE", "environments/")],
  ["putOverrideByIdentifierToo", ALL, (caller) => caller.byIdentifier("PUT", "")],
  ["deleteOverrideByIdentifierToo", ALL, (caller) => caller.byIdentifier("DELETE", "")],
  ["listOverridesOfEnvironment", ALL, (caller) => caller.admin("GET", "edge-identity-overrides")],
  ["importIdentities", "one identity", (caller) => caller.moving("POST", "import/", caller.exported())],
  ["repairDirectory", "one identity", async (caller) => caller.moving("POST", "repair/", { identifiers: [(await caller.identity()).identifier] })],
  ["explainIdentity", ALL, async (caller) => caller.moving("GET", `explain/?identifier=${(await caller.identity()).identifier}`)],
  ["status", "without an origin", (caller) => caller.own("/edge/status")],
];

/** With an origin that publishes. Forwarded requests are not operations of the description. */
export const WITH_ORIGIN = [
  ["countEvaluations", "with an origin, the first in `ANALYTICS_INTERVAL_SECONDS`", (caller) => caller.counts()],
  ["countEvaluationsOfIdentities", "with an origin, the first in `ANALYTICS_INTERVAL_SECONDS`", (caller) => caller.evaluations()],
  ["recordEvents", ALL, (caller) => caller.events()],
  ["status", "with an origin, of two environments", (caller) => caller.own("/edge/status")],
  ["describeOrigin", ALL, (caller) => caller.own("/api/v1/docs/origin.json")],
  ["queueChange", "of a change that is published", (caller) => caller.queueChange()],
  ["webhook", "of a change that is published", (caller) => caller.webhook()],
  ["stream", "as long as it is open", (caller) => request("GET", `/sse/environments/${caller.key}/stream`, {})],
  ["ofrepStream", "as long as it is open", (caller) => request("GET", `/ofrep/v1/environments/${caller.key}/stream`, {})],
  [null, "a call of the origin's Admin API that reads", (caller) => caller.own("/api/v1/projects/", TOKEN)],
  [null, "one that changes an environment, which is published", (caller) => caller.write()],
];

/** Makes requests to a worker, and prepares their state. `flagsmith`: the small Flagsmith behind it, if there is one. */
export class Caller {
  #number = 0;

  constructor(edge, flagsmith = null) {
    const [{ key, serverKeys }] = edge.environments;
    Object.assign(this, { edge, flagsmith, key, serverKey: serverKeys[0].key });
  }

  /** Sends a request, which must succeed; resolves to the JSON of its answer, if there is one. */
  async send(request) {
    const { status, text } = await this.edge.request(request);
    if (status >= 400) throw new Error(`${request.method} ${request.path}: ${status} ${text}`);
    return /^[[{]/.test(text) ? JSON.parse(text) : null;
  }

  /** Fills the environment with identities. Their UUIDs sort before and after those of new identities. */
  async populate() {
    for (const digit of ["0", "f"]) {
      const identities = Array.from({ length: IDENTITIES / 2 }, () => JSON.stringify(this.exported(digit)));
      await this.send(this.moving("POST", "import/", identities.join("\n")));
    }
  }

  sdk(method, path, body) {
    return request(method, `/api/v1/${path}`, { "X-Environment-Key": this.key }, body);
  }

  async unmodified() {
    const flags = this.sdk("GET", "flags/");
    const { headers } = await this.edge.request(flags);
    return { ...flags, headers: { ...flags.headers, "If-None-Match": headers.etag } };
  }

  openFeature(path, context) {
    return request("POST", `/ofrep/v1/evaluate/flags${path}`, { "X-API-Key": this.key }, { context });
  }

  async unmodifiedOpenFeature() {
    const flags = this.openFeature("", { plan: "basic" });
    const { headers } = await this.edge.request(flags);
    return { ...flags, headers: { ...flags.headers, "If-None-Match": headers.etag } };
  }

  server(method, path) {
    return request(method, `/api/v1/${path}`, { "X-Environment-Key": this.serverKey });
  }

  admin(method, path, body) {
    return request(method, `/api/v1/environments/${this.key}/${path}`, authorization(ADMIN_KEY), body);
  }

  moving(method, path, body) {
    return request(method, `/edge/environments/${this.key}/identities/${path}`, authorization(ADMIN_KEY), body);
  }

  own(path, key = ADMIN_KEY) {
    return request("GET", path, authorization(key));
  }

  counts() {
    return this.sdk("POST", "analytics/flags/", { support_chat: 3 });
  }

  evaluations() {
    const evaluation = { feature_name: "support_chat", identity_identifier: "somebody", enabled_when_evaluated: true, count: 3 };
    return request("POST", "/api/v2/analytics/flags/", { "X-Environment-Key": this.key }, { evaluations: [evaluation] });
  }

  events() {
    const exposure = { event: "$flag_exposure", feature_name: "support_chat", identifier: "somebody", value: "on", timestamp: 1795362721900 };
    return request("POST", "/v1/events", { "X-Environment-Key": this.key }, { events: [exposure] });
  }

  /** A new identity with three traits: {identifier, identity_uuid, traits}. */
  async identity() {
    const identifier = `identity-${(this.#number += 1)}`;
    const { identity_uuid } = await this.send(this.admin("POST", "edge-identities/", { identifier }));
    const identity = { identifier, traits: [...traits("basic"), { trait_key: "visits", trait_value: 1 }] };
    await this.send(post(this, identity));
    return { ...identity, identity_uuid };
  }

  /** A new identity with an override, from the answer that created it. */
  async overridden() {
    const { identifier } = await this.identity();
    return this.send(this.admin("PUT", "edge-identities-featurestates", { ...OVERRIDE, identifier }));
  }

  /** A new identity in the form of another worker's export, with a UUID that begins with this digit. */
  exported(digit = "5") {
    const number = (this.#number += 1);
    const identity_uuid = `${digit.repeat(8)}-1111-4111-8111-${String(number).padStart(12, "0")}`;
    const created_date = "2025-02-03T04:05:06.789000+00:00";
    return { identifier: `identity-${number}`, identity_uuid, created_date, identity_traits: traits("basic"), identity_features: [] };
  }

  async imported() {
    const identity = this.exported();
    await this.send(this.moving("POST", "import/", identity));
    return identity;
  }

  /** A request about a new identity. */
  async ofIdentity(method, path, body) {
    const { identity_uuid } = await this.identity();
    return this.admin(method, `edge-identities/${identity_uuid}/${path}`, body);
  }

  /** A request about the one override of a new identity. */
  async ofOverride(method, body) {
    const { identity_uuid, featurestate_uuid } = await this.overridden();
    return this.admin(method, `edge-identities/${identity_uuid}/edge-featurestates/${featurestate_uuid}/`, body);
  }

  /** A request about an override of a new identity. The override exists if it is to be deleted. */
  async byIdentifier(method, prefix) {
    const { identifier } = await this.identity();
    const path = "edge-identities-featurestates";
    if (method === "DELETE") await this.send(this.admin("PUT", path, { ...OVERRIDE, identifier }));
    return request(method, `/api/v1/environments/${prefix}${this.key}/${path}`, authorization(ADMIN_KEY), { ...OVERRIDE, identifier });
  }

  /** A forwarded write that changes the environment. */
  write() {
    const path = `/api/v1/environments/${this.key}/featurestates/${stateOf(this.#document).django_id}/`;
    return request("PATCH", path, authorization(TOKEN), { feature_state_value: (this.#number += 1) });
  }

  /** The origin's notifications of a change: to a realtime server, and by a webhook. */
  queueChange() {
    set(this.flagsmith, this.key, (this.#number += 1));
    const headers = { Authorization: `Token ${REALTIME_TOKEN}` };
    return request("POST", `/sse/environments/${this.key}/queue-change`, headers, { updated_at: "2026-01-01T00:00:00+00:00" });
  }

  webhook() {
    set(this.flagsmith, this.key, (this.#number += 1));
    const body = { data: { environment: { id: 1 } }, event_type: "FLAG_UPDATED" };
    const signed = (text) => createHmac("sha256", WEBHOOK_SECRET).update(text).digest("hex");
    const id = signed(`environment:${this.key}`).slice(0, 32);
    return request("POST", `/edge/webhooks/${id}`, { "X-Flagsmith-Signature": signed(JSON.stringify(body)) }, body);
  }

  get #document() {
    return this.flagsmith.environments.get(this.key).document;
  }
}

function get(path, headers = {}) {
  return request("GET", path, headers);
}

function request(method, path, headers, body) {
  if (body === undefined) return { method, path, headers, body: null };
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return { method, path, headers: { ...headers, "Content-Type": "application/json" }, body: text };
}

function authorization(key) {
  return { Authorization: `Api-Key ${key}` };
}

function traits(plan) {
  return [
    { trait_key: "plan", trait_value: plan },
    { trait_key: "country", trait_value: "BE" },
  ];
}

function post(caller, identity) {
  return caller.sdk("POST", "identities/", posted(identity));
}

function posted({ identifier, traits }) {
  return { identifier, traits };
}

function changed(identity) {
  return { ...identity, traits: [{ trait_key: "plan", trait_value: "premium" }, ...identity.traits.slice(1)] };
}

function trait({ identifier }) {
  return { identity: { identifier }, trait_key: "plan", trait_value: "premium" };
}

function increment({ identifier }) {
  return { identifier, trait_key: "visits", increment_by: 1 };
}
