// What a deployment can set (README, *Configuration*).

import { createHash } from "node:crypto";

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
 * the one that makes it needless. `stored`: what is kept of what the person says.
 */
export const SECRETS = [
  {
    name: "ORIGIN_API_TOKEN",
    purpose: "a master API key of the origin's: everything that it may see is published",
    ofOrigin: true,
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
  { name: "WEBHOOK_SECRET", purpose: "what the origin signs its webhooks with, so that they are taken", ofOrigin: true },
  {
    name: "ADMIN_KEY_SHA256",
    purpose: "an admin key of the worker's own, one word; only its SHA-256 is stored",
    ofOrigin: false,
    stored: (key) => createHash("sha256").update(key).digest("hex"),
  },
];

/** The variables that the environment has, as arguments of wrangler. To make one that is not set is an empty one. */
export function variableArguments(names = VARIABLES, environment = process.env) {
  const given = names.filter((name) => environment[name]);
  return given.flatMap((name) => ["--var", `${name}:${environment[name]}`]);
}
