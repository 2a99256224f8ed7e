// The operator's page in a real browser: signing in, the views, and the messages about problems.

import assert from "node:assert/strict";
import { test } from "node:test";

import { picture, requireAccessible, requireNoSidewaysScrolling, startBrowser, visit } from "./browser.mjs";
import { ADMIN_KEY, ADMIN_KEY_SHA256, TOKEN, startFlagsmith } from "./flagsmith.mjs";
import { becomes, FIXTURES, eventually, startEdge } from "./harness.mjs";

const HTML = `<img src=x onerror="alert(1)"><b>bold</b>"'&amp;`;
const WINDOW = { viewport: { width: 1280, height: 900 }, reducedMotion: "reduce", refusals: true };
const PHONE = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };

pageTest("signing in shows the state of each environment", {}, async ({ edge, keys, open }) => {
  const { page } = await open();
  await requireAccessible(page, "signed out");
  await picture(page, "signed-out");
  await signIn(page);
  const cards = page.locator("#environments > li");
  await becomes(() => cards.count(), keys.length);
  await refreshUntil(page, () => page.locator("#environments .badge").allTextContents(), keys.map(() => "in sync"));
  const card = cards.filter({ hasText: keys[0] });
  const facts = await becomes(() => definitions(card), (facts) => facts["Identities"] === "0", "identities are counted");
  assert.match(facts["Version"], /^\d{13}-[0-9a-f]{16}, published (just now|.* ago)$/);
  assert.match(facts["Last synced"], /ago$|^just now$/);
  assert.equal(facts["Last failure"], "none");
  assert.match(facts["Server keys"], /^\d+, /);
  assert.equal(facts["Published with"], "ORIGIN_API_TOKEN");
  await becomes(() => page.textContent("#worker"), /^Worker \d+\.\d+\.\d+ · \d+ KiB of WebAssembly, \d+ allowed$/);
  await requireAccessible(page, "environments");
  await picture(page, "environments");
});

pageTest("a card shows the latest notification and manually published documents", { variables: { SSE_AUTHENTICATION_TOKEN: "sse-token", WEBHOOK_SECRET: "webhook-secret" } }, async ({ edge, flagsmith, keys: [key, other], open }) => {
  const { page } = await open();
  await signIn(page);
  const card = (key) => page.locator("#environments > li").filter({ hasText: key });
  await eventually(async () => /^none yet/.test((await definitions(card(key)))["Last notification"]), "the card shows that there was no notification");
  assert.ok((await definitions(card(key)))["Webhook"].startsWith(`${edge.address}/edge/webhooks/`));
  const headers = { Authorization: "Token sse-token", "Content-Type": "application/json" };
  const notification = { method: "POST", path: `/sse/environments/${key}/queue-change`, headers, body: '{"updated_at": "2026-01-01T00:00:00+00:00"}' };
  assert.equal((await edge.request(notification)).status, 202);
  edge.kv.entries.set("document:putHere", Buffer.from(JSON.stringify({ ...flagsmith.environments.get(key).document, api_key: "putHere" })));
  await refreshUntil(page, () => card("putHere").count(), 1);
  assert.match((await definitions(card(key)))["Last notification"], /^(just now|\d+ seconds? ago), to the realtime server$/);
  assert.match((await definitions(card(other)))["Last notification"], /^none yet/);
  assert.equal(await card("putHere").locator(".badge").textContent(), "in KV");
  assert.match(await card("putHere").locator(".warning").textContent(), /does not publish it/);
  await requireAccessible(page, "notifications");
  await picture(page, "notifications");
});

pageTest("the credential is kept in memory only", {}, async ({ open }) => {
  const { page } = await open();
  await signIn(page);
  await page.waitForSelector("#environments > li");
  const kept = await page.evaluate(() => [localStorage.length, sessionStorage.length, document.cookie, location.search + location.hash]);
  assert.deepEqual(kept, [0, 0, "", ""]);
  assert.deepEqual((await page.context().storageState()).cookies, []);
  const secret = (await page.content()).includes(ADMIN_KEY) || (await page.inputValue("#secret")) !== "";
  assert.equal(secret, false, "nothing of it is left in the page");
  await page.reload();
  await page.locator("#sign-in").waitFor();
  await signIn(page);
  await page.goto("about:blank");
  await page.goBack();
  // Going back does not sign in again.
  await page.locator("#sign-in").waitFor();
  assert.equal(await page.locator("#environments > li").count(), 0);
  await signIn(page);
  await page.click("#sign-out");
  await page.locator("#sign-in").waitFor();
  await becomes(() => page.textContent("#explanation"), "");
});

pageTest("an identity is found, and its flags show their reasons", {}, async ({ edge, keys: [key], open }) => {
  await setTraits(edge, key, "ada@example.com", { loyalty_points: 1200, country: "BE" });
  await setTraits(edge, key, "adam@example.com", {});
  const { page } = await open();
  await signIn(page);
  await searchFor(page, key, "ada");
  const found = page.locator("#results .found button");
  await becomes(() => found.count(), 2);
  await found.filter({ hasText: "ada@" }).click();
  await becomes(() => page.textContent("#explanation-title"), "ada@example.com");
  await becomes(() => focused(page), "explanation-title");
  await becomes(() => page.textContent("table:has-text('loyalty_points')"), /1200number/);
  const flag = page.locator(".flag", { has: page.getByText("free_shipping_threshold", { exact: true }) });
  assert.match(await flag.locator("summary").textContent(), /on25segment loyalty_members$/);
  // Unfolded parts are rendered after the click.
  await flag.locator("summary").click();
  const rows = async () => (await flag.locator("tbody tr").allTextContents()).map((row) => row.replace(/(yes|no)(on|off).*/, "$1"));
  await becomes(rows, ["segment big_baskets0no", "segment loyalty_members1yes", "segment benelux2yes", "environment's default" + "yes"]);
  await becomes(() => flag.locator("tr.wins").textContent(), /loyalty_members.*decides/);
  const banner = page.locator(".flag", { has: page.getByText("hero_banner", { exact: true }) });
  await banner.locator("summary").click();
  await becomes(() => banner.textContent(), /bucket is \d+(\.\d+)? %, hashed from /);
  const segment = page.locator("details", { has: page.locator("summary", { hasText: "benelux" }) }).last();
  await segment.locator("summary").click();
  await becomes(() => segment.locator("tbody").textContent(), /countryINNL,BE,LUBEyes/);
  await requireAccessible(page, "an explanation");
  await picture(page, "explanation");
  // This identity does not exist yet.
  await searchFor(page, key, "grace@example.com");
  await page.locator("#results button", { hasText: "What would" }).click();
  await page.waitForSelector("text=has never been seen");
  await becomes(() => page.textContent("table:has-text('hero_banner')"), /at the origin/);
});

pageTest("numbers are shown as they were sent", {}, async ({ edge, keys: [key], open }) => {
  const numbers = ["1234567890123456789", "9007199254740993", "100.0", "-0.0", "1e+308", "7"];
  const traits = numbers.map((number, index) => `{"trait_key":"n${index}","trait_value":${number}}`);
  const headers = { "X-Environment-Key": key, "Content-Type": "application/json" };
  const body = `{"identifier":"numbers","traits":[${traits.join(",")}]}`;
  assert.equal((await edge.request({ method: "POST", path: "/api/v1/identities/", headers, body })).status, 200);
  const { page } = await open();
  await signIn(page);
  await searchFor(page, key, "numbers");
  await page.waitForSelector("#explanation-title");
  const rows = await page.locator("#explanation table").first().locator("tbody tr").allTextContents();
  assert.deepEqual(rows, numbers.map((number, index) => `n${index}${number}number`));
});

pageTest("names that contain HTML are shown as text", { prepare: hostile }, async ({ edge, keys: [key], open }) => {
  await setTraits(edge, key, HTML, { [HTML]: HTML });
  const { page } = await open();
  await signIn(page);
  await searchFor(page, key, HTML);
  await page.waitForSelector("#explanation-title");
  for (const details of await page.locator("details:visible").all()) {
    await details.locator("> summary").click();
    await details.locator("> .inside").waitFor();
  }
  await becomes(() => page.textContent("#explanation-title"), HTML);
  await becomes(() => page.textContent("#environments > li:first-child h3"), HTML);
  for (const place of [".flag .name", "#explanation table", ".flags:last-child .name"]) {
    await becomes(() => page.locator(place).allTextContents(), (texts) => texts.some((text) => text.includes(HTML)), place);
  }
  assert.equal(await page.locator("main img, main b, main script").count(), 0);
  await requireNoSidewaysScrolling(page, "hostile names");
  await picture(page, "hostile");
});

pageTest("problems are shown in words", {}, async ({ edge, flagsmith, keys, open }) => {
  const [key] = keys;
  const { page } = await open();
  const problem = () => page.textContent("#problem");
  await signIn(page, "two wörds");
  await becomes(problem, /^A credential is one word/);
  await signIn(page, "nobody's");
  await becomes(problem, /^This credential is not accepted: /);
  await page.locator("#sign-in").waitFor();
  await becomes(() => focused(page), "secret");
  flagsmith.origin.on("GET", /\/my-permissions\/$/, () => ({ body: { admin: false, permissions: ["VIEW_ENVIRONMENT"], tag_based_permissions: [] } }));
  await signIn(page, "a-viewer", "Token");
  await becomes(problem, /^This credential may not do that: /);
  // The credential may still view identities of an environment that the visitor enters.
  flagsmith.origin.on("GET", /\/my-permissions\/$/, () => ({ body: { admin: false, permissions: ["VIEW_ENVIRONMENT", "VIEW_IDENTITIES"], tag_based_permissions: [] } }));
  await picture(page, "refused");
  await page.click("#sign-out");
  await signIn(page, "another-viewer", "Token");
  await page.fill("#client-key", key);
  await page.fill("#query", "\"nobody\"");
  await page.click("#search button.primary");
  await page.waitForSelector("text=No identity found.");
  await page.click("#sign-out");

  await flagsmith.origin.down();
  await signIn(page, "somebody", "Token");
  await becomes(problem, /Try again in \d+ seconds?\.$/);
  // The worker's own key still works, and the page shows the failure.
  await signIn(page);
  const badges = () => page.locator("#environments .badge").allTextContents();
  const failures = async () => Promise.all((await page.locator("#environments > li").all()).map(async (card) => (await definitions(card))["Last failure"]));
  const all = (pattern) => (texts) => texts.length === keys.length && texts.every((text) => pattern.test(text));
  // Each environment is fetched at its own time, so one may fail before the other.
  await refreshUntil(page, badges, keys.map(() => "failing"));
  await becomes(failures, all(/attempts?: .+\.$/), "the failure of each environment");
  await requireAccessible(page, "failing");
  await picture(page, "failing");
  await flagsmith.origin.up();
  await refreshUntil(page, badges, keys.map(() => "in sync"));
  await becomes(failures, all(/It is over\.$/), "the past failure of each environment");

  await edge.stop();
  await page.click("#refresh");
  await becomes(problem, /^The worker cannot be reached/);
});

test("without an origin identities are found by client key", async (t) => {
  const edge = await startEdge({ variables: { ADMIN_KEY_SHA256 } });
  t.after(() => edge.close());
  const [{ key, name }, other] = edge.environments;
  const version = `${Date.now() - 60_000}-0123456789abcdef`;
  edge.kv.metadata.set(`document:${key}`, { name, version });
  edge.kv.metadata.delete(`document:${other.key}`);
  await setTraits(edge, key, "ada@example.com", { country: "LU" });
  const browser = await startBrowser();
  t.after(() => browser.close());
  const { page, leave } = await visit(browser, `${edge.address}/edge/`, WINDOW);
  await signIn(page);
  const cards = page.locator("#environments > li");
  await becomes(() => cards.count(), 2);
  const published = cards.filter({ hasText: key });
  assert.deepEqual([await published.locator("h3").textContent(), await published.locator(".badge").textContent()], [name, "in KV"]);
  const seen = await becomes(() => definitions(published), (seen) => seen.Identities === "1", "identities are counted");
  assert.deepEqual(Object.keys(seen), ["Version", "Changed", "Server keys", "Identities"]);
  assert.match(seen.Version, new RegExp(`^${version}, published .+ ago`));
  assert.equal(seen["Server keys"], "1, none expires");
  // Missing metadata is read from the document.
  const unnamed = cards.filter({ hasText: other.key });
  await becomes(() => unnamed.locator("h3").textContent(), other.name);
  const found = await becomes(() => definitions(unnamed), (found) => found.Identities === "0", "identities are counted");
  assert.equal(found.Version, "not known");
  assert.match(found.Changed, /ago$/);
  assert.match(found["Server keys"], /^1, the first expires in \d+ years$/);
  await becomes(() => page.locator(`#environment option[value="${other.key}"]`).textContent(), `${other.name} (${other.key})`);
  await picture(page, "stored");
  edge.kv.pageLength = 1;
  await page.click("#refresh");
  await becomes(() => page.textContent("#environments"), /KV has more environments/);
  edge.kv.pageLength = 0;
  await page.click("#refresh");
  await becomes(() => page.textContent("#environments"), /No environment is published/);
  await page.fill("#client-key", key);
  await page.fill("#query", "ada@");
  await page.click("#search button.primary");
  await becomes(() => page.textContent("#explanation-title"), "ada@example.com");
  await page.fill("#client-key", "no-such-environment");
  await page.click("#search button.primary");
  await becomes(() => page.textContent("#problem"), /No Environment matches/);
  await requireAccessible(page, "without environments");
  await picture(page, "empty");
  await leave();
});

pageTest("the page works on a phone and in dark mode", {}, async ({ edge, keys: [key], open }) => {
  await setTraits(edge, key, `${"long-identifier-".repeat(12)}@example.com`, { note: "word ".repeat(60), ["k".repeat(190)]: 1 });
  for (const [name, options] of [
    ["phone", PHONE],
    ["dark", { colorScheme: "dark" }],
    ["dark-phone", { ...PHONE, colorScheme: "dark" }],
  ]) {
    const { page } = await open(options);
    await picture(page, `${name}-signed-out`);
    await signIn(page);
    await refreshUntil(page, () => page.locator("#environments .badge.good").count(), 2);
    await searchFor(page, key, "long");
    await page.waitForSelector("#explanation-title");
    const banner = page.locator(".flag", { has: page.getByText("hero_banner", { exact: true }) });
    await banner.locator("summary").click();
    await banner.locator("table").last().waitFor();
    await requireNoSidewaysScrolling(page, name);
    await becomes(() => page.textContent("#worker"), /^Worker .*allowed$/);
    const { height } = await page.locator("#worker").boundingBox();
    assert.ok(height < 60, `${name}: what the worker is stands in lines, not in a column of words`);
    await requireAccessible(page, name);
    await picture(page, name);
  }
});

pageTest("the page works by keyboard alone", {}, async ({ edge, keys: [key], open }) => {
  await setTraits(edge, key, "ada@example.com", {});
  const { page } = await open();
  const press = async (...keys) => {
    for (const key of keys) await page.keyboard.press(key);
  };
  await press("Tab");
  await becomes(() => page.evaluate(() => document.activeElement.className), "skip");
  await press("Enter", "Tab", "Tab");
  await page.keyboard.type(ADMIN_KEY);
  await press("Enter");
  await page.waitForSelector("#environments > li");
  await becomes(() => focused(page), "environments-title");
  await page.focus("#query");
  await page.keyboard.type("ada@example.com");
  await press("Enter");
  await page.waitForSelector("#explanation-title");
  await becomes(() => focused(page), "explanation-title");
});

/** A test of the page of a worker that publishes from a Flagsmith. Fails if the page has an error at the end. */
function pageTest(name, { prepare = () => {}, variables: more = {} }, body) {
  test(name, async (t) => {
    const flagsmith = await startFlagsmith(FIXTURES);
    t.after(() => flagsmith.close());
    prepare(flagsmith);
    const variables = { ORIGIN_API_TOKEN: TOKEN, ADMIN_KEY_SHA256, FRESHNESS_SECONDS: 1, REFRESH_SECONDS: 1, ...more };
    const edge = await startEdge({ origin: flagsmith.origin, variables });
    t.after(() => edge.close());
    edge.kv.entries.clear();
    const keys = [...flagsmith.environments.keys()];
    for (const key of keys) {
      await eventually(async () => (await flags(edge, key)).status === 200, "the environment is published");
    }
    const browser = await startBrowser();
    t.after(() => browser.close());
    const visits = [];
    const open = async (options) => {
      visits.push(await visit(browser, `${edge.address}/edge/`, { ...WINDOW, ...options }));
      return visits.at(-1);
    };
    await body({ edge, flagsmith, keys, open });
    for (const { leave } of visits) await leave();
  });
}

/** Markup in all names that an admin can set. */
function hostile({ environments }) {
  const [environment] = environments.values();
  const { document } = environment;
  environment.name = document.name = HTML;
  document.feature_states[0].feature.name = HTML;
  document.feature_states[0].feature_state_value = HTML;
  document.project.segments[0].name = HTML;
  document.project.segments[0].rules[0].rules[0].conditions[0].value = HTML;
}

async function signIn(page, secret = ADMIN_KEY, kind = "Api-Key") {
  await page.check(`input[value="${kind}"]`);
  await page.fill("#secret", secret);
  await page.click("#sign-in button");
  if (secret === ADMIN_KEY) await page.waitForSelector("#signed-in:not([hidden])");
}

async function searchFor(page, key, text) {
  await page.selectOption("#environment", key);
  await page.fill("#query", text);
  await page.click("#search button.primary");
  await page.waitForSelector("#results p");
}

/** Refreshes the page until the read value is as expected. Each refresh ends before the next one. */
function refreshUntil(page, read, expected) {
  return becomes(async () => {
    await page.click("#refresh");
    await page.waitForSelector('#signed-in[aria-busy="false"]');
    return read();
  }, expected);
}

/** The id of the element that has the focus. */
function focused(page) {
  return page.evaluate(() => document.activeElement.id);
}

/** The content of a card: term → text. */
async function definitions(card) {
  const pairs = await card.locator("dl > div").evaluateAll((rows) => rows.map((row) => [row.children[0].textContent, row.children[1].textContent]));
  return Object.fromEntries(pairs);
}

function flags(edge, key) {
  return edge.request({ path: "/api/v1/flags/", headers: { "X-Environment-Key": key } });
}

async function setTraits(edge, key, identifier, traits) {
  const headers = { "X-Environment-Key": key, "Content-Type": "application/json" };
  const body = { identifier, traits: Object.entries(traits).map(([trait_key, trait_value]) => ({ trait_key, trait_value })) };
  const response = await edge.request({ method: "POST", path: "/api/v1/identities/", headers, body: JSON.stringify(body) });
  assert.equal(response.status, 200, response.text);
}
