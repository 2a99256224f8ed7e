// SDKs with realtime updates and without polling: they see each change, also after the runtime has been killed, and then do not
// flood it with requests.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { execFile } from "node:child_process";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";

import { build } from "esbuild";

import { startBrowser, visit } from "./browser.mjs";
import { createFlag, embeddedOrigin } from "./embedded_origin.mjs";
import { becomes, eventually, ROOT, startEdge } from "./harness.mjs";
import { learn } from "./secrets.mjs";

const run = promisify(execFile);
const FOLDER = join(ROOT, "tests/e2e/realtime");
const VENV = join(ROOT, ".venv-realtime");
const SDK = join(ROOT, "node_modules/@flagsmith/flagsmith/index.js");

/** An edge with a flag: {edge, key, serverKey, change}. */
async function started(t) {
  const edge = await startEdge(embeddedOrigin());
  t.after(() => edge.close());
  edge.kv.entries.clear();
  const { admin, key, change } = await createFlag(edge);
  const { key: serverKey } = await admin("POST", `environments/${key}/api-keys/`, { name: "s" });
  learn(serverKey);
  for (const each of [key, serverKey]) {
    await eventually(async () => (await edge.request({ path: "/api/v1/flags/?feature=f", headers: { "X-Environment-Key": each } })).status === 200, "the environment is published");
  }
  return { edge, key, serverKey, change };
}

/** An address of the edge that survives its restarts: {address, connections}. `connections`: the number so far. */
async function addressOf(t, edge) {
  const forwarder = { connections: 0 };
  const open = new Set();
  const server = createServer((client) => {
    forwarder.connections += 1;
    const target = connect(edge.port, "127.0.0.1");
    open.add(client);
    for (const [one, other] of [[client, target], [target, client]]) {
      one.on("error", () => {});
      one.on("close", () => other.destroy());
      one.pipe(other);
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    open.forEach((client) => client.destroy());
  });
  return Object.assign(forwarder, { address: `http://127.0.0.1:${server.address().port}` });
}

/**
 * Kills the runtime, and starts it again after some seconds. Returns a function that returns the number of connections and of
 * requests of a client since then.
 */
async function killed(edge, forwarder) {
  const [connections, lines] = [forwarder.connections, edge.log.length];
  await edge.kill();
  await pause(3_000);
  await edge.start();
  return () => ({
    connections: forwarder.connections - connections,
    requests: [...edge.log.slice(lines).matchAll(/^\{"route":"(stream|ofrep-stream|flags|ofrep|environment-document|identities)"/gm)].length,
  });
}

/** The most connections and requests of one client around a restart of three seconds. */
const MOST = { connections: 25, requests: 12 };

function checkCalm({ connections, requests }) {
  assert.ok(connections <= MOST.connections && requests <= MOST.requests, `${connections} connections, ${requests} requests`);
}

test("flagsmith for Python sees changes by local evaluation", async (t) => {
  await run(join(ROOT, "scripts/venv.sh"), [VENV, join(FOLDER, "requirements.txt")], { cwd: ROOT });
  const { edge, serverKey, change } = await started(t);
  const forwarder = await addressOf(t, edge);
  const environment = { ...process.env, SERVER_KEY: serverKey, API_URL: `${forwarder.address}/api/v1/`, REALTIME_API_URL: `${forwarder.address}/` };
  const client = spawn(join(VENV, "bin/python"), [join(FOLDER, "client.py")], { env: environment, stdio: ["ignore", "pipe", "pipe"] });
  t.after(async () => {
    client.kill("SIGKILL");
    if (client.exitCode === null && client.signalCode === null) await once(client, "close");
  });
  let output = "";
  let errors = "";
  client.stdout.setEncoding("utf8").on("data", (text) => (output += text));
  client.stderr.setEncoding("utf8").on("data", (text) => (errors += text));
  const values = () => output.trim().split("\n").join();
  await becomes(values, "0", "the client has started");
  const streams = () => [...edge.log.matchAll(/^\{"route":"stream","status":200/gm)].length;
  await eventually(() => streams() === 1, "the stream is open");
  await change("1");
  await becomes(values, "0,1", "the client sees the first change");
  await change("2");
  await becomes(values, "0,1,2", "and the second");
  assert.deepEqual([streams(), errors], [1, ""], "over one stream");
  const sent = await killed(edge, forwarder);
  await eventually(() => streams() === 2, "the stream is open again");
  await change("3");
  await becomes(values, "0,1,2,3", "the client sees a change after a restart");
  checkCalm(sent());
});

test("@flagsmith/flagsmith in a browser sees each change", async (t) => {
  const { edge, key, change } = await started(t);
  const browser = await startBrowser();
  t.after(() => browser.close());
  const forwarder = await addressOf(t, edge);
  const { page } = await visit(browser, `${forwarder.address}/edge/`, { bypassCSP: true });
  await page.addScriptTag({ path: SDK });
  await page.evaluate(async ([key, address]) => {
    globalThis.values = [];
    const sdk = globalThis.index.default;
    await sdk.init({
      environmentID: key,
      api: `${address}/api/v1/`,
      realtime: true,
      eventSourceUrl: `${address}/`,
      onChange: () => {
        const value = sdk.getValue("f");
        if (value !== globalThis.values.at(-1)) globalThis.values.push(value);
      },
    });
  }, [key, forwarder.address]);
  const values = async () => (await page.evaluate(() => globalThis.values)).join();
  await becomes(values, "0", "the client has started");
  await eventually(() => /^\{"route":"stream","status":200/m.test(edge.log), "the stream is open");
  for (const [value, expected] of [["1", "0,1"], ["2", "0,1,2"]]) {
    await change(value);
    await becomes(values, expected, `the client sees ${value}`);
  }
  const sent = await killed(edge, forwarder);
  await eventually(() => [...edge.log.matchAll(/^\{"route":"stream","status":200/gm)].length === 2, "the stream is open again");
  await change("3");
  await becomes(values, "0,1,2,3", "the client sees a change after a restart");
  checkCalm(sent());
});

test("OpenFeature's provider for browsers sees changes by its stream, and each by one request", async (t) => {
  const { edge, key, change } = await started(t);
  const bundled = await build({ entryPoints: [join(ROOT, "tests/e2e/ofrep_web.js")], bundle: true, format: "iife", write: false, platform: "browser" });
  const browser = await startBrowser();
  t.after(() => browser.close());
  const forwarder = await addressOf(t, edge);
  const { page } = await visit(browser, `${forwarder.address}/edge/`, { bypassCSP: true });
  const requests = [];
  page.on("request", (request) => request.method() === "POST" && requests.push(new URL(request.url()).search));
  await page.addScriptTag({ content: bundled.outputFiles[0].text });
  await page.evaluate(async ([baseUrl, key]) => {
    const { OFREPWebProvider, OpenFeature } = globalThis;
    await OpenFeature.setProviderAndWait(new OFREPWebProvider({ baseUrl, headers: [["X-API-Key", key]], pollInterval: -1 }));
  }, [forwarder.address, key]);
  const value = () => page.evaluate(() => globalThis.OpenFeature.getClient().getStringValue("f", "code"));
  const streams = () => [...edge.log.matchAll(/^\{"route":"ofrep-stream","status":200/gm)].length;
  await eventually(() => streams() === 1, "the stream is open");
  // An event of the environment's creation may still come.
  await pause(500);
  requests.length = 0;
  for (const next of ["1", "2", "3"]) {
    await change(next);
    await becomes(value, next, `the client sees ${next}`);
  }
  assert.equal(requests.length, 3, requests.join());
  assert.ok(requests.every((query) => /^\?flagConfigEtag=\d+-[0-9a-f]{16}&flagConfigLastModified=\d+$/.test(query)), requests.join());
  assert.equal(streams(), 1, "over one stream");
  const sent = await killed(edge, forwarder);
  await eventually(() => streams() === 2, "the stream is open again");
  await change("4");
  await becomes(value, "4", "the client sees a change after a restart");
  checkCalm(sent());
});
