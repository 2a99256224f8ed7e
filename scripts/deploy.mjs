// `make deploy`: checks the settings and the uploads, and asks for missing secrets. Then wrangler deploys the worker, its
// namespaces, its cron trigger and the secrets; with ORIGIN=embedded the embedded origin, too. With DRY_RUN only the uploads
// are checked, without an account or network.

import { spawnSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { dirname, resolve } from "node:path";

import { unstable_readConfig as readConfig } from "wrangler";

import { faultsOfBindings, inspect } from "./bundle.mjs";
import { checkApiKey, newApiKey, ORIGIN_BINDING, ORIGIN_CONFIG, writeEdgeConfiguration } from "./embedded_origin.mjs";
import { collect, givenAnew, missing, withSecretsFile } from "./secrets.mjs";
import { conflictsOf, faultsOf, NAMES, variableArguments } from "./settings.mjs";
import { OF_ORIGIN } from "./static_files.mjs";
import { WRANGLER, WRANGLER_ENVIRONMENT } from "./wrangler.mjs";

// Absolute, since wrangler reads it relative to the configuration.
const BUNDLE = resolve(".wrangler/bundle");
const EDGE = "wrangler.toml";
/** The secret that both workers have. */
const API_KEY = "ORIGIN_API_TOKEN";

try {
  const isWanted = wantsEmbeddedOrigin();
  if (process.env.DRY_RUN) checkBundles(isWanted);
  else {
    refuse(faultsOf(settingsHere()));
    await deploy(isWanted);
  }
} catch (error) {
  console.error(error.message);
  process.exit(1);
}

function wantsEmbeddedOrigin() {
  const { ORIGIN: wanted = "" } = process.env;
  if (!["", "embedded"].includes(wanted)) throw new Error("ORIGIN must be embedded or unset. Another origin is set by ORIGIN_URL.");
  return wanted === "embedded";
}

/** The settings in wrangler.toml and in the environment, [name, value]. make exports unset variables as empty texts. */
function settingsHere() {
  const all = [...Object.entries(readConfig({ config: EDGE }).vars), ...Object.entries(process.env)];
  return all.filter(([name, value]) => NAMES.includes(name) && value !== "");
}

function refuse(faults) {
  if (faults.length > 0) throw new Error(faults.join("\n"));
}

/** Checks the uploads, and returns the path of the edge's configuration. */
function checkBundles(isEmbedded) {
  const edge = isEmbedded ? writeEdgeConfiguration(".wrangler") : EDGE;
  checkBundle(edge, {}, faultsOfBindings(readConfig({ config: edge })));
  if (isEmbedded) checkBundle(ORIGIN_CONFIG, { built: "build/origin/index_bg.wasm", named: OF_ORIGIN }, []);
  return edge;
}

function checkBundle(config, expected, others) {
  rmSync(BUNDLE, { recursive: true, force: true });
  const run = wrangler(["deploy", "--dry-run", "--outdir", BUNDLE, "--config", config], "pipe");
  if (run.status !== 0) throw new Error(`${run.stdout}${run.stderr}`);
  const settings = readConfig({ config });
  settings.assets.directory = resolve(dirname(config), settings.assets.directory);
  const { faults, modules, kib, files } = inspect(BUNDLE, settings, expected);
  faults.push(...others);
  if (faults.length > 0) throw new Error(`The upload of ${settings.name} has faults, so nothing was deployed:\n${faults.join("\n")}`);
  console.log(`The upload of ${settings.name}: ${modules.join(", ")}, ${kib.toFixed(0)} KiB compressed; ${files} static files.`);
}

async function deploy(isWanted) {
  requireLogin();
  const there = secretsThere(EDGE);
  const deployed = there === null ? [] : deployedBindings();
  // The variable of an earlier deployment is kept, and so is its binding of an origin.
  const origin = deployed.find(({ name }) => name === "ORIGIN_URL")?.text;
  const here = Object.fromEntries(settingsHere());
  const wasEmbedded = deployed.some(({ name }) => name === ORIGIN_BINDING);
  const isEmbedded = isWanted || (!here.ORIGIN_URL && wasEmbedded);
  const all = { ...(origin ? { ORIGIN_URL: origin } : {}), ...here };
  if (isEmbedded && all.ORIGIN_URL) throw new Error(`ORIGIN_URL is set to ${all.ORIGIN_URL}, so the embedded origin would not be used. Unset it, also among the variables of the deployed worker.`);
  refuse(conflictsOf(isEmbedded ? { ...all, [ORIGIN_BINDING]: true } : all));
  const edge = checkBundles(isEmbedded);
  // The embedded origin's key is of no use at a Flagsmith, and must not be sent there.
  const useful = wasEmbedded && !isEmbedded ? there.filter((name) => name !== API_KEY) : there;
  const asked = isEmbedded ? [] : missing(useful, Boolean(all.ORIGIN_URL), Boolean(origin));
  const given = await collect(new Set([...asked, ...givenAnew()]));
  if (wasEmbedded && !isEmbedded && !given.has(API_KEY)) throw new Error("ORIGIN_API_TOKEN is still the embedded origin's. Set it to a master API key of the Flagsmith at ORIGIN_URL, so nothing was deployed.");
  const apiKey = isEmbedded ? deployOrigin(wasEmbedded ? there : [], given) : null;
  const lacking = asked.filter(({ name, instead }) => !given.has(name) && !given.has(instead)).map(({ name }) => name);
  const output = `${BUNDLE}/deployed.ndjson`;
  upload(["--config", edge, ...variableArguments()], given, { WRANGLER_OUTPUT_FILE_PATH: output });
  if (lacking.length > 0) console.log(`These secrets are not set; set them with npx wrangler secret put <name>: ${lacking.join(", ")}`);
  for (const address of addresses(readFileSync(output, "utf8"))) console.log(`The worker is at ${address}/api/v1/. Next steps: docs/deployment.md.`);
  if (apiKey !== null) console.log(`The API key of the embedded origin, which is shown only now; keep it in a safe place:\n\n${apiKey}\n`);
}

/**
 * Deploys the embedded origin before the edge, which needs it for its binding. Both need the same API key: the given one, else
 * that of an earlier deployment, else a new one, which is returned and added to the secrets in `given`. `thereAtEdge`: the
 * edge's secrets; empty if its key belongs to another origin.
 */
function deployOrigin(thereAtEdge, given) {
  if (given.has(API_KEY)) checkApiKey(given.get(API_KEY));
  const isThere = [thereAtEdge, secretsThere(ORIGIN_CONFIG)].every((names) => names?.includes(API_KEY));
  const apiKey = given.has(API_KEY) || isThere ? null : newApiKey();
  if (apiKey !== null) given.set(API_KEY, apiKey);
  upload(["--config", ORIGIN_CONFIG], new Map([...given].filter(([name]) => name === API_KEY)));
  return apiKey;
}

/** Runs `wrangler deploy` with these secrets. The variables of an earlier deployment are kept, like its secrets. */
function upload(parameters, secrets, environment = {}) {
  const run = (...more) => wrangler(["deploy", "--keep-vars", ...parameters, ...more], "inherit", environment);
  const { status } = secrets.size === 0 ? run() : withSecretsFile(secrets, (file) => run("--secrets-file", file));
  if (status !== 0) throw new Error("wrangler did not deploy the worker; its message is above.");
}

function requireLogin() {
  if (process.env.CLOUDFLARE_API_TOKEN) return;
  const { stdout, stderr } = wrangler(["whoami"], "pipe");
  if (!`${stdout}${stderr}`.includes("not authenticated")) return;
  if (!process.stdin.isTTY) throw new Error("No Cloudflare account is configured: set CLOUDFLARE_API_TOKEN, or run npx wrangler login.");
  if (wrangler(["login"], "inherit").status !== 0) throw new Error("The login failed, so nothing was deployed: run npx wrangler login, or set CLOUDFLARE_API_TOKEN.");
}

/** The names of the secrets that are set; null before the first deployment. */
function secretsThere(config) {
  const { status, stdout, stderr } = wrangler(["secret", "list", "--format", "json", "--config", config], "pipe");
  if (status === 0) return JSON.parse(stdout.slice(stdout.indexOf("["))).map(({ name }) => name);
  // wrangler's message if the account does not have the worker.
  if (/Worker "[^"]*" not found/.test(`${stdout}${stderr}`)) return null;
  throw new Error(`${stdout}${stderr}`);
}

/** The bindings of the deployed edge: [{name, type, text}], variables among them. */
function deployedBindings() {
  const deployment = wrangler(["deployments", "status", "--json"], "pipe");
  // wrangler's message if the worker only has secrets.
  if (/has no deployments/.test(`${deployment.stdout}${deployment.stderr}`)) return [];
  const [{ version_id: id }] = answerOf(deployment).versions;
  return answerOf(wrangler(["versions", "view", id, "--json"], "pipe")).resources.bindings;
}

/** The JSON that wrangler printed. */
function answerOf({ status, stdout, stderr }) {
  if (status !== 0) throw new Error(`${stdout}${stderr}`);
  return JSON.parse(stdout.slice(stdout.indexOf("{")));
}

/** The addresses in wrangler's output. */
function addresses(output) {
  const entries = output.split("\n").filter(Boolean).map((line) => JSON.parse(line));
  return entries.flatMap(({ targets }) => targets ?? []).filter((target) => /^https:\/\/\S+$/.test(target));
}

function wrangler(args, stdio, environment = {}) {
  const env = { ...WRANGLER_ENVIRONMENT, ...environment };
  return spawnSync(process.execPath, [WRANGLER, ...args], { env, stdio: ["inherit", stdio, stdio], encoding: "utf8" });
}
