// Answers to clients of the Admin API while the Flagsmith behind the worker is slow, broken or down. Reads of flags are not
// affected.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";

import { eventually, startEdge } from "./harness.mjs";
import { startOrigin } from "./origin.mjs";

const PLACE = "/api/v1/projects/1/features/";
const UNREACHABLE = { detail: "The origin behind this API cannot be reached; try again later." };
const LATE = { detail: "The origin behind this API did not answer in time; try again later." };

faultTest("an origin that refuses connections is 502, and is used again after it recovers", async (edge, origin) => {
  await origin.down();
  await requireFault(edge, 502, UNREACHABLE);
  await origin.up();
  assert.equal((await post(edge)).status, 200);
});

faultTest("a connection that breaks before the answer is 502, and a write is not repeated", async (edge, origin) => {
  origin.behave("cut");
  await requireFault(edge, 502, UNREACHABLE);
  assert.equal(origin.requests.length, 1);
});

faultTest("an answer that is not HTTP is 502", async (edge, origin) => {
  origin.on("POST", PLACE, (_, response) => {
    response.socket.end("SSH-2.0-OpenSSH_9.6\r\n");
  });
  await requireFault(edge, 502, UNREACHABLE);
});

faultTest("an answer that breaks off while it is buffered is 502", async (edge, origin) => {
  origin.on("POST", PLACE, { body: { next: null, results: ["x".repeat(1000)] } });
  origin.behave("cut-body");
  await requireFault(edge, 502, UNREACHABLE);
});

faultTest("an answer that breaks off while it is streamed breaks off for the client, too", async (edge, origin) => {
  origin.on("GET", PLACE, { headers: { "content-type": "text/csv" }, body: "x".repeat(100_000) });
  origin.behave("cut-body");
  const response = await fetch(`${edge.address}${PLACE}`);
  assert.equal(response.status, 200);
  await assert.rejects(response.text());
});

faultTest("an answer shorter than its Content-Length is 502 or breaks off", async (edge, origin) => {
  const answer = (type) => (_, response) => {
    response.socket.end(`HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\nContent-Length: 1000\r\n\r\n{"next"`);
  };
  origin.on("POST", PLACE, answer("application/json"));
  await requireFault(edge, 502, UNREACHABLE);
  origin.on("POST", PLACE, answer("text/csv"));
  await assert.rejects(fetch(`${edge.address}${PLACE}`, { method: "POST" }).then((response) => response.text()));
});

faultTest("an answer longer than its Content-Length is cut at that length", async (edge, origin) => {
  origin.on("POST", PLACE, (_, response) => {
    response.socket.end('HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}{"evil": 1}');
  });
  assert.equal((await post(edge)).text, "{}");
});

faultTest("an error of the origin is returned unchanged", async (edge, origin) => {
  origin.behave("fail");
  const response = await post(edge);
  assert.deepEqual([response.status, response.text], [500, "<h1>Server Error (500)</h1>"]);
  assert.equal(response.headers["content-type"], "text/html");
});

faultTest("an unexpected answer is returned unchanged", async (edge, origin) => {
  origin.behave("garbage");
  assert.deepEqual([...(await post(edge)).body], [0xff, 0x00, 0x7b, 0xc3, 0x28]);
});

faultTest("a slow answer is awaited", async (edge, origin) => {
  origin.behave(500);
  assert.equal((await post(edge)).status, 200);
});

faultTest("a write is not repeated when its answer is lost", async (edge, origin) => {
  let count = 0;
  origin.on("POST", PLACE, (_, response) => {
    count += 1;
    response.destroy();
  });
  await requireFault(edge, 502, UNREACHABLE);
  assert.equal(count, 1);
});

faultTest("a client's disconnect during an answer closes the connection to the origin", async (edge, origin) => {
  let gone = false;
  origin.on("POST", PLACE, (_, response) => {
    response.writeHead(200, { "content-type": "text/csv" });
    response.write("a,b\n");
    response.on("close", () => (gone = true));
  });
  const socket = connect(edge.port, "127.0.0.1");
  socket.write(`POST ${PLACE} HTTP/1.1\r\nHost: edge\r\nContent-Length: 2\r\n\r\n{}`);
  await once(socket, "data");
  // The connection is reset, since a client may close its side and still read.
  socket.resetAndDestroy();
  await eventually(() => gone, "the connection to the origin is closed");
});

test("an origin that does not answer is 504, before and after its headers", async (t) => {
  const { edge, origin } = await start(t, { variables: { ORIGIN_TIMEOUT_SECONDS: 1 } });
  let cut = 0;
  origin.on("POST", PLACE, (_, response) => {
    response.on("close", () => (cut += 1));
  });
  origin.on("POST", "/api/v1/projects/", (_, response) => {
    response.writeHead(200, { "content-type": "application/json" });
    response.write('{"next": ');
    response.on("close", () => (cut += 1));
  });
  const late = [PLACE, "/api/v1/projects/"].map((path) => edge.request({ method: "POST", path, body: "{}" }));
  for (const response of await Promise.all(late)) {
    assert.deepEqual([response.status, response.json()], [504, LATE]);
  }
  await eventually(() => cut === 2, "both connections to the origin are closed");
});

async function requireFault(edge, status, body) {
  const response = await post(edge);
  assert.deepEqual([response.status, response.json()], [status, body]);
  await edge.flush();
  const failures = edge.log.split("\n").filter((line) => line.includes('"failure":"origin"'));
  assert.equal(failures.length > 0, true, edge.log);
  assert.doesNotMatch(edge.log, /secret-credential|secret-body/);
  // Flags are served meanwhile.
  const flags = await edge.request({ path: "/api/v1/flags/", headers: { "X-Environment-Key": edge.environments[0].key } });
  assert.equal(flags.status, 200);
}

function post(edge) {
  return edge.request({
    method: "POST",
    path: PLACE,
    headers: { Authorization: "Api-Key secret-credential", "Content-Type": "application/json" },
    body: '{"name": "secret-body"}',
  });
}

function faultTest(name, check) {
  test(`origin fault: ${name}`, async (t) => {
    const { edge, origin } = await start(t);
    await check(edge, origin);
  });
}

async function start(t, options = {}) {
  const origin = await startOrigin({ anything: true });
  t.after(() => origin.close());
  const edge = await startEdge({ origin, ...options });
  t.after(() => edge.close());
  origin.on("POST", PLACE, { body: {} });
  return { edge, origin };
}
