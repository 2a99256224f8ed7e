// The deadline of tests that wait for a condition.

import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";

/**
 * The time after which a waiting test fails. A working condition takes seconds, or ten times as long on a busy machine, so
 * only broken tests wait for the whole time.
 */
export const DEADLINE_MS = 120_000;
const STEP_MS = 20;

/** Resolves once `condition` is true. */
export async function eventually(condition, what) {
  const deadline = Date.now() + DEADLINE_MS;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`within ${DEADLINE_MS} ms it did not happen that ${what}`);
    await delay(STEP_MS);
  }
}

/**
 * Resolves to the result of `read` when it is as expected: equal to a value, matched by a pattern, or accepted by a function.
 * Fails with the last result.
 */
export async function becomes(read, expected, what = undefined) {
  const deadline = Date.now() + DEADLINE_MS;
  for (;;) {
    const value = await read();
    if (isAsExpected(value, expected)) return value;
    if (Date.now() <= deadline) await delay(STEP_MS);
    else if (typeof expected === "function") assert.fail(`${what ?? expected}: ${JSON.stringify(value)}`);
    else if (expected instanceof RegExp) assert.match(value, expected, what);
    else assert.deepEqual(value, expected, what);
  }
}

function isAsExpected(value, expected) {
  if (typeof expected === "function") return expected(value);
  if (expected instanceof RegExp) return expected.test(value);
  try {
    assert.deepEqual(value, expected);
    return true;
  } catch {
    return false;
  }
}
