// The API explorer in a real browser.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";

import { executeOperation, picture, requireAccessible, startBrowser, visit } from "./browser.mjs";
import { operationsOf } from "./descriptions.mjs";
import { ROOT, startEdge } from "./harness.mjs";
import { startOrigin } from "./origin.mjs";

const OPTIONS = [
  ["desktop", { viewport: { width: 1280, height: 900 } }],
  ["desktop, dark", { viewport: { width: 1280, height: 900 }, colorScheme: "dark" }],
  ["phone", { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true }],
];

// Faults of Swagger UI: a second main landmark, headings of the third level directly after the title, and a link inside an
// operation's button.
const EXCUSED = {
  "landmark-main-is-top-level": "#operations",
  "landmark-no-duplicate-main": "main",
  "landmark-unique": "main",
  "heading-order": ".opblock-tag",
  "nested-interactive": ".opblock-summary-control",
};

const browser = await startBrowser();
after(() => browser.close());

for (const [name, options] of OPTIONS) {
  test(`a visitor tries flags and identities (${name})`, async (t) => {
    const edge = await startEdge();
    t.after(() => edge.close());
    const [{ key }] = edge.environments;
    const { page, leave } = await visit(browser, `${edge.address}/api/v1/docs/`, options);
    await page.getByLabel("Environment key").fill(key);
    await page.getByText("Requests are sent with the environment key.").waitFor();

    const flags = await executeOperation(page, "getFlags");
    assert.deepEqual([flags.status, flags.body.length], ["200", 7]);
    assert.match(flags.curl, new RegExp(`-H 'X-Environment-Key: ${key}'`));

    // The identifier of the example.
    const identity = await executeOperation(page, "postIdentity");
    assert.equal(identity.status, "200");
    assert.equal(identity.body.identifier, "ada@example.com");
    const value = (flag) => identity.body.flags.find(({ feature }) => feature.name === flag).feature_state_value;
    assert.equal(value("free_shipping_threshold"), 25);

    const { width, scrolls, dark } = await page.evaluate(() => ({
      width: document.documentElement.clientWidth,
      scrolls: document.documentElement.scrollWidth,
      dark: getComputedStyle(document.body).backgroundColor === "rgb(28, 32, 34)",
    }));
    assert.equal(scrolls, width, "the page is as wide as the window");
    assert.equal(dark, options.colorScheme === "dark");
    // Only one description is offered.
    await page.locator("#chooser").waitFor({ state: "hidden" });
    // The unfolded part is checked, too.
    await page.locator('[id$="-listIdentities"] .opblock-summary-control').click();
    await page.locator('[id$="-listIdentities"] .opblock-body').waitFor();
    await page.locator("section.models button").first().click();
    await requireAccessible(page, name, EXCUSED);
    await picture(page, `explorer-${name.replace(", ", "-")}`);
    await leave();
  });
}

test("a removed key is no longer sent, and a refused request shows the error", async (t) => {
  const edge = await startEdge();
  t.after(() => edge.close());
  const { page, faults } = await visit(browser, `${edge.address}/api/v1/docs/`);
  await page.getByLabel("Environment key").fill(edge.environments[0].key);
  assert.equal((await executeOperation(page, "getFlags")).status, "200");
  await page.getByLabel("Environment key").fill("");
  await page.locator("#operations-Flags_and_identities-getFlags button.execute").click();
  await page.locator("#operations-Flags_and_identities-getFlags .live-responses-table .response-col_status", { hasText: "403" }).waitFor();
  const text = await page.locator("#operations-Flags_and_identities-getFlags .live-responses-table").innerText();
  assert.match(text, /Invalid or missing Environment key/);
  // The browser itself reports the 403.
  assert.deepEqual(faults.filter((fault) => !fault.includes("403")), []);
});

test("the origin's own description is shown, and its requests go through the worker", async (t) => {
  const origin = await startOrigin({ anything: true });
  t.after(() => origin.close());
  const description = {
    swagger: "2.0",
    info: { title: "Flagsmith API", version: "v1" },
    host: "flagsmith.internal:8000",
    schemes: ["http"],
    basePath: "/api/v1",
    securityDefinitions: { Private: { type: "apiKey", in: "header", name: "Authorization" } },
    security: [{ Private: [] }],
    paths: { "/projects/": { get: { tags: ["projects"], operationId: "projects_list", responses: { 200: { description: "" } } } } },
  };
  origin.on("GET", "/api/v1/swagger.json", () => ({ body: description }));
  origin.on("GET", "/api/v1/projects/", ({ headers }) => ({ body: [{ id: 1, sent: headers.authorization }] }));
  const edge = await startEdge({ origin });
  t.after(() => edge.close());
  const { page, leave } = await visit(browser, `${edge.address}/api/v1/docs/`);
  await page.getByLabel("Administrator’s credential").fill("Api-Key a.b");
  await requireAccessible(page, "with a chooser", EXCUSED);
  // The description is chosen by keyboard alone.
  await page.locator("#operations-Flags_and_identities-getFlags").waitFor();
  await page.getByLabel("API", { exact: true }).focus();
  await page.keyboard.press("ArrowDown");
  await page.getByRole("heading", { name: /^Flagsmith API/ }).waitFor();
  const projects = await executeOperation(page, "projects_list");
  assert.deepEqual([projects.status, projects.body], ["200", [{ id: 1, sent: "Api-Key a.b" }]]);
  await leave();
});

test("the embedded origin's description is shown, and its requests have the credential", async (t) => {
  const origin = await startOrigin({ anything: true });
  t.after(() => origin.close());
  const description = JSON.parse(readFileSync(join(ROOT, "build/origin/assets/api/v1/swagger.json"), "utf8"));
  origin.on("GET", "/api/v1/swagger.json", () => ({ body: description }));
  origin.on("GET", "/api/v1/projects/", ({ headers }) => ({ body: [{ id: 1, sent: headers.authorization }] }));
  origin.on("POST", "/api/v1/organisations/", ({ body }) => ({ status: 201, body: { sent: JSON.parse(body) } }));
  const edge = await startEdge({ origin });
  t.after(() => edge.close());
  const { page, leave } = await visit(browser, `${edge.address}/api/v1/docs/`);
  await page.getByLabel("Administrator’s credential").fill("Api-Key a.b");
  await page.getByLabel("API", { exact: true }).selectOption({ index: 1 });
  await page.getByRole("heading", { name: /^Flagsmith Admin API/ }).waitFor();
  assert.equal(await page.locator(".opblock").count(), operationsOf(description).length);
  const projects = await executeOperation(page, "listProjects");
  assert.deepEqual([projects.status, projects.body], ["200", [{ id: 1, sent: "Api-Key a.b" }]]);
  // The body of the example.
  const organisation = await executeOperation(page, "createOrganisation");
  assert.deepEqual([organisation.status, organisation.body], ["201", { sent: { name: "Scratch Org" } }]);
  await requireAccessible(page, "the embedded origin's description", EXCUSED);
  await leave();
});

test("an origin's description that needs a credential is shown after one is entered", async (t) => {
  const origin = await startOrigin({ anything: true });
  t.after(() => origin.close());
  const description = { openapi: "3.0.3", info: { title: "Flagsmith API", version: "v1" }, servers: [{ url: "https://api.example.com" }], paths: {} };
  origin.on("GET", "/api/v1/swagger.json", ({ headers }) =>
    headers.authorization === "Token t" ? { body: description } : { status: 401, body: { detail: "<b>Nobody</b> knows you." } },
  );
  const edge = await startEdge({ origin });
  t.after(() => edge.close());
  const { page } = await visit(browser, `${edge.address}/api/v1/docs/`);
  await page.getByLabel("API", { exact: true }).selectOption({ index: 1 });
  const problem = "This description cannot be shown: /api/v1/docs/origin.json returned 401. <b>Nobody</b> knows you.";
  await page.getByRole("alert").filter({ hasText: problem }).waitFor();
  await requireAccessible(page, "without a description", EXCUSED);
  await page.getByLabel("Administrator’s credential").fill("Token t");
  await page.keyboard.press("Tab");
  await page.getByRole("heading", { name: /^Flagsmith API/ }).waitFor();
  await page.getByRole("alert").waitFor({ state: "hidden" });
});
