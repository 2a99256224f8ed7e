// Prompts for the secrets that a deployment lacks. Typed text is not shown. It is written only into a file for wrangler,
// readable by this user alone, which exists while wrangler runs.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";

import { faultsOf, SECRETS } from "./settings.mjs";

/**
 * The secrets to prompt for. At the first deployment and at the first with an origin these are all useful ones, later only
 * missing ones for publishing. `there`: the names of the secrets that are set; null before the first deployment.
 */
export function missing(there, hasOrigin, hadOrigin) {
  const set = new Set(there ?? []);
  const publishes = set.has("ORIGIN_API_TOKEN") || set.has("SERVER_KEYS");
  return SECRETS.filter(({ name, ofOrigin }) => {
    if (set.has(name) || (ofOrigin && !hasOrigin)) return false;
    const credential = name === "ORIGIN_API_TOKEN" || name === "SERVER_KEYS";
    return credential ? !publishes : there === null || (ofOrigin && !hadOrigin);
  });
}

/** The secrets in the environment. They replace those that are set already. */
export function givenAnew(environment = process.env) {
  return SECRETS.filter(({ name }) => environment[name]);
}

/** The secrets in the environment, else those typed at `input`: name → stored value. */
export async function collect(secrets, { environment = process.env, input = process.stdin, output = process.stdout } = {}) {
  const given = new Map();
  for (const secret of secrets) {
    const isNeedless = given.has(secret.instead) || Boolean(environment[secret.instead]);
    const value = environment[secret.name] || (input.isTTY && !isNeedless ? await answer(secret, input, output) : "");
    if (value !== "") given.set(secret.name, value);
  }
  return given;
}

/** Calls `use` with the path of a file that has the secrets, and removes the file. */
export function withSecretsFile(secrets, use) {
  const folder = mkdtempSync(join(tmpdir(), "secrets-"));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  process.on("exit", remove);
  try {
    const file = join(folder, "secrets.json");
    writeFileSync(file, JSON.stringify(Object.fromEntries(secrets)), { mode: 0o600 });
    return use(file);
  } finally {
    remove();
    process.off("exit", remove);
  }
}

/** The stored value of the typed answer. Repeats the prompt after an invalid answer. */
async function answer({ name, purpose, typed }, input, output) {
  for (;;) {
    const text = await ask(name, purpose, input, output);
    if (text === "") return "";
    const fault = typed === undefined ? faultsOf([[name, text]])[0] : typed.fault(text);
    if (fault == null) return typed?.stored(text) ?? text;
    output.write(`${fault}\n`);
  }
}

async function ask(name, purpose, input, output) {
  output.write(`${name}: ${purpose}. The text is not shown; press Enter to skip: `);
  const nothing = new Writable({ write: (_chunk, _encoding, done) => done() });
  const reader = createInterface({ input, output: nothing, terminal: true });
  const interrupted = new Promise((_, reject) => {
    // Control-C and Control-D.
    for (const event of ["SIGINT", "close"]) reader.once(event, () => reject(new Error("Interrupted: nothing was deployed.")));
  });
  try {
    return (await Promise.race([reader.question(""), interrupted])).trim();
  } finally {
    reader.close();
    output.write("\n");
  }
}
