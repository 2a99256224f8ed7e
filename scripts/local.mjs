// The settings that the local server runs with.

import { unstable_getVarsForDev as varsForDev, unstable_readConfig as readConfig } from "wrangler";

import { NAMES } from "./settings.mjs";

/** The defaults that differ from a deployment's. A panic's message helps here; in production it may quote a client's data. */
const LOCAL_DEFAULTS = { LOG_PANIC_MESSAGES: "true" };

/** Settings by name: those given to make, else those of `.dev.vars`, else those of `wrangler.toml`, else the local default. */
export function localSettings(environment = process.env) {
  const { userConfigPath, vars } = readConfig({ config: "wrangler.toml" });
  const bindings = Object.entries(varsForDev(userConfigPath, undefined, vars, undefined, true));
  const settings = Object.fromEntries(bindings.map(([name, { value }]) => [name, String(value)]));
  for (const name of NAMES) {
    if (environment[name]) settings[name] = environment[name];
  }
  for (const [name, value] of Object.entries(LOCAL_DEFAULTS)) settings[name] ||= value;
  return settings;
}
