// The number of shards, and the answers that a shard keeps, without a runtime.

import assert from "node:assert/strict";
import { test } from "node:test";

import { askAbove, Relay, ShardCount, shardName } from "../../src/edge/shards.js";

/** Sends this many requests a second for some seconds. Returns the last answer. */
function ask(count, reader, perSecond, seconds, from) {
  let shards;
  for (let second = 0; second < seconds; second += 1) {
    for (let index = 0; index < perSecond; index += 1) shards = count.asked(reader, from + second * 1000 + Math.floor((index * 1000) / perSecond));
  }
  return shards;
}

test("the number of shards grows with direct requests, and shrinks after a minute without them", () => {
  const count = new ShardCount(100);
  assert.equal(ask(count, {}, 100, 5, 0), 0);
  assert.equal(ask(count, {}, 101, 1, 5_000), 2);
  assert.equal(ask(count, { count: 2 }, 401, 1, 6_000), 8);
  assert.equal(ask(count, { count: 8 }, 1, 54, 7_000), 8, "within the first minute");
  assert.equal(ask(count, { count: 8 }, 1, 60, 61_000), 0);
});

test("shards' own requests count, as long as they ask", () => {
  const count = new ShardCount(100);
  for (let index = 0; index < 4; index += 1) count.asked({ index, rate: 150, count: 4 }, 0);
  assert.equal(count.asked({ index: 0, rate: 150, count: 4 }, 1), 8);
  assert.equal(count.asked({ index: 9, rate: 100_000, count: 8 }, 2), 128, "the most");
  // Nine seconds later only one of them still asks.
  ask(count, { index: 0, rate: 90, count: 128 }, 2, 121, 3_000);
  assert.equal(count.asked({ index: 0, rate: 90, count: 128 }, 125_000), 0);
});

test("a new object takes the number that its readers know, but not later", () => {
  const count = new ShardCount(100);
  assert.equal(count.asked({ count: 16, index: 3, rate: 100 }, 0), 16);
  assert.equal(count.asked({ count: 1e9 }, 1), 128, "up to the most");
  ask(count, { count: 0 }, 1, 130, 2_000);
  assert.equal(count.asked({ count: 64 }, 133_000), 0);
});

test("the first shard has the group's name, others another that no client key has", () => {
  assert.deepEqual([shardName("key", 0), shardName("key", 5)], ["key", "key/5"]);
});

const DEMAND = { maxAge: 500, sequence: 0, maxReads: 0 };
const READER = { index: 1, count: 4 };

/** A relay whose source answers when the test lets it: {relay, reads}. A read has `source`, `reader`, `answer` and `fail`. */
function relay() {
  const reads = [];
  const read = (source, _demand, reader) => new Promise((resolve, reject) => reads.push({ source, reader, answer: (answer, count) => resolve({ answer, count }), fail: reject }));
  return { relay: new Relay(read), reads };
}

test("few shards get a long answer from the object, the others from them", async () => {
  const asked = [];
  const STREAMS = { idFromName: (name) => name, get: (name) => ({ relay: async (_source, _demand, { index }) => ({ answer: `shard ${index}`, name: asked.push(name) }) }) };
  const PUBLISHERS = { idFromName: (name) => name, get: (name) => ({ askedBy: async () => ["object", 128, asked.push(`object ${name}`)] }) };
  const source = { binding: "PUBLISHERS", name: "key", method: "document", parameters: ["1-a"], isCounted: true, isLong: true };
  const answers = await Promise.all([0, 7, 8, 63, 127].map((index) => askAbove({ STREAMS, PUBLISHERS }, source, DEMAND, { index, count: 128 })));
  assert.deepEqual(answers.map(({ answer }) => answer), ["object", "object", "shard 1", "shard 7", "shard 15"]);
  assert.deepEqual(asked, ["object key", "object key", "key/1", "key/7", "key/15"]);
  assert.equal((await askAbove({ STREAMS, PUBLISHERS }, { ...source, isLong: false }, DEMAND, { index: 127, count: 128 })).answer, "object");
});

test("requests at the same time share one answer, which is kept for its age", async (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: 10_000 });
  const { relay: shard, reads } = relay();
  const source = { method: "announcement", parameters: [true] };
  const both = [shard.ask(source, DEMAND, READER), shard.ask({ ...source }, DEMAND, READER)];
  await Promise.resolve();
  assert.deepEqual([reads.length, reads[0].reader], [1, { index: 1, rate: 1, count: 4 }]);
  t.mock.timers.setTime(10_100);
  reads[0].answer("1-a", 8);
  for (const answer of await Promise.all(both)) assert.deepEqual(answer, { answer: "1-a", error: undefined, age: 100, count: 8 });
  t.mock.timers.setTime(10_500);
  assert.deepEqual(await shard.ask(source, DEMAND, READER), { answer: "1-a", error: undefined, age: 500, count: 8 });
  t.mock.timers.setTime(10_501);
  const later = shard.ask(source, DEMAND, READER);
  await new Promise(setImmediate);
  assert.equal(reads.length, 2);
  reads[1].answer("2-b", 0);
  assert.deepEqual(await later, { answer: "2-b", error: undefined, age: 0, count: 0 });
  assert.equal(shard.ask({ ...source, parameters: [] }, DEMAND, READER) instanceof Promise && (await new Promise(setImmediate), reads.length), 3, "another call is another answer");
});

test("a wanted sequence is not met by an answer on its way, but by the next", async (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: 10_000 });
  const { relay: shard, reads } = relay();
  const wanting = () => shard.ask("source", { ...DEMAND, sequence: 7 }, READER);
  const early = shard.ask("source", DEMAND, READER);
  await new Promise(setImmediate);
  const wanted = [wanting(), wanting(), wanting()];
  reads[0].answer("6-a");
  assert.equal((await early).answer, "6-a");
  await new Promise(setImmediate);
  assert.equal(reads.length, 2, "one request for all that wait");
  reads[1].answer("7-b");
  assert.deepEqual((await Promise.all(wanted)).map(({ answer }) => answer), ["7-b", "7-b", "7-b"]);
  assert.equal((await wanting()).answer, "7-b");
  assert.equal(reads.length, 2);
  shard.clear();
  void wanting();
  await new Promise(setImmediate);
  assert.equal(reads.length, 3, "after a new version nothing is kept");
});

for (const [wish, demand] of [["a sequence that does not exist", { sequence: 7 }], ["an answer of no age", { maxAge: 0 }]]) {
  test(`many wishes for ${wish} are a few requests`, async (t) => {
    t.mock.timers.enable({ apis: ["Date"], now: 10_000 });
    let reads = 0;
    const shard = new Relay(async () => {
      await new Promise(setImmediate);
      t.mock.timers.tick(1);
      reads += 1;
      return { answer: "6-a" };
    });
    const ask = () => shard.ask("source", { ...DEMAND, ...demand }, READER);
    const asked = Array.from({ length: 100 }, () => {
      t.mock.timers.tick(1);
      return ask();
    });
    const answers = await Promise.all(asked);
    assert.ok(answers.every(({ answer }) => answer === "6-a"));
    assert.ok(reads <= 4, `${reads} requests`);
  });
}

test("long answers of a shard have a limit together", async (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: 10_000 });
  const reads = [];
  const shard = new Relay(async (source) => ({ answer: [source, new Uint8Array(reads.push(source) && 4 * 1024 * 1024)] }));
  const ask = (version) => shard.ask(version, { ...DEMAND, maxAge: 10_000 }, READER);
  for (let version = 1; version <= 20; version += 1) await ask(`${version}-a`);
  await ask("20-a");
  assert.equal(reads.length, 20, "the latest is kept");
  await ask("1-a");
  assert.equal(reads.length, 21, "the earliest is not");
});

test("a failure is an answer, too, for as long", async (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: 10_000 });
  const { relay: shard, reads } = relay();
  const failed = shard.ask("source", { ...DEMAND, sequence: 7 }, READER);
  await new Promise(setImmediate);
  reads[0].fail(new Error("overloaded"));
  assert.deepEqual(await failed, { answer: undefined, error: "overloaded", age: 0, count: undefined });
  assert.equal((await shard.ask("source", { ...DEMAND, sequence: 7 }, READER)).error, "overloaded");
  assert.equal(reads.length, 1);
  t.mock.timers.setTime(10_501);
  const again = shard.ask("source", DEMAND, READER);
  await new Promise(setImmediate);
  reads[1].answer("1-a");
  assert.equal((await again).answer, "1-a");
});

test("different keys share a number of requests a second", async (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: 10_000 });
  const { relay: shard, reads } = relay();
  const ask = (key) => shard.ask(key, { ...DEMAND, maxReads: 12 }, READER);
  const asked = ["a", "b", "c", "d", "e"].map(ask);
  await new Promise(setImmediate);
  assert.equal(reads.length, 3, "a quarter of twelve");
  assert.match((await asked[4]).error, /no more in this second/);
  reads.forEach(({ answer }) => answer(true));
  assert.equal((await ask("a")).answer, true, "an answer that is kept is no request");
  t.mock.timers.setTime(12_000);
  void ask("f");
  await new Promise(setImmediate);
  assert.equal(reads.length, 4);
});
