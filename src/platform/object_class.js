// The classes of Durable Objects, made from Rust classes.

import { DurableObject } from "cloudflare:workers";

/**
 * A class whose methods other isolates can call. It has to extend the platform's class, which a Rust class cannot.
 *
 * `start` is the first call of the WebAssembly instance. An object of an ended instance refuses every call before it does
 * anything. It is created again from storage.
 */
export function objectClass(start, Rust, methods) {
  return class extends DurableObject {
    #rust;

    constructor(state, env) {
      super(state, env);
      this.#rust = new Rust(state, env);
    }

    static {
      for (const method of methods) {
        this.prototype[method] = function (...parameters) {
          start();
          try {
            return this.#rust[method](...parameters);
          } catch (error) {
            if (error?.message !== "Invalid stale object from previous Wasm instance") throw error;
            this.#rust = new Rust(this.ctx, this.env);
            return this.#rust[method](...parameters);
          }
        };
      }
    }
  };
}
