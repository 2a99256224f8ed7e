// Puts environment documents and server keys into wrangler's local KV.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { WRANGLER, WRANGLER_ENVIRONMENT } from "./wrangler.mjs";

/**
 * Writes `entries` with their `metadata` into the KV in `state`, and removes those of an earlier seed. Does nothing if the
 * same entries were seeded before.
 */
export function seed({ entries, metadata }, state) {
  const stamp = join(state, "seeded.json");
  const hash = hashOf(entries);
  const before = readStamp(stamp);
  if (before.hash === hash) return;
  mkdirSync(state, { recursive: true });
  // The hash is written at the end, so that an interrupted seed is repeated.
  writeStamp(stamp, { hash: null, keys: [...new Set([...before.keys, ...entries.keys()])] });
  if (entries.size > 0) bulk("put", state, Array.from(entries, ([key, value]) => ({ key, value: value.toString("base64"), base64: true, metadata: metadata.get(key) })));
  const stale = before.keys.filter((key) => !entries.has(key));
  if (stale.length > 0) bulk("delete", state, stale);
  writeStamp(stamp, { hash, keys: [...entries.keys()] });
}

/** Excludes these keys from later seeds, because newer values were published. */
export function release(keys, state) {
  const stamp = join(state, "seeded.json");
  const before = readStamp(stamp);
  const kept = before.keys.filter((key) => !keys.includes(key));
  if (kept.length < before.keys.length) writeStamp(stamp, { ...before, keys: kept });
}

function bulk(verb, state, content) {
  const file = join(state, "seed.json");
  writeFileSync(file, JSON.stringify(content));
  const force = verb === "delete" ? ["--force"] : [];
  const call = [WRANGLER, "kv", "bulk", verb, file, "--binding", "ENVIRONMENTS", "--local", "--persist-to", state, ...force];
  const result = spawnSync(process.execPath, call, { env: WRANGLER_ENVIRONMENT, encoding: "utf8" });
  rmSync(file);
  if (result.status !== 0) throw new Error(`Seeding the local KV failed:\n${result.stdout}${result.stderr}`);
}

function hashOf(entries) {
  // The format of the entries is hashed, too, so that seeds in an older format are written again.
  const hash = createHash("sha256").update("with metadata\n");
  for (const [key, value] of entries) hash.update(`${key} ${value.length}\n`).update(value);
  return hash.digest("hex");
}

function readStamp(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return { hash: null, keys: [] };
  }
}

function writeStamp(file, stamp) {
  writeFileSync(file, JSON.stringify(stamp));
}
