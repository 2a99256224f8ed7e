// `make deploy`: checks the settings and the upload, and asks for missing secrets. Then wrangler deploys the worker, its
// namespaces, its cron trigger and the secrets. With DRY_RUN only the upload is checked, without an account or network.

import { spawnSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";

import { unstable_readConfig as readConfig } from "wrangler";

import { inspect } from "./bundle.mjs";
import { collect, givenAnew, missing, withSecretsFile } from "./secrets.mjs";
import { conflictsOf, faultsOf, NAMES, variableArguments } from "./settings.mjs";
import { WRANGLER, WRANGLER_ENVIRONMENT } from "./wrangler.mjs";

const BUNDLE = ".wrangler/bundle";

const settings = readConfig({ config: "wrangler.toml" });

try {
  if (!process.env.DRY_RUN) checkSettings();
  checkBundle();
  if (!process.env.DRY_RUN) await deploy();
} catch (error) {
  console.error(error.message);
  process.exit(1);
}

function checkSettings() {
  refuse(faultsOf(settingsHere()));
}

/** The settings in wrangler.toml and in the environment, [name, value]. make exports unset variables as empty texts. */
function settingsHere() {
  const all = [...Object.entries(settings.vars), ...Object.entries(process.env)];
  return all.filter(([name, value]) => NAMES.includes(name) && value !== "");
}

function refuse(faults) {
  if (faults.length > 0) throw new Error(faults.join("\n"));
}

function checkBundle() {
  rmSync(BUNDLE, { recursive: true, force: true });
  const run = wrangler(["deploy", "--dry-run", "--outdir", BUNDLE], "pipe");
  if (run.status !== 0) throw new Error(`${run.stdout}${run.stderr}`);
  const { faults, modules, kib, files } = inspect(BUNDLE, settings);
  if (faults.length > 0) throw new Error(`The upload has faults, so nothing was deployed:\n${faults.join("\n")}`);
  console.log(`The upload: ${modules.join(", ")}, ${kib.toFixed(0)} KiB compressed; ${files} static files.`);
}

async function deploy() {
  requireLogin();
  const there = secretsThere();
  // The variable of an earlier deployment is kept.
  const origin = there === null ? undefined : deployedVariable("ORIGIN_URL");
  const all = { ...(origin ? { ORIGIN_URL: origin } : {}), ...Object.fromEntries(settingsHere()) };
  refuse(conflictsOf(all));
  const [hadOrigin, hasOrigin] = [Boolean(origin), Boolean(all.ORIGIN_URL)];
  const asked = missing(there, hasOrigin, hadOrigin);
  const given = await collect(new Set([...asked, ...givenAnew()]));
  const lacking = asked.filter(({ name, instead }) => !given.has(name) && !given.has(instead)).map(({ name }) => name);
  const output = `${BUNDLE}/deployed.ndjson`;
  // The variables of an earlier deployment are kept, like its secrets.
  const command = (...more) => ["deploy", "--keep-vars", ...variableArguments(), ...more];
  const run = (...more) => wrangler(command(...more), "inherit", { WRANGLER_OUTPUT_FILE_PATH: output });
  const { status } = given.size === 0 ? run() : withSecretsFile(given, (file) => run("--secrets-file", file));
  if (status !== 0) throw new Error("wrangler did not deploy the worker; its message is above.");
  if (lacking.length > 0) console.log(`These secrets are not set; set them with npx wrangler secret put <name>: ${lacking.join(", ")}`);
  for (const address of addresses(readFileSync(output, "utf8"))) console.log(`The worker is at ${address}/api/v1/. Next steps: docs/deployment.md.`);
}

function requireLogin() {
  if (process.env.CLOUDFLARE_API_TOKEN) return;
  const { stdout, stderr } = wrangler(["whoami"], "pipe");
  if (!`${stdout}${stderr}`.includes("not authenticated")) return;
  if (!process.stdin.isTTY) throw new Error("No Cloudflare account is configured: set CLOUDFLARE_API_TOKEN, or run npx wrangler login.");
  if (wrangler(["login"], "inherit").status !== 0) throw new Error("The login failed, so nothing was deployed: run npx wrangler login, or set CLOUDFLARE_API_TOKEN.");
}

/** The names of the secrets that are set; null before the first deployment. */
function secretsThere() {
  const { status, stdout, stderr } = wrangler(["secret", "list", "--format", "json"], "pipe");
  if (status === 0) return JSON.parse(stdout.slice(stdout.indexOf("["))).map(({ name }) => name);
  // wrangler's message if the account does not have the worker.
  if (/Worker "[^"]*" not found/.test(`${stdout}${stderr}`)) return null;
  throw new Error(`${stdout}${stderr}`);
}

/** The value of a variable of the deployed worker, if it is set. */
function deployedVariable(name) {
  const deployment = wrangler(["deployments", "status", "--json"], "pipe");
  // wrangler's message if the worker only has secrets.
  if (/has no deployments/.test(`${deployment.stdout}${deployment.stderr}`)) return undefined;
  const [{ version_id: id }] = answerOf(deployment).versions;
  const { resources } = answerOf(wrangler(["versions", "view", id, "--json"], "pipe"));
  return resources.bindings.find((binding) => binding.name === name)?.text;
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
