// A real browser, as a visitor of the pages has one; what goes wrong in it, or leaves the host, is noted.

import assert from "node:assert/strict";

import { chromium } from "playwright-core";

/** Starts Chromium. */
export function startBrowser() {
  // Its own sandbox takes what containers do not give; it only ever sees this worker.
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
}

/** Opens a page as somebody new. `options` are those of a browser context: the size of the window, the colours. */
export async function visit(browser, url, options = {}) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const faults = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) faults.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => faults.push(`script: ${error.message}`));
  page.on("request", (request) => {
    const { protocol, host } = new URL(request.url());
    if (protocol !== "data:" && host !== new URL(url).host) faults.push(`request to elsewhere: ${request.url()}`);
  });
  await page.goto(url);
  /** Closes the page; fails if anything was wrong. */
  const leave = async () => {
    await context.close();
    assert.deepEqual(faults, []);
  };
  return { page, faults, leave };
}
