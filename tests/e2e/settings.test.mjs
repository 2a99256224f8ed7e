// Invalid settings are reported in the log once, in the status and on the operator's page.

import assert from "node:assert/strict";
import { test } from "node:test";

import { startBrowser, visit } from "./browser.mjs";
import { ADMIN_KEY, ADMIN_KEY_SHA256, startFlagsmith } from "./flagsmith.mjs";
import { FIXTURES, startEdge } from "./harness.mjs";

const SPOILT = {
  ADMIN_KEY_SHA256,
  FLAG_ENGINE: "12",
  LOG_ROWS: "yes",
  ORIGIN_TIMEOUT_SECONDS: "99999999999",
  REFRESH_SECONDS: "1m",
  FRESHNESS_SECONDS: "-1",
  SERVER_KEYS: "clientKeyThatIsNone,ser.hush",
  WEBHOOK_SECRET: "hush-hush",
};
const EXPECTED = [
  "ASSETS is not bound: the pages and the API's description are missing.",
  "FLAG_ENGINE must be 10 or 11; otherwise 10 is used.",
  "FRESHNESS_SECONDS must be a whole number from 0 to 1000000; otherwise 2 is used.",
  "LOG_ROWS must be false or true; otherwise false is used.",
  "ORIGIN_TIMEOUT_SECONDS must be a whole number from 1 to 1000000; otherwise 30 is used.",
  "REFRESH_SECONDS must be a whole number from 1 to 1000000; otherwise 60 is used.",
  "SERVER_KEYS has no effect without ORIGIN_URL.",
  "SERVER_KEYS must be server keys, which begin with ser., separated by commas; other entries are ignored.",
  "WEBHOOK_SECRET has no effect without ORIGIN_URL.",
];

test("an invalid setting is logged once and listed in the status", async (t) => {
  const edge = await startEdge({ variables: SPOILT });
  t.after(() => edge.close());
  await edge.stop();
  edge.configure({ assets: null });
  await edge.start();
  const [{ key }] = edge.environments;
  for (let count = 0; count < 3; count += 1) {
    const response = await edge.request({ path: "/api/v1/flags/", headers: { "X-Environment-Key": key } });
    assert.equal(response.status, 200, response.text);
  }
  const said = () => edge.log.split("\n").filter((line) => line.startsWith('{"failure":"settings"')).map((line) => JSON.parse(line).cause);
  await edge.flush();
  assert.deepEqual(said().sort(), EXPECTED);
  const status = await edge.request({ path: "/edge/status", headers: { Authorization: `Api-Key ${ADMIN_KEY}` } });
  assert.deepEqual(status.json().settings_faults.sort(), EXPECTED);
  assert.ok(!edge.log.includes("hush") && !status.text.includes("hush"), "no value is quoted");
});

test("a variable that is a number or a boolean is read as its text", async (t) => {
  const json = { LOG_ROWS: true, FLAG_ENGINE: 11, REFRESH_SECONDS: 0, FRESHNESS_SECONDS: { seconds: 2 }, LOG_REQUESTS: 1 };
  const variables = Object.fromEntries(Object.entries(json).map(([name, json]) => [name, { json }]));
  const edge = await startEdge({ variables });
  t.after(() => edge.close());
  const [{ key }] = edge.environments;
  const response = await edge.request({ path: "/api/v1/identities/?identifier=a", headers: { "X-Environment-Key": key } });
  assert.equal(response.status, 200, response.text);
  const lines = () => edge.log.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
  await edge.flush();
  assert.ok(lines().some(({ route }) => route === "identities"), "the request is logged, since LOG_REQUESTS is 1");
  assert.ok(lines().some(({ object }) => object !== undefined), "the call is logged, since LOG_ROWS is true");
  const said = lines().filter(({ failure }) => failure === "settings").map(({ cause }) => cause);
  assert.deepEqual(said.sort(), [
    "FRESHNESS_SECONDS must be a whole number from 0 to 1000000; otherwise 2 is used.",
    "REFRESH_SECONDS must be a whole number from 1 to 1000000; otherwise 60 is used.",
  ]);
});

test("an admin key in place of its hash is not accepted, and is reported", async (t) => {
  const edge = await startEdge({ variables: { ADMIN_KEY_SHA256: "hush-hush" } });
  t.after(() => edge.close());
  const headers = { Authorization: "Api-Key hush-hush" };
  const response = await edge.request({ path: "/edge/status", headers });
  assert.equal(response.status, 503, response.text);
  await edge.flush();
  assert.match(edge.log, /ADMIN_KEY_SHA256 must be the key's SHA-256/);
});

test("invalid settings are shown only to administrators of all environments, also on the operator's page", async (t) => {
  const browser = await startBrowser();
  t.after(() => browser.close());
  const flagsmith = await startFlagsmith(FIXTURES);
  t.after(() => flagsmith.close());
  const [first, ...others] = flagsmith.environments.keys();
  const permissions = (of) => ({ body: { admin: of, permissions: [], tag_based_permissions: [] } });
  for (const key of [first, ...others]) {
    flagsmith.origin.on("GET", `/api/v1/environments/${key}/my-permissions/`, ({ headers }) => permissions(headers.authorization === "Token all" || key === first));
  }
  const edge = await startEdge({ origin: flagsmith.origin, variables: { ADMIN_KEY_SHA256, REFRESH_SECONDS: "1m" } });
  t.after(() => edge.close());
  const status = async (authorization) => (await edge.request({ path: "/edge/status", headers: { Authorization: authorization } })).json();
  const fault = "REFRESH_SECONDS must be a whole number from 1 to 1000000; otherwise 60 is used.";
  assert.deepEqual((await status("Token all")).settings_faults, [fault]);
  const some = await status("Token some");
  assert.deepEqual([some.environments.length, some.settings_faults], [1, []]);

  const { page, leave } = await visit(browser, `${edge.address}/edge/`, { refusals: true });
  t.after(leave);
  await page.fill("#secret", ADMIN_KEY);
  await page.click("#sign-in button");
  await page.locator("#settings .warning").waitFor();
  assert.deepEqual(await page.locator("#settings .warning").allTextContents(), [fault]);
  await page.click("#sign-out");
  assert.equal(await page.textContent("#settings"), "");
});
