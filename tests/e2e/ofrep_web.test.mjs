// OpenFeature's provider for browsers, unchanged, in Chromium and on a page of another origin.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, test } from "node:test";

import { build } from "esbuild";

import { startBrowser } from "./browser.mjs";
import { DEADLINE_MS } from "./deadline.mjs";
import { declaredObjects, ROOT } from "./harness.mjs";
import { idOf, KEY, NAMES, SEGMENT, SERVER_KEY, startWithFlags, VALUES } from "./ofrep.mjs";

const bundled = await build({ entryPoints: [join(ROOT, "tests/e2e/ofrep_web.js")], bundle: true, format: "iife", write: false, platform: "browser" });
const [{ text: SCRIPT }] = bundled.outputFiles;
const browser = await startBrowser();
const shop = createServer((_, response) => response.setHeader("Content-Type", "text/html").end("<title>Shop</title>"));
shop.listen(0, "127.0.0.1");
await once(shop, "listening");
after(async () => {
  await browser.close();
  shop.close();
});

test("every value and every name, with its metadata", async (t) => {
  const { page } = await visitor(t, await startWithFlags(t));
  for (const [name, value] of Object.entries(VALUES)) {
    const { value: found, reason, flagMetadata } = await details(page, name, value);
    assert.deepEqual([found, reason], [value, "STATIC"], name);
    assert.deepEqual(flagMetadata, { enabled: true, featureId: idOf(name), source: "environment" });
  }
  for (const name of NAMES) assert.equal((await details(page, name, "code")).value, "a", name);
});

test("a disabled flag serves the default of the code, and so do failures", async (t) => {
  const { page } = await visitor(t, await startWithFlags(t));
  const facts = async (name, fallback) => {
    const { value, reason, errorCode } = await details(page, name, fallback);
    return [value, reason, errorCode];
  };
  assert.deepEqual(await facts("off", "code"), ["code", "DISABLED", undefined]);
  assert.deepEqual(await facts("missing", "code"), ["code", "ERROR", "FLAG_NOT_FOUND"]);
  assert.deepEqual(await facts("secret", "code"), ["code", "ERROR", "FLAG_NOT_FOUND"]);
  assert.deepEqual(await facts("text", 7), [7, "ERROR", "TYPE_MISMATCH"]);
});

test("a changed context changes the flags, and an unchanged answer is 304", async (t) => {
  // With a cache, the flags of the context before are served first.
  const { page, answers } = await visitor(t, await startWithFlags(t), { cacheMode: "disabled" });
  assert.deepEqual(answers, [200]);
  const set = (context) => page.evaluate((context) => globalThis.OpenFeature.setContext(context), context);
  const facts = async () => {
    const { value, reason, flagMetadata } = await details(page, "text", "code");
    return [value, reason, flagMetadata.source, flagMetadata.segment];
  };
  for (const [context, expected, status] of [
    [{ targetingKey: "ada" }, ["blue", "STATIC", "environment", undefined], 200],
    [{ targetingKey: "ada", plan: "gold" }, ["red", "TARGETING_MATCH", "segment", SEGMENT], 200],
    // A list is no trait, so the answer is the same.
    [{ targetingKey: "ada", plan: "gold", tags: ["a"] }, ["red", "TARGETING_MATCH", "segment", SEGMENT], 304],
    [{ targetingKey: "grace", plan: "gold" }, ["green", "TARGETING_MATCH", "identity", undefined], 200],
    [{ targetingKey: "grace", plan: "gold" }, ["green", "TARGETING_MATCH", "identity", undefined], 304],
    [{}, ["blue", "STATIC", "environment", undefined], 200],
  ]) {
    answers.length = 0;
    await set(context);
    assert.deepEqual([await facts(), answers], [expected, [status]], JSON.stringify(context));
  }
});

test("a key may be a bearer token, and an unknown one ends the provider", async (t) => {
  const edge = await startWithFlags(t);
  const { page } = await visitor(t, edge, { headers: [["Authorization", `Bearer ${SERVER_KEY}`]] });
  assert.equal((await details(page, "secret", "code")).value, "a");
  const refused = await visitor(t, edge, { headers: [["X-API-Key", "unknown"]] });
  assert.deepEqual([refused.answers, refused.error], [[403], "PROVIDER_FATAL"]);
});

test("the provider opens its stream and does not poll", async (t) => {
  const edge = await startWithFlags(t);
  const { page, answers } = await visitor(t, edge);
  await page.waitForTimeout(1500);
  assert.deepEqual(answers, [200]);
  assert.equal([...edge.log.matchAll(/^\{"route":"ofrep-stream","status":200/gm)].length, 1);
});

test("without objects for streams the provider is told of none", async (t) => {
  const edge = await startWithFlags(t, { objects: declaredObjects().filter(({ binding }) => binding !== "STREAMS") });
  const { page, answers } = await visitor(t, edge);
  await page.waitForTimeout(1500);
  assert.deepEqual(answers, [200]);
  assert.doesNotMatch(edge.log, /ofrep-stream/);
  assert.equal((await details(page, "text", "code")).value, "blue");
});

test("the provider polls if it is told so, and sees a change", async (t) => {
  const edge = await startWithFlags(t, { variables: { DOCUMENT_SOFT_AGE_SECONDS: "0", DOCUMENT_HARD_AGE_SECONDS: "0" } });
  const { page, answers } = await visitor(t, edge, { pollInterval: 200, changeDetection: "polling" });
  await page.waitForTimeout(700);
  assert.ok(answers.length > 2 && answers.slice(1).every((status) => status === 304), answers.join());
  const [[entry, document]] = [...edge.kv.entries].filter(([name]) => name === `document:${KEY}`);
  edge.kv.entries.set(entry, String(document).replace('"feature_state_value":"blue"', '"feature_state_value":"cyan"'));
  await page.waitForFunction(() => globalThis.OpenFeature.getClient().getStringValue("text", "code") === "cyan", null, { timeout: DEADLINE_MS });
});

/** Opens a page with the provider. Resolves to the page, the statuses of its evaluations, and its error's code if it failed. */
async function visitor(t, edge, options = {}) {
  const context = await browser.newContext();
  t.after(() => context.close());
  context.setDefaultTimeout(DEADLINE_MS);
  const page = await context.newPage();
  const answers = [];
  page.on("response", (response) => response.request().method() === "POST" && answers.push(response.status()));
  await page.goto(`http://127.0.0.1:${shop.address().port}/`);
  await page.addScriptTag({ content: SCRIPT });
  const error = await page.evaluate(
    async ([baseUrl, key, options]) => {
      const { OFREPWebProvider, OpenFeature } = globalThis;
      const provider = new OFREPWebProvider({ baseUrl, headers: [["X-API-Key", key]], ...options });
      return OpenFeature.setProviderAndWait(provider).then(() => null, ({ code }) => code);
    },
    [edge.address, KEY, options],
  );
  return { page, answers, error };
}

function details(page, name, fallback) {
  return page.evaluate(
    ([name, fallback]) => {
      const client = globalThis.OpenFeature.getClient();
      const kind = { string: "getStringDetails", number: "getNumberDetails", boolean: "getBooleanDetails" }[typeof fallback];
      return client[kind](name, fallback);
    },
    [name, fallback],
  );
}
