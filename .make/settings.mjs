// What a deployment can set (README, *Configuration*).

import { createHash } from "node:crypto";

/** What a header can carry; and what is one word of it. */
const [TEXT, WORD] = [/^[\x20-\x7e]+$/, /^[\x21-\x7e]+$/];

/** Plain ones. */
export const VARIABLES = [
  "ANALYTICS_INTERVAL_SECONDS",
  "DISCOVERY_SECONDS",
  "DOCUMENT_HARD_AGE_SECONDS",
  "DOCUMENT_SOFT_AGE_SECONDS",
  "FLAG_ENGINE",
  "FRESHNESS_SECONDS",
  "LOG_REQUESTS",
  "LOG_ROWS",
  "ORIGIN_TIMEOUT_SECONDS",
  "ORIGIN_URL",
  "REFRESH_SECONDS",
];

/**
 * Secret ones. `purpose`: what a person is told who is asked for it. `ofOrigin`: of no use without an origin. `instead`:
 * the one that makes asking needless. `fault`: why a value cannot work, null if it may. `typed`: where a person says
 * something else than the value, the `fault` of that, and what is `stored` of it.
 */
export const SECRETS = [
  {
    name: "ORIGIN_API_TOKEN",
    purpose: "a master API key of the origin's: everything that it may see is published",
    ofOrigin: true,
    instead: "SERVER_KEYS",
    fault: (key) => {
      if (key.startsWith("ser.")) return "is a server key, and those are SERVER_KEYS";
      return WORD.test(key) ? null : "must be one word: the key alone, without Api-Key before it";
    },
  },
  {
    name: "SERVER_KEYS",
    purpose: "instead of that key: the server keys of the environments to publish, with commas between",
    ofOrigin: true,
    instead: "ORIGIN_API_TOKEN",
    fault: (keys) => {
      const all = keys.split(",").map((key) => key.trim()).filter(Boolean);
      return all.every((key) => key.startsWith("ser.") && WORD.test(key)) ? null : "must be server keys, which begin with ser., with commas between";
    },
  },
  {
    name: "SSE_AUTHENTICATION_TOKEN",
    purpose: "the origin's setting of the same name, so that its realtime notices are taken",
    ofOrigin: true,
    fault: (token) => (TEXT.test(token) ? null : "has characters that no header can carry"),
  },
  {
    name: "WEBHOOK_SECRET",
    purpose: "what the origin signs its webhooks with, so that they are taken",
    ofOrigin: true,
    fault: () => null,
  },
  {
    name: "ADMIN_KEY_SHA256",
    purpose: "an admin key of the worker's own, one word; only its SHA-256 is stored",
    ofOrigin: false,
    fault: (hash) => (/^[0-9a-f]{64}$/i.test(hash) ? null : "must be the key's SHA-256, 64 hexadecimal digits, and not the key"),
    typed: {
      fault: (key) => (WORD.test(key) ? null : "must be one word without control characters, all of it ASCII: so is what a header carries"),
      stored: (key) => createHash("sha256").update(key).digest("hex"),
    },
  },
];

/** What cannot work of settings, [name, value]: a sentence each, without the value, since some are secret. */
export function faultsOf(settings) {
  const given = settings.filter(([, value]) => value !== "");
  const found = given.map(([name, value]) => [name, faultOf(name, String(value))]);
  return found.filter(([, fault]) => fault !== null).map(([name, fault]) => `${name} ${fault}.`);
}

function faultOf(name, value) {
  const secret = SECRETS.find((secret) => secret.name === name);
  if (secret !== undefined) return secret.fault(value.trim());
  if (!VARIABLES.includes(name)) return null;
  if (name === "ORIGIN_URL") return originFault(value.trim());
  if (name === "FLAG_ENGINE") return ["10", "11"].includes(value) ? null : "must be 10 or 11";
  if (name === "LOG_ROWS") return ["true", "false"].includes(value) ? null : "must be true or false";
  return /^\d{1,15}$/.test(value) ? null : "must be a whole number";
}

/** As src/admin/origin.rs reads it; and where no deployment comes to. */
function originFault(url) {
  const [, host] = /^https?:\/\/([\w.-]+|\[[\da-f:]+\])(?::\d+)?(?:\/[^?#\\]*)?$/i.exec(url) ?? [];
  if (host === undefined || !WORD.test(url)) return "must be http:// or https:// and a host, maybe a port and a path";
  return /^(localhost|127\.[\d.]+|\[::1\])$/i.test(host) ? "is on this machine, which no deployment can reach" : null;
}

/** The variables that the environment has, as arguments of wrangler. To make one that is not set is an empty one. */
export function variableArguments(names = VARIABLES, environment = process.env) {
  const given = names.filter((name) => environment[name]);
  return given.flatMap((name) => ["--var", `${name}:${environment[name]}`]);
}
