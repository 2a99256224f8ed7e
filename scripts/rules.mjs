// The worker's own rules for documents, server keys and settings, called before anything is written or deployed.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

import workerd from "workerd";

import { documentEntry, serverKeyValue } from "./environments.mjs";

/** The result of parsing a document: {environment, version, left_out}, or {fault}. */
export function checkDocument(bytes) {
  return call([documentCall(bytes)])[0];
}

/**
 * The faults of each of several sets of settings (name → text; ORIGIN_BINDING → true): [{name, text, is_conflict}], without the
 * values.
 */
export function settingFaults(all) {
  return call(all.map((settings) => ["settings", settings]));
}

/**
 * The faults of an environment's server keys that would always be refused: one sentence each, with the key's index and without
 * the key.
 */
export function faultsOfServerKeys(environment, serverKeys) {
  return sentences(environment, call(serverKeys.map((serverKey) => serverKeyCall(environment, serverKey))));
}

/** The faults of a folder that `readEnvironments` has read. `leftOut`: documents that would be served without a field. */
export function faultsOfEnvironments(folder, { entries, environments, serverKeys }) {
  const [faults, leftOut] = [[], []];
  const keyed = Object.entries(serverKeys);
  const answers = call([
    ...environments.map(({ key }) => documentCall(entries.get(documentEntry(key)))),
    ...keyed.flatMap(([environment, keys]) => keys.map((serverKey) => serverKeyCall(environment, serverKey))),
  ]);
  for (const { file } of environments) {
    const { fault, left_out: fields = [] } = answers.shift();
    if (fault !== undefined) faults.push(`${join(folder, file)}: ${fault}`);
    leftOut.push(...fields.map((field) => `${join(folder, file)}: ${field}; the document is served without it`));
  }
  for (const [environment, keys] of keyed) faults.push(...sentences(environment, answers.splice(0, keys.length)));
  return { faults, leftOut };
}

function documentCall(bytes) {
  return ["document", bytes.toString("base64")];
}

function serverKeyCall(environment, serverKey) {
  return ["serverKey", JSON.stringify(serverKeyValue(environment, serverKey))];
}

/** The faults of an environment's server keys, in their order: null for each that has none. */
function sentences(environment, faults) {
  return faults.flatMap((fault, index) => (fault === null ? [] : [`server key ${index + 1} of ${environment}: ${fault}`]));
}

/** Calls rules, [name, parameters …] each; returns their results. */
function call(calls) {
  if (calls.length === 0) return [];
  const folder = mkdtempSync(join(tmpdir(), "rules-"));
  try {
    // Parameters may be secret.
    writeFileSync(join(folder, "calls.json"), JSON.stringify(calls), { mode: 0o600 });
    writeFileSync(join(folder, "rules.capnp"), configuration());
    const { status, stdout, stderr } = spawnSync(workerd.default, ["test", "--import-path=/", join(folder, "rules.capnp")], { encoding: "utf8", maxBuffer: Infinity });
    if (status !== 0) throw new Error(`The worker's rules could not be run:\n${stdout}${stderr}`);
    return JSON.parse(stdout);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function configuration() {
  const date = /^compatibility_date = (".*")$/m.exec(readFileSync("wrangler.toml", "utf8"))[1];
  const module = (name, kind) => `(name = "${name}", ${kind} = embed ${JSON.stringify(resolve(name))})`;
  const modules = [module("scripts/rules.js", "esModule"), module("build/index.js", "esModule"), module("build/index_bg.wasm", "wasm")];
  return `using Workerd = import "/workerd/workerd.capnp";
const rules :Workerd.Worker = (
  modules = [${modules.join(", ")}],
  compatibilityDate = ${date},
  bindings = [(name = "CALLS", text = embed "calls.json")]
);
const config :Workerd.Config = (services = [(name = "rules", worker = .rules)]);
`;
}
