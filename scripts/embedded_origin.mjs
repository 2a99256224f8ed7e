// The embedded origin beside the edge: wrangler's configurations of both, and the API key of a state folder.

import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

import { experimental_readRawConfig as readRawConfig } from "wrangler";

import { keyOf, randomText } from "./keys.mjs";

const FOLDER = "src/origin";
/** The origin's configuration. */
export const ORIGIN_CONFIG = `${FOLDER}/wrangler.toml`;
/** The service binding of the edge. */
export const ORIGIN_BINDING = "ORIGIN";

export function apiKeyFile(state) {
  return join(state, "api-key");
}

/** The given API key, else that of this state folder: a master API key in Flagsmith's form. The first call creates it. */
export function apiKeyOf(state, given) {
  if (given) checkApiKey(given);
  return given || keyOf(apiKeyFile(state), "API key", /^[A-Za-z0-9]{8}\.[A-Za-z0-9]{32}$/, newApiKey);
}

/** Throws if a key cannot be the embedded origin's. */
export function checkApiKey(key) {
  if (!/^[^.\s]+\.\S+$/.test(key)) throw new Error("ORIGIN_API_TOKEN must have the form prefix.secret, since it becomes the embedded origin's API key.");
}

/** A new master API key. */
export function newApiKey() {
  return `${randomText(8)}.${randomText(32)}`;
}

/**
 * Writes the configurations for `make dev` and returns their paths. The settings are in them, since wrangler passes its arguments
 * to the first worker only.
 */
export function writeLocalConfigurations(state, settings) {
  const { ORIGIN_API_TOKEN, LOG_PANIC_MESSAGES } = settings;
  const { rawConfig: origin } = readRawConfig({ config: ORIGIN_CONFIG });
  const beside = {
    ...origin,
    main: resolve(FOLDER, origin.main),
    assets: { ...origin.assets, directory: resolve(FOLDER, origin.assets.directory) },
    vars: { ORIGIN_API_TOKEN, LOG_PANIC_MESSAGES },
  };
  return [writeEdgeConfiguration(state, { vars: settings }), write(state, "origin.json", beside)];
}

/** Writes the edge's configuration with the binding of the embedded origin into `folder`, and returns its path. */
export function writeEdgeConfiguration(folder, more = {}) {
  const { rawConfig: edge } = readRawConfig({ config: "wrangler.toml" });
  const { rawConfig: origin } = readRawConfig({ config: ORIGIN_CONFIG });
  return write(folder, "edge.json", {
    ...edge,
    main: resolve(edge.main),
    build: { ...edge.build, watch_dir: resolve(edge.build.watch_dir) },
    assets: { ...edge.assets, directory: resolve(edge.assets.directory) },
    services: [...(edge.services ?? []), { binding: ORIGIN_BINDING, service: origin.name }],
    ...more,
  });
}

/** The file may have secrets, so only its owner can read it. */
function write(folder, name, configuration) {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, name);
  writeFileSync(file, JSON.stringify(configuration), { mode: 0o600 });
  // The mode above is that of a new file only.
  chmodSync(file, 0o600);
  return file;
}
