// The admin key of a state folder, for local use. It is kept in a file there; the worker gets only its hash.

import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const KEY_BYTES = 32;
const FORM = /^[0-9a-f]{64}$/;

export function adminKeyFile(state) {
  return join(state, "admin-key");
}

/** The admin key of this state folder. The first call creates it, in a file that only the user can read. */
export function adminKeyOf(state) {
  const file = adminKeyFile(state);
  mkdirSync(state, { recursive: true });
  const key = create(file) ?? readFileSync(file, "utf8").trim();
  if (!FORM.test(key)) throw new Error(`${file} has no admin key of make dev. Remove the file: the next start makes a new one.`);
  return key;
}

/** A new key, or null if the file exists already. */
function create(file) {
  const key = randomBytes(KEY_BYTES).toString("hex");
  try {
    writeFileSync(file, `${key}\n`, { flag: "wx", mode: 0o600 });
    return key;
  } catch (error) {
    if (error.code === "EEXIST") return null;
    throw error;
  }
}
