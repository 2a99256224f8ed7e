// A stand-in for a Cloudflare account: the part of the platform's API that wrangler calls to deploy workers. It keeps all
// received data. Its answers have those parts of the platform's answers that wrangler reads.

import { createStandIn } from "./stand_in.mjs";

const NOT_FOUND = { status: 404, errors: [{ code: 10007, message: "This Worker does not exist on your account." }] };

const EDGE = "flagsmith-edge-worker";

/** Starts an empty account. */
export async function startAccount() {
  const account = new Account();
  await new Promise((resolve) => account.server.listen(0, "127.0.0.1", resolve));
  return account;
}

class Account {
  /** The uploads of workers, in order: {worker: name, metadata, modules: names}. */
  uploads = [];
  /** KV namespaces: id → {title, entries: key → base64}. */
  namespaces = new Map();
  schedules = [];
  /** The number of requests. */
  requests = 0;
  /** The deployed workers: name → {bindings, migration, secrets: names}. */
  #workers = new Map();

  constructor() {
    this.server = createStandIn((request, response) => this.#take(request, response));
  }

  /** The environment variables that make wrangler use this account. */
  get environment() {
    const CLOUDFLARE_API_BASE_URL = `http://127.0.0.1:${this.server.address().port}`;
    return { CLOUDFLARE_API_BASE_URL, CLOUDFLARE_API_TOKEN: "account-token", CLOUDFLARE_ACCOUNT_ID: "account" };
  }

  close() {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  }

  async #take(request, response) {
    this.requests += 1;
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    const { pathname } = new URL(request.url, "http://account");
    const path = pathname.replace("/accounts/account/", "");
    const [, name] = /^workers\/(?:scripts|services)\/([^/]+)/.exec(path) ?? [];
    const what = `${request.method} ${name === undefined ? path : path.replace(`/${name}`, "/*")}`;
    const { status = 200, errors = [], result = null } = this.#answer(what, name, Buffer.concat(pieces));
    response.writeHead(status, { "Content-Type": "application/json" });
    response.end(JSON.stringify({ success: status === 200, errors, messages: [], result }));
  }

  #answer(what, name, body) {
    const worker = this.#workers.get(name);
    switch (what) {
      // The first upload. An existing worker gets a new version, which is then deployed.
      case "PUT workers/scripts/*":
      case "POST workers/scripts/*/versions":
        return { result: this.#upload(name, body.toString("latin1")) };
      case "POST workers/scripts/*/deployments":
        return { result: { id: "deployment" } };
      // The hashes of files still to upload: none, since this account does not read files.
      case "POST workers/scripts/*/assets-upload-session":
        return { result: { jwt: "completed", buckets: [] } };
      case "PATCH workers/scripts/*/script-settings":
        return { result: {} };
      case "GET workers/services/*":
        if (worker === undefined) return NOT_FOUND;
        return { result: { default_environment: { script: { tag: "tag", last_deployed_from: "wrangler" } } } };
      case "GET workers/scripts/*/settings":
        return worker ? { result: { bindings: worker.bindings } } : NOT_FOUND;
      case "GET workers/scripts/*/secrets":
        return worker ? { result: [...worker.secrets].map((name) => ({ name, type: "secret_text" })) } : NOT_FOUND;
      case "GET workers/scripts":
        return { result: Array.from(this.#workers, ([id, { migration }]) => ({ id, migration_tag: migration })) };
      case "GET workers/scripts/*/deployments":
        return { result: { deployments: worker ? [{ id: "deployment", versions: [{ version_id: "version", percentage: 100 }] }] : [] } };
      case "GET workers/scripts/*/versions/version":
        return worker ? { result: { id: "version", resources: { bindings: worker.bindings } } } : NOT_FOUND;
      case "GET workers/subdomain":
        return { result: { subdomain: "stand-in" } };
      case "GET workers/scripts/*/subdomain":
      case "POST workers/scripts/*/subdomain":
        return { result: { enabled: true, previews_enabled: true } };
      case "PUT workers/scripts/*/schedules":
        this.schedules = JSON.parse(body).map(({ cron }) => cron);
        return { result: { schedules: [] } };
      case "GET storage/kv/namespaces":
        return { result: Array.from(this.namespaces, ([id, { title }]) => ({ id, title })) };
      case "POST storage/kv/namespaces":
        return { result: this.#addNamespace(JSON.parse(body).title) };
      default:
        return this.#putEntries(what, body);
    }
  }

  #upload(name, text) {
    const [, json] = /name="metadata"\r\n\r\n([^]*?)\r\n--/.exec(text);
    const modules = Array.from(text.matchAll(/ name="([^"]*)"; filename=/g), ([, module]) => module);
    const metadata = JSON.parse(json);
    this.uploads.push({ worker: name, metadata, modules });
    const { bindings, keep_bindings: kept = [], migrations } = metadata;
    const worker = this.#workers.get(name) ?? { bindings: [], migration: null, secrets: new Set() };
    const named = new Set(bindings.map(({ name }) => name));
    const earlier = worker.bindings.filter(({ name, type }) => !named.has(name) && kept.includes(type));
    const before = (name) => worker.bindings.find((binding) => binding.name === name);
    worker.migration = migrations?.new_tag ?? worker.migration;
    worker.bindings = [...bindings.map((binding) => (binding.type === "inherit" ? before(binding.name) : binding)), ...earlier];
    for (const { name, type } of worker.bindings) if (type === "secret_text") worker.secrets.add(name);
    this.#workers.set(name, worker);
    return { id: "version", etag: "etag", resources: { script: { etag: "etag" } }, startup_time_ms: 20, tag: "tag" };
  }

  #addNamespace(title) {
    const id = String(this.namespaces.size + 1).padStart(32, "0");
    this.namespaces.set(id, { title, entries: new Map() });
    return { id, title };
  }

  #putEntries(what, body) {
    const [, id] = /^PUT storage\/kv\/namespaces\/(\d+)\/bulk$/.exec(what) ?? [];
    if (id === undefined) return { status: 404, errors: [{ code: 7000, message: `The stand-in has nothing for ${what}` }] };
    for (const { key, value } of JSON.parse(body)) this.namespaces.get(id).entries.set(key, value);
    return { result: { successful_key_count: 1, unsuccessful_keys: [] } };
  }

  /** The names of a worker's secrets. */
  secretsOf(worker = EDGE) {
    return [...this.#workers.get(worker).secrets];
  }

  /** Removes a secret or a variable of the edge. */
  remove(name) {
    const edge = this.#workers.get(EDGE);
    edge.secrets.delete(name);
    edge.bindings = edge.bindings.filter((binding) => binding.name !== name);
  }

  /** The value of a variable or secret. */
  setting(name, worker = EDGE) {
    return this.#workers.get(worker).bindings.find((binding) => binding.name === name)?.text;
  }

  /** The name of the worker that a binding of the edge calls; undefined without this binding. */
  serviceOf(name) {
    return this.#workers.get(EDGE).bindings.find((binding) => binding.name === name)?.service;
  }
}
