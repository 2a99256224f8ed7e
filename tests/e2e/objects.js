// The worker, with access to its objects: their storage, their alarms, and their clock.

import entry, * as worker from "./entry.js";

export * from "./entry.js";

const now = Date.now;
let ahead = 0;
Date.now = () => now() + ahead;

let down = false;

/** The interruptions of a move's steps: method → [fails or never answers, before the step or after it]. */
const broken = new Map();

let stalled = false;
let letGo = null;

/** An identity with interruptible moves. */
export class IdentityObject extends opened(worker.IdentityObject) {
  handOver(...identity) {
    return broke("handOver", () => super.handOver(...identity));
  }

  forget(...identity) {
    return broke("forget", () => super.forget(...identity));
  }

  /** Interrupts a step from now on. */
  breakOff(method, ...how) {
    broken.set(method, how);
  }

  isStalled() {
    return stalled;
  }

  /** Releases the held answer. */
  letGo() {
    letGo();
  }
}

export const EnvironmentObject = opened(worker.EnvironmentObject);
export const RegistryObject = opened(worker.RegistryObject);
export const AnalyticsObject = opened(worker.AnalyticsObject);

/** The error of a held answer that is discarded. */
let release = null;

/** A directory that fails on demand. */
export class DirectoryObject extends opened(worker.DirectoryObject) {
  holding = false;

  answer(request) {
    if (down) throw new Error("down");
    if (!this.holding) return super.answer(request);
    this.holding = false;
    return new Promise((_, reject) => (release = () => reject(new Error("late"))));
  }

  /** Leaves the next request without an answer. */
  hold() {
    this.holding = true;
  }

  isHolding() {
    return release !== null;
  }

  /** Fails the next request. */
  release() {
    release();
    release = null;
  }

  fail(whether) {
    down = whether;
  }
}

export default {
  ...entry,
  async fetch(request, env, ctx) {
    if (!request.headers.has("x-object")) return entry.fetch(request, env, ctx);
    const { binding, name, method, parameters } = await request.json();
    const object = env[binding].get(env[binding].idFromName(name));
    try {
      return Response.json({ value: (await object[method](...parameters)) ?? null });
    } catch (error) {
      return Response.json({ error: String(error) }, { status: 500 });
    }
  },
};

function broke(method, step) {
  const [how, when] = broken.get(method) ?? [];
  const done = when === "before" ? undefined : step();
  if (how === "fails") throw new Error("broken off");
  if (how === undefined) return done;
  stalled = true;
  // Only the next request is held.
  if (how === "waits") broken.delete(method);
  return new Promise((resolve) => (letGo = () => resolve(how === "waits" ? done : new Promise(() => {}))));
}

function opened(Class) {
  return class extends Class {
    rows(query, ...values) {
      return this.ctx.storage.sql.exec(query, ...values).toArray();
    }

    ringsAt() {
      return this.ctx.storage.getAlarm();
    }

    /** Runs the alarm now. */
    ring() {
      return this.alarm();
    }

    /** Makes every SQL statement fail, or stops doing so. */
    failStatements(whether) {
      const { sql } = this.ctx.storage;
      if (!whether) return void delete sql.exec;
      sql.exec = () => {
        throw new Error("out of order");
      };
    }

    /** Makes the next call that sets an alarm fail. */
    failAlarm() {
      const { storage } = this.ctx;
      storage.setAlarm = () => {
        delete storage.setAlarm;
        throw new Error("out of order");
      };
    }

    loseAlarm() {
      return this.ctx.storage.deleteAlarm();
    }

    letPass(milliseconds) {
      ahead += milliseconds;
    }

    /** Evicts the object, as the platform may do at any time. */
    evict() {
      this.ctx.abort("evicted");
    }
  };
}
