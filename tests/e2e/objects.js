// The worker, with access to its objects: their storage, their alarms, and their clock.

import entry, * as worker from "./entry.js";

export * from "./entry.js";

const now = Date.now;
let ahead = 0;
Date.now = () => now() + ahead;

let down = false;

/** How a step of a move breaks off: method → [whether it fails or never answers, before it is done or after]. */
const broken = new Map();

let stalled = false;
let letGo = null;

/** An identity, whose moves break off where they are told to. */
export class IdentityObject extends opened(worker.IdentityObject) {
  handOver(...identity) {
    return broke("handOver", () => super.handOver(...identity));
  }

  forget(...identity) {
    return broke("forget", () => super.forget(...identity));
  }

  /** Has a step break off from now on. */
  breakOff(method, ...how) {
    broken.set(method, how);
  }

  isStalled() {
    return stalled;
  }

  /** Gives the answer that waits. */
  letGo() {
    letGo();
  }
}

export const EnvironmentObject = opened(worker.EnvironmentObject);
export const RegistryObject = opened(worker.RegistryObject);
export const AnalyticsObject = opened(worker.AnalyticsObject);

/** The failure of an answer that is held. */
let release = null;

/** The directory, which fails on demand. */
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

  /** Fails it. */
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
  // Only this one waits.
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

    /** Answers the alarm now. */
    ring() {
      return this.alarm();
    }

    /** Has every statement fail from now on, or none any more. */
    failStatements(whether) {
      const { sql } = this.ctx.storage;
      if (!whether) return void delete sql.exec;
      sql.exec = () => {
        throw new Error("out of order");
      };
    }

    /** Has the next alarm that is set not be set. */
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

    /** Ends this life of the object, as the platform does whenever it likes. */
    evict() {
      this.ctx.abort("evicted");
    }
  };
}
