// What the platform bills, made of what is counted (tests/e2e/counts.mjs) and of its prices: those of the Workers Paid plan
// for what is more than included, in dollars, as developers.cloudflare.com had them in November 2026 (workers, kv,
// durable-objects, analytics-engine: each its page on pricing).

/** kind → [included in a month, dollars for a million more]. */
const PRICES = {
  requests: [10e6, 0.3],
  cpuMilliseconds: [30e6, 0.02],
  kvReads: [10e6, 0.5],
  kvWrites: [1e6, 5],
  objectRequests: [1e6, 0.15],
  gigabyteSeconds: [400e3, 12.5],
  rowsRead: [25e9, 0.001],
  rowsWritten: [50e6, 1],
};
/** Announced, but not billed yet, so it is told apart. */
const POINTS = [10e6, 0.25];
const SUBSCRIPTION = 5;

// What no test can count: the platform's processors and its storage are not here.
/** Processor time of a request in milliseconds, HTTP included: about the column CPU of `make bench-http`. */
const CPU_MS = { flags: 0.2, anonymous: 0.4, unchanged: 0.7, changed: 1, created: 2, document: 0.7 };
/** How long a call keeps an object in memory, in milliseconds; rows that are written are confirmed in other places. */
const OBJECT_MS = { read: 5, write: 30 };
const OBJECT_GIGABYTES = 0.128;
/** Isolates that are always busy, in all locations together, and the environments that each of them serves. */
const ISOLATES = 100;
const ENVIRONMENTS = 3;
const [FRESHNESS_SECONDS, REFRESH_SECONDS, DOCUMENT_SOFT_AGE_SECONDS] = [2, 60, 10];

const SECONDS_A_MONTH = 30 * 24 * 60 * 60;
const VOLUMES = { "1 M": 1e6, "100 M": 100e6, "10 B": 10e9 };

/** What is counted. */
const KINDS = {
  flags: "`GET /flags/`, 304 included",
  anonymous: "`POST /identities/` without an identifier",
  unchanged: "`POST /identities/`, nothing changed; `GET /identities/`",
  changed: "`POST /identities/`, one trait changed",
  created: "`POST /identities/`, a new identity with two traits",
  document: "`GET /environment-document/`, an isolate's first in `FRESHNESS_SECONDS`",
  evaluations: "`POST /analytics/flags/`, with an origin, not batched with others",
  lookAlone: "an isolate looks for a new document, without an origin",
  look: "an isolate looks for a new document, with an origin",
  lookKey: "an isolate looks whether a server key still holds",
  refresh: "the origin is asked for a document that has not changed",
};

/** Who sends what: the share of each kind. */
const PROFILES = {
  "only `GET /flags/`": { flags: 1 },
  "only `POST /identities/` without an identifier": { anonymous: 1 },
  "only `POST /identities/`, nothing changed": { unchanged: 1 },
  "only `POST /identities/`, one trait changed": { changed: 1 },
  "50 % flags, 40 % unchanged, 8 % changed, 1 % new, 1 % documents": {
    flags: 0.5,
    unchanged: 0.4,
    changed: 0.08,
    created: 0.01,
    document: 0.01,
  },
};

/** What was counted, as a table in Markdown. */
export function countTable(counts) {
  const columns = ["kvReads", "kvWrites", "objectRequests", "rowsRead", "rowsWritten"];
  const rows = Object.entries(KINDS).map(([kind, name]) => [name, ...columns.map((column) => counts[kind][column])]);
  return table(["one of these", "KV reads", "KV writes", "object requests", "rows read", "rows written"], rows);
}

/** Dollars a month, as a table in Markdown. */
export function costTable(counts) {
  const ofProfile = (shares) => (requests) => {
    const times = scaled(shares, requests);
    return cost(counts, { ...times, ...upToDate(requests, times.document ?? 0) });
  };
  const rows = Object.entries(PROFILES).map(([name, shares]) => [name, ...Object.values(VOLUMES).map(ofProfile(shares)).map(dollars)]);
  const points = Object.values(VOLUMES).map((requests) => dollars(price(requests, POINTS)));
  return table(["requests a month", ...Object.keys(VOLUMES)], [...rows, ["a data point for each, once they are billed", ...points]]);
}

/** Dollars for so many of each kind: the subscription, and of everything what is more than included at its price. */
function cost(counts, times) {
  const used = Object.fromEntries(Object.keys(PRICES).map((kind) => [kind, 0]));
  for (const [kind, number] of Object.entries(times)) {
    for (const [what, count] of Object.entries(counts[kind])) used[what] += count * number;
    if (kind in CPU_MS) used.requests += number;
    used.cpuMilliseconds += (CPU_MS[kind] ?? 0) * number;
    const held = counts[kind].objectRequests * (counts[kind].rowsWritten > 0 ? OBJECT_MS.write : OBJECT_MS.read);
    used.gigabyteSeconds += (held / 1000) * OBJECT_GIGABYTES * number;
  }
  return Object.entries(used).reduce((sum, [what, amount]) => sum + price(amount, PRICES[what]), SUBSCRIPTION);
}

/** What being up to date takes: an isolate looks at most as often as it is asked for something, here by `keyed` with a server key. */
function upToDate(requests, keyed) {
  const looks = (seconds) => (ISOLATES * ENVIRONMENTS * SECONDS_A_MONTH) / seconds;
  return {
    look: Math.min(requests, looks(FRESHNESS_SECONDS)),
    lookKey: Math.min(keyed, looks(DOCUMENT_SOFT_AGE_SECONDS)),
    refresh: (ENVIRONMENTS * SECONDS_A_MONTH) / REFRESH_SECONDS,
  };
}

function scaled(shares, requests) {
  return Object.fromEntries(Object.entries(shares).map(([kind, share]) => [kind, share * requests]));
}

function price(amount, [included, dollarsForAMillion]) {
  return (Math.max(0, amount - included) / 1e6) * dollarsForAMillion;
}

function table(head, rows) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  return [line(head), `|${"---|".repeat(head.length)}`, ...rows.map(line)].join("\n");
}

function dollars(amount) {
  return `$${amount < 100 ? amount.toFixed(2) : Math.round(amount).toLocaleString("en-US")}`;
}
