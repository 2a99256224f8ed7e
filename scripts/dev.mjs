// The local server: checks settings and documents, seeds KV, runs `wrangler dev`, and prints requests to paste as soon as it
// answers.

import { createServer } from "node:net";
import { resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { adminKeyFile, adminKeyOf } from "./admin_key.mjs";
import { readEnvironments } from "./environments.mjs";
import { adminExamples, examples } from "./examples.mjs";
import { localSettings } from "./local.mjs";
import { startGroup } from "./processes.mjs";
import { faultsOfEnvironments, settingFaults } from "./rules.mjs";
import { seed } from "./seed.mjs";
import { hashOfAdminKey, NAMES, variableArguments } from "./settings.mjs";
import { WRANGLER, WRANGLER_ENVIRONMENT } from "./wrangler.mjs";

const { PORT: port, ENVIRONMENTS: folder, STATE: state } = process.env;
const address = `http://127.0.0.1:${port}`;
/** The documents of this repository. Their server keys are public. */
const SAMPLE = "fixtures/environments";
const NOTHING = { entries: new Map(), metadata: new Map(), environments: [], serverKeys: {} };

try {
  // Checked first, since an answer of another server on this port would look like the worker's.
  await requireFree(port);
  const settings = localSettings();
  process.env.LOG_PANIC_MESSAGES = settings.LOG_PANIC_MESSAGES;
  refuse(settingFaults([settings])[0].map(({ text }) => text));
  const { ORIGIN_URL: origin } = settings;
  // With an origin, the sample's public server keys would stay valid, so the sample of an earlier start is removed.
  const found = origin && resolve(folder) === resolve(SAMPLE) ? NOTHING : readEnvironments(folder);
  const { faults, leftOut } = faultsOfEnvironments(folder, found);
  refuse(faults);
  leftOut.forEach((field) => console.warn(field));
  seed(found, state);
  // A configured key takes precedence.
  const adminKey = settings.ADMIN_KEY_SHA256 ? null : adminKeyOf(state);
  const wrangler = start(adminKey);
  if (await answers(wrangler)) introduce(found.environments, origin, adminKey);
} catch (error) {
  console.error(error.message);
  process.exit(1);
}

function refuse(faults) {
  if (faults.length > 0) throw new Error(faults.join("\n"));
}

function start(adminKey) {
  // The cron trigger is at /__scheduled. wrangler's default path for it fails if there are static files.
  const call = [WRANGLER, "dev", "--ip", "127.0.0.1", "--port", port, "--persist-to", state, "--test-scheduled"];
  // Secrets can be passed, too, but are better kept in .dev.vars, which wrangler reads itself. Only the hash of the admin key
  // is passed.
  const given = adminKey === null ? process.env : { ...process.env, ADMIN_KEY_SHA256: hashOfAdminKey(adminKey) };
  const variables = variableArguments(NAMES, given);
  return startGroup(process.execPath, [...call, "--show-interactive-dev-session=false", ...variables], WRANGLER_ENVIRONMENT);
}

async function answers(wrangler) {
  while (wrangler.exitCode === null) {
    try {
      await fetch(`${address}/health/liveness/`);
      return true;
    } catch {
      await delay(50);
    }
  }
  return false;
}

function introduce([first, ...others], origin, adminKey) {
  const before = origin ? `, in front of ${origin}` : "";
  if (first === undefined) {
    console.log(`\nReady on ${address}${before}. Nothing is seeded: the origin's environments are served (docs/publishing.md).`);
    console.log(`The API explorer: ${address}/api/v1/docs/. A request to paste, with a client key of yours:\n`);
    console.log(`curl -sS '${address}/api/v1/flags/' -H 'X-Environment-Key: <client key>'\n`);
  } else {
    console.log(`\nReady on ${address}${before}, with the environment ${describe(first)}.`);
    console.log(`The API explorer: ${address}/api/v1/docs/. Requests to paste:\n`);
    console.log(examples(address, first));
    if (others.length > 0) console.log(`Also seeded: ${others.map(describe).join(", ")}\n`);
  }
  introduceOperator(first, adminKey);
}

function introduceOperator(environment, adminKey) {
  const page = `The operator's page: ${address}/edge/.`;
  if (adminKey === null) {
    console.log(`${page} The configured admin key applies (ADMIN_KEY_SHA256).\n`);
    return;
  }
  const signIn = `Sign in with the admin key of this state folder (${adminKeyFile(state)}):\n\n${adminKey}\n`;
  console.log(`${page} ${signIn}\n${adminExamples(address, environment, adminKey)}`);
}

function describe({ name, key, file }) {
  return `${name} (${file}, client key ${key})`;
}

function requireFree(port) {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", () => reject(new Error(`127.0.0.1:${port} is taken. Choose another port: make dev PORT=8788`)));
    probe.listen(Number(port), "127.0.0.1", () => probe.close(resolve));
  });
}
