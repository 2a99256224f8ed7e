// Writes an environment document into KV, local or remote, for a worker without an origin.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { documentEntry, documentMetadata, serverKeyEntry, serverKeyValue } from "./environments.mjs";
import { checkDocument, faultsOfServerKeys } from "./rules.mjs";
import { release } from "./seed.mjs";
import { WRANGLER, WRANGLER_ENVIRONMENT } from "./wrangler.mjs";

// The worker keeps a version for the same time.
const VERSION_LIFETIME_SECONDS = 24 * 60 * 60;
const { DOC: file, KEYS: keysFile, REMOTE: remote, STATE: state } = process.env;

try {
  if (!file) throw new Error("DOC is not set. Usage: make publish DOC=document.json [KEYS=server-keys.json] [REMOTE=1]");
  const bytes = readFileSync(file);
  const { fault, environment: clientKey, version, left_out: leftOut } = checkDocument(bytes);
  if (fault !== undefined) throw new Error(`${file}: ${fault}`);
  leftOut.forEach((field) => console.warn(`${file}: ${field}; the document is served without it`));
  const document = bytes.toString("base64");
  const key = documentEntry(clientKey);
  const entries = [
    { key: `${key}:${version}`, value: document, base64: true, expiration_ttl: VERSION_LIFETIME_SECONDS },
    { key, value: document, base64: true, metadata: documentMetadata(JSON.parse(bytes), version) },
    ...serverKeys(clientKey),
  ];
  put(entries);
  if (!remote) release(entries.map(({ key }) => key), state);
  console.log(`Published ${file} as ${key} (${version}), ${entries.length - 2} server keys, into ${remote ? "the account's KV" : state}.`);
} catch (error) {
  console.error(error.message);
  process.exit(1);
}

/** The entries of the environment's server keys, from a file in the form of docs/publishing.md. */
function serverKeys(environment) {
  const keys = keysFile ? (JSON.parse(readFileSync(keysFile, "utf8"))[environment] ?? []) : [];
  const faults = faultsOfServerKeys(environment, keys);
  if (faults.length > 0) throw new Error(`${keysFile}: ${faults.join("\n")}`);
  return keys.map((serverKey) => {
    const value = serverKeyValue(environment, serverKey);
    return { key: serverKeyEntry(serverKey.key), value: JSON.stringify(value), metadata: value };
  });
}

function put(entries) {
  const folder = mkdtempSync(join(tmpdir(), "publish-"));
  try {
    const content = join(folder, "entries.json");
    writeFileSync(content, JSON.stringify(entries), { mode: 0o600 });
    const where = remote ? ["--remote"] : ["--local", "--persist-to", state];
    const call = [WRANGLER, "kv", "bulk", "put", content, "--binding", "ENVIRONMENTS", ...where];
    const { status, stdout, stderr } = spawnSync(process.execPath, call, { env: WRANGLER_ENVIRONMENT, encoding: "utf8" });
    if (status !== 0) throw new Error(`Nothing was published, because writing to KV failed:\n${stdout}${stderr}`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
