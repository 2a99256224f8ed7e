// OpenFeature's provider for servers, unchanged, and requests of the protocol that need several isolates or the settings.

import assert from "node:assert/strict";
import { test } from "node:test";

import { OFREPProvider } from "@openfeature/ofrep-provider";
import { OpenFeature } from "@openfeature/server-sdk";

import { ADMIN_KEY, ADMIN_KEY_SHA256, set, startFlagsmith, stateOf, TOKEN } from "./flagsmith.mjs";
import { becomes, eventually, FIXTURES, startEdge } from "./harness.mjs";
import { evaluate, idOf, KEY, NAMES, SEGMENT, SERVER_KEY, startWithFlags, VALUES } from "./ofrep.mjs";

test("the provider for servers: every value, with its metadata", async (t) => {
  const edge = await startWithFlags(t);
  for (const base of [edge.address, `${edge.address}/api/v1`]) {
    const client = await provider(t, base);
    for (const [name, value] of Object.entries(VALUES)) {
      const details = await detailsOf(client, name, value, {});
      assert.deepEqual([details.value, details.reason, details.errorCode], [value, "STATIC", undefined], name);
      assert.deepEqual(details.flagMetadata, { enabled: true, featureId: idOf(name), source: "environment" });
    }
  }
});

test("the provider for servers: segments, overrides and splits by the context", async (t) => {
  const client = await provider(t, (await startWithFlags(t)).address);
  const facts = async (name, context) => {
    const { value, reason, variant, flagMetadata: { source, segment, weight } } = await client.getStringDetails(name, "code", context);
    return { value, reason, variant, source, segment, weight };
  };
  const gold = { value: "red", reason: "TARGETING_MATCH", variant: null, source: "segment", segment: SEGMENT, weight: undefined };
  assert.deepEqual(await facts("text", { plan: "gold" }), gold);
  const much = { since: new Date(), address: { city: "Gent" }, tags: ["a"], nothing: null };
  assert.deepEqual(await facts("text", { targetingKey: "ada", plan: "gold", ...much }), gold);
  assert.deepEqual(await facts("text", { targetingKey: "ada", traits: { plan: "gold" } }), gold);
  assert.equal((await facts("text", { targetingKey: "ada", plan: "free" })).value, "blue");
  assert.deepEqual(await facts("text", { targetingKey: "grace" }), { ...gold, value: "green", source: "identity", segment: undefined });
  const split = [];
  for (let number = 0; number < 60; number += 1) split.push(await facts("split", { targetingKey: `user-${number}` }));
  const chosen = split.filter(({ reason }) => reason === "SPLIT");
  assert.ok(chosen.length > 8 && chosen.length < 35, `${chosen.length} of 60`);
  const beta = { value: "b", reason: "SPLIT", variant: "beta", source: "environment", segment: undefined, weight: 33.5 };
  for (const flag of chosen) assert.deepEqual(flag, beta);
  assert.deepEqual([...new Set(split.map(({ variant }) => variant))].sort(), ["beta", "control"]);
});

test("the provider for servers: names of every kind", async (t) => {
  const client = await provider(t, (await startWithFlags(t)).address);
  for (const name of NAMES) {
    // This provider sends the name as it is, and a question mark at the end of a URL is not sent.
    const sent = name === "why?" ? encodeURIComponent(name) : name;
    assert.equal(await client.getStringValue(sent, "code", {}), "a", name);
  }
});

test("the provider for servers: failures serve the default of the code", async (t) => {
  const edge = await startWithFlags(t);
  const client = await provider(t, edge.address);
  const failure = async (name, fallback, context) => {
    const { value, reason, errorCode } = await detailsOf(client, name, fallback, context);
    assert.equal(value, fallback, name);
    return [reason, errorCode];
  };
  assert.deepEqual(await failure("missing", "code", {}), ["ERROR", "FLAG_NOT_FOUND"]);
  assert.deepEqual(await failure("secret", "code", {}), ["ERROR", "FLAG_NOT_FOUND"]);
  assert.deepEqual(await failure("text", 7, {}), ["ERROR", "TYPE_MISMATCH"]);
  // This provider knows no answer without a value.
  assert.deepEqual(await failure("off", "code", {}), ["ERROR", "GENERAL"]);
  assert.deepEqual(await failure("text", "code", { targetingKey: "x".repeat(2001) }), ["ERROR", "INVALID_CONTEXT"]);
  const secret = await provider(t, edge.address, [["Authorization", `Bearer ${SERVER_KEY}`]]);
  assert.equal(await secret.getStringValue("secret", "code", {}), "a");
  const refused = await provider(t, edge.address, [["X-API-Key", "unknown"]]);
  assert.equal(await refused.getStringValue("text", "code", {}), "code");
  // A fault of the stores is no refusal.
  edge.kv.behave("fail");
  const answer = await evaluate(edge, "/text", {}, { "X-API-Key": "not-yet-read" });
  assert.deepEqual([answer.status, answer.body.key, answer.body.errorCode, answer.headers.get("retry-after")], [503, "text", "GENERAL", "1"]);
});

test("bodies of every kind are answered in the protocol's form", async (t) => {
  const edge = await startWithFlags(t);
  const nested = (depth) => `{"context": {"targetingKey": "ada", "x": ${"[".repeat(depth)}${"]".repeat(depth)}}}`;
  const padded = (length) => `{"context": {"plan": "gold", "x": "${"x".repeat(length)}"}}`;
  const many = JSON.stringify({ context: { plan: "gold", ...Object.fromEntries(Array.from({ length: 60_000 }, (_, number) => [`k${number}`, number])) } });
  for (const [body, status, code] of [
    [nested(126), 200, undefined],
    [nested(127), 400, "PARSE_ERROR"],
    [padded(1024 * 1024 - 100), 200, undefined],
    [padded(1024 * 1024), 413, "GENERAL"],
    [many, 200, undefined],
    ["", 200, undefined],
    ["[]", 400, "INVALID_CONTEXT"],
    ["{", 400, "PARSE_ERROR"],
  ]) {
    for (const path of ["", "/text"]) {
      const answer = await evaluate(edge, path, body);
      assert.deepEqual([answer.status, answer.body.errorCode], [status, code], body.slice(0, 60));
      if (status !== 200) assert.equal(answer.body.key, path === "" ? undefined : "text");
    }
  }
  assert.equal((await evaluate(edge, "/text", many)).body.value, "red");
  const get = await edge.request({ path: "/ofrep/v1/evaluate/flags/a%2Fb", headers: { "X-API-Key": KEY } });
  assert.deepEqual([get.status, get.headers.allow, get.json().key], [405, "POST, OPTIONS", "a/b"]);
  const preflight = await edge.request({
    method: "OPTIONS",
    path: "/ofrep/v1/evaluate/flags",
    headers: { Origin: "https://shop.example", "Access-Control-Request-Headers": "if-none-match,x-api-key,authorization" },
  });
  const granted = preflight.headers["access-control-allow-headers"].split(", ");
  assert.ok(["if-none-match", "x-api-key", "authorization"].every((name) => granted.includes(name)), granted);
});

test("traits are stored only if OFREP_PERSIST_TRAITS is true", async (t) => {
  const context = { targetingKey: "ada", plan: "gold", since: "2026-01-01", nothing: null };
  for (const [variables, stored] of [
    [{}, {}],
    [{ OFREP_PERSIST_TRAITS: "true" }, { plan: "gold", since: "2026-01-01" }],
  ]) {
    const edge = await startWithFlags(t, { variables: { ADMIN_KEY_SHA256, ...variables } });
    const answer = await evaluate(edge, "", context);
    assert.equal(answer.body.flags.find(({ key }) => key === "text").value, "red");
    await evaluate(edge, "", { plan: "gold" });
    const path = `/api/v1/environments/${KEY}/edge-identities/`;
    const list = await edge.request({ path, headers: { Authorization: `Api-Key ${ADMIN_KEY}` } });
    assert.equal(list.json().results.length, Object.keys(stored).length > 0 ? 1 : 0);
    const identity = await edge.request({ path: "/api/v1/identities/?identifier=ada", headers: { "X-Environment-Key": KEY } });
    assert.deepEqual(Object.fromEntries(identity.json().traits.map(({ trait_key, trait_value }) => [trait_key, trait_value])), stored);
  }
});

test("an isolate answers from no version that is older than the one that its client names", async (t) => {
  const flagsmith = await startFlagsmith(FIXTURES);
  t.after(() => flagsmith.close());
  // Without the names, an isolate would not ask for minutes.
  const variables = { ORIGIN_API_TOKEN: TOKEN, SSE_AUTHENTICATION_TOKEN: "sse-token", ADMIN_KEY_SHA256, FRESHNESS_SECONDS: 600, REFRESH_SECONDS: 600 };
  const edge = await startEdge({ origin: flagsmith.origin, workers: 2, variables });
  t.after(() => edge.close());
  edge.kv.entries.clear();
  const [key] = flagsmith.environments.keys();
  const { name } = stateOf(flagsmith.environments.get(key).document).feature;
  const value = async (isolate, query = "") => (await evaluate(edge, `/${name}${query}`, {}, { "X-API-Key": key }, isolate)).body.value;
  const version = async () => {
    const status = await edge.request({ path: "/edge/status", headers: { Authorization: `Api-Key ${ADMIN_KEY}` } });
    return status.json().environments?.find((environment) => environment.environment === key)?.version ?? null;
  };
  for (const isolate of [0, 1]) await becomes(() => value(isolate), 50, "the first version is served");
  for (const [number, hint] of [
    [51, async () => `?flagConfigEtag=${encodeURIComponent(await changed(51))}`],
    [52, async () => (await changed(52), `?flagConfigLastModified=${Math.floor(Date.now() / 1000)}`)],
  ]) {
    const before = await value(1);
    const query = await hint();
    assert.equal(await value(1), before, "without the hint the old version is served");
    const answers = await Promise.all(Array.from({ length: 100 }, () => value(1, query)));
    assert.deepEqual([...new Set(answers)], [number], "with it the new one");
    assert.equal(await value(1), number);
  }

  /** Changes the value, and resolves to the newest version once it is published. */
  async function changed(number) {
    const before = await version();
    set(flagsmith, key, number);
    const body = JSON.stringify({ updated_at: new Date().toISOString() });
    const headers = { Authorization: "Token sse-token", "Content-Type": "application/json" };
    await edge.request({ method: "POST", path: `/sse/environments/${key}/queue-change`, headers, body });
    await eventually(async () => (await version()) !== before, "the change is published");
    return version();
  }
});

/** A client of the provider. Each has a domain of its own, since the API is global. */
let domains = 0;
async function provider(t, baseUrl, headers = [["X-API-Key", KEY]]) {
  const domain = `domain-${(domains += 1)}`;
  await OpenFeature.setProviderAndWait(domain, new OFREPProvider({ baseUrl, headers }));
  t.after(() => OpenFeature.clearProviders());
  const client = OpenFeature.getClient(domain);
  client.setLogger(Object.fromEntries(["error", "warn", "info", "debug"].map((level) => [level, () => {}])));
  return client;
}

function detailsOf(client, name, fallback, context) {
  const kind = { string: "getStringDetails", number: "getNumberDetails", boolean: "getBooleanDetails" }[typeof fallback];
  return client[kind](name, fallback, context);
}
