// The runtime's configuration, as Cap'n Proto text.

/** The name of a service and its socket. It writes the path of a request into the log, once to each stream. */
export const MARKER = "marker";
const MARKER_SOURCE = `export default {
  fetch(request) {
    const { pathname } = new URL(request.url);
    console.log(pathname);
    console.error(pathname);
    return new Response();
  },
};`;

/**
 * The configuration of workers that run the same modules and share their namespaces of objects. Each has its own socket on a
 * port that the system picks. They can reach loopback only.
 *
 * - `modules`: [{name, kind: "esModule" | "wasm", file}], the entry first; `file` is relative to the configuration.
 * - `variables`: plain-text bindings, or `{json}` for another type. `kvPort`: the port of KV. `stateFolder`: the absolute path
 *   of the objects' databases.
 * - `objects`: [{binding, className, service}], the namespaces of objects. The first worker owns them, or the script that
 *   `service` names.
 * - `assets`: the folder of the static files, absolute, or null for no such binding.
 * - `workers`: their number. Isolates do not share memory, so each represents one location of the network.
 * - `scripts`: [{name, source | modules, variables, assets, classes, objects}], further workers. `source`: the text of the only
 *   module. `assets`: the folder of its static files. `classes`: the exported classes of objects. `objects`: the namespaces that the script can call, each with the worker in
 *   `service`, or its own without it.
 * - `services`: [{binding, script, entrypoint}], the scripts that the workers can call.
 * - `marker`: true to add the service that marks a place in the log.
 */
export function configuration({
  modules,
  compatibilityDate,
  variables,
  kvPort,
  stateFolder,
  assets = null,
  workers,
  objects,
  scripts = [],
  services = [],
  marker = false,
}) {
  const names = socketNames(workers);
  const markers = marker ? [MARKER] : [];
  const date = `compatibilityDate = ${quote(compatibilityDate)}`;
  const all = [
    `(name = "kv", external = (address = "127.0.0.1:${kvPort}", http = ()))`,
    `(name = "state", disk = (path = ${quote(stateFolder)}, writable = true))`,
    ...(assets === null ? [] : [`(name = "assets", disk = (path = ${quote(assets)}))`]),
    // The service of every worker's fetch.
    `(name = "internet", network = (allow = ["local"]))`,
    ...scripts.flatMap(({ name, assets }) => (assets === undefined ? [] : [`(name = "${name}-assets", disk = (path = ${quote(assets)}))`])),
    ...scripts.map(({ name, source, modules, variables = {}, assets: folder, classes = [], objects = [] }) => {
      const code = source === undefined ? embedded(modules) : `modules = [(name = "index.js", esModule = ${quote(source)})]`;
      const files = folder === undefined ? [] : [`(name = "ASSETS", service = "${name}-assets")`];
      const bindings = [...objects.map((object) => objectsBinding(object, null)), ...files, ...texts(variables)];
      return `(name = "${name}", worker = (${[code, date, `bindings = ${list(bindings)}`, ...namespaces(classes)].join(", ")}))`;
    }),
    ...markers.map((name) => `(name = "${name}", worker = (modules = [(name = "index.js", esModule = ${quote(MARKER_SOURCE)})], ${date}))`),
    ...names.map((name) => `(name = "${name}", worker = .${name})`),
  ];
  const sockets = [...names, ...markers].map((name) => `(name = "${name}", address = "127.0.0.1:0", http = (), service = "${name}")`);
  const common = [embedded(modules), date];
  const owned = objects.filter(({ service }) => service === undefined).map(({ className }) => className);
  const constants = names.map((name, index) => {
    const bindings = [
      `(name = "ENVIRONMENTS", kvNamespace = "kv")`,
      ...objects.map((object) => objectsBinding(object, index === 0 ? null : names[0])),
      ...(assets === null ? [] : [`(name = "ASSETS", service = "assets")`]),
      ...services.map(serviceBinding),
      ...texts(variables),
    ];
    const fields = [...common, `bindings = ${list(bindings)}`, ...(index === 0 ? namespaces(owned) : [])];
    return `const ${name} :Workerd.Worker = (\n  ${fields.join(",\n  ")}\n);`;
  });
  return [
    `using Workerd = import "/workerd/workerd.capnp";`,
    `const config :Workerd.Config = (services = ${list(all)}, sockets = ${list(sockets)});`,
    ...constants,
    "",
  ].join("\n");
}

/** The part of a worker that owns these classes of objects, SQLite-backed and on disk. */
function namespaces(classes) {
  if (classes.length === 0) return [];
  const each = classes.map((name) => `(className = "${name}", uniqueKey = "${name}", enableSql = true)`);
  return [`durableObjectNamespaces = ${list(each)}`, `durableObjectStorage = (localDisk = "state")`];
}

/** `owner`: the worker that owns the objects; null for the worker itself. */
function objectsBinding({ binding, className, service }, owner) {
  const provider = service ?? owner;
  const namespace = provider === null ? `"${className}"` : `(className = "${className}", serviceName = "${provider}")`;
  return `(name = "${binding}", durableObjectNamespace = ${namespace})`;
}

function embedded(modules) {
  return `modules = ${list(modules.map(({ name, kind, file }) => `(name = ${quote(name)}, ${kind} = embed ${quote(file)})`))}`;
}

function texts(variables) {
  return Object.entries(variables).map(([key, value]) => `(name = ${quote(key)}, ${variable(value)})`);
}

/** The value of a binding: a text, or `{json}`, as in wrangler.toml. */
function variable(value) {
  return value?.json === undefined ? `text = ${quote(String(value))}` : `json = ${quote(JSON.stringify(value.json))}`;
}

function serviceBinding({ binding, script, entrypoint }) {
  const service = entrypoint === undefined ? `"${script}"` : `(name = "${script}", entrypoint = "${entrypoint}")`;
  return `(name = "${binding}", service = ${service})`;
}

/** The names of the workers' sockets and services. */
export function socketNames(workers) {
  return Array.from({ length: workers }, (_, index) => `worker${index}`);
}

function list(items) {
  return `[\n    ${items.join(",\n    ")}\n  ]`;
}

// JSON's escapes are a subset of Cap'n Proto's for the texts that occur here.
function quote(text) {
  return JSON.stringify(text);
}
