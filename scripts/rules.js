// Calls the worker's own rules in the worker's own runtime: Node may not be able to load the build.

import worker from "../build/index.js";

const { check_document, check_server_key, setting_faults } = worker.prototype;
const RULES = {
  document: (base64) => JSON.parse(check_document(Uint8Array.from(atob(base64), (character) => character.charCodeAt(0)))),
  serverKey: (entry) => check_server_key(entry) ?? null,
  settings: (settings) => JSON.parse(setting_faults(JSON.stringify(settings))),
};

export default {
  /** Answers each call, [the rule's name, its parameters …]. */
  test(_controller, { CALLS }) {
    console.log(JSON.stringify(JSON.parse(CALLS).map(([rule, ...parameters]) => RULES[rule](...parameters))));
  },
};
