// `make dev` with the embedded origin: from nothing to a changed flag.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

import { build } from "esbuild";

import { startBrowser, visit } from "./browser.mjs";
import { freePort, make, startDev } from "./dev.mjs";
import { becomes, eventually, FIXTURES, ROOT } from "./harness.mjs";
import { request } from "./http.mjs";

const run = promisify(execFile);
const READY = ["Requests to paste", "Other environments"];

function stateFolder(t) {
  const state = mkdtempSync(join(tmpdir(), "dev-"));
  t.after(() => rmSync(state, { recursive: true, force: true }));
  return state;
}

test("make dev starts an origin with the sample, and every printed request works", async (t) => {
  const state = stateFolder(t);
  const dev = await startDev(t, state, [], READY);
  const key = readFileSync(join(state, "api-key"), "utf8").trim();
  assert.ok(dev.output().includes(`\n${key}\n`));
  const lines = dev.output().split("\n").filter((line) => line.startsWith("curl "));
  assert.equal(lines.length, 9, dev.output());
  const statuses = [];
  for (const line of lines) {
    const { stdout } = await run("bash", ["-c", `${line} -w '\\n%{http_code}'`]);
    const end = stdout.lastIndexOf("\n");
    JSON.parse(stdout.slice(0, end));
    statuses.push(Number(stdout.slice(end)));
  }
  assert.deepEqual(statuses, [200, 200, 200, 200, 201, 201, 200, 200, 200], lines.join("\n"));

  // The sample has its own keys and the flags of its documents; the printed requests have changed one and added one.
  const { api_key, feature_states } = JSON.parse(readFileSync(join(FIXTURES, "production.json"), "utf8"));
  const [{ key: serverKey }] = JSON.parse(readFileSync(join(FIXTURES, "server-keys.json"), "utf8"))[api_key];
  const flags = async () => {
    const answer = await request(dev.port, { path: "/api/v1/flags/", headers: { "X-Environment-Key": serverKey } });
    return Object.fromEntries(answer.json().map(({ feature, enabled }) => [feature.name, enabled]));
  };
  const changed = /Switch the feature (\w+) /.exec(dev.output())[1];
  const expected = Object.fromEntries(feature_states.map(({ feature, enabled }) => [feature.name, enabled]));
  expected[changed] = !expected[changed];
  expected.new_feature = false;
  await becomes(async () => JSON.stringify(sorted(await flags())), JSON.stringify(sorted(expected)), "the edge serves the changes");

  // Everything survives a restart, and what was deleted is not created again.
  const admin = (port, method, path, body) => request(port, { method, path, headers: { Authorization: `Api-Key ${key}`, "Content-Type": "application/json" }, body: body && JSON.stringify(body) });
  const staging = (await admin(dev.port, "GET", "/api/v1/environments/?project=1")).json().results.find(({ name }) => name === "Staging");
  assert.equal((await admin(dev.port, "DELETE", `/api/v1/environments/${staging.api_key}/`)).status, 204);
  await dev.end();
  const again = await startDev(t, state, [], ["Requests to paste", "New Environment"]);
  assert.equal(readFileSync(join(state, "api-key"), "utf8").trim(), key);
  const { results } = (await admin(again.port, "GET", "/api/v1/environments/?project=1")).json();
  assert.deepEqual(results.map(({ name }) => name).sort(), ["New Environment", "Production"]);
  const features = (await admin(again.port, "GET", "/api/v1/projects/1/features/?search=new_feature")).json();
  assert.equal(features.count, 1);
  // A project that serves no flags, and one without any.
  assert.equal((await admin(again.port, "PATCH", "/api/v1/projects/1/", { hide_disabled_flags: true })).status, 200);
  for (const { id } of (await admin(again.port, "GET", `/api/v1/environments/${api_key}/featurestates/?page_size=100`)).json().results) {
    assert.equal((await admin(again.port, "PATCH", `/api/v1/environments/${api_key}/featurestates/${id}/`, { enabled: false })).status, 200);
  }
  await again.end();
  const hidden = await startDev(t, state, [], ["Requests to paste", "New Environment"]);
  for (const { id } of (await admin(hidden.port, "GET", "/api/v1/projects/1/features/?page_size=100")).json().results) {
    assert.equal((await admin(hidden.port, "DELETE", `/api/v1/projects/1/features/${id}/`)).status, 204);
  }
  await hidden.end();
  const empty = await startDev(t, state, [], ["The first project of the origin has no flag"]);
  await empty.end();
});

function sorted(object) {
  return Object.entries(object).sort(([one], [other]) => (one < other ? -1 : 1));
}

/** Runs a module in a browser's page until OpenFeature's stream is open. Returns the lines that it prints, now and later. */
async function printedBy(t, text, port) {
  const bundled = await build({ stdin: { contents: text, resolveDir: ROOT }, bundle: true, format: "esm", platform: "browser", write: false });
  const browser = await startBrowser();
  t.after(() => browser.close());
  const { page } = await visit(browser, `http://127.0.0.1:${port}/edge/`, { bypassCSP: true });
  const printed = [];
  page.on("console", (message) => printed.push(message.text()));
  const stream = page.waitForResponse((response) => response.url().includes("/ofrep/v1/environments/"));
  await page.addScriptTag({ content: bundled.outputFiles[0].text, type: "module" });
  await stream;
  return printed;
}

test("the first page of the readme works word for word", async (t) => {
  const state = stateFolder(t);
  const dev = await startDev(t, state, [], READY);
  const [, quickStart] = /\n## Quick start\n([^]*?)\n## /.exec(readFileSync(join(ROOT, "README.md"), "utf8"));
  const blocks = (language) => Array.from(quickStart.matchAll(new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``, "g")), ([, text]) => text);
  const [, change, identities] = blocks("sh").map((text) => text.replaceAll("127.0.0.1:8787", `127.0.0.1:${dev.port}`).replaceAll(".wrangler/state", state));
  const sh = async (text) => (await run("bash", ["-c", text])).stdout;
  assert.equal(change.match(/curl /g).length, 2, change);
  await sh(change);
  // The second request of the block, until the edge serves the change.
  const ask = change.slice(change.lastIndexOf("curl "));
  await becomes(async () => JSON.stringify(JSON.parse(await sh(ask))), JSON.stringify(JSON.parse(blocks("json")[0])), "the changed flag");
  assert.match(await sh(identities), /"name":"free_shipping_threshold","type":"STANDARD"\},"enabled":true,"feature_state_value":25/);
  const script = join(ROOT, `readme-${dev.port}.mjs`);
  t.after(() => rmSync(script, { force: true }));
  // Flagsmith's SDK, and OpenFeature's.
  assert.equal(blocks("js").length, 2);
  for (const text of blocks("js")) {
    writeFileSync(script, text.replace("127.0.0.1:8787", `127.0.0.1:${dev.port}`));
    assert.equal((await run(process.execPath, [script], { cwd: ROOT })).stdout, "0\n", text);
  }
  const [page] = blocks("javascript");
  const printed = await printedBy(t, page.replaceAll("127.0.0.1:8787", `127.0.0.1:${dev.port}`), dev.port);
  assert.ok(printed.includes("Flagsmith 40"), printed.join());
  await sh(change.slice(0, change.lastIndexOf("curl ")).replace('"40"', '"41"'));
  await eventually(() => ["Flagsmith 41", "OpenFeature 41"].every((line) => printed.includes(line)), "both see a change");
  await dev.end();
});

test("make dev shows the API key to the terminal only", async (t) => {
  const state = stateFolder(t);
  const logs = join(state, "logs");
  const dev = await startDev(t, state, [`WRANGLER_LOG_PATH=${logs}`], READY);
  const key = readFileSync(join(state, "api-key"), "utf8").trim();
  assert.match(key, /^[A-Za-z0-9]{8}\.[A-Za-z0-9]{32}$/);
  for (const file of ["api-key", "edge.json", "origin.json"]) assert.equal(statSync(join(state, file)).mode & 0o777, 0o600, file);
  for (const { command, environment } of dev.processes()) assert.ok(!command.includes(key) && !environment.includes(key), command);
  const ask = (key) => request(dev.port, { path: "/edge/status", headers: { Authorization: `Api-Key ${key}` } });
  assert.equal((await ask(key)).status, 200);
  assert.equal((await ask(`${key.slice(0, -1)}!`)).status, 401);
  // A second server on the same files would lose writes.
  const second = make(t, ["dev", `PORT=${await freePort()}`, `STATE=${state}`]);
  assert.notEqual(await second.ended, 0);
  assert.match(second.output(), /is in use by another make dev \(process \d+\)/);
  await dev.end();
  const logged = readdirSync(logs).map((name) => readFileSync(join(logs, name), "utf8"));
  assert.ok(logged.length > 0);
  for (const text of logged) assert.ok(!text.includes(key));

  writeFileSync(join(state, "api-key"), "short\n");
  const spoilt = make(t, ["dev", `PORT=${await freePort()}`, `STATE=${state}`]);
  assert.notEqual(await spoilt.ended, 0);
  assert.match(spoilt.output(), /api-key does not contain a valid API key\. Remove it/);
  process.env.ORIGIN_API_TOKEN = "hush";
  const configured = make(t, ["dev", `PORT=${await freePort()}`, `STATE=${state}`]);
  delete process.env.ORIGIN_API_TOKEN;
  assert.notEqual(await configured.ended, 0);
  assert.match(configured.output(), /^ORIGIN_API_TOKEN must have the form prefix\.secret/m);
  assert.ok(!configured.output().includes("hush"), configured.output());
});
