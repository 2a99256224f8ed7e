// The Admin API through the worker: the request at the Flagsmith behind it, and the answer at the client.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";

import { startEdge } from "./harness.mjs";
import { startOrigin } from "./origin.mjs";

const PLACE = "/api/v1/projects/1/features/";

proxyTest("method, path, query, headers and body arrive as they were sent", async (edge, origin) => {
  for (const method of ["POST", "PUT", "PATCH", "DELETE", "PROPFIND"]) {
    const response = await edge.request({
      method,
      path: `${PLACE}?a=%2f+b&a=%C3%A4&c`,
      headers: {
        Authorization: "Api-Key prefix.secret",
        Cookie: "jwt=a; theme=dark",
        "Content-Type": "application/json; charset=utf-8",
        Accept: "application/json",
        "Accept-Language": "nl",
        Origin: "https://dashboard.example.com",
        Referer: "https://dashboard.example.com/project/1",
        "User-Agent": "python-requests/2.32",
        "X-Environment-Key": "key",
        "X-Own": "ä",
      },
      body: `{"name": "${method}"}`,
    });
    assert.equal(response.status, 200, response.text);
    const request = origin.requests.at(-1);
    assert.equal(request.method, method);
    assert.equal(request.target, `${PLACE}?a=%2f+b&a=%C3%A4&c`);
    assert.equal(request.body.toString(), `{"name": "${method}"}`);
    const { authorization, cookie, accept, origin: from, referer } = request.headers;
    assert.deepEqual([authorization, cookie, accept], ["Api-Key prefix.secret", "jwt=a; theme=dark", "application/json"]);
    assert.deepEqual([from, referer], ["https://dashboard.example.com", "https://dashboard.example.com/project/1"]);
    assert.equal(request.headers["content-type"], "application/json; charset=utf-8");
    assert.equal(request.headers["accept-language"], "nl");
    assert.equal(request.headers["user-agent"], "python-requests/2.32");
    assert.equal(request.headers["x-environment-key"], "key");
    assert.equal(Buffer.from(request.headers["x-own"], "latin1").toString(), Buffer.from("ä").toString());
    assert.equal(request.headers.host, origin.host);
  }
});

proxyTest("paths arrive as they were sent", async (edge, origin) => {
  const paths = [
    "/api/v1/a%2fb/",
    "/api/v1/a%2Fb/%41",
    "/api/v1//a///b/",
    "/api/v1/a+b/",
    "/api/v1/a%20b/",
    "/api/v1/%E4%BD%A0/",
    "/api/v1/...",
    "/api/v1/.a/b./",
    "/api/v1/a;b=c/d:e@f/",
    "/api/v1/a|b'c!d$e&f(g)h*i,j~k/",
    "/api/v1/%/%zz/",
    "/api/v1/%25%2e/",
    "/api/v1/a?",
    "/api/v1/a?b?c/../d",
    "/api/v1/a?b=%2e%2e/%2e/&c=\\",
    "/api/experiments/a/",
    "/api/",
  ];
  for (const path of paths) await edge.request({ path });
  // URLs cannot contain these characters, so the runtime encodes them.
  await edge.request({ path: "/api/v1/a^`{}<>\"/" });
  assert.deepEqual(origin.requests.map(({ target }) => target), [...paths, "/api/v1/a%5E%60%7B%7D%3C%3E%22/"]);
});

proxyTest("paths with dot segments are not forwarded", async (edge, origin) => {
  for (const dots of ["%2e%2e", "%2E%2e", ".%2e", "%2e", "..%2f", "%2f..", "%5c..%5c", "\\..\\"]) {
    const response = await edge.request({ path: `/api/v1/projects/${dots}/organisations/` });
    assert.deepEqual([response.status, response.json()], [400, { detail: "The path has dot segments; send it without them." }], dots);
  }
  assert.deepEqual(origin.requests, []);
});

proxyTest("paths outside /api/ are not forwarded", async (edge, origin) => {
  for (const path of ["/", "/admin/", "/static/app.js", "/api", "//api/v1/projects/", "/API/v1/projects/"]) {
    const response = await edge.request({ path });
    assert.deepEqual([response.status, response.json()], [404, { detail: "Not found." }], path);
  }
  assert.deepEqual(origin.requests, []);
});

proxyTest("hop-by-hop headers, the platform's and the worker's own are not forwarded", async (edge, origin) => {
  await edge.request({
    path: PLACE,
    headers: {
      Host: "edge.example.com",
      Connection: "x-named, close",
      "X-Named": "1",
      "Keep-Alive": "timeout=5",
      TE: "trailers",
      "Proxy-Authorization": "Basic eA==",
      "Proxy-Connection": "close",
      "CF-Connecting-IP": "203.0.113.7",
      "CF-Ray": "1",
      "CF-Visitor": '{"scheme":"https"}',
      "CDN-Loop": "cloudflare",
      "True-Client-IP": "198.51.100.1",
      "X-Real-IP": "198.51.100.1",
      "X-Forwarded-For": "198.51.100.1",
      "X-Forwarded-Host": "evil.example.com",
      "X-Forwarded-Proto": "gopher",
      "X-Forwarded-Prefix": "/evil",
      Forwarded: "for=198.51.100.1",
      Via: "1.1 cache",
      "X-Kept": "1",
    },
  });
  const { headers } = origin.requests[0];
  const { host, connection: _, via, ...others } = headers;
  assert.equal(host, origin.host);
  assert.equal(via, "1.1 cache, 1.1 flagsmith-edge-worker");
  assert.deepEqual(others, {
    "x-forwarded-for": "203.0.113.7",
    "x-forwarded-host": "edge.example.com",
    "x-forwarded-proto": "http",
    "x-kept": "1",
  });
});

proxyTest("the answer is returned unchanged", async (edge, origin) => {
  origin.on("GET", PLACE, {
    status: 418,
    headers: {
      "content-type": "text/csv; charset=utf-8",
      "content-disposition": 'attachment; filename="export.csv"',
      "set-cookie": ["jwt=a; HttpOnly", "csrftoken=b, c; Path=/"],
      "www-authenticate": 'Cookie realm="api"',
      "cache-control": "max-age=60",
      vary: "Accept, Cookie",
      allow: "GET, POST",
      "retry-after": "7",
      "flagsmith-version": "2.265.0",
      "x-own": "1",
      connection: "x-of-the-hop",
      "x-of-the-hop": "1",
      "keep-alive": "timeout=5",
    },
    body: "a,b\n1,2\n",
  });
  const response = await edge.request({ path: PLACE });
  assert.equal(response.status, 418);
  assert.equal(response.text, "a,b\n1,2\n");
  const cookies = response.lines.filter((line) => /^set-cookie:/i.test(line)).map((line) => line.slice(12));
  assert.deepEqual(cookies, ["jwt=a; HttpOnly", "csrftoken=b, c; Path=/"]);
  const { date, "set-cookie": _, ...headers } = response.headers;
  assert.notEqual(date, undefined);
  assert.deepEqual(headers, {
    "content-type": "text/csv; charset=utf-8",
    "content-disposition": 'attachment; filename="export.csv"',
    "content-length": "8",
    "www-authenticate": 'Cookie realm="api"',
    "cache-control": "max-age=60",
    vary: "Accept, Cookie",
    allow: "GET, POST",
    "retry-after": "7",
    "flagsmith-version": "2.265.0",
    "x-own": "1",
  });
});

proxyTest("every status is returned, with a body where it may have one", async (edge, origin) => {
  for (const status of [200, 201, 202, 204, 205, 304, 400, 401, 403, 404, 405, 409, 410, 422, 429, 451, 500, 502, 503, 599]) {
    const bodiless = [204, 205, 304].includes(status);
    origin.on("POST", PLACE, { status, headers: { etag: '"1"' }, body: bodiless ? "" : { status } });
    const response = await edge.request({ method: "POST", path: PLACE, body: "{}" });
    assert.equal(response.status, status);
    assert.equal(response.headers.etag, '"1"');
    assert.equal(response.text, bodiless ? "" : JSON.stringify({ status }), `${status}`);
  }
});

proxyTest("HEAD has no body and the length of one", async (edge, origin) => {
  origin.on("GET", PLACE, { headers: { "content-type": "application/json", etag: '"1"' }, body: "x".repeat(1234) });
  const response = await edge.request({ method: "HEAD", path: PLACE });
  assert.deepEqual([response.status, response.headers["content-length"], response.headers.etag], [200, "1234", '"1"']);
});

proxyTest("redirects are returned, and those to the origin point to the worker", async (edge, origin) => {
  const here = { headers: { Host: "edge.example.com" } };
  for (const [location, expected] of [
    ["/api/v1/environments/", "/api/v1/environments/"],
    [`${origin.url}/api/v1/environments/?a=%2f`, "http://edge.example.com/api/v1/environments/?a=%2f"],
    [`https://${origin.host}/x`, "http://edge.example.com/x"],
    ["https://sso.example.com/login?next=/", "https://sso.example.com/login?next=/"],
  ]) {
    origin.on("POST", "/api/v1/environments", { status: 301, headers: { location } });
    const response = await edge.request({ method: "POST", path: "/api/v1/environments", body: "{}", ...here });
    assert.deepEqual([response.status, response.headers.location], [301, expected]);
  }
  assert.equal(origin.requests.length, 4, "a redirect was followed");
});

proxyTest("pagination links point to the worker, and all other bytes stay unchanged", async (edge, origin) => {
  const page = (host) => `{ "count":3,"next" : "${host}/api/v1/x/?page=3",\n"previous":"${host}/api/v1/x/","results":[1.50, "${origin.url}/y"]}`;
  const here = { path: PLACE, headers: { Host: "edge.example.com" } };
  const types = { json: "application/json", problem: "application/problem+json; charset=utf-8", text: "text/plain" };
  origin.on("GET", PLACE, { headers: { "content-type": types.json }, body: page(origin.url) });
  assert.equal((await edge.request(here)).text, page("http://edge.example.com"));
  origin.on("GET", PLACE, { headers: { "content-type": types.problem }, body: page(`https://${origin.host}`) });
  assert.equal((await edge.request(here)).text, page("http://edge.example.com"));
  origin.on("GET", PLACE, { headers: { "content-type": types.text }, body: page(origin.url) });
  assert.equal((await edge.request(here)).text, page(origin.url));
  origin.on("GET", PLACE, { headers: { "content-type": types.json }, body: page("https://elsewhere.example.com") });
  assert.equal((await edge.request(here)).text, page("https://elsewhere.example.com"));
  // A body with the type of JSON that is not JSON.
  origin.on("GET", PLACE, { headers: { "content-type": types.json }, body: page(origin.url).slice(0, -1) });
  assert.equal((await edge.request(here)).text, page(origin.url).slice(0, -1));
});

proxyTest("compressed answers stay compressed, with rewritten pagination links", async (edge, origin) => {
  const page = (host) => JSON.stringify({ next: `${host}/api/v1/x/?page=3`, results: ["x".repeat(10_000)] });
  const here = { path: PLACE, headers: { Host: "edge.example.com", "Accept-Encoding": "gzip" } };
  for (const [type, expected] of [["application/json", page("http://edge.example.com")], ["text/plain", page(origin.url)]]) {
    origin.on("GET", PLACE, { headers: { "content-type": type, "content-encoding": "gzip" }, body: gzipSync(page(origin.url)) });
    const response = await edge.request(here);
    assert.equal(origin.requests.at(-1).headers["accept-encoding"], "gzip");
    assert.equal(response.headers["content-encoding"], "gzip");
    assert.equal(gunzipSync(response.body).toString(), expected);
  }
});

proxyTest("OPTIONS is answered by the origin, except on paths that the worker serves", async (edge, origin) => {
  const preflight = { Origin: "https://dashboard.example.com", "Access-Control-Request-Method": "PATCH" };
  origin.on("OPTIONS", PLACE, { headers: { "access-control-allow-origin": "https://dashboard.example.com" } });
  const response = await edge.request({ method: "OPTIONS", path: PLACE, headers: preflight });
  assert.equal(response.headers["access-control-allow-origin"], "https://dashboard.example.com");
  assert.equal(response.headers["access-control-allow-methods"], undefined);
  origin.on("GET", PLACE, { body: {} });
  const get = await edge.request({ path: PLACE, headers: preflight });
  assert.deepEqual(Object.keys(get.headers).filter((name) => name.startsWith("access-control")), []);
  for (const path of ["/api/v1/flags/", "/api/v1/environments/k/edge-identities/", "/api/v1/environments/k/edge-identity-overrides", "/api/v1/docs/", "/edge/status"]) {
    const local = await edge.request({ method: "OPTIONS", path, headers: preflight });
    assert.deepEqual([local.status, local.headers["access-control-allow-origin"]], [200, "*"], path);
  }
  assert.equal(origin.requests.length, 2);
});

test("the local admin key is not forwarded", async (t) => {
  const origin = await startOrigin({ anything: true });
  t.after(() => origin.close());
  const hash = createHash("sha256").update("local.key").digest("hex");
  const edge = await startEdge({ origin, variables: { ADMIN_KEY_SHA256: hash } });
  t.after(() => edge.close());
  for (const Authorization of ["Api-Key local.key", "Api-Key another.key"]) await edge.request({ path: PLACE, headers: { Authorization } });
  assert.deepEqual(origin.requests.map(({ headers }) => headers.authorization), [undefined, "Api-Key another.key"]);
});

test("a request loop is detected", async (t) => {
  const origin = await startOrigin({ anything: true });
  t.after(() => origin.close());
  const edge = await startEdge({ origin });
  t.after(() => edge.close());
  // An origin that sends the worker its own request.
  origin.on("GET", PLACE, async ({ target, headers: { connection: _, host: __, ...headers } }) => {
    const { status, body } = await edge.request({ path: target, headers });
    return { status, headers: { "content-type": "application/json" }, body };
  });
  const response = await edge.request({ path: PLACE });
  assert.equal(response.status, 508);
  assert.match(response.json().detail, /ORIGIN_URL/);
  assert.equal(origin.requests.length, 1);
});

test("the origin's URL may have a path", async (t) => {
  const origin = await startOrigin({ anything: true });
  t.after(() => origin.close());
  const edge = await startEdge({ variables: { ORIGIN_URL: `${origin.url}/flagsmith/` } });
  t.after(() => edge.close());
  origin.on("GET", `/flagsmith${PLACE}`, { body: { next: `${origin.url}/flagsmith${PLACE}?page=2` } });
  const response = await edge.request({ path: PLACE });
  assert.deepEqual(response.json(), { next: `${edge.address}${PLACE}?page=2` });
});

test("without an origin the Admin API names the missing setting", async (t) => {
  for (const variables of [{}, { ORIGIN_URL: "" }, { ORIGIN_URL: "flagsmith.example.com" }]) {
    const edge = await startEdge({ variables });
    t.after(() => edge.close());
    for (const root of ["environments", "projects", "features", "segments", "organisations", "users", "auth", "audit"]) {
      const response = await edge.request({ method: "POST", path: `/api/v1/${root}/1/`, body: "{}" });
      assert.equal(response.status, 503, root);
      assert.match(response.json().detail, /ORIGIN_URL/);
    }
    const response = await edge.request({ path: "/api/v1/nothing/" });
    assert.deepEqual([response.status, response.json()], [404, { detail: "Not found." }]);
    const known = Object.keys(variables).length > 0 && variables.ORIGIN_URL !== "";
    await edge.flush();
    assert.equal(edge.log.includes("ORIGIN_URL must be http:// or https://, a host"), known);
  }
});

function proxyTest(name, check) {
  test(name, async (t) => {
    const origin = await startOrigin({ anything: true });
    t.after(() => origin.close());
    const edge = await startEdge({ origin });
    t.after(() => edge.close());
    origin.on("GET", /.*/, { body: {} });
    for (const method of ["POST", "PUT", "PATCH", "DELETE", "PROPFIND"]) origin.on(method, /.*/, { body: {} });
    await check(edge, origin);
  });
}
