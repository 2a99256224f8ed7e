// `make bench-shards`: a simulation of many isolates that ask for versions, with the shards' own code and a clock of its own.
//
// ISOLATES (10,000) in PLACES (330) serve ENVIRONMENTS_COUNT (50): the first environment in each isolate, the second in each
// second one, and so on. Isolates start within a minute, as after a deployment. From second 90 each environment publishes once a
// second for ten seconds, and a tenth of the isolates does not see a new version in KV yet. From second 110 a shard of the first
// environment fails for ten seconds. All the time each isolate is asked for a deleted environment's key, and from second 120 a
// tenth of them for five invented keys a second. Calls of each object are counted by the second.

import { askAbove, ShardedReader, Relay, shardName, withShards } from "../../src/edge/shards.js";

const count = (name, otherwise) => Number(process.env[name] || otherwise);
const [ISOLATES, PLACES, ENVIRONMENTS] = [count("ISOLATES", 10_000), count("PLACES", 330), count("ENVIRONMENTS_COUNT", 50)];
const [START_SECONDS, PUBLISH_AT, FAIL_AT, INVENT_AT, END] = [60, 90, 110, 120, 130].map((second) => second * 1000);
const FRESHNESS_MS = 2_000;
const SOFT_MS = (FRESHNESS_MS * 3) / 4;
/** The most look-ups of unknown keys that an isolate sends in a second. */
const MAX_LOOKUPS = 10;
const WITHOUT_SHARDS = process.argv.includes("--without-shards");

// A clock of its own, in milliseconds, and the work that waits for each of them.
let now = 0;
const timers = new Map();
Date.now = () => now;
globalThis.setTimeout = (work, wait = 0) => {
  const at = now + Math.max(1, Math.round(wait));
  const timer = { work };
  if (timers.has(at)) timers.get(at).push(timer);
  else timers.set(at, [timer]);
  return timer;
};
globalThis.clearTimeout = (timer) => (timer.work = () => {});
const pause = (wait) => new Promise((resolve) => setTimeout(resolve, wait));

// A generator, so that each run has the same events.
let seed = 1;
Math.random = () => {
  seed = (Math.imul(seed ^ (seed >>> 15), 0x2c1b3c6d) + 0x9e3779b9) | 0;
  const mixed = Math.imul(seed ^ (seed >>> 12), 0x297a2d39);
  return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
};

/** The calls of each object by kind and name: {kind: {name: [calls of each second]}}. */
const calls = {};
function counted(kind, name) {
  const seconds = ((calls[kind] ??= {})[name] ??= []);
  const second = Math.floor(now / 1000);
  seconds[second] = (seconds[second] ?? 0) + 1;
}

const versions = new Array(ENVIRONMENTS).fill(1);

class Source {
  env = { SHARD_REQUESTS_PER_SECOND: WITHOUT_SHARDS ? 1e9 : undefined };
  announcement(environment) {
    return `${versions[environment]}-a`;
  }
  document(environment) {
    return versions[environment];
  }
  answer() {
    return "[]";
  }
  look(key) {
    return key === "known";
  }
}
const CountedSource = withShards(Source);

class Shard {
  #relay = new Relay((...question) => askAbove(environment, ...question));
  relay(...parameters) {
    return this.#relay.ask(...parameters);
  }
}

/** The objects of a binding. A call takes 20 to 150 ms. */
function namespace(binding, create) {
  const objects = new Map();
  return {
    idFromName: (name) => name,
    get(name, kind = binding) {
      const key = `${kind} ${name}`;
      if (!objects.has(key)) objects.set(key, create());
      const object = objects.get(key);
      const call = async (method, parameters) => {
        await pause(10 + Math.random() * 65);
        counted(kind, name);
        if (kind === "STREAMS" && name === FAILING && now >= FAIL_AT && now < FAIL_AT + 10_000) throw new Error("broken");
        const answer = await object[method](...parameters);
        await pause(10 + Math.random() * 65);
        return answer;
      };
      return new Proxy({}, { get: (_, method) => (...parameters) => call(method, parameters) });
    },
  };
}
const FAILING = shardName("0", 1);
const environment = { PUBLISHERS: namespace("PUBLISHERS", () => new CountedSource()), STREAMS: namespace("STREAMS", () => new Shard()) };
environment.DIRECTORY = { ...environment.PUBLISHERS, get: (name) => environment.PUBLISHERS.get(name, "DIRECTORY") };
environment.REGISTRY = { ...environment.PUBLISHERS, get: (name) => environment.PUBLISHERS.get(name, "REGISTRY") };

const DEMAND = { maxAge: 500, sequence: 0, maxReads: 0, timeout: 600 };
const results = { reads: 0, waits: 0, late: 0, undecided: 0, decided: 0 };
/** When each version of each environment was published. */
const published = versions.map(() => [0, 0]);

/** One environment in one isolate that is always busy with it: it asks again when its copy is no longer fresh. */
async function follow(reader, index, sees, hasOverrides) {
  let [known, confirmedAt] = [0, -FRESHNESS_MS];
  while (now < END) {
    const began = now;
    const age = began - confirmedAt;
    results.reads += 1;
    // A request waits for a copy that has expired.
    if (known !== 0 && age > FRESHNESS_MS) results.waits += 1;
    try {
      const source = { binding: "PUBLISHERS", name: String(index), method: "announcement", parameters: [index], isCounted: true };
      const asked = [reader.ask(environment, String(index), source, DEMAND)];
      if (hasOverrides) asked.push(reader.ask(environment, String(index), { ...source, binding: "DIRECTORY", method: "answer", isCounted: false }, DEMAND));
      const [[text, age]] = await Promise.all(asked);
      const version = parseInt(text);
      if (version > known && !sees && known !== 0) {
        await reader.ask(environment, String(index), { ...source, method: "document", parameters: [index, version], isLong: true }, { ...DEMAND, maxAge: 10_000 });
      }
      known = Math.max(known, version);
      confirmedAt = began - age;
      // At the start of its question the isolate's new copy has every version that was published FRESHNESS_MS before.
      if (published[index].findLastIndex((at) => at <= began - FRESHNESS_MS) > known) results.late += 1;
    } catch {
      confirmedAt = now;
    }
    await pause(confirmedAt + SOFT_MS - now);
  }
}

/** A deleted environment's key and invented ones. After an undecided answer an isolate asks no more in that second. */
async function unknownKeys(reader, number) {
  let [second, sent] = [-1, 0];
  const look = async (key) => {
    if (Math.floor(now / 1000) !== second) [second, sent] = [Math.floor(now / 1000), 0];
    if (sent >= MAX_LOOKUPS) return;
    sent += 1;
    const source = { binding: "REGISTRY", name: "registry", method: "look", parameters: [key], isCounted: true };
    try {
      await reader.ask(environment, "/registry", source, { ...DEMAND, maxReads: 256 });
      results.decided += 1;
    } catch {
      results.undecided += 1;
      [second, sent] = [Math.floor(now / 1000), MAX_LOOKUPS];
    }
  };
  const invent = async () => {
    await pause(INVENT_AT - now);
    while (now < END) {
      void look(`${number} ${now}`);
      await pause(200);
    }
  };
  if (number % 10 === 0) void invent();
  while (now < END) {
    await look("deleted");
    await pause(SOFT_MS);
  }
}

async function isolate(number) {
  await pause(Math.random() * START_SECONDS);
  const reader = new ShardedReader();
  const sees = number % 10 !== 0;
  for (let index = 0; index < ENVIRONMENTS; index += 1) if (number % (index + 1) === 0) void follow(reader, index, sees, number % 3 === 0);
  void unknownKeys(reader, number);
}

async function publish() {
  await pause(PUBLISH_AT);
  for (let round = 0; round < 10; round += 1) {
    versions.forEach((_, index) => {
      versions[index] += 1;
      published[index].push(now);
    });
    await pause(1000);
  }
}

for (let number = 0; number < ISOLATES; number += 1) void isolate(number);
void publish();
const settled = () => new Promise((resolve) => setImmediate(resolve));
await settled();
for (now = 1; now <= END + 1000; now += 1) {
  const due = timers.get(now);
  if (due === undefined) continue;
  timers.delete(now);
  for (const { work } of due) work();
  await settled();
}

console.table(Object.entries(calls).map(([kind, objects]) => {
  const all = Object.values(objects);
  const most = (seconds) => seconds.reduce((most, calls) => Math.max(most, calls), 0);
  const peak = (from, to) => most(all.map((seconds) => most(seconds.slice(from / 1000, to / 1000))));
  return {
    binding: kind,
    objects: all.length,
    "most calls of one object in a second": peak(0, END),
    "while isolates start": peak(0, START_SECONDS),
    "then": peak(START_SECONDS + 5000, PUBLISH_AT),
    "publishing": peak(PUBLISH_AT, FAIL_AT),
    "a shard fails": peak(FAIL_AT, INVENT_AT),
    "invented keys": peak(INVENT_AT, END),
  };
}));
console.table([results]);
// If the place decided on the shard: places differ in size, here like 1, 1/2, 1/3 and so on.
const sizes = Array.from({ length: PLACES }, (_, index) => 1 / (index + 1));
const total = sizes.reduce((sum, size) => sum + size, 0);
const shares = new Array(128).fill(0);
sizes.forEach((size, place) => (shares[Math.imul(place + 1, 0x9e3779b1) >>> 25] += size / total));
console.log(`With the place's hash over 128 shards, the first environment's busiest shard would have ${Math.round((Math.max(...shares) * ISOLATES) / 1.25)} requests a second.`);
