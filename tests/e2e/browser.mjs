// A real browser for tests of pages. Its errors and its requests to other hosts are recorded.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

import { chromium } from "playwright-core";

import { DEADLINE_MS } from "./deadline.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
/** The folder for screenshots; none are taken if it is not set. */
const SCREENSHOTS = process.env.SCREENSHOTS ?? null;

/** Starts Chromium. */
export function startBrowser() {
  // Chromium's sandbox needs rights that containers lack; the browser only visits this worker.
  return chromium.launch({ executablePath: command(), args: ["--no-sandbox"], timeout: DEADLINE_MS });
}

/** The path of Chromium. */
function command() {
  return process.env.CHROMIUM ?? execFileSync("sh", ["-c", "command -v chromium"], { encoding: "utf8" }).trim();
}

/**
 * Opens a page as a new visitor. `options` are those of a browser context, such as the size of the window and the colours. With
 * `refusals`, a refused request is not an error.
 */
export async function visit(browser, url, { refusals = false, ...options } = {}) {
  const context = await browser.newContext(options);
  // The timeout of every wait in the page.
  context.setDefaultTimeout(DEADLINE_MS);
  const page = await context.newPage();
  const faults = [];
  page.on("console", (message) => {
    if (refusals && message.text().startsWith("Failed to load resource")) return;
    if (["error", "warning"].includes(message.type())) faults.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => faults.push(`script: ${error.message}`));
  page.on("dialog", (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    return dialog.dismiss();
  });
  page.on("request", (request) => {
    const { protocol, host } = new URL(request.url());
    if (protocol !== "data:" && host !== new URL(url).host) faults.push(`request to another host: ${request.url()}`);
  });
  await page.goto(url);
  /** Closes the page. Fails if errors or requests to other hosts were recorded. */
  const leave = async () => {
    await context.close();
    assert.deepEqual(faults, []);
  };
  return { page, faults, leave };
}

/** Fails if axe finds an accessibility problem. `excused`: rule → the selector of third-party elements that break it. */
export async function requireAccessible(page, what, excused = {}) {
  // axe is evaluated by the browser's debugger, since the page's Content-Security-Policy allows no other script.
  await page.evaluate(AXE);
  const violations = await page.evaluate(async (excused) => {
    const { violations } = await globalThis.axe.run(document);
    const isOurs = (id) => ({ target }) => !(id in excused && document.querySelector(target.join(" ")).matches(excused[id]));
    return violations.map(({ id, help, nodes }) => ({ id, help, nodes: nodes.filter(isOurs(id)) })).filter(({ nodes }) => nodes.length > 0);
  }, excused);
  const found = violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html, failureSummary }) => `${html}\n  ${failureSummary}`).join("\n")}`);
  assert.deepEqual(found, [], what);
}

/** Fails if the page is wider than its window. */
export async function requireNoSidewaysScrolling(page, what) {
  const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  assert.ok(content <= window, `${what}: ${content} px in a window of ${window} px`);
}

/** Opens an operation and executes it; resolves to the displayed request and answer. */
export async function executeOperation(page, operation) {
  const block = page.locator(`[id$="-${operation}"]`);
  await block.locator(".opblock-summary-control").click();
  await block.locator("button.execute").click();
  const answer = block.locator(".live-responses-table");
  await answer.waitFor();
  const status = (await answer.locator("tbody .response-col_status").first().innerText()).trim();
  const body = JSON.parse(await answer.locator(".highlight-code code").first().innerText());
  return { status, body, curl: await block.locator(".curl-command code").innerText() };
}

/** Takes a screenshot of the whole page, if the folder for them is set. */
export async function picture(page, name) {
  if (SCREENSHOTS === null) return;
  mkdirSync(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true });
}
