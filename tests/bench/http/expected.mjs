// The expected content of answers, from Flagsmith's own client, which evaluates the same document locally.

import assert from "node:assert/strict";

import { Flagsmith, LocalFileHandler } from "flagsmith-nodejs";

/** Checks answers for the environment in the document `file`. */
export class Truth {
  #client;

  constructor(file) {
    this.#client = new Flagsmith({ offlineMode: true, offlineHandler: new LocalFileHandler(file) });
  }

  /** Fails unless `answer` is correct for `request`. */
  async check(request, answer) {
    assert.equal(answer.status, 200, answer.text);
    assert.match(answer.headers["content-type"], /^application\/json/);
    const { identity } = request;
    if (identity === null) {
      assertFlags(answer.json(), await this.#client.getEnvironmentFlags());
      return;
    }
    if (request.path.startsWith("/ofrep/")) {
      assertEvaluations(answer.json().flags, await this.#client.getIdentityFlags(identity.identifier, identity.traits));
      return;
    }
    const { identifier, flags, traits } = answer.json();
    const anonymous = JSON.parse(request.body).identifier === null;
    if (!anonymous) assert.equal(identifier, identity.identifier);
    assertFlags(flags, await this.#client.getIdentityFlags(identifier, identity.traits));
    const pairs = traits.map(({ trait_key, trait_value }) => [trait_key, trait_value]);
    assert.deepEqual(Object.fromEntries(pairs), identity.traits);
  }
}

/** Flags without a value are true. Disabled ones have none. */
function assertEvaluations(ours, theirs) {
  const value = ({ enabled, value }) => (enabled ? (value ?? true) : undefined);
  const expected = Object.entries(theirs.flags).map(([name, flag]) => [name, value(flag)]);
  assert.ok(expected.length > 0, "an environment without flags");
  assert.deepEqual(Object.fromEntries(ours.map(({ key, value }) => [key, value])), Object.fromEntries(expected));
}

function assertFlags(ours, theirs) {
  const expected = Object.entries(theirs.flags).map(([name, { enabled, value }]) => [name, { enabled, value }]);
  const actual = ours.map(({ feature, enabled, feature_state_value }) => [
    feature.name,
    { enabled, value: feature_state_value },
  ]);
  assert.ok(expected.length > 0, "an environment without flags");
  assert.deepEqual(Object.fromEntries(actual), Object.fromEntries(expected));
}
