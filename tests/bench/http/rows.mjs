// The measured routes, their baselines and targets.

/** The number of different identities. */
const IDENTITIES = 64;
/** The number of changes of a trait before its values repeat. */
const VALUES = 16;

/**
 * A row is one route on one profile. `baselines` has the target as a multiple of a baseline's requests per second, or null for
 * comparison only. `kind` is "flags", "unmodified" (304), "anonymous", "transient", "ofrep", "unchanged" or "changed". Anonymous
 * requests have no identifier and can store nothing. Transient ones have one, so stored traits count. Those of OFREP are the
 * transient ones in another form.
 */
export const ROWS = [
  row("flags-small", "GET /flags/, small", { B1: 1.25, J1: 0.85 }),
  row("flags-heavy", "GET /flags/, heavy", { B1: 1.25, J1: 0.85 }),
  row("flags-large", "GET /flags/, large", { B1: 1.0 }),
  row("unmodified-small", "GET /flags/ → 304, small", { "B1-empty": 1.3 }),
  row("unmodified-heavy", "GET /flags/ → 304, heavy", { "B1-empty": 1.3 }),
  row("unmodified-large", "GET /flags/ → 304, large", { "B1-empty": 1.3 }),
  row("anonymous-small", "POST /identities/, transient, no identifier, small", { B1: 0.8 }),
  row("anonymous-heavy", "POST /identities/, transient, no identifier, heavy", { B1: 0.7 }),
  row("transient-small", "POST /identities/, transient, small", { B1: null, B2: 1.4 }),
  row("transient-heavy", "POST /identities/, transient, heavy", { B1: null, B2: 1.3 }),
  row("ofrep-small", "OFREP, all flags, small", { T: 1.0 }),
  row("ofrep-heavy", "OFREP, all flags, heavy", { T: 1.0 }),
  row("ofrep-large", "OFREP, all flags, large", { T: 1.0 }),
  row("unchanged-small", "POST /identities/, persisted, unchanged", { B2: 1.0, J2: 0.85 }),
  row("changed-small", "POST /identities/, persisted, one trait changed", { B2w: 1.0 }),
];

function row(id, title, baselines) {
  const [kind, profile] = id.split("-");
  return { id, title, kind, profile, baselines };
}

/** The maximum CPU time of the start of an isolate before its first request, in milliseconds. */
export const START_LIMIT_MS = 40;
/** The first requests of each profile, and the maximum CPU time of each in milliseconds. */
export const STARTS = [
  start("small", { flags: 8, anonymous: 9, transient: 12 }),
  start("heavy", { flags: 11, anonymous: 13, transient: 18 }),
  start("large", { flags: 22, anonymous: 28, transient: 32 }),
];

function start(profile, limits) {
  const firstRequests = Object.entries(limits).map(([kind, limitMs]) => ({ kind, limitMs }));
  return { id: `start-${profile}`, profile, firstRequests };
}

/** The rows and starts with an id that contains one of the comma-separated `names`; all without names. */
export function rowsNamed(names) {
  const named = ({ id }) => (names ?? "").split(",").some((name) => id.includes(name.trim()));
  const chosen = { rows: ROWS.filter(named), starts: STARTS.filter(named) };
  if (chosen.rows.length + chosen.starts.length === 0) {
    throw new Error(`no such row: ${names}; there are ${[...ROWS, ...STARTS].map(({ id }) => id).join(", ")}`);
  }
  return chosen;
}

/**
 * The requests of a row, sent in turn: {method, path, headers, body, identity}. `identity` is the identity of a POST,
 * {identifier, traits}. `etag` is the entity tag for rows of 304.
 */
export function requestsOf({ kind }, key, etag) {
  const headers = { Accept: "*/*", "User-Agent": "flagsmith-bench", "X-Environment-Key": key };
  const flags = { method: "GET", path: "/api/v1/flags/", headers, body: null, identity: null };
  if (kind === "flags") return [flags];
  if (kind === "unmodified") return [{ ...flags, headers: { ...headers, "If-None-Match": etag } }];
  const values = kind === "changed" ? numbers(VALUES) : [VALUES];
  return values.flatMap((value) => numbers(IDENTITIES).map((number) => post(headers, identity(number, value), kind)));
}

/** Traits of one identity: the same in every run, since multivariate values depend on the identity, and all of one length. */
function identity(number, visits) {
  const name = `visitor-${String(number).padStart(2, "0")}`;
  const traits = {
    email: "ada.lovelace@example.com",
    app_version: "4.2.1",
    plan: "enterprise",
    country: "NL",
    beta: true,
    num_0: 42,
    num_2: 17.5,
    trait_0: "v3",
    trait_1: "v5",
    visits: 1000 + visits,
  };
  return { identifier: `${name}@example.com`, traits };
}

function post(headers, identity, kind) {
  if (kind === "ofrep") {
    const context = { targetingKey: identity.identifier, ...identity.traits };
    const path = "/ofrep/v1/evaluate/flags";
    return { method: "POST", path, headers: { ...headers, "Content-Type": "application/json" }, body: JSON.stringify({ context }), identity };
  }
  const body = {
    identifier: kind === "anonymous" ? null : identity.identifier,
    traits: Object.entries(identity.traits).map(([trait_key, trait_value]) => ({ trait_key, trait_value })),
    ...(kind === "transient" || kind === "anonymous" ? { transient: true } : {}),
  };
  return {
    method: "POST",
    path: "/api/v1/identities/",
    // The last header selects the baselines' object; all contenders get the same requests.
    headers: { ...headers, "Content-Type": "application/json", "X-Object": identity.identifier },
    body: JSON.stringify(body),
    identity,
  };
}

function numbers(count) {
  return Array.from({ length: count }, (_, number) => number);
}
