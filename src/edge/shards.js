// Shards between many isolates and the one object that has an answer: a document's version, overrides, a key.
//
// A busy isolate asks each second or two, and an object answers some 1,000 requests a second. So from some number of
// requests a second, isolates ask shards instead: objects that ask the one object, and keep its answer for half a second.
// Nothing is polled: a shard that is not asked does not ask either.

/** The most shards of a group. Each asks the one object at most twice a second for the same answer. */
export const MAX_SHARDS = 128;
/** With more shards than this, an answer may be twice as old, so that the one object has no more requests. */
const MANY_SHARDS = 32;
/** The number of shards that get a long answer from the one object. Others get it from these, or from shards that did. */
const LONG_ANSWER_SHARDS = 8;
/** The requests a second that one shard should have, unless the deployment sets `SHARD_REQUESTS_PER_SECOND`. */
const REQUESTS_PER_SHARD = 100;
/** The time after which the number of shards may shrink, and for which a new object takes the number that its readers know. */
const WINDOW_MS = 60_000;
/** A shard without a request for this long no longer counts. */
const RATE_LIFETIME_MS = 10_000;
/** The time for which a shard keeps an answer in memory, whatever its reader's demand. */
const ANSWER_LIFETIME_MS = 10_000;
/** The age up to which readers wait for a request on its way. */
const PENDING_LIFETIME_MS = 500;
/** The length of the answers that a shard keeps, in bytes. A shard has 128 MiB, also for its sockets. */
const MAX_ANSWERS_LENGTH = 32 * 1024 * 1024;

/** The name of a shard. The first has the name of its group, others have a slash, which no client key has. */
export function shardName(group, index) {
  return index === 0 ? group : `${group}/${index}`;
}

/** Counts requests: the number in this second so far or in the second before, if that is larger. */
class Rate {
  #second = 0;
  #count = 0;
  #before = 0;

  add(now) {
    const second = Math.floor(now / 1000);
    if (second !== this.#second) {
      this.#before = second === this.#second + 1 ? this.#count : 0;
      this.#second = second;
      this.#count = 0;
    }
    this.#count += 1;
    return Math.max(this.#count, this.#before);
  }
}

/** The number of shards of a group, kept by the one object that has the answers. It grows at once, and shrinks after a minute. */
export class ShardCount {
  #perShard;
  #count = 0;
  #direct = new Rate();
  /** The requests a second of each shard, by its index: [rate, time]. */
  #rates = new Map();
  #bornAt;
  #windowStart;
  #peak = 0;

  /** `perShard`: the requests a second from which there are more shards. */
  constructor(perShard) {
    this.#perShard = Number(perShard) || REQUESTS_PER_SHARD;
  }

  /**
   * Counts a request, and returns the number of shards; 0 if readers ask the one object. `reader`: the number of shards that
   * the reader knows as `count`; a shard also has its `index` and its requests a second as `rate`.
   */
  asked({ count = 0, index, rate }, now) {
    this.#bornAt ??= now;
    this.#windowStart ??= now;
    let total = 0;
    if (index === undefined) total = this.#direct.add(now);
    else this.#rates.set(index, [rate, now]);
    for (const [each, [rate, at]] of this.#rates) {
      if (now - at > RATE_LIFETIME_MS) this.#rates.delete(each);
      else total += rate;
    }
    const wanted = this.#wanted(total);
    // After a restart of this object, its readers know more than it does.
    const isNew = now - this.#bornAt < WINDOW_MS;
    this.#count = Math.max(this.#count, wanted, isNew ? Math.min(count, MAX_SHARDS) : 0);
    this.#peak = Math.max(this.#peak, wanted);
    if (now - this.#windowStart >= WINDOW_MS) {
      this.#count = this.#peak;
      this.#peak = wanted;
      this.#windowStart = now;
    }
    return this.#count;
  }

  /** The smallest power of two of shards for this many requests a second. */
  #wanted(total) {
    if (total <= this.#perShard) return 0;
    let count = 1;
    while (count * this.#perShard < total && count < MAX_SHARDS) count *= 2;
    return count;
  }
}

/** The answers that a shard keeps, each with the time when the one object was asked. */
export class Relay {
  #read;
  #answers = new Map();
  #rate = new Rate();
  #reads = new Rate();
  /** The number of shards, if the one object has answered with it. */
  #count;

  /** `read`: asks the one object, (source, demand, reader) → {answer, count}. */
  constructor(read) {
    this.#read = read;
  }

  /**
   * Answers as the source would: {answer, age, count} or {error, count}. `age`: the milliseconds since the source was asked.
   *
   * `demand.maxAge`: the greatest age of an answer, in milliseconds. `demand.sequence`: the least number that the answer
   * begins with, instead of an age; 0 for none. `demand.maxReads`: the requests to the source a second, shared by the shards
   * of the group; 0 for no limit. `demand.timeout`: the milliseconds after which an isolate asks the source itself. `reader`:
   * this shard's index, and the number of shards that the isolate knows.
   */
  async ask(source, demand, reader) {
    const now = Date.now();
    const rate = this.#rate.add(now);
    const key = JSON.stringify(source);
    const { maxAge, sequence } = demand;
    const isRecent = ({ at }) => now - at <= maxAge;
    // An answer that was asked for after this request is as good as another.
    const isGood = (known) => known.at > now || (sequence > 0 && known.error === undefined ? parseInt(known.answer) >= sequence : isRecent(known));
    let known;
    for (let awaited = 0; ; awaited += 1) {
      known = this.#answers.get(key);
      // A request on its way may be too early for the demand, and then another reader has sent the next one meanwhile.
      if (!known?.pending || awaited === 2 || now - known.at > PENDING_LIFETIME_MS) break;
      await known.pending;
    }
    if (known === undefined || known.pending || !isGood(known)) {
      known = this.#begin(source, key, demand, { ...reader, rate });
      await known.pending;
    }
    const { answer, error, at } = known;
    return { answer, error, age: Math.max(0, Date.now() - at), count: this.#count };
  }

  /** Drops all answers, since there is a new version. */
  clear() {
    this.#answers.clear();
  }

  /** Asks the source. */
  #begin(source, key, demand, { index, count, rate }) {
    const { maxReads } = demand;
    const at = Date.now();
    const known = { at };
    const isAllowed = maxReads === 0 || this.#reads.add(at) <= Math.max(1, maxReads / Math.max(1, this.#count ?? count));
    if (!isAllowed) return { at, error: "a shard asks no more in this second" };
    this.#answers.delete(key);
    let length = 0;
    // The latest first.
    for (const [each, { answer, at: since }] of [...this.#answers].reverse()) {
      length += lengthOf(answer);
      if (at - since > ANSWER_LIFETIME_MS || length > MAX_ANSWERS_LENGTH) this.#answers.delete(each);
    }
    const finish = ({ answer, error, count }) => {
      Object.assign(known, { answer, error, pending: undefined });
      this.#count = count ?? this.#count;
    };
    known.pending = this.#read(source, demand, { index, rate, count: this.#count ?? count }).then(finish, (error) => finish({ error: textOf(error) }));
    this.#answers.set(key, known);
    return known;
  }
}

/** The length of an answer: a text, an array of a text and bytes, or a short value. */
function lengthOf(answer) {
  return [answer].flat().reduce((length, part) => length + (part?.length ?? 0), 0);
}

/** Asks the one object. One that counts its readers also answers with the number of shards. */
export async function askSource(env, { binding, name, method, parameters, isCounted }, reader) {
  const object = env[binding].get(env[binding].idFromName(name));
  if (isCounted) {
    try {
      const [answer, count] = await object.askedBy(reader, method, parameters);
      return { answer, count };
    } catch (error) {
      // An object of an earlier version of the worker counts nothing.
      if (!/does not implement/.test(textOf(error))) throw error;
    }
  }
  return { answer: await object[method](...parameters) };
}

/** A shard's question to the one object, or about a long answer to another shard. */
export async function askAbove(env, source, demand, reader) {
  if (!source.isLong || reader.index < LONG_ANSWER_SHARDS) return askSource(env, source, reader);
  const index = Math.floor(reader.index / LONG_ANSWER_SHARDS);
  const shard = env.STREAMS.get(env.STREAMS.idFromName(shardName(source.name, index)));
  const { answer, error } = await shard.relay(source, demand, { index, count: reader.count });
  if (error !== undefined) throw new Error(error);
  return { answer };
}

/** An isolate's knowledge of shards, and its way to ask them. */
export class ShardedReader {
  /** The groups of shards, by name: {count, offset}. */
  #groups = new Map();
  /** Isolates have different numbers, so that the shards of a group have equally many of them. */
  #random;

  /** The number of shards of a group that this isolate knows, and its own shard's index. */
  shardOf(group) {
    const { count = 0, offset = 0 } = this.#groups.get(group) ?? {};
    return { count, index: count > 1 ? offset % count : 0 };
  }

  /**
   * Asks a shard, or the one object if there are no shards or the shard fails: [answer, age in milliseconds, the shard's fault].
   * `source`: {binding, name, method, parameters, isCounted, isLong}, with isCounted true if the object counts its readers, and
   * isLong true for a long answer of an object whose name is its group's. `demand`: see `Relay`.
   */
  async ask(env, group, source, demand) {
    const { count, index } = this.shardOf(group);
    let fault;
    if (count > 0 && env.STREAMS !== undefined) {
      let found;
      try {
        const shard = env.STREAMS.get(env.STREAMS.idFromName(shardName(group, index)));
        const maxAge = count > MANY_SHARDS ? 2 * demand.maxAge : demand.maxAge;
        found = await inTime(shard.relay(source, { ...demand, maxAge }, { index, count }), demand.timeout);
      } catch (error) {
        fault = textOf(error);
        // The next time another shard is asked.
        this.#groups.set(group, { count, offset: randomNumber() });
      }
      if (found !== undefined) {
        this.#learn(group, found.count);
        if (found.error !== undefined) throw new Error(found.error);
        return [found.answer, found.age, undefined];
      }
    }
    const { answer, count: learned } = await askSource(env, source, { count });
    this.#learn(group, learned);
    return [answer, 0, fault];
  }

  #learn(group, count) {
    if (count === undefined) return;
    this.#random ??= randomNumber();
    if (count === 0) this.#groups.delete(group);
    else this.#groups.set(group, { offset: this.#random, ...this.#groups.get(group), count });
  }
}

function randomNumber() {
  return Math.floor(Math.random() * 2 ** 31);
}

async function inTime(promise, milliseconds) {
  let timer;
  const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(`no answer within ${milliseconds} ms`)), milliseconds)));
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

function textOf(error) {
  return String(error?.message ?? error);
}

/** A class whose objects also answer readers with the number of shards. */
export function withShards(ObjectClass) {
  return class extends ObjectClass {
    #shards = new ShardCount(this.env.SHARD_REQUESTS_PER_SECOND);

    /** Returns a method's answer and the number of shards. */
    async askedBy(reader, method, parameters) {
      const count = this.#shards.asked(reader, Date.now());
      return [await this[method](...parameters), count];
    }
  };
}
