// OpenFeature's provider for Python, unchanged.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";

import { run } from "./descriptions.mjs";
import { ROOT } from "./harness.mjs";
import { idOf, KEY, NAMES, SEGMENT, startWithFlags, VALUES } from "./ofrep.mjs";

const FOLDER = join(ROOT, "tests/e2e/ofrep");
const VENV = join(ROOT, ".venv-ofrep");
await run("scripts/venv.sh", [VENV, join(FOLDER, "requirements.txt")]);

test("every value and every name, with its metadata", async (t) => {
  const edge = await startWithFlags(t);
  const types = { string: "string", boolean: "boolean", number: "integer" };
  const values = Object.entries(VALUES).map(([flag, value]) => ({ flag, type: flag === "float" ? "float" : types[typeof value], value }));
  // This provider sends names as they are. A question mark at the end is not sent, and would need an escape.
  const names = NAMES.filter((name) => name !== "why?").map((flag) => ({ flag, type: "string", value: "a" }));
  const cases = [...values, ...names];
  const fallback = { string: "code", boolean: false, integer: -1, float: -1.5 };
  const found = await evaluate(edge, cases.map(({ flag, type }) => ({ flag, type, default: fallback[type], context: {} })));
  cases.forEach(({ flag, value }, index) => {
    const metadata = { enabled: true, featureId: idOf(flag), source: "environment" };
    assert.deepEqual(found[index], { value, reason: "STATIC", variant: null, metadata, error: null }, flag);
  });
});

test("segments, overrides and splits by the context", async (t) => {
  const edge = await startWithFlags(t);
  const users = Array.from({ length: 30 }, (_, number) => ({ targetingKey: `user-${number}` }));
  const cases = [{ plan: "gold" }, { targetingKey: "ada", traits: { plan: "gold" }, tags: ["a"], none: null }, { targetingKey: "grace" }];
  const found = await evaluate(edge, [
    ...cases.map((context) => ({ flag: "text", type: "string", default: "code", context })),
    ...users.map((context) => ({ flag: "split", type: "string", default: "code", context })),
  ]);
  const metadata = { enabled: true, featureId: idOf("text"), source: "segment", segment: SEGMENT };
  const gold = { value: "red", reason: "TARGETING_MATCH", variant: null, metadata, error: null };
  const { segment, ...others } = metadata;
  assert.deepEqual(found.slice(0, 3), [gold, gold, { ...gold, value: "green", metadata: { ...others, source: "identity" } }]);
  const split = found.slice(3).filter(({ reason }) => reason === "SPLIT");
  assert.ok(split.length > 2 && split.length < 20, `${split.length}`);
  for (const flag of split) assert.deepEqual([flag.value, flag.variant, flag.metadata.weight], ["b", "beta", 33.5]);
});

test("a disabled flag and failures serve the default of the code", async (t) => {
  const edge = await startWithFlags(t);
  const ask = (flag, type, fallback, context = {}) => ({ flag, type, default: fallback, context });
  const cases = [
    [ask("off", "string", "code"), "DISABLED", null],
    [ask("missing", "string", "code"), "ERROR", "FLAG_NOT_FOUND"],
    [ask("secret", "string", "code"), "ERROR", "FLAG_NOT_FOUND"],
    [ask("text", "integer", 7), "ERROR", "TYPE_MISMATCH"],
    [ask("text", "string", "code", { targetingKey: "x".repeat(2001) }), "ERROR", "INVALID_CONTEXT"],
  ];
  const found = await evaluate(edge, cases.map(([given]) => given));
  cases.forEach(([given, reason, error], index) => {
    assert.deepEqual([found[index].value, found[index].reason, found[index].error], [given.default, reason, error], given.flag);
  });
  const [refused] = await evaluate(edge, [ask("text", "string", "code")], "unknown");
  assert.deepEqual([refused.value, refused.error], ["code", "GENERAL"]);
});

/** The provider's details of each case. */
async function evaluate(edge, cases, key = KEY) {
  const child = spawn(join(VENV, "bin/python"), [join(FOLDER, "evaluate.py")], { stdio: ["pipe", "pipe", "pipe"] });
  child.stdin.end(JSON.stringify({ url: edge.address, key, cases }));
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"]) child[name].setEncoding("utf8").on("data", (text) => (output[name] += text));
  const [code] = await once(child, "close");
  assert.equal(code, 0, output.stderr);
  return JSON.parse(output.stdout);
}
