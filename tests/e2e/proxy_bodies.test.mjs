// Bodies through the worker: their length is set for every size, and none is stored.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { gunzipSync, gzipSync } from "node:zlib";

import { eventually, startEdge } from "./harness.mjs";
import { startOrigin } from "./origin.mjs";

const PLACE = "/api/v1/environments/key/import/";
const MIB = 1024 * 1024;
const LARGE = 200 * MIB;
// The growth of an isolate's memory while a body goes through it, and the runtime's own share.
const MAX_GROWTH = 96 * MIB;

const run = promisify(execFile);

bodyTest("a body is forwarded with its length, also one that came in chunks", async (edge, origin) => {
  for (const [body, chunked] of [["", false], ["{}", false], ["{}", true], ["x".repeat(3 * MIB), false], ["x".repeat(3 * MIB), true]]) {
    const response = await edge.request({ method: "POST", path: PLACE, body, chunked });
    assert.equal(response.status, 200, response.text);
    const { headers, body: arrived } = origin.requests.at(-1);
    assert.deepEqual([headers["content-length"], headers["transfer-encoding"]], [`${body.length}`, undefined]);
    assert.ok(arrived.equals(Buffer.from(body)), "the body is another");
  }
});

bodyTest("a request without a body is forwarded without one", async (edge, origin) => {
  for (const method of ["GET", "HEAD", "DELETE", "OPTIONS", "POST"]) {
    await edge.request({ method, path: PLACE });
    const { headers, bodyLength } = origin.requests.at(-1);
    assert.deepEqual([headers["content-length"] ?? "0", headers["transfer-encoding"], bodyLength], ["0", undefined, 0], method);
  }
});

bodyTest("a chunked body over the limit is refused before its end", async (edge, origin) => {
  const body = Buffer.alloc(10 * MIB + 70_000);
  const response = await edge.request({ method: "POST", path: PLACE, body, chunked: true, unfinished: true });
  assert.equal(response.status, 411);
  assert.match(response.json().detail, /Content-Length/);
  assert.deepEqual(origin.requests, []);
});

bodyTest("chunked bodies are buffered up to a limit, also slow ones", async (edge, origin) => {
  const send = (mib, chunked = true) => edge.request({ method: "POST", path: PLACE, body: Buffer.alloc(mib * MIB), chunked });
  const answers = [];
  origin.on("POST", PLACE, (_, response) => void answers.push(() => response.end("{}")));
  const held = [send(9), send(9)];
  await eventually(() => answers.length === 2, "the origin has two of them");
  const refused = await send(7);
  assert.deepEqual([refused.status, refused.headers["retry-after"]], [503, "1"]);
  assert.match(refused.json().detail, /Content-Length/);
  // A short body, and a body with a length, are forwarded.
  const others = [send(1), send(9, false)];
  await eventually(() => answers.length === 4, "the origin has the others");
  answers.forEach((answer) => answer());
  for (const { status } of await Promise.all([...held, ...others])) assert.equal(status, 200);
  // Each end of a request frees its buffer.
  for (const way of ["serve", "cut", "fail"]) {
    origin.on("POST", PLACE, { body: {} });
    origin.behave(way);
    for (let count = 0; count < 4; count += 1) {
      assert.equal((await send(9)).status, { serve: 200, cut: 502, fail: 500 }[way]);
      const longer = { body: Buffer.alloc(10 * MIB + 70_000), chunked: true, unfinished: true };
      assert.equal((await edge.request({ method: "POST", path: PLACE, ...longer })).status, 411);
    }
  }
  origin.behave("serve");
  for (const { status } of await Promise.all([send(9), send(9)])) assert.equal(status, 200);
});

bodyTest("an answer keeps its length, except JSON that is compressed again", async (edge, origin) => {
  const types = ["text/html", "text/html; charset=utf-8", "text/csv", "application/yaml", "image/png", "application/octet-stream", "application/json", "application/openapi+json"];
  for (const type of types) {
    for (const body of ["", "<p>hello</p>", "x".repeat(2 * MIB)]) {
      for (const [encoding, bytes] of [[null, Buffer.from(body)], ["gzip", gzipSync(body)]]) {
        const headers = { "content-type": type, ...(encoding === null ? {} : { "content-encoding": encoding }) };
        origin.on("GET", PLACE, { headers, body: bytes });
        for (const method of ["GET", "HEAD"]) {
          const isReread = method === "GET" && encoding !== null && type.endsWith("json");
          const response = await edge.request({ method, path: PLACE, headers: { "Accept-Encoding": "gzip" } });
          assert.equal(response.headers["content-length"], isReread ? undefined : `${bytes.length}`, `${method} ${type} ${encoding} ${body.length}`);
          assert.equal(response.headers["content-encoding"], encoding ?? undefined);
          const sent = isReread && response.body.length > 0 ? gunzipSync(response.body) : response.body;
          if (method === "GET") assert.ok(sent.equals(isReread ? Buffer.from(body) : bytes), "the body is another");
        }
      }
    }
  }
});

bodyTest("a compressed body is forwarded unchanged", async (edge, origin) => {
  const body = Buffer.from([0x1f, 0x8b, 1, 2, 3]);
  await edge.request({ method: "POST", path: PLACE, headers: { "Content-Encoding": "gzip" }, body });
  const { headers, body: arrived } = origin.requests[0];
  assert.equal(headers["content-encoding"], "gzip");
  assert.ok(arrived.equals(body));
});

bodyTest("a curl upload with Expect: 100-continue is forwarded", async (edge, origin, folder) => {
  const file = join(folder, "upload");
  writeFileSync(file, Buffer.alloc(2 * MIB, "x"));
  const { stdout } = await run("curl", [
    "-sS", "-w", "%{http_code}", "-H", "Expect: 100-continue", "--data-binary", `@${file}`, `${edge.address}${PLACE}`,
  ]);
  assert.equal(stdout, "{}200");
  const { headers, bodyLength } = origin.requests[0];
  assert.deepEqual([headers["content-length"], headers.expect, bodyLength], [`${2 * MIB}`, undefined, 2 * MIB]);
});

bodyTest("200 MB are uploaded in constant memory", async (edge, origin) => {
  await edge.request({ method: "POST", path: PLACE, body: "x".repeat(MIB) });
  const growth = memoryGrowth(edge.pid);
  const status = await upload(edge.port, LARGE);
  assert.equal(status, 200);
  const { bodyLength, headers } = origin.requests.at(-1);
  assert.deepEqual([bodyLength, headers["content-length"]], [LARGE, `${LARGE}`]);
  assert.ok(growth() < MAX_GROWTH, `the runtime grew by ${growth()} bytes`);
});

for (const [what, headers] of [
  ["with a length", { "content-type": "application/octet-stream", "content-length": LARGE }],
  ["in chunks", { "content-type": "application/octet-stream" }],
  // Its start is searched for pagination links.
  ["as JSON in chunks", { "content-type": "application/json" }],
  ["as JSON with a length", { "content-type": "application/json", "content-length": LARGE }],
]) {
  bodyTest(`200 MB are downloaded in constant memory, ${what}`, async (edge, origin) => {
    const piece = Buffer.alloc(MIB, '"next": "x", ');
    const hash = createHash("sha256");
    for (let count = 0; count < LARGE / MIB; count += 1) hash.update(piece);
    origin.on("GET", PLACE, async (_, response) => {
      response.writeHead(200, headers);
      for (let count = 0; count < LARGE / MIB; count += 1) {
        if (!response.write(piece)) await new Promise((resolve) => response.once("drain", resolve));
      }
      response.end();
    });
    await edge.request({ path: "/api/v1/projects/" });
    const growth = memoryGrowth(edge.pid);
    const response = await fetch(`${edge.address}${PLACE}`);
    const arrived = createHash("sha256");
    for await (const bytes of response.body) arrived.update(bytes);
    assert.equal(arrived.digest("hex"), hash.digest("hex"));
    assert.equal(response.headers.get("content-length"), headers["content-length"]?.toString() ?? null);
    assert.ok(growth() < MAX_GROWTH, `the runtime grew by ${growth()} bytes`);
  });
}

bodyTest("an answer is streamed before it has ended", async (edge, origin) => {
  let end;
  origin.on("GET", PLACE, (_, response) => {
    response.writeHead(200, { "content-type": "text/csv" });
    response.write("first");
    end = () => response.end("last");
  });
  const response = await fetch(`${edge.address}${PLACE}`);
  const reader = response.body.getReader();
  assert.equal(Buffer.from((await reader.read()).value).toString(), "first");
  end();
  assert.equal(Buffer.from((await reader.read()).value).toString(), "last");
});

/** Sends a body of this length, as fast as it is read; resolves to the status of the answer. */
function upload(port, length) {
  const piece = Buffer.alloc(MIB, "x");
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    let received = "";
    socket.on("error", reject);
    socket.on("close", () => reject(new Error(`closed after ${received}`)));
    socket.on("data", (data) => {
      received += data;
      const status = /^HTTP\/1\.1 (\d+)/.exec(received);
      if (status === null) return;
      resolve(Number(status[1]));
      socket.destroy();
    });
    socket.write(`POST ${PLACE} HTTP/1.1\r\nHost: edge\r\nContent-Length: ${length}\r\n\r\n`);
    let sent = 0;
    const send = () => {
      while (sent < length) {
        sent += piece.length;
        if (!socket.write(piece)) return;
      }
    };
    socket.on("drain", send);
    send();
  });
}

/** Watches the peak memory of a process; returns the difference to its present memory. */
function memoryGrowth(pid) {
  // Resets the peak.
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
  const resident = (name) => 1024 * Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]);
  const before = resident("VmRSS");
  return () => resident("VmHWM") - before;
}

function bodyTest(name, check) {
  test(name, async (t) => {
    const origin = await startOrigin({ anything: true });
    t.after(() => origin.close());
    const edge = await startEdge({ origin });
    t.after(() => edge.close());
    for (const method of ["GET", "HEAD", "POST", "DELETE", "OPTIONS"]) origin.on(method, /.*/, { body: {} });
    await check(edge, origin, edge.folder);
  });
}
