// The writer of a stream to a slow client, without a runtime.

import assert from "node:assert/strict";
import { test } from "node:test";

import { StreamWriter } from "../../src/edge/stream_answer.js";

/** A client that has read a text when the test lets it: {written, read(), writer}. */
function slowClient() {
  const written = [];
  let done;
  const writer = {
    closed: new Promise(() => {}),
    write: (bytes) => new Promise((resolve) => {
      written.push(new TextDecoder().decode(bytes));
      done = resolve;
    }),
    close: async () => {},
  };
  const read = async () => {
    done();
    await new Promise(setImmediate);
  };
  return { written, read, writer };
}

test("while a client does not read, only the latest event waits, and no comment", async () => {
  const { written, read, writer } = slowClient();
  const stream = new StreamWriter(writer);
  assert.equal(written.length, 1);
  assert.match(written[0], /^retry: ([2-9]\d{3}|10000)\n\n$/);
  for (let event = 1; event <= 10_000; event += 1) stream.write(`id: ${event}\n\n`);
  stream.comment();
  assert.equal(written.length, 1);
  await read();
  assert.deepEqual(written.slice(1), ["id: 10000\n\n"]);
  await read();
  stream.comment();
  stream.write("id: 10001\n\n");
  stream.comment();
  await read();
  assert.deepEqual(written.slice(2), [": keep-alive\n\n", "id: 10001\n\n"]);
});
