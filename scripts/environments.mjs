// The entries of KV for a folder of environment documents. The local server and the end-to-end tests use the same code.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const SERVER_KEYS = "server-keys.json";
// The valid forms of keys (src/core/document/environment_key.rs): the worker refuses all others, even if KV has an entry.
const CLIENT_KEY = /^(?!\.|ser\.)[A-Za-z0-9_.-]{1,128}$/;
const SERVER_KEY = /^ser\.[A-Za-z0-9_.-]{1,124}$/;
// KV accepts 1,024 bytes of metadata. A name of this length fits, even if JSON escapes all of its characters.
const MAX_NAME_LENGTH = 150;

/**
 * Reads every document in `folder`, in the order of their file names, and the folder's server-keys.json if there is one.
 *
 * `entries` are the KV pairs, key → bytes. `metadata` is their metadata in KV, key → object. `environments` lists the
 * documents: {file, name, key, serverKeys}. `serverKeys` are the keys of all environments, also of those without a document.
 */
export function readEnvironments(folder) {
  const files = readdirSync(folder).filter((file) => file.endsWith(".json")).sort();
  const serverKeys = files.includes(SERVER_KEYS) ? parse(folder, SERVER_KEYS).value : {};
  const [entries, metadata] = [new Map(), new Map()];
  const environments = [];
  const now = Date.now();
  for (const file of files.filter((file) => file !== SERVER_KEYS)) {
    const { bytes, value } = parse(folder, file);
    // Documents stored in DynamoDB have the second name.
    const key = value?.api_key ?? value?.environment_api_key;
    if (typeof key !== "string") throw new Error(`${join(folder, file)} has no api_key`);
    entries.set(documentEntry(key), bytes);
    metadata.set(documentEntry(key), documentMetadata(value, versionOf(bytes, now)));
    environments.push({ file, name: value.name ?? "", key, serverKeys: serverKeys[key] ?? [] });
  }
  if (environments.length === 0) throw new Error(`${folder} has no environment documents`);
  for (const [environment, keys] of Object.entries(serverKeys)) {
    for (const serverKey of keys) {
      const value = serverKeyValue(environment, serverKey);
      entries.set(serverKeyEntry(serverKey.key), Buffer.from(JSON.stringify(value)));
      metadata.set(serverKeyEntry(serverKey.key), value);
    }
  }
  return { entries, metadata, environments, serverKeys };
}

/** The KV key of a client key's document. Throws for an invalid client key. */
export function documentEntry(clientKey) {
  if (!CLIENT_KEY.test(clientKey)) {
    const form = "1 to 128 letters, digits, hyphens, underscores and dots, and begins neither with a dot nor with the prefix of server keys";
    throw new Error(`The api_key ${JSON.stringify(clientKey)} is no client key: that has ${form}.`);
  }
  return `document:${clientKey}`;
}

/** The metadata of a document in KV, for `/edge/status`, which reads no documents. */
export function documentMetadata({ name }, version) {
  return { name: typeof name === "string" ? [...name].slice(0, MAX_NAME_LENGTH).join("") : null, version };
}

/** The version of a document that is published at `now`, in the worker's form. */
function versionOf(bytes, now) {
  return `${now}-${createHash("sha256").update(bytes).digest("hex").slice(0, 16)}`;
}

/** The stored value of a server key, which is also its metadata: `/edge/status` counts server keys by KV's list. */
export function serverKeyValue(environment, { active, expires_at }) {
  return { environment, active, expires_at };
}

/** The KV key of a server key: its hash, so that readers of KV do not learn the key. Throws for an invalid server key. */
export function serverKeyEntry(serverKey) {
  if (!SERVER_KEY.test(serverKey)) {
    // The key is secret, so it is not printed.
    throw new Error("One of the server keys is invalid: a server key is `ser.` and then 1 to 124 letters, digits, hyphens, underscores and dots.");
  }
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
