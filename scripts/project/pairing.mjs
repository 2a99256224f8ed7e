// Pairs objects of an export with those at the target, which have other ids.

import { isDeepStrictEqual } from "node:util";

import { scalarOf } from "../../src/pages/edge/flagsmith.js";

/** The options at the target for those of the export: of the same key, or else of the same value. */
export function pairedOptions(wanted, found) {
  return paired(wanted, found, [(option, other) => option.key != null && option.key === other.key, (option, other) => option.value === scalarOf(other)]);
}

/** The server keys at the target for those of the export: the same ones, or else those of the same name, in order. */
export function pairedKeys(wanted, found) {
  return paired(wanted, found, [(serverKey, other) => serverKey.key === other.key, (serverKey, other) => serverKey.name === other.name]);
}

/** Pairs each item of `wanted` with one of `found`: by the first test, and the remaining items by the next test. */
function paired(wanted, found, tests) {
  const pairs = new Map();
  const taken = new Set();
  for (const isSame of tests) {
    for (const item of wanted.filter((item) => !pairs.has(item))) {
      const other = found.find((other) => !taken.has(other) && isSame(item, other));
      if (other === undefined) continue;
      pairs.set(item, other);
      taken.add(other);
    }
  }
  return pairs;
}

/** The members of `wanted` that `found` has with other values; null if there are none. */
export function changed(wanted, found) {
  const other = Object.entries(wanted).filter(([name, value]) => !isDeepStrictEqual(found[name] ?? null, value ?? null));
  return other.length === 0 ? null : Object.fromEntries(other);
}
