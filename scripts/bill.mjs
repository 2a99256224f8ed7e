// The platform's bill, from counted operations (tests/e2e/counts.mjs) and prices. The prices are those of the Workers Paid plan
// beyond the included amounts, in dollars, as of November 2026. Sources: the pricing pages of workers, kv, durable-objects and
// analytics-engine on developers.cloudflare.com.

/** unit → [included in a month, dollars for a million more]. Lists of KV cost as much as writes. */
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
/** Announced, but not billed yet, so data points have their own row. */
const POINTS = [10e6, 0.25];
const SUBSCRIPTION = 5;

/** The counted columns, in the form of `named`. */
export const NAMES = {
  flags: "getFlags, 304 included",
  anonymous: "postIdentity, without an identifier",
  unchanged: "postIdentity, nothing changed",
  changed: "postIdentity, one trait changed",
  created: "postIdentity, a new identity with two traits",
  document: "getEnvironmentDocument, an isolate's first in `FRESHNESS_SECONDS`",
  evaluations: "countEvaluations, with an origin, a later one in `ANALYTICS_INTERVAL_SECONDS`",
  documentCheck: "an isolate checks for a new document, with an origin",
  keyCheck: "an isolate checks whether a server key is still valid",
  refresh: "the origin is asked for a document that has not changed",
};

// Values that no test can count, since they depend on the platform's processors and storage.
/** Processor time of a request in milliseconds: measured by `make cost`, rounded up. A document counts like an identity. */
export const CPU_MS = {
  [NAMES.flags]: 0.2,
  [NAMES.anonymous]: 0.4,
  [NAMES.unchanged]: 0.6,
  [NAMES.changed]: 1.2,
  [NAMES.created]: 5,
  [NAMES.document]: 0.6,
  [NAMES.evaluations]: 1.5,
};
/**
 * The time for which a call keeps an object in memory, in milliseconds. A write waits until other locations have confirmed it.
 */
const OBJECT_MS = { read: 5, write: 30 };
const OBJECT_GIGABYTES = 0.128;
/** The number of isolates that are always busy, in all locations, and the environments that each of them serves. */
const ISOLATES = 100;
const ENVIRONMENTS = 3;
const [FRESHNESS_SECONDS, REFRESH_SECONDS, DOCUMENT_SOFT_AGE_SECONDS] = [2, 60, 10];

const SECONDS_A_MONTH = 30 * 24 * 60 * 60;
const VOLUMES = { "1 M": 1e6, "100 M": 100e6, "10 B": 10e9 };

/** The mix of requests: the share of each operation. */
const MIXED = { [NAMES.flags]: 0.5, [NAMES.unchanged]: 0.4, [NAMES.changed]: 0.08, [NAMES.created]: 0.01, [NAMES.document]: 0.01 };
const PROFILES = {
  "only `GET /flags/`": { [NAMES.flags]: 1 },
  "only `POST /identities/` without an identifier": { [NAMES.anonymous]: 1 },
  "only `POST /identities/`, nothing changed": { [NAMES.unchanged]: 1 },
  "only `POST /identities/`, one trait changed": { [NAMES.changed]: 1 },
  "50 % flags, 40 % unchanged, 8 % changed, 1 % new, 1 % documents": MIXED,
  "the same, and a report of evaluations to every ten": { ...scaled(MIXED, 10 / 11), [NAMES.evaluations]: 1 / 11 },
};

/** The columns of counted units. */
const COLUMNS = {
  kvReads: "KV reads",
  kvWrites: "KV writes or lists",
  objectRequests: "object requests",
  rowsRead: "rows read",
  rowsWritten: "rows written",
};
const ADMINISTRATORS = "administrators, in an environment of 64 identities";
const OTHERS = "SDKs, notifications, pages";
const BESIDES = "besides";

/** The counts as a Markdown table. Operations that differ only in rows read share a row. */
export function countTable(counted, description) {
  const operations = operationsOf(description);
  const rows = [OTHERS, ADMINISTRATORS, BESIDES].flatMap((section) => {
    const groups = new Map();
    for (const each of counted.filter(({ operation }) => sectionOf(operations.get(operation)) === section)) {
      const { rowsRead: _, ...same } = each.counts;
      const group = JSON.stringify(same);
      groups.set(group, [...(groups.get(group) ?? []), each]);
    }
    const rowOf = (group) => [labels(group, operations), ...Object.keys(COLUMNS).map((column) => range(group.map(({ counts }) => counts[column])))];
    return [[`**${section}**`, ...Object.keys(COLUMNS).map(() => "")], ...[...groups.values()].map(rowOf)];
  });
  return table(["one of these", ...Object.values(COLUMNS)], rows);
}

/** Dollars a month, as a table in Markdown. */
export function costTable(counted) {
  const counts = Object.fromEntries(counted.map((each) => [named(each), each.counts]));
  const ofProfile = (shares) => (requests) => {
    const times = scaled(shares, requests);
    return cost(counts, { ...times, ...upToDate(requests, times[NAMES.document] ?? 0) });
  };
  const rows = Object.entries(PROFILES).map(([name, shares]) => [name, ...Object.values(VOLUMES).map(ofProfile(shares)).map(dollars)]);
  const points = Object.values(VOLUMES).map((requests) => dollars(price(requests, POINTS)));
  return table(["requests a month", ...Object.keys(VOLUMES)], [...rows, ["a data point for each, once they are billed", ...points]]);
}

/** The unit that distinguishes two counts. */
export function named({ operation, circumstances }) {
  return [operation, circumstances].filter(Boolean).join(", ");
}

/** operationId → {method, path, isAdministrators}. */
export function operationsOf({ paths }) {
  const operations = new Map();
  for (const [path, item] of Object.entries(paths)) {
    for (const [method, { operationId, security }] of Object.entries(item).filter(([name]) => name !== "parameters")) {
      const isAdministrators = security.some((scheme) => "AdminCredential" in scheme);
      operations.set(operationId, { method: method.toUpperCase(), path: shortened(path), isAdministrators });
    }
  }
  return operations;
}

function sectionOf(operation) {
  if (operation === undefined) return BESIDES;
  return operation.isAdministrators ? ADMINISTRATORS : OTHERS;
}

/** Shortens a path by the part that all paths of its kind share. */
function shortened(path) {
  return path
    .replace(/^\/api\/v1\/(environments\/)?environments\/\{environment_key\}\//, "…/")
    .replace(/^…\/edge-identities\/\{identity_uuid\}/, "…/{uuid}")
    .replace(/^\/edge\/environments\/\{environment_key\}\//, "/edge/…/")
    .replace("{featurestate_uuid}", "{uuid}");
}

/** The operations of a group, by circumstances: each path once, with its methods. */
function labels(group, operations) {
  const all = new Map();
  for (const { operation, circumstances } of group.filter(({ operation }) => operation !== null)) {
    const { method, path } = operations.get(operation);
    const paths = all.get(circumstances) ?? new Map();
    all.set(circumstances, paths.set(path, new Set([...(paths.get(path) ?? []), method])));
  }
  const routes = Array.from(all, ([circumstances, paths]) => {
    const named = Array.from(paths, ([path, methods]) => `\`${[...methods].join(", ")} ${path}\``).join(", ");
    return circumstances === "" ? named : `${named} (${circumstances})`;
  });
  return [...routes, ...group.filter(({ operation }) => operation === null).map(({ circumstances }) => circumstances)].join("; ");
}

function range(numbers) {
  const [least, most] = [Math.min(...numbers), Math.max(...numbers)];
  return least === most ? String(least) : `${least} to ${most}`;
}

/** Dollars for these amounts: the subscription, and the price of all units beyond the included ones. */
function cost(counts, times) {
  const used = Object.fromEntries(Object.keys(PRICES).map((kind) => [kind, 0]));
  for (const [name, number] of Object.entries(times)) {
    for (const [what, count] of Object.entries(counts[name])) used[what] += count * number;
    if (name in CPU_MS) used.requests += number;
    used.cpuMilliseconds += (CPU_MS[name] ?? 0) * number;
    const held = counts[name].objectRequests * (counts[name].rowsWritten > 0 ? OBJECT_MS.write : OBJECT_MS.read);
    used.gigabyteSeconds += (held / 1000) * OBJECT_GIGABYTES * number;
  }
  return Object.entries(used).reduce((sum, [what, amount]) => sum + price(amount, PRICES[what]), SUBSCRIPTION);
}

/** The cost of freshness: an isolate checks at most as often as it gets requests, of which `keyed` have a server key. */
function upToDate(requests, keyed) {
  const checks = (seconds) => (ISOLATES * ENVIRONMENTS * SECONDS_A_MONTH) / seconds;
  return {
    [NAMES.documentCheck]: Math.min(requests, checks(FRESHNESS_SECONDS)),
    [NAMES.keyCheck]: Math.min(keyed, checks(DOCUMENT_SOFT_AGE_SECONDS)),
    [NAMES.refresh]: (ENVIRONMENTS * SECONDS_A_MONTH) / REFRESH_SECONDS,
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
