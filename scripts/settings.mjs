// The settings of a deployment (docs/configuration.md).

import { createHash } from "node:crypto";

import { settingFaults } from "./rules.mjs";

/** Plain ones. */
export const VARIABLES = [
  "ANALYTICS_INTERVAL_SECONDS",
  "DISCOVERY_SECONDS",
  "DOCUMENT_HARD_AGE_SECONDS",
  "DOCUMENT_SOFT_AGE_SECONDS",
  "FLAG_ENGINE",
  "FRESHNESS_SECONDS",
  "LOG_PANIC_MESSAGES",
  "LOG_REQUESTS",
  "LOG_ROWS",
  "ORIGIN_TIMEOUT_SECONDS",
  "ORIGIN_URL",
  "REFRESH_SECONDS",
];

/**
 * Secret ones. `purpose`: what a person is told who is asked for it. `ofOrigin`: of no use without an origin. `instead`:
 * the one that makes asking needless. `typed`: where a person says something else than the value, the `fault` of that, null
 * if it may work, and what is `stored` of it.
 */
export const SECRETS = [
  {
    name: "ORIGIN_API_TOKEN",
    purpose: "a master API key of the origin's: everything that it may see is published",
    ofOrigin: true,
    instead: "SERVER_KEYS",
  },
  {
    name: "SERVER_KEYS",
    purpose: "instead of that key: the server keys of the environments to publish, with commas between",
    ofOrigin: true,
    instead: "ORIGIN_API_TOKEN",
  },
  {
    name: "SSE_AUTHENTICATION_TOKEN",
    purpose: "the origin's setting of the same name, so that its realtime notices are taken",
    ofOrigin: true,
  },
  {
    name: "WEBHOOK_SECRET",
    purpose: "what the origin signs its webhooks with, so that they are taken",
    ofOrigin: true,
  },
  {
    name: "ADMIN_KEY_SHA256",
    purpose: "an admin key of the worker's own, one word; only its SHA-256 is stored",
    ofOrigin: false,
    typed: {
      fault: (key) =>
        /^[!-~]+$/.test(key) ? null : "ADMIN_KEY_SHA256 must be one word without control characters, all of it ASCII: so is what a header carries.",
      stored: (key) => createHash("sha256").update(key).digest("hex"),
    },
  },
];

/** The names of all. */
export const NAMES = [...VARIABLES, ...SECRETS.map(({ name }) => name)];

/** What cannot work of settings, [name, value], each by itself: a sentence each, without the value, since some are secret. */
export function faultsOf(settings) {
  const found = settingFaults(settings.map(([name, value]) => ({ [name]: String(value) })));
  return settings.flatMap(([name, value], index) => {
    const faults = found[index].filter(({ is_conflict }) => !is_conflict);
    if (faults.length > 0) return faults.map(({ text }) => text);
    return name === "ORIGIN_URL" && isHere(value) ? ["ORIGIN_URL is on this machine, which no deployment can reach."] : [];
  });
}

/** What cannot work of settings together, an object of names and texts. */
export function conflictsOf(settings) {
  return settingFaults([settings])[0].filter(({ is_conflict }) => is_conflict).map(({ text }) => text);
}

function isHere(url) {
  return /^https?:\/\/(localhost|127\.[\d.]+|\[::1\])(?=[:/]|$)/i.test(url.trim());
}

/** The variables that the environment has, as arguments of wrangler. To make one that is not set is an empty one. */
export function variableArguments(names = VARIABLES, environment = process.env) {
  const given = names.filter((name) => environment[name]);
  return given.flatMap((name) => ["--var", `${name}:${environment[name]}`]);
}
