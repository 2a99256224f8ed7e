// The runtime's configuration, as Cap'n Proto text.

/**
 * Workers that run the same modules and share one namespace of identity objects, each behind a socket of its own on a
 * port that the system picks.
 *
 * - `modules`: [{name, kind: "esModule" | "wasm", file}], the entry first; `file` is relative to the configuration.
 * - `variables`: plain-text bindings. `kvPort`: where KV listens. `stateFolder`: where objects are kept, absolute.
 * - `objectClass`: the class of identity objects; null for a worker that has none.
 * - `workers`: how many; isolates do not share memory, so each stands for one location of the network.
 */
export function configuration({ modules, compatibilityDate, variables, kvPort, stateFolder, workers, objectClass }) {
  const names = socketNames(workers);
  const services = [
    `(name = "kv", external = (address = "127.0.0.1:${kvPort}", http = ()))`,
    `(name = "state", disk = (path = ${quote(stateFolder)}, writable = true))`,
    ...names.map((name) => `(name = "${name}", worker = .${name})`),
  ];
  const sockets = names.map((name) => `(name = "${name}", address = "127.0.0.1:0", http = (), service = "${name}")`);
  const common = [
    `modules = ${list(modules.map(({ name, kind, file }) => `(name = ${quote(name)}, ${kind} = embed ${quote(file)})`))}`,
    `compatibilityDate = ${quote(compatibilityDate)}`,
  ];
  const constants = names.map((name, index) => {
    const bindings = [
      `(name = "ENVIRONMENTS", kvNamespace = "kv")`,
      ...(objectClass === null ? [] : [objectsBinding(objectClass, index === 0 ? null : names[0])]),
      ...Object.entries(variables).map(([key, value]) => `(name = ${quote(key)}, text = ${quote(String(value))})`),
    ];
    const objects = [
      `durableObjectNamespaces = [(className = "${objectClass}", uniqueKey = "identities", enableSql = true)]`,
      `durableObjectStorage = (localDisk = "state")`,
    ];
    const fields = [...common, `bindings = ${list(bindings)}`, ...(index === 0 && objectClass !== null ? objects : [])];
    return `const ${name} :Workerd.Worker = (\n  ${fields.join(",\n  ")}\n);`;
  });
  return [
    `using Workerd = import "/workerd/workerd.capnp";`,
    `const config :Workerd.Config = (services = ${list(services)}, sockets = ${list(sockets)});`,
    ...constants,
    "",
  ].join("\n");
}

/** The first worker owns the objects; the others name it as their `owner`. */
function objectsBinding(objectClass, owner) {
  const namespace = owner === null ? `"${objectClass}"` : `(className = "${objectClass}", serviceName = "${owner}")`;
  return `(name = "IDENTITIES", durableObjectNamespace = ${namespace})`;
}

/** The names of the workers' sockets, which are also those of the services behind them. */
export function socketNames(workers) {
  return Array.from({ length: workers }, (_, index) => `worker${index}`);
}

function list(items) {
  return `[\n    ${items.join(",\n    ")}\n  ]`;
}

// JSON's escapes are a subset of Cap'n Proto's for the names and paths that occur here.
function quote(text) {
  return JSON.stringify(text);
}
