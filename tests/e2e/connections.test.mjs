// Connections to the origin in an invalid state after an answer: bodies that HTTP does not allow, and bytes after the end of an
// answer. They must not affect later requests.

import assert from "node:assert/strict";
import { test } from "node:test";

import { eventually, startEdge } from "./harness.mjs";
import { answer, startRawOrigin } from "./raw_origin.mjs";
import { recordedBody } from "./shapes.mjs";

const PLACE = "/api/v1/projects/1/";
const OTHER = "/api/v1/projects/2/";
const JSON_TYPE = { "Content-Type": "application/json" };
const ADMINISTRATOR = recordedBody("GET", "/api/v1/environments/{key}/my-permissions/");
const UNREACHABLE = { detail: "The origin behind this API cannot be reached; try again later." };
// gunicorn sends the body of the GET after a HEAD, too.
const WITH_BODY = answer("200 OK", { ...JSON_TYPE, ETag: '"1"', "X-Own": "own" }, '{"id": 1}');

connectionTest("a HEAD breaks no later request on its connection", async (edge, origin) => {
  for (const method of ["HEAD", "GET"]) origin.on(method, PLACE, WITH_BODY);
  for (let count = 1; count <= 36; count += 1) {
    const head = await edge.request({ method: "HEAD", path: PLACE });
    const { etag, "content-length": length, "content-type": type, "x-own": own } = head.headers;
    assert.deepEqual([head.status, etag, length, type, own], [200, '"1"', "9", "application/json", "own"]);
    const method = ["POST", "PATCH", "GET"][count % 3];
    const next = await edge.request({ method, path: OTHER, body: method === "GET" ? null : "{}" });
    assert.deepEqual([next.status, next.text], [200, "ok"], `${method} after HEAD ${count}`);
    assert.equal(origin.requests.length, 2 * count);
  }
});

connectionTest("a HEAD is answered before the origin has sent the body of the GET", async (edge, origin) => {
  // A body that is sent in part, and a body that takes seconds to read.
  const begins = (socket) => socket.write(answer("200 OK", { "Content-Length": 1000 }, "x"));
  for (const method of ["HEAD", "GET"]) {
    origin.on(method, PLACE, begins);
    origin.on(method, OTHER, answer("200 OK", { "Content-Type": "text/csv" }, "x".repeat(20_000_000)));
  }
  for (const [path, length] of [[PLACE, "1000"], [OTHER, "20000000"]]) {
    const response = await edge.request({ method: "HEAD", path });
    assert.deepEqual([response.status, response.headers["content-length"]], [200, length]);
    assert.equal((await edge.request({ method: "POST", path: "/api/v1/tags/", body: "{}" })).status, 200);
  }
});

connectionTest("a HEAD has the status and the headers of the GET", async (edge, origin) => {
  for (const [status, headers, body] of [
    ["404 Not Found", JSON_TYPE, '{"detail":"Not found."}'],
    ["405 Method Not Allowed", { ...JSON_TYPE, Allow: "POST" }, "{}"],
    ["301 Moved Permanently", { Location: `${origin.url}${OTHER}` }, ""],
    ["500 Internal Server Error", { "Content-Type": "text/html" }, "<h1>Server Error (500)</h1>"],
    ["200 OK", { ...JSON_TYPE, "Transfer-Encoding": "chunked" }, "2\r\n{}\r\n0\r\n\r\n"],
  ]) {
    for (const method of ["HEAD", "GET"]) origin.on(method, PLACE, answer(status, headers, body));
    const response = await edge.request({ method: "HEAD", path: PLACE });
    assert.equal(response.status, Number.parseInt(status, 10));
    assert.equal(response.headers["content-length"], "Transfer-Encoding" in headers ? undefined : `${body.length}`, status);
    assert.equal(response.headers["content-type"], headers["Content-Type"]);
    assert.equal(response.headers.allow, headers.Allow);
    assert.equal(response.headers.location, headers.Location && `${edge.address}${OTHER}`);
    assert.equal((await edge.request({ method: "POST", path: OTHER, body: "{}" })).status, 200);
  }
});

for (const [what, bytes] of [
  ["a 204 with a body", answer("204 No Content", {}, "hello")],
  ["a 304 with a body", answer("304 Not Modified", {}, "hello")],
  ["an answer that goes on behind its length", answer("200 OK", {}, "ok") + "hello"],
  ["an answer that goes on behind its last chunk", answer("200 OK", { "Transfer-Encoding": "chunked" }, "2\r\nok\r\n0\r\n\r\n") + "hello"],
]) {
  connectionTest(`${what}: the worker repeats its own next GET, and no write`, async (edge, origin) => {
    const [{ key }] = edge.environments;
    origin.on("POST", PLACE, bytes);
    origin.on("GET", `/api/v1/environments/${key}/my-permissions/`, answer("200 OK", JSON_TYPE, JSON.stringify(ADMINISTRATOR)));
    const poison = async () => assert.ok((await edge.request({ method: "POST", path: PLACE, body: "{}" })).status < 400);

    await poison();
    const listed = await edge.request({ path: `/api/v1/environments/${key}/edge-identities/`, headers: { Authorization: "Token t" } });
    assert.equal(listed.status, 200, listed.text);

    await poison();
    const written = await edge.request({ method: "POST", path: OTHER, body: "{}" });
    assert.deepEqual([written.status, written.json()], [502, UNREACHABLE]);
    assert.equal(origin.requestsFor("POST", OTHER).length, 1, "a write was sent twice");
    // The connection was closed, too.
    assert.equal((await edge.request({ method: "POST", path: OTHER, body: "{}" })).status, 200);
    assert.equal(origin.requestsFor("POST", OTHER).length, 2);
  });
}

connectionTest("the worker sends its own GET at most twice", async (edge, origin) => {
  const [{ key }] = edge.environments;
  const path = `/api/v1/environments/${key}/my-permissions/`;
  origin.on("GET", path, (socket) => socket.destroy());
  const list = () => edge.request({ path: `/api/v1/environments/${key}/edge-identities/`, headers: { Authorization: "Token t" } });
  assert.equal((await list()).status, 503);
  assert.equal(origin.requestsFor("GET", path).length, 2);
});

connectionTest("an informational answer (1xx) is 502 and does not affect later requests", async (edge, origin) => {
  for (const status of ["100 Continue", "103 Early Hints"]) {
    const before = `HTTP/1.1 ${status}\r\n\r\n`;
    origin.on("POST", PLACE, before + answer("200 OK", {}, "ok"));
    const response = await edge.request({ method: "POST", path: PLACE, body: "{}" });
    assert.deepEqual([response.status, response.json()], [502, UNREACHABLE]);
    assert.equal((await edge.request({ method: "POST", path: OTHER, body: "{}" })).status, 200);
  }
});

connectionTest("a 205 with a body breaks no later request", async (edge, origin) => {
  origin.on("POST", PLACE, answer("205 Reset Content", {}, "hello"));
  for (let count = 0; count < 3; count += 1) {
    assert.equal((await edge.request({ method: "POST", path: PLACE, body: "{}" })).status, 205);
    assert.equal((await edge.request({ method: "POST", path: OTHER, body: "{}" })).status, 200);
  }
});

connectionTest("a connection that the origin has closed is not reused", async (edge, origin) => {
  let closed = 0;
  origin.on("POST", PLACE, (socket) => socket.end(answer("200 OK", {}, "ok"), () => (closed += 1)));
  for (let count = 1; count <= 5; count += 1) {
    assert.equal((await edge.request({ method: "POST", path: PLACE, body: "{}" })).status, 200);
    await eventually(() => closed === count, "the origin closes it");
  }
  assert.equal(origin.connections, 5);
});

function connectionTest(name, check) {
  test(name, async (t) => {
    const origin = await startRawOrigin();
    t.after(() => origin.close());
    const edge = await startEdge({ origin, variables: { ORIGIN_TIMEOUT_SECONDS: 5 } });
    t.after(() => edge.close());
    await check(edge, origin);
  });
}
