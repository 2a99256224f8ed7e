// Runs the built worker in workerd, with SQLite-backed objects on disk, and a KV that the test controls.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import workerd from "workerd";

import { readEnvironments } from "../../scripts/environments.mjs";
import { configuration, MARKER, socketNames } from "./config.mjs";
import { DEADLINE_MS, eventually } from "./deadline.mjs";
import { request } from "./http.mjs";
import { startKv } from "./kv.mjs";
import { leaks, learn, learnJson, learnVariables } from "./secrets.mjs";

export { becomes, eventually } from "./deadline.mjs";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
export const FIXTURES = join(ROOT, "fixtures/environments");

/** The recordings of a running Flagsmith, or null if they are absent. */
export const RECORDINGS = existing(process.env.RECORDINGS ?? "../shared/recordings");

// The folder of another worker to test, instead of the built one.
const BUILD = process.env.WORKER_BUILD_FOLDER ?? join(ROOT, "build");
/** The modules that are not built, the entry first. */
const ENTRY = [
  "src/edge/entry.js",
  "src/edge/metrics.js",
  "src/edge/shards.js",
  "src/edge/stream_answer.js",
  "src/edge/stream_object.js",
  "src/edge/warm_up.js",
  "src/edge/warm_up_requests.js",
  "src/platform/object_class.js",
];

// An interrupted test leaves neither processes nor files.
const open = new Set();
process.on("exit", () => open.forEach((edge) => edge.abandon()));
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(1));

/**
 * Starts the worker on an empty state folder, with KV seeded from the environment documents in `documents`.
 * `variables` become its configuration, which also logs every request; `workers` is the number of
 * isolates that share its objects. `origin`: the Flagsmith behind it, as origin.mjs starts one. `objects`, `scripts` and
 * `services` are explained in config.mjs.
 *
 * `modules`: those of another worker of this project (config.mjs). Benchmarks also start other workers: `build` is the folder of such a worker, `objectClass` its class of objects or null.
 * `entry`: an entry module in tests/ that imports the worker's as `./entry.js`. `replaced`: {module of the worker: the file
 * in tests/ that takes its place}. `inspector`: true to listen for DevTools on
 * `inspectorPort`. `flushable`: true if `flush` will be used. `stored`: a folder of initial databases of objects.
 */
export async function startEdge({
  documents = FIXTURES,
  variables = {},
  workers = 1,
  origin = null,
  modules = null,
  build = BUILD,
  entry = null,
  replaced = {},
  objectClass,
  objects = objectClass === undefined ? declaredObjects() : undeclaredObjects(objectClass),
  scripts,
  services,
  inspector = false,
  flushable = true,
  stored = null,
} = {}) {
  const { entries, metadata, environments } = readEnvironments(documents);
  [...entries.values()].forEach(learnJson);
  environments.forEach(({ serverKeys }) => serverKeys.forEach(({ key }) => learn(key)));
  learnVariables(variables);
  const kv = await startKv(entries, metadata);
  const edge = new Edge({
    kv,
    environments,
    variables: { LOG_REQUESTS: 1, ...(origin === null ? {} : { ORIGIN_URL: origin.url }), ...variables },
    workers,
    modules,
    build,
    entry,
    replaced,
    objects,
    scripts,
    services,
    inspector,
    flushable,
    stored,
  });
  open.add(edge);
  await edge.start();
  return edge;
}

class Edge {
  /** The ports of the isolates; `port` is the first. They change with each start. */
  ports = [];
  inspectorPort = null;
  /** Every complete line that the runtime has written to stdout and stderr, over all starts. */
  log = "";
  #child = null;
  #settings;
  #markerPort = null;
  #marks = 0;

  constructor({ kv, environments, variables, workers, modules, build, entry, replaced, objects, scripts, services, inspector, flushable, stored }) {
    this.kv = kv;
    this.environments = environments;
    this.workers = workers;
    this.inspector = inspector;
    this.folder = mkdtempSync(join(tmpdir(), "edge-"));
    const stateFolder = join(this.folder, "state");
    mkdirSync(stateFolder);
    if (stored !== null) cpSync(stored, stateFolder, { recursive: true });
    // Modules are embedded by paths relative to the configuration.
    symlinkSync(build, join(this.folder, "build"));
    symlinkSync(join(ROOT, "src"), join(this.folder, "src"));
    symlinkSync(join(ROOT, "tests"), join(this.folder, "tests"));
    const modulesOfBuild = [
      // The built worker has an entry module outside of its folder; other workers are complete in their folder.
      ...(entry === null ? [] : [{ name: "src/edge/test.js", kind: "esModule", file: entry }]),
      ...(build === BUILD ? ENTRY.map((file) => ({ name: file, kind: "esModule", file: replaced[file] ?? file })) : []),
      { name: "build/index.js", kind: "esModule", file: "build/index.js" },
      { name: "build/index_bg.wasm", kind: "wasm", file: "build/index_bg.wasm" },
    ].filter(({ file }) => existsSync(join(this.folder, file)));
    const assets = build === BUILD && existsSync(join(BUILD, "assets")) ? join(BUILD, "assets") : null;
    const settings = { modules: modules ?? modulesOfBuild, compatibilityDate: compatibilityDate(), variables, kvPort: kv.port, stateFolder, assets };
    this.#settings = { ...settings, workers, objects, scripts, services, marker: flushable };
    this.configure({});
  }

  /** Changes the runtime's configuration from its next start on. */
  configure(changes) {
    this.#settings = { ...this.#settings, ...changes };
    writeFileSync(join(this.folder, "edge.capnp"), configuration(this.#settings));
  }

  /** The folder of the objects' databases, with a folder for each class. */
  get stateFolder() {
    return this.#settings.stateFolder;
  }

  get pid() {
    return this.#child.pid;
  }

  get port() {
    return this.ports[0];
  }

  get address() {
    return `http://127.0.0.1:${this.port}`;
  }

  async start() {
    const inspector = this.inspector ? ["--inspector-addr=127.0.0.1:0"] : [];
    const command = ["serve", "--control-fd=3", ...inspector, join(this.folder, "edge.capnp")];
    this.#child = spawn(workerd.default, command, { stdio: ["ignore", "pipe", "pipe", "pipe"] });
    for (const stream of [this.#child.stdout, this.#child.stderr]) this.#keep(stream);
    this.ports = await this.#listening(this.#child);
  }

  /** Resolves once `log` has every line logged so far. Neither answers nor running requests are awaited. */
  async flush() {
    const mark = `/mark-${(this.#marks += 1)}`;
    await request(this.#markerPort, { path: mark });
    // Once for each stream.
    await eventually(() => this.log.split(`${mark}\n`).length === 3, "the log is here");
  }

  /** Stops the runtime after its pending work. */
  stop() {
    return this.#end("SIGTERM");
  }

  /** Kills the runtime without warning, like a power failure. */
  kill() {
    return this.#end("SIGKILL");
  }

  /** Stops everything and removes the state. Fails if a confidential value was logged (secrets.mjs). */
  async close() {
    await this.kill();
    await this.kv.stop();
    this.abandon();
    open.delete(this);
    const leaked = leaks(this.log);
    if (leaked.length > 0) throw new Error(`the log has what must not be in it:\n${leaked.join("\n")}`);
  }

  /** `close` without waiting. */
  abandon() {
    this.#child?.kill("SIGKILL");
    rmSync(this.folder, { recursive: true, force: true });
  }

  request(options) {
    return request(this.port, options);
  }

  /** Adds complete lines to the log, so that lines of the two streams do not mix. */
  #keep(stream) {
    let rest = "";
    stream.setEncoding("utf8").on("data", (text) => {
      const end = (rest + text).lastIndexOf("\n") + 1;
      this.log += (rest + text).slice(0, end);
      rest = (rest + text).slice(end);
    });
    stream.on("end", () => (this.log += rest));
  }

  async #end(signal) {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "close");
    child.kill(signal);
    await ended;
  }

  /** Resolves to the ports when the runtime has reported every socket. */
  async #listening(child) {
    const ports = [];
    const names = socketNames(this.workers);
    const sockets = this.#settings.marker ? [...names, MARKER] : names;
    let heard = 0;
    const ended = once(child, "close").then(() => Promise.reject(new Error(`the runtime ended at once:\n${this.log}`)));
    const late = timeout(DEADLINE_MS, () => `the runtime does not listen after ${DEADLINE_MS} ms:\n${this.log}`);
    const listening = new Promise((resolve) => {
      createInterface({ input: child.stdio[3] }).on("line", (line) => {
        const { event, socket, port } = JSON.parse(line);
        if (event === "listen-inspector") this.inspectorPort = port;
        if (event !== "listen") return;
        if (socket === MARKER) this.#markerPort = port;
        else ports[names.indexOf(socket)] = port;
        heard += 1;
        if (heard === sockets.length) resolve(ports);
      });
    });
    return Promise.race([listening, ended, late]);
  }
}

function timeout(ms, message) {
  return new Promise((_, reject) => setTimeout(() => reject(new Error(message())), ms).unref());
}

/** The compatibility date in wrangler.toml, so that tests have the same runtime rules as a deployment. */
function compatibilityDate() {
  return /^compatibility_date = "(.*)"$/m.exec(settings())[1];
}

/** The namespaces of objects in wrangler.toml. */
export function declaredObjects() {
  const bindings = settings().matchAll(/^\[\[durable_objects\.bindings\]\]\nname = "(.*)"\nclass_name = "(.*)"$/gm);
  return Array.from(bindings, ([, binding, className]) => ({ binding, className }));
}

function undeclaredObjects(className) {
  return className === null ? [] : [{ binding: "IDENTITIES", className }];
}

function settings() {
  return readFileSync(join(ROOT, "wrangler.toml"), "utf8");
}

function existing(path) {
  const absolute = resolve(ROOT, path);
  return existsSync(absolute) ? absolute : null;
}
