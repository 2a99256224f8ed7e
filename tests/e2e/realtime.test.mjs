// SDKs with realtime updates and without polling: they see each change, also after the runtime has been killed.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { execFile } from "node:child_process";
import { promisify } from "node:util";

import { startBrowser, visit } from "./browser.mjs";
import { adminOf, embeddedOrigin } from "./embedded_origin.mjs";
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
  const send = adminOf(edge);
  const admin = async (method, path, body) => {
    const answer = await send(method, `/api/v1/${path}`, body);
    assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${answer.text}`);
    return answer.json();
  };
  const { id: organisation } = await admin("POST", "organisations/", { name: "o" });
  const { id: project } = await admin("POST", "projects/", { name: "p", organisation });
  const { api_key: key } = await admin("POST", "environments/", { name: "e", project });
  const { key: serverKey } = await admin("POST", `environments/${key}/api-keys/`, { name: "s" });
  learn(serverKey);
  const { id: feature } = await admin("POST", `projects/${project}/features/`, { name: "f", initial_value: "0" });
  const { results } = await admin("GET", `environments/${key}/featurestates/?feature=${feature}`);
  const change = (value) => admin("PATCH", `environments/${key}/featurestates/${results[0].id}/`, { feature_state_value: value });
  for (const each of [key, serverKey]) {
    await eventually(async () => (await edge.request({ path: "/api/v1/flags/?feature=f", headers: { "X-Environment-Key": each } })).status === 200, "the environment is published");
  }
  return { edge, key, serverKey, change };
}

test("flagsmith for Python sees changes by local evaluation", async (t) => {
  await run(join(ROOT, "scripts/venv.sh"), [VENV, join(FOLDER, "requirements.txt")], { cwd: ROOT });
  const { edge, serverKey, change } = await started(t);
  // The client keeps its addresses, so they have to survive a restart of the runtime.
  const environment = { ...process.env, SERVER_KEY: serverKey, API_URL: `${edge.address}/api/v1/`, REALTIME_API_URL: `${edge.address}/` };
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
});

test("@flagsmith/flagsmith in a browser sees changes, and each once", async (t) => {
  const { edge, key, change } = await started(t);
  const browser = await startBrowser();
  t.after(() => browser.close());
  const { page } = await visit(browser, `${edge.address}/edge/`, { bypassCSP: true });
  await page.addScriptTag({ path: SDK });
  await page.evaluate(async ([key, address]) => {
    globalThis.values = [];
    const sdk = globalThis.index.default;
    await sdk.init({
      environmentID: key,
      api: `${address}/api/v1/`,
      realtime: true,
      eventSourceUrl: `${address}/`,
      onChange: () => globalThis.values.push(sdk.getValue("f")),
    });
  }, [key, edge.address]);
  const values = async () => (await page.evaluate(() => globalThis.values)).join();
  await becomes(values, "0", "the client has started");
  await eventually(() => /^\{"route":"stream","status":200/m.test(edge.log), "the stream is open");
  for (const [value, expected] of [["1", "0,1"], ["2", "0,1,2"]]) {
    await change(value);
    await becomes(values, expected, `the client sees ${value}`);
  }
});
