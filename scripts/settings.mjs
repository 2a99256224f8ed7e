// The settings of a deployment (docs/configuration.md).

import { createHash } from "node:crypto";

import { settingFaults } from "./rules.mjs";

/** The plain variables. */
export const VARIABLES = [
  "ANALYTICS_INTERVAL_SECONDS",
  "DISCOVERY_SECONDS",
  "DOCUMENT_HARD_AGE_SECONDS",
  "DOCUMENT_SOFT_AGE_SECONDS",
  "EVENTS_URL",
  "FLAG_ENGINE",
  "FRESHNESS_SECONDS",
  "LOG_PANIC_MESSAGES",
  "LOG_REQUESTS",
  "LOG_ROWS",
  "OFREP_PERSIST_TRAITS",
  "ORIGIN_TIMEOUT_SECONDS",
  "ORIGIN_URL",
  "REFRESH_SECONDS",
  "SHARD_REQUESTS_PER_SECOND",
];

/**
 * The secrets. `purpose`: the explanation in the prompt. `ofOrigin`: true if the secret is useless without an origin.
 * `instead`: the secret that replaces it. `typed`: functions for a typed text that is not the value itself. `fault` returns the
 * text's fault or null, `stored` the value to store.
 */
export const SECRETS = [
  {
    name: "ORIGIN_API_TOKEN",
    purpose: "a master API key of the origin; all environments that it can read are published",
    ofOrigin: true,
    instead: "SERVER_KEYS",
  },
  {
    name: "SERVER_KEYS",
    purpose: "instead of that key: the server keys of the environments to publish, separated by commas",
    ofOrigin: true,
    instead: "ORIGIN_API_TOKEN",
  },
  {
    name: "SSE_AUTHENTICATION_TOKEN",
    purpose: "the origin's setting of the same name, so that its realtime notifications are accepted",
    ofOrigin: true,
  },
  {
    name: "WEBHOOK_SECRET",
    purpose: "the secret with which the origin signs its webhooks, so that they are accepted",
    ofOrigin: true,
  },
  {
    name: "ADMIN_KEY_SHA256",
    purpose: "an admin key of your choice for the worker, without spaces; only its SHA-256 is stored",
    ofOrigin: false,
    typed: {
      fault: (key) =>
        /^[!-~]+$/.test(key) ? null : "The admin key must be one word of printable ASCII characters, because it is sent in a header.",
      stored: hashOfAdminKey,
    },
  },
];

/** The names of all settings. */
export const NAMES = [...VARIABLES, ...SECRETS.map(({ name }) => name)];

/** The value of ADMIN_KEY_SHA256 for this admin key. */
export function hashOfAdminKey(key) {
  return createHash("sha256").update(key).digest("hex");
}

/** The faults of single settings, [name, value]: one sentence each, without the value, since some are secret. */
export function faultsOf(settings) {
  const found = settingFaults(settings.map(([name, value]) => ({ [name]: String(value) })));
  return settings.flatMap(([name, value], index) => {
    const faults = found[index].filter(({ is_conflict }) => !is_conflict);
    if (faults.length > 0) return faults.map(({ text }) => text);
    return ["ORIGIN_URL", "EVENTS_URL"].includes(name) && isHere(value) ? [`${name} is on this machine, which no deployment can reach.`] : [];
  });
}

/** The conflicts between settings, name → text: one sentence each. */
export function conflictsOf(settings) {
  return settingFaults([settings])[0].filter(({ is_conflict }) => is_conflict).map(({ text }) => text);
}

function isHere(url) {
  return /^https?:\/\/(localhost|127\.[\d.]+|\[::1\])(?=[:/]|$)/i.test(url.trim());
}

/** The variables in the environment, as arguments of wrangler. make exports unset variables as empty texts. */
export function variableArguments(names = VARIABLES, environment = process.env) {
  const given = names.filter((name) => environment[name]);
  return given.flatMap((name) => ["--var", `${name}:${environment[name]}`]);
}
