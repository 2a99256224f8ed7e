// `make dev` for a new user: the printed requests can be pasted, and are answered.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

import { localSettings } from "../../scripts/local.mjs";
import { freePort, make, noneRuns, startDev } from "./dev.mjs";
import { ADMIN_KEY, ADMIN_KEY_SHA256, set, startFlagsmith, stateOf, TOKEN } from "./flagsmith.mjs";
import { becomes, FIXTURES, ROOT } from "./harness.mjs";
import { request } from "./http.mjs";

const run = promisify(execFile);
/** The sample without an origin. */
const DOCUMENTS = "ENVIRONMENTS=fixtures/environments";

test("make dev prints working requests, and restarts on its stored state", async (t) => {
  const state = mkdtempSync(join(tmpdir(), "dev-"));
  t.after(() => rmSync(state, { recursive: true, force: true }));

  const first = await startDev(t, state, [DOCUMENTS]);
  const lines = first.output().split("\n").filter((line) => line.startsWith("curl "));
  assert.equal(lines.length, 5, first.output());
  assert.match(first.output(), /^env\.LOG_PANIC_MESSAGES /m);
  for (const line of lines) {
    const { stdout } = await run("bash", ["-c", `${line} -w '\\n%{http_code}'`]);
    assert.match(stdout, /\n200$/, `${line}\n${stdout}`);
    JSON.parse(stdout.slice(0, stdout.lastIndexOf("\n")));
  }
  await first.end();

  const second = await startDev(t, state, [DOCUMENTS, `ADMIN_KEY_SHA256=${ADMIN_KEY_SHA256}`]);
  const [flags] = second.output().split("\n").filter((line) => line.startsWith("curl "));
  const keyHeader = /-H '(X-Environment-Key: [^']+)'/.exec(flags)[1];
  const address = `http://127.0.0.1:${second.port}/api/v1/identities/?identifier=ada%40example.com`;
  const { stdout } = await run("curl", ["-sS", address, "-H", keyHeader]);
  assert.deepEqual(JSON.parse(stdout).traits.map(({ trait_key }) => trait_key).sort(), ["country", "loyalty_points"]);
  await requirePages(second.port);
  const status = await request(second.port, { path: "/edge/status", headers: { Authorization: `Api-Key ${ADMIN_KEY}` } });
  for (const { name, version, age_seconds, server_keys } of status.json().environments) {
    assert.ok(name && version && age_seconds >= 0 && server_keys.count > 0, status.text);
  }
  await second.end();
});

/** Only the platform's service of static files shows this: a page is sent again only after a change. */
async function requirePages(port) {
  for (const path of ["/api/v1/docs/", "/api/v1/docs", "/api/v1/docs/explorer.css"]) {
    const page = await request(port, { path });
    assert.equal(page.status, 200, path);
    assert.match(page.headers["content-security-policy"], /^default-src 'none'/);
    const again = await request(port, { path, headers: { "If-None-Match": page.headers.etag } });
    assert.deepEqual([again.status, again.text, again.headers.etag], [304, "", page.headers.etag], path);
    assert.equal((await request(port, { path, method: "HEAD" })).status, 200, path);
  }
  for (const path of ["/api/v1/docs/nothing.js", "/api/v1/docs/index.html", "/index.html", "/assets.stamp"]) {
    const missing = await request(port, { path });
    assert.deepEqual([missing.status, missing.json()], [404, { detail: "Not found." }], path);
  }
}

test("make dev makes an admin key for its state folder, and shows it to the terminal only", async (t) => {
  const state = mkdtempSync(join(tmpdir(), "dev-"));
  t.after(() => rmSync(state, { recursive: true, force: true }));
  const logs = join(state, "logs");
  const settings = [DOCUMENTS, `WRANGLER_LOG_PATH=${logs}`];
  const file = join(state, "admin-key");
  const status = (dev, key) => request(dev.port, { path: "/edge/status", headers: { Authorization: `Api-Key ${key}` } });

  const first = await startDev(t, state, settings);
  const key = /^[0-9a-f]{64}$/m.exec(first.output())[0];
  assert.equal(readFileSync(file, "utf8"), `${key}\n`);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.equal((await status(first, key)).status, 200);
  assert.equal((await status(first, ADMIN_KEY)).status, 401);
  // The line for the page and two requests to paste.
  assert.equal(first.output().split(key).length, 4, "no other line has it");
  for (const { command, environment } of first.processes()) assert.ok(!command.includes(key) && !environment.includes(key), command);
  await first.end();
  const logged = readdirSync(logs).map((name) => readFileSync(join(logs, name), "utf8"));
  assert.ok(logged.length > 0 && logged.join("").includes("Starting local server"), "wrangler's logs are here");
  for (const text of logged) assert.ok(!text.includes(key));

  const second = await startDev(t, state, settings);
  assert.equal(/^[0-9a-f]{64}$/m.exec(second.output())[0], key, "it is kept");
  await second.end();

  const configured = await startDev(t, state, [...settings, `ADMIN_KEY_SHA256=${ADMIN_KEY_SHA256}`]);
  assert.match(configured.output(), /The configured admin key applies/);
  assert.ok(!configured.output().includes(key));
  assert.equal((await status(configured, ADMIN_KEY)).status, 200);
  assert.equal((await status(configured, key)).status, 401);
  await configured.end();

  writeFileSync(file, "short\n");
  const spoilt = make(t, ["dev", DOCUMENTS, `PORT=${await freePort()}`, `STATE=${state}`]);
  assert.notEqual(await spoilt.ended, 0);
  assert.match(spoilt.output(), /admin-key does not contain a valid admin key\. Remove it/);
});

test("make dev makes no admin key beside a configured one", async (t) => {
  const state = mkdtempSync(join(tmpdir(), "dev-"));
  t.after(() => rmSync(state, { recursive: true, force: true }));
  const dev = await startDev(t, state, [DOCUMENTS, `ADMIN_KEY_SHA256=${ADMIN_KEY_SHA256}`]);
  await dev.end();
  assert.ok(!readdirSync(state).includes("admin-key"));
});

test("make dev leaves no process, whichever of its own is ended", async (t) => {
  const state = mkdtempSync(join(tmpdir(), "dev-"));
  t.after(() => rmSync(state, { recursive: true, force: true }));
  const ends = [
    ["make", "SIGTERM"],
    ["make", "SIGKILL"],
    ["scripts/dev.mjs", "SIGTERM"],
    ["scripts/dev.mjs", "SIGINT"],
    ["scripts/dev.mjs", "SIGHUP"],
    ["scripts/dev.mjs", "SIGKILL"],
  ];
  for (const [name, signal] of ends) {
    const dev = await startDev(t, state, [DOCUMENTS]);
    const processes = dev.processes();
    assert.ok(processes.some(({ command }) => /\/workerd serve /.test(command)), processes.map(({ command }) => command).join("\n"));
    const pid = name === "make" ? dev.pid : processes.find(({ command }) => command === `node ${name}`).pid;
    process.kill(pid, signal);
    // This also checks that no process has its output open.
    await dev.ended;
    await noneRuns(processes, `${signal} to ${name}`);
  }
  // The signal of a closed terminal.
  const dev = await startDev(t, state, [DOCUMENTS]);
  const processes = dev.processes();
  process.kill(-dev.pid, "SIGHUP");
  await dev.ended;
  await noneRuns(processes, "SIGHUP to all");
});

test("make dev with an origin serves the origin's documents, never the sample", async (t) => {
  const state = mkdtempSync(join(tmpdir(), "dev-"));
  t.after(() => rmSync(state, { recursive: true, force: true }));
  const flagsmith = await startFlagsmith(FIXTURES);
  t.after(() => flagsmith.close());
  // The origin's environments differ from the sample's.
  const sample = [...flagsmith.environments].map(([key, { serverKeys }]) => ({ key, serverKeys }));
  const [[, { document, name }]] = flagsmith.environments;
  flagsmith.environments.clear();
  flagsmith.environments.set("ofTheOrigin", { name, document: { ...document, api_key: "ofTheOrigin" }, serverKeys: [] });
  set(flagsmith, "ofTheOrigin", 60);
  const ask = (dev, key) => request(dev.port, { path: "/api/v1/flags/", headers: { "X-Environment-Key": key } });

  const alone = await startDev(t, state, [DOCUMENTS]);
  assert.equal((await ask(alone, sample[0].key)).status, 200, "without an origin it is served");
  await alone.end();
  // An operator publishes a document by hand.
  const byHand = join(state, "by-hand.json");
  writeFileSync(byHand, JSON.stringify({ ...document, api_key: "publishedByHand" }));
  await run("make", ["publish", `DOC=${byHand}`, `STATE=${state}`], { cwd: ROOT });

  const settings = [`ORIGIN_URL=${flagsmith.origin.url}`, `ORIGIN_API_TOKEN=${TOKEN}`, `ADMIN_KEY_SHA256=${ADMIN_KEY_SHA256}`, "FRESHNESS_SECONDS=0"];
  const dev = await startDev(t, state, settings, ["Nothing is seeded"]);
  const isAnswered = (key, status) => becomes(async () => (await ask(dev, key)).status, status, key);
  await isAnswered("ofTheOrigin", 200);
  assert.equal(stateOf((await ask(dev, "ofTheOrigin")).json()).feature_state_value, 60);
  for (const { key, serverKeys } of sample) {
    for (const name of [key, ...serverKeys.map(({ key }) => key)]) await isAnswered(name, 403);
  }
  await isAnswered("publishedByHand", 200);
  const status = await request(dev.port, { path: "/edge/status", headers: { Authorization: `Api-Key ${ADMIN_KEY}` } });
  const sources = Object.fromEntries(status.json().environments.map(({ environment, source }) => [environment, source]));
  assert.deepEqual(sources, { ofTheOrigin: "ORIGIN_API_TOKEN", publishedByHand: "KV" }, status.text);
  // The cron trigger finds no missing work.
  assert.equal((await request(dev.port, { path: "/__scheduled" })).status, 200);
  assert.equal((await ask(dev, "ofTheOrigin")).status, 200);
  await dev.end();
});

test("make dev with an origin seeds the documents in ENVIRONMENTS", async (t) => {
  const state = mkdtempSync(join(tmpdir(), "dev-"));
  t.after(() => rmSync(state, { recursive: true, force: true }));
  const documents = join(state, "documents");
  mkdirSync(documents);
  writeFileSync(join(documents, "mine.json"), JSON.stringify({ ...JSON.parse(readFileSync(join(FIXTURES, "production.json"))), api_key: "mine" }));
  const dev = await startDev(t, state, ["ORIGIN_URL=http://127.0.0.1:9", `ENVIRONMENTS=${documents}`], ["Requests to paste"]);
  assert.equal((await request(dev.port, { path: "/api/v1/flags/", headers: { "X-Environment-Key": "mine" } })).status, 200);
  await dev.end();
});

test("make publish writes servable documents only", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "publish-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const keys = join(folder, "server-keys.json");
  writeFileSync(keys, readFileSync(join(FIXTURES, "server-keys.json")));
  const publish = (document) => run("make", ["publish", `DOC=${document}`, `KEYS=${keys}`, `STATE=${folder}`], { cwd: ROOT });
  const file = join(FIXTURES, "production.json");
  const document = readFileSync(file, "utf8").trim();
  const { api_key } = JSON.parse(document);
  const stored = async (entry) => {
    const call = ["kv", "key", "get", entry, "--binding", "ENVIRONMENTS", "--local", "--persist-to", folder, "--text"];
    return (await run("node_modules/.bin/wrangler", call, { cwd: ROOT })).stdout.trim();
  };
  const { stdout } = await publish(file);
  const version = /\d{13}-[0-9a-f]{16}/.exec(stdout)[0];
  assert.equal(await stored(`document:${api_key}`), document);
  assert.equal(await stored(`document:${api_key}:${version}`), document);
  const list = async () => (await run("node_modules/.bin/wrangler", ["kv", "key", "list", "--binding", "ENVIRONMENTS", "--local", "--persist-to", folder], { cwd: ROOT })).stdout;
  const metadata = new Map(JSON.parse(await list()).map(({ name, metadata }) => [name, metadata]));
  assert.deepEqual(metadata.get(`document:${api_key}`), { name: JSON.parse(document).name, version }, "what /edge/status knows of it");
  const serverKeys = [...metadata.keys()].filter((name) => name.startsWith("server-key:"));
  assert.equal(serverKeys.length, JSON.parse(readFileSync(keys))[api_key].length);
  for (const name of serverKeys) assert.deepEqual(metadata.get(name), JSON.parse(await stored(name)), "what it counts them by");

  const spoilt = join(folder, "spoilt.json");
  writeFileSync(spoilt, document.replace('"enabled": true', '"enabled": "yes"'));
  await assert.rejects(publish(spoilt), /feature_states\[\d+\]\.enabled: has an unexpected type or value/);
  assert.equal(await stored(`document:${api_key}`), document);
  writeFileSync(keys, JSON.stringify({ [api_key]: [{ key: "ser.hush", active: true, expires_at: "some day" }] }));
  await assert.rejects(publish(file), ({ stderr }) => {
    assert.match(stderr, new RegExp(`server key 1 of ${api_key}: expires_at: is no date`));
    return !stderr.includes("hush");
  });
  assert.deepEqual(JSON.parse(await list()).filter(({ name }) => name.startsWith("server-key:")).length, serverKeys.length);

  // An unreadable date that evaluation does not need does not affect the flags.
  const undated = join(folder, "undated.json");
  writeFileSync(undated, JSON.stringify({ ...JSON.parse(document), updated_at: "some day" }));
  rmSync(keys);
  const published = await run("make", ["publish", `DOC=${undated}`, `STATE=${folder}`], { cwd: ROOT });
  assert.match(published.stderr, /updated_at: is no date; the document is served without it/);
});

test("make dev refuses documents that the worker would not serve, with the reason", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "environments-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const document = JSON.parse(readFileSync(join(FIXTURES, "production.json"), "utf8"));
  const { api_key } = document;
  const write = (name, value) => writeFileSync(join(folder, name), JSON.stringify(value));
  const dev = async (...settings) => run("make", ["dev", `PORT=${await freePort()}`, `ENVIRONMENTS=${folder}`, `STATE=${folder}/state`, ...settings], { cwd: ROOT });
  const refuses = (...settings) => dev(...settings).then(() => assert.fail("it was taken"), ({ stderr }) => stderr);
  write("good.json", document);
  write("spoilt.json", { ...document, api_key: "other", hide_disabled_flags: "yes" });
  write("server-keys.json", {
    [api_key]: [
      { key: "ser.hush", active: true, expires_at: "2099-12-31" },
      { key: "ser.hush2", active: true, expires_at: "some day" },
      { key: "ser.hush3", expires_at: null },
    ],
  });
  const said = await refuses();
  assert.match(said, /spoilt\.json: document: hide_disabled_flags: has an unexpected type or value/);
  assert.match(said, new RegExp(`server key 2 of ${api_key}: expires_at: is no date`));
  assert.match(said, new RegExp(`server key 3 of ${api_key}: cannot be read: active must be true or false`));
  assert.doesNotMatch(said, /good\.json|server key 1|hush/);

  const settings = ["REFRESH_SECONDS=1m", "FLAG_ENGINE=12", "ORIGIN_API_TOKEN=hush", "ADMIN_KEY_SHA256=hush", "LOG_ROWS="];
  const wrong = (await refuses(...settings)).split("\n").filter((line) => /^[A-Z_0-9]+ /.test(line));
  assert.deepEqual(wrong, [
    "FLAG_ENGINE must be 10 or 11; otherwise 10 is used.",
    "REFRESH_SECONDS must be a whole number from 1 to 1000000; otherwise 60 is used.",
    "ADMIN_KEY_SHA256 must be the key's SHA-256, 64 hexadecimal digits, and not the key; otherwise there is no admin key.",
    "ORIGIN_API_TOKEN has no effect without ORIGIN_URL.",
  ]);
  assert.match(await refuses("ORIGIN_URL=http://flags:99999"), /^ORIGIN_URL must be http/m);
});

test("make dev has the message of a panic logged unless LOG_PANIC_MESSAGES is set", () => {
  assert.equal(localSettings({}).LOG_PANIC_MESSAGES, "true");
  assert.equal(localSettings({ LOG_PANIC_MESSAGES: "" }).LOG_PANIC_MESSAGES, "true");
  assert.equal(localSettings({ LOG_PANIC_MESSAGES: "false" }).LOG_PANIC_MESSAGES, "false");
});

test("make dev reports a port that is in use", async (t) => {
  const server = createServer().listen(0, "127.0.0.1");
  t.after(() => server.close());
  await once(server, "listening");
  const { port } = server.address();
  const dev = make(t, ["dev", `PORT=${port}`]);
  assert.notEqual(await dev.ended, 0);
  assert.match(dev.output(), new RegExp(`127\\.0\\.0\\.1:${port} is taken`));
});
