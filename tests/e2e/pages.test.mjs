// The pages and their files: their headers, and paths that are not files.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";

import { ROOT, startEdge } from "./harness.mjs";

const HEADERS = {
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cache-control": "no-cache",
};

test("static files are served unchanged, with security headers", async (t) => {
  const edge = await startEdge();
  t.after(() => edge.close());
  for (const [path, file, type] of [
    ["/api/v1/docs/", "docs/index.html", "text/html; charset=utf-8"],
    ["/api/v1/docs", "docs/index.html", "text/html; charset=utf-8"],
    ["/api/v1/docs/explorer.css", "docs/explorer.css", "text/css; charset=utf-8"],
  ]) {
    const expected = readFileSync(join(ROOT, "src/pages", file), "utf8");
    const response = await edge.request({ path });
    assert.deepEqual([response.status, response.text], [200, expected], path);
    assert.deepEqual(picked(response.headers, HEADERS), HEADERS, path);
    assert.equal(response.headers["content-type"], type, path);
    assert.match(response.headers["content-security-policy"], /^default-src 'none'; script-src 'self';/);
    assert.doesNotMatch(response.headers["content-security-policy"], /unsafe|http|\*/);
    const head = await edge.request({ path, method: "HEAD" });
    assert.deepEqual([head.status, head.text, head.headers["content-type"]], [200, "", type], path);
  }
});

test("a browser gets the home page at /, and every other client the 404", async (t) => {
  const edge = await startEdge();
  t.after(() => edge.close());
  const accept = { Accept: "text/html,application/xhtml+xml,*/*;q=0.8" };
  const home = await edge.request({ path: "/", headers: accept });
  assert.deepEqual([home.status, home.headers["content-type"]], [200, "text/html; charset=utf-8"]);
  assert.equal(home.text, readFileSync(join(ROOT, "src/pages/home/index.html"), "utf8"));
  for (const [, path] of home.text.matchAll(/href="(\/[^"]+)"/g)) {
    assert.equal((await edge.request({ path })).status, 200, path);
  }
  for (const request of [{}, { headers: { Accept: "*/*" } }, { headers: accept, method: "POST" }]) {
    const response = await edge.request({ path: "/", ...request });
    assert.deepEqual([response.status, response.json()], [404, { detail: "Not found." }], JSON.stringify(request));
  }
});

test("other paths and methods are refused", async (t) => {
  const edge = await startEdge();
  t.after(() => edge.close());
  for (const path of ["/api/v1/docs/nothing.js", "/edge/nothing.css", "/edge/nothing", "/api/v1/docs/index.html"]) {
    const response = await edge.request({ path });
    assert.deepEqual([response.status, response.json()], [404, { detail: "Not found." }], path);
  }
  for (const method of ["POST", "PUT", "DELETE", "PATCH"]) {
    const response = await edge.request({ path: "/api/v1/docs/", method });
    const expected = { detail: `Method "${method}" not allowed.` };
    assert.deepEqual([response.status, response.headers.allow, response.json()], [405, "GET, HEAD, OPTIONS", expected]);
  }
  assert.equal((await edge.request({ path: "/api/v1/docs/", method: "OPTIONS" })).status, 200);
});

test("without the ASSETS binding pages report it, and the APIs still work", async (t) => {
  const edge = await startEdge();
  t.after(() => edge.close());
  await edge.stop();
  edge.configure({ assets: null });
  await edge.start();
  const detail = "The static files are not available: check the binding ASSETS.";
  const response = await edge.request({ path: "/api/v1/docs/" });
  assert.deepEqual([response.status, response.json()], [503, { detail }]);
  const flags = await edge.request({ path: "/api/v1/flags/", headers: { "X-Environment-Key": edge.environments[0].key } });
  assert.equal(flags.status, 200);
});

function picked(headers, names) {
  return Object.fromEntries(Object.keys(names).map((name) => [name, headers[name]]));
}
