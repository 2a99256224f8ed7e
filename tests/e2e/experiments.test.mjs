// Experiments: exposures that SDKs record, on their way to the server for events.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { gunzipSync, gzipSync } from "node:zlib";

import { startBrowser, visit } from "./browser.mjs";
import { adminOf, embeddedOrigin, startEmbeddedOrigin } from "./embedded_origin.mjs";
import { becomes, eventually, FIXTURES, ROOT, startEdge } from "./harness.mjs";
import { startOrigin } from "./origin.mjs";
import { learn } from "./secrets.mjs";

const run = promisify(execFile);
const FOLDER = join(ROOT, "tests/e2e/experiments");
const DOCUMENTS = join(FOLDER, "environments");
const VENV = join(ROOT, ".venv-realtime");
const SDK = join(ROOT, "node_modules/@flagsmith/flagsmith/index.js");
const EVENTS = "/v1/events";
const MAX_LENGTH = 10 * 1024 * 1024;
const DISCARDED = { detail: "The events are discarded: set EVENTS_URL to a server that keeps them." };
const JSON_TYPE = { "content-type": "application/json" };
const HTML = { "content-type": "text/html; charset=utf-8" };
/** What the SDKs know of the flag: value, variant, experiment. */
const [INSIDE, OUTSIDE] = [["new", "one_page", 7, true], ["old", "control", 7, false]];

/** A server for events with this answer, and a worker in front of it. */
async function started(t, answer = { status: 202 }, { variables = {}, ...options } = {}) {
  const server = await startOrigin({ anything: true });
  t.after(() => server.close());
  server.on("POST", EVENTS, answer);
  const edge = await startWorker(t, { variables: { EVENTS_URL: server.url, ...variables }, ...options });
  return { server, edge };
}

async function startWorker(t, options = {}) {
  const edge = await startEdge({ documents: DOCUMENTS, ...options });
  t.after(() => edge.close());
  return edge;
}

/** Sends events as an SDK does. */
function post(edge, { headers = {}, body = '{"events": []}', ...options } = {}) {
  const key = edge.environments[0].key;
  return edge.request({ method: "POST", path: EVENTS, headers: { "X-Environment-Key": key, "Content-Type": "application/json; charset=utf-8", ...headers }, body, ...options });
}

/** The received events, over all requests. */
function received(server) {
  return server.requestsFor("POST", EVENTS).flatMap(({ body }) => JSON.parse(body).events);
}

/** An event without what differs by time and SDK. */
function facts({ event, feature_name, identifier, value, traits, metadata }) {
  const { sdk_version: _, ...others } = metadata;
  return { event, feature_name, identifier, value, traits, metadata: others };
}

const EXPOSURE = { event: "$flag_exposure", feature_name: "checkout", identifier: "ada", value: "one_page", traits: { plan: "paid" }, metadata: { experiment_id: 7 } };

/** Runs the client for Python. */
async function python(edge) {
  await run(join(ROOT, "scripts/venv.sh"), [VENV, join(ROOT, "tests/e2e/realtime/requirements.txt")], { cwd: ROOT });
  const { key } = edge.environments[0];
  const environment = { ...process.env, ENVIRONMENT_KEY: key, API_URL: `${edge.address}/api/v1/`, EVENTS_API_URL: `${edge.address}/` };
  const { stdout } = await run(join(VENV, "bin/python"), [join(FOLDER, "client.py")], { env: environment });
  return JSON.parse(stdout);
}

test("an exposure that flagsmith for Python records arrives at the server for events", async (t) => {
  const { server, edge } = await started(t);
  assert.deepEqual(await python(edge), { flags: [INSIDE, OUTSIDE], kept: 0 });
  const order = { event: "order", feature_name: null, identifier: "ada", value: "59.5", traits: null, metadata: {} };
  assert.deepEqual(received(server).map(facts), [EXPOSURE, order]);
  const [{ target, headers }] = server.requests;
  assert.deepEqual([target, headers["x-environment-key"]], [EVENTS, edge.environments[0].key]);
  assert.match(headers["flagsmith-sdk-user-agent"], /^flagsmith-python-sdk\//);
});

test("flagsmith for Python does not send events again that no server keeps, and does after a failure", async (t) => {
  const alone = await startWorker(t);
  assert.deepEqual(await python(alone), { flags: [INSIDE, OUTSIDE], kept: 0 }, "without a server for events");
  await eventually(() => /^\{"route":"events","status":202/m.test(alone.log), "the events were sent");
  const origin = await startOrigin();
  t.after(() => origin.close());
  const behind = await startWorker(t, { origin });
  assert.equal((await python(behind)).kept, 0, "with an origin that has no such endpoint");
  assert.equal(origin.requestsFor("POST", EVENTS).length, 1, "which was asked");
  const failing = await started(t, { status: 503, body: '{"detail": "try again"}' });
  assert.equal((await python(failing.edge)).kept, 2, "the exposure and the order are kept");
});

test("an exposure that @flagsmith/flagsmith records in a browser arrives, across origins", async (t) => {
  const { server, edge } = await started(t);
  const browser = await startBrowser();
  t.after(() => browser.close());
  const { page } = await visit(browser, `${edge.address}/edge/`, { bypassCSP: true });
  await page.addScriptTag({ path: SDK });
  // Another origin to the browser, so that it sends preflights.
  const elsewhere = `http://localhost:${edge.port}`;
  const flag = await page.evaluate(async ([key, address]) => {
    const sdk = globalThis.index.default;
    await sdk.init({
      environmentID: key,
      api: `${address}/api/v1/`,
      identity: "ada",
      traits: { plan: "paid" },
      enableEvents: true,
      eventProcessorConfig: { eventsApiUrl: `${address}/`, flushInterval: 86400000 },
    });
    const { value, variant, experiment } = sdk.getExperimentFlag("checkout");
    await sdk.flushEvents();
    return [value, variant, experiment.id, experiment.inExperiment];
  }, [edge.environments[0].key, elsewhere]);
  assert.deepEqual(flag, INSIDE);
  // A failed batch would be sent twice.
  assert.deepEqual(received(server).map(facts), [EXPOSURE]);
  await eventually(() => (edge.log.match(/^\{"route":"events","status":202/gm) ?? []).length === 1, "the request is in the log");
  assert.match(edge.log, /^\{"route":"preflight","status":200/m);
});

test("only what belongs to events is forwarded", async (t) => {
  const { server, edge } = await started(t);
  const key = edge.environments[0].key;
  const headers = {
    "Flagsmith-SDK-User-Agent": "sdk/1",
    "User-Agent": "python-requests/2.32",
    Authorization: "Api-Key prefix.secret",
    Cookie: "jwt=a",
    Referer: "https://shop.example.com/checkout",
    "X-Own": "a",
  };
  const body = '{"events": [{"value": 1.0, "event": "ü"}]}';
  const answer = await post(edge, { headers, body });
  assert.deepEqual([answer.status, answer.text], [202, ""]);
  const [{ headers: sent, body: arrived }] = server.requests;
  assert.equal(arrived.toString(), body);
  const { via, ...others } = sent;
  assert.equal(via, "1.1 flagsmith-edge-worker");
  assert.deepEqual(others, {
    ...("accept-encoding" in others ? { "accept-encoding": others["accept-encoding"] } : {}),
    ...("connection" in others ? { connection: others.connection } : {}),
    "content-length": String(Buffer.byteLength(body)),
    "content-type": "application/json; charset=utf-8",
    "flagsmith-sdk-user-agent": "sdk/1",
    host: server.host,
    "user-agent": "python-requests/2.32",
    "x-environment-key": key,
    "x-forwarded-host": `127.0.0.1:${edge.port}`,
    "x-forwarded-proto": "http",
  });
  // A server key is a key, too. An encoded or chunked body arrives as well.
  const [{ key: serverKey }] = edge.environments[0].serverKeys;
  assert.equal((await post(edge, { headers: { "X-Environment-Key": serverKey } })).status, 202);
  assert.equal(server.requests[1].headers["x-environment-key"], serverKey);
  assert.equal((await post(edge, { headers: { "Content-Encoding": "gzip" }, body: gzipSync(body) })).status, 202);
  assert.equal(gunzipSync(server.requests[2].body).toString(), body);
  assert.equal((await post(edge, { body, chunked: true })).status, 202);
  assert.deepEqual([server.requests[3].body.toString(), server.requests[3].headers["content-length"]], [body, String(Buffer.byteLength(body))]);
  assert.equal((await post(edge, { path: `${EVENTS}/` })).status, 202);
  assert.equal(server.requests[4].target, EVENTS);
});

test("the server's answer is returned, and a browser may read it", async (t) => {
  let answer;
  const { server, edge } = await started(t, () => answer);
  for (const [given, status, text, headers] of [
    [{ status: 200, body: '{"accepted": 1}' }, 200, '{"accepted": 1}', {}],
    [{ status: 400, headers: JSON_TYPE, body: '{"detail": "no"}' }, 400, '{"detail": "no"}', { "content-type": "application/json" }],
    [{ status: 429, headers: { "retry-after": "7" } }, 429, "", { "retry-after": "7" }],
    // A server that was set by hand must have the endpoint.
    [{ status: 404, headers: JSON_TYPE, body: '{"detail": "Not found."}' }, 404, '{"detail": "Not found."}', {}],
    [{ status: 403, headers: HTML, body: "<h1>Forbidden</h1>" }, 403, "<h1>Forbidden</h1>", {}],
    [{ status: 500, headers: HTML, body: "<h1>Server Error (500)</h1>" }, 500, "<h1>Server Error (500)</h1>", {}],
    [{ status: 200, body: "x".repeat(64 * 1024 + 1) }, 200, "", {}],
    [{ status: 301, headers: { location: "https://elsewhere.example.com/v1/events" } }, 502, '{"detail":"EVENTS_URL leads to a redirect; set it to the final address."}', {}],
  ]) {
    answer = { ...given, headers: { "access-control-allow-origin": "https://other.example.com", "set-cookie": "a=b", ...given.headers } };
    const found = await post(edge);
    assert.deepEqual([found.status, found.text], [status, text], JSON.stringify(given).slice(0, 100));
    assert.equal(found.headers["access-control-allow-origin"], "*");
    assert.equal(found.headers["set-cookie"], undefined);
    for (const [name, value] of Object.entries(headers)) assert.equal(found.headers[name], value, name);
  }
  assert.equal(server.requests.length, 8, "no request is repeated");
});

test("events that no server would keep are accepted and discarded", async (t) => {
  const alone = await startWorker(t);
  const embedded = await startWorker(t, embeddedOrigin());
  const origin = await startOrigin({ anything: true });
  t.after(() => origin.close());
  const behind = await startWorker(t, { origin });
  const found = async (edge) => {
    const { status, text, headers } = await post(edge);
    assert.equal(headers["access-control-allow-origin"], "*");
    return [status, JSON.parse(text)];
  };
  assert.deepEqual(await found(alone), [202, DISCARDED], "without an origin");
  assert.deepEqual(await found(embedded), [202, DISCARDED], "with the embedded origin");
  for (const answer of [
    { status: 404, headers: JSON_TYPE, body: '{"detail":"Not found."}' },
    { status: 405, headers: JSON_TYPE, body: '{"detail":"Method \\"POST\\" not allowed."}' },
    { status: 301, headers: { location: "/v1/events/" } },
    { status: 200, headers: HTML, body: "<title>Flagsmith</title>" },
    { status: 403, headers: HTML, body: "<title>403 Forbidden</title>" },
  ]) {
    origin.on("POST", EVENTS, answer);
    assert.deepEqual(await found(behind), [202, DISCARDED], `${answer.status} ${answer.body}`);
  }
  origin.on("POST", EVENTS, { status: 200, body: { accepted: 1 } });
  assert.deepEqual(await found(behind), [200, { accepted: 1 }], "an origin with the endpoint");
  origin.on("POST", EVENTS, { status: 502, headers: HTML, body: "<title>502</title>" });
  assert.equal((await post(behind)).status, 502);
});

test("events do not wake the embedded origin's object", async (t) => {
  const origin = await startEmbeddedOrigin();
  t.after(() => origin.close());
  // Each object that has run has a database, named by its id.
  const objects = () => readdirSync(origin.stateFolder, { recursive: true }).filter((name) => /[0-9a-f]{64}\.sqlite$/.test(name));
  const { status, text } = await origin.request({ method: "POST", path: EVENTS, body: '{"events": []}' });
  assert.deepEqual([status, text], [404, '{"detail":"Not found."}']);
  assert.deepEqual(objects(), []);
  assert.equal((await adminOf(origin)("GET", "/api/v1/organisations/")).status, 200);
  assert.equal(objects().length, 1);
});

test("nothing is forwarded for a refused request", async (t) => {
  const { server, edge } = await started(t, { status: 202 }, { documents: FIXTURES });
  const refused = [
    [{ headers: { "X-Environment-Key": "unknown" } }, 403, "Invalid or missing Environment Key"],
    [{ headers: { "X-Environment-Key": "ser.unknown" } }, 403, "Invalid or missing Environment Key"],
    [{ headers: { "X-Environment-Key": "" } }, 403, "Invalid or missing Environment key"],
    [{ method: "GET", body: null }, 405, 'Method "GET" not allowed.'],
    [{ headers: { Via: "1.1 flagsmith-edge-worker" } }, 508, "ORIGIN_URL or EVENTS_URL leads back to this API; set it to the address of a Flagsmith."],
    [{ headers: { "Content-Length": MAX_LENGTH + 1 }, unfinished: true }, 413, `Request body must not be larger than ${MAX_LENGTH} bytes.`],
    [{ body: "x".repeat(MAX_LENGTH + 1), chunked: true }, 411, `A request body of more than ${MAX_LENGTH} bytes needs a Content-Length header.`],
  ];
  for (const [options, status, detail] of refused) {
    const answer = await post(edge, options);
    assert.deepEqual([answer.status, answer.json()], [status, { detail }]);
    assert.equal(answer.headers["access-control-allow-origin"], "*");
  }
  const longest = `{"events": ["${"x".repeat(MAX_LENGTH - 16)}"]}`;
  assert.equal(server.begun, 0);
  assert.equal((await post(edge, { body: longest })).status, 202, "the longest body");
  assert.deepEqual(server.requests.map(({ bodyLength }) => bodyLength), [MAX_LENGTH]);
});

test("a server for events that does not answer is reported, without the events", async (t) => {
  const { server, edge } = await started(t, { status: 202 }, { variables: { ORIGIN_TIMEOUT_SECONDS: 1 } });
  const identifier = "ada.lovelace@example.com";
  learn(identifier);
  const body = JSON.stringify({ events: [{ event: "order", identifier, traits: { plan: "confidential" } }] });
  for (const [way, status, detail, cause] of [
    ["stall", 504, "The server for events did not answer in time; try again later.", "no answer within 1s"],
    ["cut", 502, "The server for events cannot be reached; try again later.", ""],
  ]) {
    server.behave(way);
    const answer = await post(edge, { body });
    assert.deepEqual([answer.status, answer.json()], [status, { detail }], way);
    await becomes(() => lastFailure(edge.log)?.failure, "events", way);
    const { environment, cause: found } = lastFailure(edge.log);
    assert.ok(environment === edge.environments[0].key && found.startsWith(cause), edge.log);
  }
});

function lastFailure(log) {
  const lines = log.match(/^\{"failure":.*\}$/gm) ?? [];
  return lines.length === 0 ? undefined : JSON.parse(lines.at(-1));
}
