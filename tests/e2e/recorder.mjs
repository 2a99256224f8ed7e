// A server that forwards requests to a worker and keeps the exchanges, for clients whose answers a test cannot see.

import { once } from "node:events";

import { request } from "./http.mjs";
import { createStandIn } from "./stand_in.mjs";

/** Starts a recorder in front of the worker on `port`. */
export async function startRecorder(port) {
  const exchanges = [];
  const server = createStandIn(async (incoming, response) => {
    const chunks = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const { method, url: target } = incoming;
    const body = chunks.length === 0 ? null : Buffer.concat(chunks);
    const answer = await request(port, { method, path: target, headers: incoming.headers, body });
    exchanges.push({ method, target, status: answer.status, headers: answer.headers, body: answer.text });
    const { "transfer-encoding": _, ...headers } = answer.headers;
    response.writeHead(answer.status, headers).end(answer.body);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    /** Returns the exchanges since the last call: {method, target, status, headers, body}. */
    take: () => exchanges.splice(0),
    async stop() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}
