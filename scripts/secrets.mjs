// Asks a person for the secrets that a deployment lacks. Typed text is not shown. It is written only into a file for
// wrangler that this user alone can read, while wrangler runs.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";

import { faultsOf, SECRETS } from "./settings.mjs";

/**
 * The secrets to ask for: at the first deployment, and at the first with an origin, all of use; later only those that
 * publishing lacks. `there`: the names of the secrets that are set; null before the first deployment.
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

/** The secrets that the environment has: they are given anew, whether or not they are set. */
export function givenAnew(environment = process.env) {
  return SECRETS.filter(({ name }) => environment[name]);
}

/** The secrets that the environment has, else those that the person at `input` types: name → stored value. */
export async function collect(secrets, { environment = process.env, input = process.stdin, output = process.stdout } = {}) {
  const given = new Map();
  for (const secret of secrets) {
    const isNeedless = given.has(secret.instead) || Boolean(environment[secret.instead]);
    const value = environment[secret.name] || (input.isTTY && !isNeedless ? await answer(secret, input, output) : "");
    if (value !== "") given.set(secret.name, value);
  }
  return given;
}

/** Calls `use` with the path of a file that has the secrets, and removes it. */
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

/** The stored value of the person's answer; an answer that cannot work is asked for again. */
async function answer({ name, purpose, typed }, input, output) {
  for (;;) {
    const said = await ask(name, purpose, input, output);
    if (said === "") return "";
    const wrong = typed === undefined ? faultsOf([[name, said]])[0] : typed.fault(said);
    if (wrong == null) return typed?.stored(said) ?? said;
    output.write(`${wrong}\n`);
  }
}

async function ask(name, purpose, input, output) {
  output.write(`${name}: ${purpose}. Not shown; Enter for none: `);
  const nothing = new Writable({ write: (_chunk, _encoding, done) => done() });
  const reader = createInterface({ input, output: nothing, terminal: true });
  const interrupted = new Promise((_, reject) => {
    // Control-C, and Control-D.
    for (const event of ["SIGINT", "close"]) reader.once(event, () => reject(new Error("Nothing was deployed.")));
  });
  try {
    return (await Promise.race([reader.question(""), interrupted])).trim();
  } finally {
    reader.close();
    output.write("\n");
  }
}
