// The embedded origin beside the local worker: wrangler's configurations of both, and the API key of a state folder.

import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

import { experimental_readRawConfig as readRawConfig } from "wrangler";

import { keyOf, randomText } from "./keys.mjs";

const EDGE = "wrangler.toml";
const ORIGIN = "src/origin/wrangler.toml";
/** The service binding of the edge. */
export const BINDING = "ORIGIN";

export function apiKeyFile(state) {
  return join(state, "api-key");
}

/** The given API key, else that of this state folder: a master API key in Flagsmith's form. The first call creates it. */
export function apiKeyOf(state, given) {
  if (given && !/^[^.\s]+\.\S+$/.test(given)) throw new Error("ORIGIN_API_TOKEN must have the form prefix.secret, since it becomes the embedded origin's API key.");
  return given || keyOf(apiKeyFile(state), "API key", /^[A-Za-z0-9]{8}\.[A-Za-z0-9]{32}$/, newApiKey);
}

/** A new master API key. */
export function newApiKey() {
  return `${randomText(8)}.${randomText(32)}`;
}

/**
 * Writes the configurations of the edge and of the embedded origin into the state folder, and returns their paths. Both
 * have all `settings` as variables, since wrangler passes its arguments to the first worker only.
 */
export function writeConfigurations(state, settings) {
  const { rawConfig: edge } = readRawConfig({ config: EDGE });
  const { rawConfig: origin } = readRawConfig({ config: ORIGIN });
  const bound = {
    ...edge,
    main: resolve(edge.main),
    // wrangler builds both workers' code by the command of one.
    build: { ...edge.build, watch_dir: resolve(edge.build.watch_dir) },
    assets: { ...edge.assets, directory: resolve(edge.assets.directory) },
    services: [...(edge.services ?? []), { binding: BINDING, service: origin.name }],
    vars: settings,
  };
  const { ORIGIN_API_TOKEN, LOG_PANIC_MESSAGES } = settings;
  const beside = { ...origin, main: resolve("src/origin", origin.main), vars: { ORIGIN_API_TOKEN, LOG_PANIC_MESSAGES } };
  return [write(state, "edge.json", bound), write(state, "origin.json", beside)];
}

/** The file has secrets, so only its owner can read it. */
function write(state, name, configuration) {
  mkdirSync(state, { recursive: true });
  const file = join(state, name);
  writeFileSync(file, JSON.stringify(configuration), { mode: 0o600 });
  return file;
}
