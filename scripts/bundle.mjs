// The faults of an upload by wrangler.

import { readFileSync, readdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

import { faultsOfFiles, staticFiles } from "./static_files.mjs";

/** The limit of the free plan, compressed, in KiB. */
const MAX_KIB = 3 * 1024;

/**
 * The faults of a bundle that `wrangler deploy --dry-run` wrote into `folder`, and of the static files. `settings` are those
 * that wrangler has read, `built` is the program that the bundle must have, and `named` the files that the worker serves by
 * their names; by default the edge's. Also returns the modules, their total compressed size in KiB, and the number of files.
 */
export function inspect(folder, settings, { built = "build/index_bg.wasm", named } = {}) {
  const faults = [];
  // wrangler also writes a README and a source map, which it does not upload by default.
  const modules = readdirSync(folder).filter((file) => /\.(js|wasm)$/.test(file)).sort();
  const scripts = modules.filter((file) => file.endsWith(".js"));
  const programs = modules.filter((file) => file.endsWith(".wasm"));
  if (scripts.length !== 1 || programs.length !== 1) faults.push(`modules: there must be one of JavaScript and one of WebAssembly, but there are: ${modules.join(", ")}`);
  const bytes = new Map(modules.map((file) => [file, readFileSync(join(folder, file))]));
  const kib = [...bytes.values()].reduce((sum, content) => sum + gzipSync(content).length, 0) / 1024;
  if (kib > MAX_KIB) faults.push(`${kib.toFixed(0)} KiB: a worker may have ${MAX_KIB} KiB`);
  for (const program of programs) {
    if (!bytes.get(program).equals(readFileSync(built))) faults.push(`${program} differs from ${built}: run make build`);
  }
  if (settings.upload_source_maps) faults.push("source maps would be uploaded: remove upload_source_maps from wrangler.toml");
  const files = staticFiles(settings.assets?.directory ?? "");
  if (settings.assets !== undefined) faults.push(...faultsOfFiles(files, named));
  const secrets = secretsHere();
  for (const [file, content] of [...bytes, ...files]) {
    for (const path of [process.cwd(), homedir()]) {
      if (path.length > 1 && content.includes(`${path}/`)) faults.push(`${file} contains a path of this machine: ${path}`);
    }
    for (const secret of secrets) if (content.includes(secret)) faults.push(`${file} contains a secret of .dev.vars`);
  }
  const script = scripts.map((file) => bytes.get(file).toString()).join("\n");
  const declared = new Set(settings.migrations.flatMap(({ new_sqlite_classes = [] }) => new_sqlite_classes));
  for (const { class_name: name } of settings.durable_objects.bindings) {
    if (!declared.has(name)) faults.push(`${name} has no migration in wrangler.toml`);
    if (!new RegExp(`export \\{[^}]*\\b${name}\\b`).test(script)) faults.push(`${name} is not exported by the worker`);
  }
  return { faults, modules, kib, files: files.size };
}

/** The faults of the edge's bindings: each must be documented, and each necessary one declared. */
export function faultsOfBindings(settings) {
  const faults = [];
  const [bound, documented] = [bindings(settings), documentedBindings()];
  for (const name of bound) if (!documented.some((setting) => setting.name === name)) faults.push(`docs/configuration.md does not name the binding ${name}`);
  for (const { name, isOptional } of documented) {
    if (!isOptional && !bound.includes(name)) faults.push(`wrangler.toml lacks the binding ${name} of docs/configuration.md`);
  }
  return faults;
}

/** The names of all bindings that the settings declare. */
export function bindings(settings) {
  return [
    ...settings.kv_namespaces.map(({ binding }) => binding),
    ...settings.durable_objects.bindings.map(({ name }) => name),
    ...settings.analytics_engine_datasets.map(({ binding }) => binding),
    ...settings.ratelimits.map(({ name }) => name),
    ...settings.services.map(({ binding }) => binding),
    ...(settings.assets?.binding === undefined ? [] : [settings.assets.binding]),
  ].sort();
}

/**
 * The rows of the table of settings in docs/configuration.md: {name, kind, isOptional}. An optional binding's row has its
 * effect "without it".
 */
export function documentedSettings() {
  const [table] = /\n## Configuration\n[^]*?\n\n([^]*?)\n\n/.exec(readFileSync("docs/configuration.md", "utf8"))?.slice(1) ?? [""];
  const rows = table.matchAll(/^\| `([A-Z0-9_]+)` \| ([^|,]+)(.*)$/gm);
  return Array.from(rows, ([, name, kind, rest]) => ({ name, kind: kind.trim(), isOptional: /\bwithout it\b/.test(rest) }));
}

/** The rows about bindings. */
export function documentedBindings() {
  return documentedSettings().filter(({ kind }) => kind !== "variable" && kind !== "secret");
}

/** The values in `.dev.vars`, which are for the local server only. */
function secretsHere() {
  try {
    const lines = readFileSync(".dev.vars", "utf8").split("\n");
    return lines.map((line) => line.slice(line.indexOf("=") + 1).replace(/^["']|["']$/g, "")).filter((value) => value.length >= 8);
  } catch {
    return [];
  }
}
