// The module that the platform starts: the worker, and the class of its objects.

import { DurableObject } from "cloudflare:workers";

import worker, {
  AnalyticsObject as RustAnalyticsObject,
  DirectoryObject as RustDirectoryObject,
  EnvironmentObject as RustEnvironmentObject,
  IdentityObject as RustIdentityObject,
  RegistryObject as RustRegistryObject,
} from "../../build/index.js";

const { answer, scheduled } = worker.prototype;

/** A plain handler: the generated class would be made anew, behind a proxy, for each request. */
export default {
  fetch(request, env, ctx) {
    const { method, url, headers } = request;
    // Named here, these need no text to be made for each call, as a call from WebAssembly does.
    return answer(request, method, url, headers.get("x-environment-key"), headers.get("if-none-match"), env, ctx);
  },

  scheduled(event, env, ctx) {
    return scheduled.call({ env, ctx }, event);
  },
};

/** Only a class that extends the platform's can have its methods called from elsewhere, and a Rust one cannot. */
export class IdentityObject extends DurableObject {
  #identity;

  constructor(state, env) {
    super(state, env);
    this.#identity = new RustIdentityObject(state, env);
  }

  carryOut(order) {
    return this.#identity.carryOut(order);
  }

  carryOutAndTell(order) {
    return this.#identity.carryOutAndTell(order);
  }

  alarm() {
    return this.#identity.alarm();
  }
}

/** The same for the objects of the directory. */
export class DirectoryObject extends DurableObject {
  #directory;

  constructor(state, env) {
    super(state, env);
    this.#directory = new RustDirectoryObject(state, env);
  }

  answer(request) {
    return this.#directory.answer(request);
  }
}

/** Publishes one environment. */
export class EnvironmentObject extends DurableObject {
  #environment;

  constructor(state, env) {
    super(state, env);
    this.#environment = new RustEnvironmentObject(state, env);
  }

  announcement() {
    return this.#environment.announcement();
  }

  document() {
    return this.#environment.document();
  }

  told() {
    return this.#environment.told();
  }

  follow(clientKey, credential) {
    return this.#environment.follow(clientKey, credential);
  }

  leave() {
    return this.#environment.leave();
  }

  reconcile() {
    return this.#environment.reconcile();
  }

  status() {
    return this.#environment.status();
  }

  alarm() {
    return this.#environment.alarm();
  }
}

/** Knows which environments and server keys there are. */
export class RegistryObject extends DurableObject {
  #registry;

  constructor(state, env) {
    super(state, env);
    this.#registry = new RustRegistryObject(state, env);
  }

  look(name) {
    return this.#registry.look(name);
  }

  serverKey(hash) {
    return this.#registry.serverKey(hash);
  }

  discover() {
    return this.#registry.discover();
  }

  told(project) {
    return this.#registry.told(project);
  }

  reconcile() {
    return this.#registry.reconcile();
  }

  environments() {
    return this.#registry.environments();
  }

  alarm() {
    return this.#registry.alarm();
  }
}

/** The same for the object that keeps evaluations. */
export class AnalyticsObject extends DurableObject {
  #analytics;

  constructor(state, env) {
    super(state, env);
    this.#analytics = new RustAnalyticsObject(state, env);
  }

  record(environment, evaluations) {
    return this.#analytics.record(environment, evaluations);
  }

  async alarm() {
    await this.#analytics.alarm();
  }
}
