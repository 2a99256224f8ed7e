// The admin key of a state folder, for local use. The worker gets only its hash.

import { randomBytes } from "node:crypto";
import { join } from "node:path";

import { keyOf } from "./keys.mjs";

const KEY_BYTES = 32;

export function adminKeyFile(state) {
  return join(state, "admin-key");
}

/** The admin key of this state folder. The first call creates it. */
export function adminKeyOf(state) {
  return keyOf(adminKeyFile(state), "admin key", /^[0-9a-f]{64}$/, () => randomBytes(KEY_BYTES).toString("hex"));
}
