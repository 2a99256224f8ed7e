// The worker with a log of all billed units. It logs the start and the end of each call of an object. The end has the number of
// rows and the time of the object's alarm in milliseconds. Work after an answer is logged, too.

import { DurableObject } from "cloudflare:workers";

import entry, * as objects from "./entry.js";

export default {
  ...entry,
  // Work after the answer belongs to its request.
  fetch(request, env, ctx) {
    const waitUntil = (promise) => {
      console.log(JSON.stringify({ waiting: true }));
      ctx.waitUntil(Promise.resolve(promise).finally(() => console.log(JSON.stringify({ waiting: false }))));
    };
    return entry.fetch(request, env, new Proxy(ctx, { get: (_, name) => (name === "waitUntil" ? waitUntil : Reflect.get(ctx, name)) }));
  },
};

export const IdentityObject = counted("IdentityObject");
export const DirectoryObject = counted("DirectoryObject");
export const EnvironmentObject = counted("EnvironmentObject");
export const RegistryObject = counted("RegistryObject");
export const AnalyticsObject = counted("AnalyticsObject");
export const StreamObject = counted("StreamObject");

function counted(name) {
  const Class = objects[name];
  return class extends Class {
    #rows;

    constructor(state, env) {
      const rows = counter(state.storage);
      super(state, env);
      this.#rows = rows;
    }

    static {
      for (const method of methods(Class)) {
        this.prototype[method] = async function (...parameters) {
          const id = this.ctx.id.toString();
          console.log(JSON.stringify({ calling: name, id }));
          try {
            return await Class.prototype[method].apply(this, parameters);
          } finally {
            const [rowsRead, rowsWritten] = this.#rows();
            const alarm = await this.ctx.storage.getAlarm();
            console.log(JSON.stringify({ called: name, id, method, rowsRead, rowsWritten, alarm }));
          }
        };
      }
    }
  };
}

/** The methods of a class of objects. `askedBy` only calls another. */
function methods(Class) {
  const names = new Set();
  for (let { prototype } = Class; prototype !== DurableObject.prototype; prototype = Object.getPrototypeOf(prototype)) {
    Object.getOwnPropertyNames(prototype).forEach((name) => names.add(name));
  }
  return [...names].filter((name) => name !== "constructor" && name !== "askedBy");
}

/** Returns a function that returns the rows read and written since its last call. Setting an alarm writes one. */
function counter(storage) {
  let cursors = [];
  let alarms = 0;
  const { sql } = storage;
  const { exec } = sql;
  const { setAlarm } = storage;
  sql.exec = function (...parameters) {
    const cursor = exec.apply(this, parameters);
    cursors.push(cursor);
    return cursor;
  };
  storage.setAlarm = function (...parameters) {
    alarms += 1;
    return setAlarm.apply(this, parameters);
  };
  return () => {
    const sum = (field) => cursors.reduce((total, cursor) => total + cursor[field], 0);
    const rows = [sum("rowsRead"), sum("rowsWritten") + alarms];
    [cursors, alarms] = [[], 0];
    return rows;
  };
}
