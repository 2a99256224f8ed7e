// Puts environment documents and server keys into wrangler's local KV.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { WRANGLER, WRANGLER_ENVIRONMENT } from "./wrangler.mjs";

/**
 * Makes the KV in `state` hold `entries` with their `metadata`, without those of an earlier seed. Does nothing when they are
 * there already, whenever that was.
 */
export function seed({ entries, metadata }, state) {
  const stamp = join(state, "seeded.json");
  const hash = hashOf(entries);
  const before = readStamp(stamp);
  if (before.hash === hash) return;
  mkdirSync(state, { recursive: true });
  // Without a hash until it is done: an interrupted seed must not pass for a finished one.
  writeStamp(stamp, { hash: null, keys: [...new Set([...before.keys, ...entries.keys()])] });
  if (entries.size > 0) bulk("put", state, Array.from(entries, ([key, value]) => ({ key, value: value.toString("base64"), base64: true, metadata: metadata.get(key) })));
  const stale = before.keys.filter((key) => !entries.has(key));
  if (stale.length > 0) bulk("delete", state, stale);
  writeStamp(stamp, { hash, keys: [...entries.keys()] });
}

/** Has later seeds leave these keys alone: what they hold was published since. */
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
  // The form of the entries: a seed of another form is written again.
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
