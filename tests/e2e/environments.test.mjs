// Environments while KV has corrupt values or none, or does not answer.

import assert from "node:assert/strict";
import { test } from "node:test";

import { documentEntry, serverKeyEntry } from "../../scripts/environments.mjs";
import { becomes, eventually, startEdge } from "./harness.mjs";

const MISSING = { detail: "Invalid or missing Environment Key" };
// The document is read from KV before every answer.
const ALWAYS_ASK = { DOCUMENT_SOFT_AGE_SECONDS: 0, DOCUMENT_HARD_AGE_SECONDS: 0 };
// The cached document is served, and read again after every answer.
const ASK_BEHIND = { DOCUMENT_SOFT_AGE_SECONDS: 0, DOCUMENT_HARD_AGE_SECONDS: 3600 };

const CORRUPTIONS = {
  "not JSON": { spoil: () => "{\"api_key\": ", field: /line|column|EOF|position/ },
  "a list": { spoil: () => "[]", field: /document|expected/ },
  "feature_states is a text": { spoil: (document) => ({ ...document, feature_states: "none" }), field: /feature_states/ },
  "enabled is a text": {
    spoil: (document) => changed(document, (copy) => (copy.feature_states[2].enabled = "yes")),
    field: /feature_states\[2\]\.enabled/,
  },
  "a segment with invalid rules": {
    spoil: (document) => changed(document, (copy) => (copy.project.segments[1].rules[0].rules = 7)),
    field: /project\.segments\[1\]\.rules\[0\]\.rules/,
  },
};

edgeTest("a changed document is served by the next request after the cached one expires", ALWAYS_ASK, async (edge, production) => {
  assert.equal(await thresholdOf(edge, production), 50);
  replace(edge, production, changed(documentOf(edge, production), (copy) => (copy.feature_states[1].feature_state_value = 60)));
  assert.equal(thresholdIn(await confirmed(() => flags(edge, production.key))), 60);
});

edgeTest("a changed document is fetched in the background", ASK_BEHIND, async (edge, production) => {
  assert.equal(await thresholdOf(edge, production), 50);
  replace(edge, production, changed(documentOf(edge, production), (copy) => (copy.feature_states[1].feature_state_value = 60)));
  await eventually(async () => (await thresholdOf(edge, production)) === 60, "the change is served");
});

edgeTest("a cached document is not read again", { DOCUMENT_SOFT_AGE_SECONDS: 3600, DOCUMENT_HARD_AGE_SECONDS: 3600 }, async (edge, production) => {
  for (let count = 0; count < 20; count += 1) assert.equal(await thresholdOf(edge, production), 50);
  assert.equal(edge.kv.count(documentEntry(production.key)), 1);
});

for (const [what, { spoil, field }] of Object.entries(CORRUPTIONS)) {
  edgeTest(`a corrupt document, ${what}: the last good one is served`, ALWAYS_ASK, async (edge, production) => {
    assert.equal(await thresholdOf(edge, production), 50);
    replace(edge, production, spoil(documentOf(edge, production)));
    for (let count = 0; count < 5; count += 1) {
      const response = await flags(edge, production.key);
      assert.equal(response.status, 200, response.text);
    }
    await requireOneLogLine(edge, field, production);
  });

  edgeTest(`a corrupt document, ${what}, and none before it: 503`, ALWAYS_ASK, async (edge, production) => {
    replace(edge, production, spoil(documentOf(edge, production)));
    for (let count = 0; count < 5; count += 1) requireUnreadable(await flags(edge, production.key));
    await requireOneLogLine(edge, field, production);
    // The other environment is not affected.
    assert.equal((await flags(edge, edge.environments[1].key)).status, 200);
  });
}

edgeTest("a repaired document is served again, as fresh", ALWAYS_ASK, async (edge, production) => {
  const good = documentOf(edge, production);
  replace(edge, production, "garbage");
  requireUnavailable(await flags(edge, production.key));
  replace(edge, production, good);
  await becomes(async () => (await flags(edge, production.key)).status, 200, "the mended document is served");
  await confirmed(() => flags(edge, production.key));
});

for (const way of ["fail", "garbage"]) {
  edgeTest(`KV answers with ${way}: the cached document is served`, ALWAYS_ASK, async (edge, production) => {
    assert.equal((await flags(edge, production.key)).status, 200);
    edge.kv.behave(way);
    assert.equal((await flags(edge, production.key)).status, 200);
    assert.equal((await identity(edge, production.key)).status, 200);
  });

  edgeTest(`KV answers with ${way}: a key that is not in memory is unavailable, not invalid`, ALWAYS_ASK, async (edge, production) => {
    edge.kv.behave(way);
    for (const key of [production.key, production.serverKeys[0].key, "noSuchKeyHasEverBeenHere"]) {
      requireUnavailable(await flags(edge, key));
      requireUnavailable(await identity(edge, key));
    }
    edge.kv.behave("serve");
    await eventually(async () => (await flags(edge, production.key)).status === 200, "the environment is served");
  });
}

edgeTest("KV fails: answers carry their age until KV is back", ALWAYS_ASK, async (edge, production) => {
  const age = async (answer) => (await answer(edge, production.key)).headers["x-edge-stale-seconds"];
  assert.equal(await age(flags), undefined);
  edge.kv.behave("fail");
  assert.match(await age(flags), /^\d+$/);
  assert.match(await age(identity), /^\d+$/);
  await eventually(async () => Number(await age(flags)) >= 1, "the age grows");
  edge.kv.behave("serve");
  await becomes(() => age(flags), undefined);
});

edgeTest("KV does not answer: the cached document is served", ASK_BEHIND, async (edge, production) => {
  assert.equal((await flags(edge, production.key)).status, 200);
  edge.kv.behave("stall");
  for (let count = 0; count < 5; count += 1) assert.equal((await flags(edge, production.key)).status, 200);
});

edgeTest("KV does not answer: an expired document is served after the time limit", ALWAYS_ASK, async (edge, production) => {
  assert.equal((await flags(edge, production.key)).status, 200);
  edge.kv.behave("stall");
  const response = await flags(edge, production.key);
  assert.equal(response.status, 200, response.text);
  assert.match(response.headers["x-edge-stale-seconds"] ?? "absent", /^\d+$/);
});

edgeTest("KV does not answer: an unknown environment is unavailable within bounds", ALWAYS_ASK, async (edge, production) => {
  edge.kv.behave("stall");
  requireUnavailable(await flags(edge, production.key));
});

edgeTest("a key without a document is refused, and looked up rarely", {}, async (edge) => {
  for (let count = 0; count < 20; count += 1) {
    const response = await flags(edge, "noSuchKeyHasEverBeenHere");
    assert.equal(response.status, 403);
    assert.deepEqual(response.json(), MISSING);
  }
  assert.equal(edge.kv.count(documentEntry("noSuchKeyHasEverBeenHere")), 1);
});

edgeTest("a removed document is refused", ALWAYS_ASK, async (edge, production) => {
  assert.equal((await flags(edge, production.key)).status, 200);
  edge.kv.entries.delete(documentEntry(production.key));
  const response = await confirmed(() => flags(edge, production.key));
  assert.equal(response.status, 403);
  assert.deepEqual(response.json(), MISSING);
});

edgeTest("server keys are accepted while they are active and not expired", ALWAYS_ASK, async (edge, production) => {
  const [valid, expired, inactive] = production.serverKeys;
  assert.equal((await flags(edge, valid.key)).status, 200);
  for (const { key } of [expired, inactive]) {
    const response = await flags(edge, key);
    assert.equal(response.status, 403);
    assert.deepEqual(response.json(), MISSING);
  }
});

edgeTest("a server key expires while the worker runs", { DOCUMENT_SOFT_AGE_SECONDS: 3600, DOCUMENT_HARD_AGE_SECONDS: 3600 }, async (edge, production) => {
  // Each attempt uses another key with a later expiry, which leaves more time for the answer.
  const attempt = async (milliseconds) => {
    const key = `ser.expiring${milliseconds}`;
    const end = Date.now() + milliseconds;
    const entry = { environment: production.key, active: true, expires_at: new Date(end).toISOString() };
    edge.kv.entries.set(serverKeyEntry(key), Buffer.from(JSON.stringify(entry)));
    const { status } = await flags(edge, key);
    if (status === 403) {
      assert.ok(Date.now() >= end, "not before its time");
      return attempt(2 * milliseconds);
    }
    assert.equal(status, 200);
    await becomes(async () => (await flags(edge, key)).status, 403, "the key has expired");
    assert.ok(Date.now() >= end, "not before its time");
  };
  await attempt(700);
});

edgeTest("a server key's expiry may be any date that Python reads", ALWAYS_ASK, async (edge, production) => {
  const { key } = production.serverKeys[0];
  for (const [expires_at, status] of [
    ["2099-12-31", 200],
    ["2099-12-31T23:59:59.1234567Z", 200],
    [4_102_358_400, 200],
    ["0001-01-01T00:00:00Z", 403],
    ["20200101T000000+0100", 403],
  ]) {
    edge.kv.entries.set(serverKeyEntry(key), Buffer.from(JSON.stringify({ environment: production.key, active: true, expires_at })));
    await becomes(async () => (await flags(edge, key)).status, status, `${expires_at}`);
  }
  await edge.flush();
  assert.ok(!edge.log.includes('"failure"'), edge.log);
});

edgeTest("a server key with an unreadable expiry is refused and logged once", ALWAYS_ASK, async (edge, production) => {
  const { key } = production.serverKeys[0];
  const entry = { environment: production.key, active: true, expires_at: "some day" };
  edge.kv.entries.set(serverKeyEntry(key), Buffer.from(JSON.stringify(entry)));
  for (let count = 0; count < 5; count += 1) {
    const response = await flags(edge, key);
    assert.deepEqual([response.status, response.json()], [403, MISSING]);
  }
  await requireOneLogLine(edge, /server key: expires_at: is no date; the key is refused/, production);
  assert.ok(!edge.log.includes("some day"), "nothing of the entry is quoted");
});

edgeTest("a document with an unreadable date is served without Last-Modified and logged once", ALWAYS_ASK, async (edge, production) => {
  replace(edge, production, { ...documentOf(edge, production), updated_at: "some day" });
  for (let count = 0; count < 5; count += 1) {
    const response = await flags(edge, production.key);
    assert.equal(response.status, 200, response.text);
    assert.equal(response.headers["x-flagsmith-document-updated-at"], undefined);
    assert.equal(response.headers["x-edge-stale-seconds"], undefined);
  }
  await requireOneLogLine(edge, /environment document: updated_at: is no date; served without/, production);
  replace(edge, production, { ...documentOf(edge, production), updated_at: "0001-01-01T00:00:00.0000000Z" });
  const date = async () => (await flags(edge, production.key)).headers["x-flagsmith-document-updated-at"];
  await becomes(date, "-62135596800.0", "the zero date is a date");
  const headers = { "X-Environment-Key": production.serverKeys[0].key, "If-Modified-Since": "Mon, 01 Jan 0001 00:00:00 GMT" };
  const document = await edge.request({ path: "/api/v1/environment-document/", headers });
  assert.deepEqual([document.status, document.headers["last-modified"]], [200, undefined]);
});

edgeTest("a deactivated server key is refused", ALWAYS_ASK, async (edge, production) => {
  const { key } = production.serverKeys[0];
  assert.equal((await flags(edge, key)).status, 200);
  const entry = { environment: production.key, active: false, expires_at: null };
  edge.kv.entries.set(serverKeyEntry(key), Buffer.from(JSON.stringify(entry)));
  await eventually(async () => (await flags(edge, key)).status === 403, "the key is refused");
});

edgeTest("a server key with a corrupt entry is unavailable", ALWAYS_ASK, async (edge, production) => {
  const { key } = production.serverKeys[0];
  edge.kv.entries.set(serverKeyEntry(key), Buffer.from("{\"environment\":"));
  requireUnreadable(await flags(edge, key));
  await edge.flush();
  assert.ok(!edge.log.includes(key), "the key is in the log");
});

edgeTest("KV is never given a server key in plain text", {}, async (edge, production) => {
  for (const { key } of production.serverKeys) await flags(edge, key);
  assert.ok(edge.kv.requests.every((requested) => !requested.includes("ser.")), edge.kv.requests.join(" "));
});

function edgeTest(name, variables, body) {
  test(name, async (t) => {
    const edge = await startEdge({ variables });
    t.after(() => edge.close());
    await body(edge, edge.environments[0]);
  });
}

function flags(edge, key) {
  return edge.request({ path: "/api/v1/flags/", headers: { "X-Environment-Key": key } });
}

function identity(edge, key) {
  return edge.request({ path: "/api/v1/identities/?identifier=someone", headers: { "X-Environment-Key": key } });
}

/** The first answer that is not stale. */
function confirmed(read) {
  return becomes(read, ({ headers }) => headers["x-edge-stale-seconds"] === undefined);
}

async function thresholdOf(edge, { key }) {
  return thresholdIn(await flags(edge, key));
}

function thresholdIn(response) {
  assert.equal(response.status, 200, response.text);
  return response.json().find((flag) => flag.feature.name === "free_shipping_threshold").feature_state_value;
}

function requireUnavailable(response) {
  assert.equal(response.status, 503, response.text);
  assert.match(response.headers["retry-after"] ?? "absent", /^\d+$/);
  assert.equal(response.headers["content-type"], "application/json");
  assert.equal(typeof response.json().detail, "string");
}

/** Asserts the 503 of an unreadable document, which must be published again. */
function requireUnreadable(response) {
  requireUnavailable(response);
  assert.equal(response.headers["retry-after"], "60");
  assert.doesNotMatch(response.json().detail, /temporarily/);
  assert.match(response.json().detail, /cannot be read\. See the log for the cause, and publish the environment again\./);
}

/** Asserts that one log line names the invalid field, and that no line has a key. */
async function requireOneLogLine(edge, field, environment) {
  const naming = () => edge.log.split("\n").filter((line) => line.startsWith('{"failure"') && field.test(line));
  await eventually(() => naming().length > 0, `a log line matches ${field} (log: ${edge.log})`);
  await edge.flush();
  assert.equal(naming().length, 1, edge.log);
  for (const { key } of environment.serverKeys) assert.ok(!edge.log.includes(key), "a server key is in the log");
  assert.ok(!edge.log.includes("someone"), "an identifier is in the log");
}

function documentOf(edge, { key }) {
  return JSON.parse(edge.kv.entries.get(documentEntry(key)));
}

function replace(edge, { key }, document) {
  edge.kv.entries.set(documentEntry(key), Buffer.from(typeof document === "string" ? document : JSON.stringify(document)));
}

function changed(document, change) {
  const copy = structuredClone(document);
  change(copy);
  return copy;
}
