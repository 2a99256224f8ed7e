// The local server: the edge with the embedded origin, or in front of the origin at ORIGIN_URL, or with documents only. Checks
// settings and documents, runs `wrangler dev`, and prints requests to paste as soon as it answers.

import { createServer } from "node:net";
import { resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { adminKeyFile, adminKeyOf } from "./admin_key.mjs";
import { apiKeyFile, apiKeyOf, ORIGIN_BINDING, writeLocalConfigurations } from "./embedded_origin.mjs";
import { readEnvironments } from "./environments.mjs";
import { adminExamples, adminKeyExamples, examples } from "./examples.mjs";
import { localSettings } from "./local.mjs";
import { startGroup } from "./processes.mjs";
import { faultsOfEnvironments, settingFaults } from "./rules.mjs";
import { seed } from "./seed.mjs";
import { hashOfAdminKey, NAMES, variableArguments } from "./settings.mjs";
import { findExamples, published, SAMPLE, seedShop } from "./sample.mjs";
import { lockState } from "./state_lock.mjs";
import { WRANGLER, WRANGLER_ENVIRONMENT } from "./wrangler.mjs";

const { PORT: port, ENVIRONMENTS: folder, STATE: state } = process.env;
const address = `http://127.0.0.1:${port}`;
const NOTHING = { entries: new Map(), metadata: new Map(), environments: [], serverKeys: {} };

try {
  // Checked first, since an answer of another server on this port would look like the worker's.
  await requireFree(port);
  lockState(state);
  const settings = localSettings();
  process.env.LOG_PANIC_MESSAGES = settings.LOG_PANIC_MESSAGES;
  const { ORIGIN_URL: origin } = settings;
  // Documents are served without an origin, unless there is a URL.
  const isEmbedded = !origin && folder === "";
  const isGiven = Boolean(settings.ORIGIN_API_TOKEN);
  if (isEmbedded) settings.ORIGIN_API_TOKEN = apiKeyOf(state, settings.ORIGIN_API_TOKEN);
  refuse(settingFaults([isEmbedded ? { ...settings, [ORIGIN_BINDING]: true } : settings])[0].map(({ text }) => text));
  // With an origin, the sample's public server keys would stay valid, so the sample of an earlier start is removed.
  const isWithout = folder === "" || (origin && resolve(folder) === resolve(SAMPLE));
  const found = isWithout ? NOTHING : readEnvironments(folder);
  const { faults, leftOut } = faultsOfEnvironments(folder, found);
  refuse(faults);
  leftOut.forEach((field) => console.warn(field));
  seed(found, state);
  if (isEmbedded) await startEmbedded(settings, isGiven);
  else await startEdge(settings, found.environments);
} catch (error) {
  console.error(error.message);
  process.exit(1);
}

function refuse(faults) {
  if (faults.length > 0) throw new Error(faults.join("\n"));
}

/** The edge with the embedded origin. The origin's API key opens both. `isGiven`: true if it was configured. */
async function startEmbedded(settings, isGiven) {
  const apiKey = settings.ORIGIN_API_TOKEN;
  const wrangler = start(writeLocalConfigurations(state, settings).flatMap((file) => ["-c", file]));
  if (!(await answers(wrangler))) return;
  const isNew = await seedShop(state, address, apiKey);
  const found = await findExamples(address, apiKey);
  console.log(`\nReady on ${address}: the edge, and the embedded origin with Flagsmith's Admin API.`);
  console.log(`The API explorer: ${address}/api/v1/docs/. The operator's page: ${address}/edge/.`);
  const source = isGiven ? "that is configured (ORIGIN_API_TOKEN)" : `of this state folder (${apiKeyFile(state)})`;
  console.log(`Both take the API key ${source}:\n\n${apiKey}\n`);
  if (found === null) return console.log("The first project of the origin has no flag, so there are no requests to paste; see docs/api.md.\n");
  const [first, ...others] = found.environments;
  await published(address, first, isNew);
  console.log(`Requests to paste, about the project ${found.project.name} (id ${found.project.id}) and its environment ${describe(first)}:\n`);
  console.log(examples(address, first));
  console.log(adminExamples(address, found, apiKey));
  if (others.length > 0) console.log(`Other environments: ${others.map(describe).join(", ")}\n`);
}

/** The edge alone: in front of an origin with a URL, or with the documents of a folder. */
async function startEdge(settings, environments) {
  // A configured key takes precedence.
  const adminKey = settings.ADMIN_KEY_SHA256 ? null : adminKeyOf(state);
  // Secrets can be passed, too, but are better kept in .dev.vars, which wrangler reads itself. Only the hash of the admin key
  // is passed.
  const given = adminKey === null ? process.env : { ...process.env, ADMIN_KEY_SHA256: hashOfAdminKey(adminKey) };
  if (await answers(start(variableArguments(NAMES, given)))) introduce(environments, settings.ORIGIN_URL, adminKey);
}

function start(more) {
  // The cron trigger is at /__scheduled. wrangler's default path for it fails if there are static files.
  const call = [WRANGLER, "dev", "--ip", "127.0.0.1", "--port", port, "--persist-to", state, "--test-scheduled"];
  return startGroup(process.execPath, [...call, "--show-interactive-dev-session=false", ...more], WRANGLER_ENVIRONMENT);
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
  console.log(`${page} ${signIn}\n${adminKeyExamples(address, environment, adminKey)}`);
}

function describe({ name, key, file }) {
  return file === undefined ? `${name} (client key ${key})` : `${name} (${file}, client key ${key})`;
}

function requireFree(port) {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", () => reject(new Error(`127.0.0.1:${port} is taken. Choose another port: make dev PORT=8788`)));
    probe.listen(Number(port), "127.0.0.1", () => probe.close(resolve));
  });
}
