// The module that the platform starts: the worker, and the class of its objects.

import { DurableObject } from "cloudflare:workers";

import worker, { IdentityObject as RustIdentityObject } from "../../build/index.js";

const { fetch } = worker.prototype;

/** A plain handler: the generated class would be made anew, behind a proxy, for each request. */
export default {
  fetch(request, env, ctx) {
    return fetch.call({ env, ctx }, request);
  },
};

/** Only a class that extends the platform's can have its methods called from elsewhere, and a Rust one cannot. */
export class IdentityObject extends DurableObject {
  #identity;

  constructor(state, env) {
    super(state, env);
    this.#identity = new RustIdentityObject(state, env);
  }

  carryOut(command) {
    return this.#identity.carryOut(command);
  }
}
