// What KV holds for a folder of environment documents. The local server and the end-to-end tests seed from the same code.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const SERVER_KEYS = "server-keys.json";

/**
 * Reads every document in `folder`, in the order of their file names, and the folder's server-keys.json if there is one.
 *
 * `entries` are the KV pairs, key → bytes; `environments` say what was found: {file, name, key, serverKeys}.
 */
export function readEnvironments(folder) {
  const files = readdirSync(folder).filter((file) => file.endsWith(".json")).sort();
  const serverKeys = files.includes(SERVER_KEYS) ? parse(folder, SERVER_KEYS).value : {};
  const entries = new Map();
  const environments = [];
  for (const file of files.filter((file) => file !== SERVER_KEYS)) {
    const { bytes, value } = parse(folder, file);
    // The second name is that of documents stored in DynamoDB.
    const key = value?.api_key ?? value?.environment_api_key;
    if (typeof key !== "string") throw new Error(`${join(folder, file)} has no api_key`);
    entries.set(documentEntry(key), bytes);
    environments.push({ file, name: value.name ?? "", key, serverKeys: serverKeys[key] ?? [] });
  }
  if (environments.length === 0) throw new Error(`${folder} has no environment documents`);
  for (const [environment, keys] of Object.entries(serverKeys)) {
    for (const { key, active, expires_at } of keys) {
      entries.set(serverKeyEntry(key), Buffer.from(JSON.stringify({ environment, active, expires_at })));
    }
  }
  return { entries, environments };
}

/** The KV key of a client key's document. */
export function documentEntry(clientKey) {
  return `document:${clientKey}`;
}

/** The KV key of a server key: its hash, because what can read KV must not learn the key itself. */
export function serverKeyEntry(serverKey) {
  return `server-key:${createHash("sha256").update(serverKey).digest("hex")}`;
}

function parse(folder, file) {
  const path = join(folder, file);
  const bytes = readFileSync(path);
  try {
    return { bytes, value: JSON.parse(bytes) };
  } catch (error) {
    throw new Error(`${path} is not JSON: ${error.message}`);
  }
}
