// Request bodies at the embedded origin: refused by their head where that suffices, and bounded together.

import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";

import { adminOf, API_KEY, startEmbeddedOrigin } from "./embedded_origin.mjs";
import { becomes } from "./harness.mjs";

const MIB = 1024 * 1024;
const BUSY = { detail: "Too many request bodies are in transit; send the request again." };

test("a request without a key, a route or a method is refused before its body has arrived", async (t) => {
  const origin = await startEmbeddedOrigin();
  t.after(() => origin.close());
  const upload = (method, path, headers, length = 10 * MIB) =>
    origin.request({ method, path, headers: { "Content-Type": "application/json", "Content-Length": String(length), ...headers }, body: "{", unfinished: true });
  const key = { Authorization: `Api-Key ${API_KEY}` };
  for (const [status, answer] of [
    [401, await upload("POST", "/api/v1/projects/", {})],
    [401, await upload("POST", "/api/v1/projects/", { Authorization: "Api-Key wrong.key" })],
    [404, await upload("POST", "/api/v1/nothing/", key)],
    [404, await upload("POST", "/api/v1/auth/login/", {})],
    [405, await upload("DELETE", "/api/v1/projects/", key)],
    [413, await upload("POST", "/api/v1/projects/", key, 10 * MIB + 1)],
  ]) {
    assert.equal(answer.status, status, answer.text);
  }
});

test("bodies in transit are bounded together, and leave no trace", async (t) => {
  const origin = await startEmbeddedOrigin();
  t.after(() => origin.close());
  const send = adminOf(origin);
  // Each is all but complete.
  const sockets = [];
  const stall = () => {
    const socket = connect(origin.port, "127.0.0.1");
    t.after(() => socket.destroy());
    const heldBack = { answer: "", end: () => socket.destroy() };
    socket.on("data", (data) => (heldBack.answer += data)).on("error", () => {});
    socket.write(`POST /api/v1/projects/ HTTP/1.1\r\nHost: origin\r\nAuthorization: Api-Key ${API_KEY}\r\nContent-Type: application/json\r\nContent-Length: ${9 * MIB}\r\n\r\n`);
    socket.write(Buffer.alloc(9 * MIB - 10, " "));
    sockets.push(heldBack);
  };
  for (let count = 0; count < 4; count += 1) stall();
  // Two fit; the others are answered although their bodies are incomplete.
  await becomes(() => sockets.filter(({ answer }) => answer.startsWith("HTTP/1.1 503")).length, 2, "two are refused");
  const refused = sockets.find(({ answer }) => answer !== "");
  assert.match(refused.answer, /\r\nretry-after: 1\r\n/i);
  assert.ok(refused.answer.endsWith(JSON.stringify(BUSY)), refused.answer);
  // Small requests go on.
  assert.equal((await send("POST", "/api/v1/organisations/", { name: "o" })).status, 201);
  assert.equal((await send("GET", "/api/v1/organisations/")).json().count, 1);
  for (const { end } of sockets) end();
  await becomes(async () => (await send("POST", "/api/v1/organisations/", { name: " ".repeat(9 * MIB) })).status, 400, "there is room again");
});
