// A server in front of another one, which keeps the exchanges, and can change or fail some of them.

import { once } from "node:events";

import { request } from "./http.mjs";
import { createStandIn } from "./stand_in.mjs";

/**
 * Starts a forwarder to the server at `url`. `t`: {after}, the context of a test, or of node:test. Tests may replace `change` and
 * `fault`.
 */
export async function startForwarder(t, { url }) {
  const { port } = new URL(url);
  const forwarder = {
    /** The forwarded requests with their answers: {method, target, status, headers, body}. */
    exchanges: [],
    /** The request to forward instead: {method, target, body}. `body` is a text, empty if there is none. */
    change: (request) => request,
    /** {status, body}: an answer instead of the server's. "lose": forwarded, but the connection ends without an answer. */
    fault: (_request) => null,
    /** Removes the exchanges and returns them. */
    take: () => forwarder.exchanges.splice(0),
    /** The exchanges whose request may change something. */
    get writes() {
      return this.exchanges.filter(({ method }) => method !== "GET");
    },
  };
  const server = createStandIn(async (incoming, response) => {
    const pieces = [];
    for await (const piece of incoming) pieces.push(piece);
    const { method, target, body } = forwarder.change({ method: incoming.method, target: incoming.url, body: Buffer.concat(pieces).toString() });
    const fault = forwarder.fault({ method, target, body });
    if (fault?.status !== undefined) {
      response.writeHead(fault.status, { "content-type": "application/json" });
      return response.end(JSON.stringify(fault.body));
    }
    // The body may have another length now.
    const { "content-length": length, "transfer-encoding": coding, ...headers } = incoming.headers;
    const answer = await request(port, { method, path: target, headers, body: length === undefined && coding === undefined ? null : body });
    forwarder.exchanges.push({ method, target, status: answer.status, headers: answer.headers, body: answer.text });
    if (fault === "lose") return response.destroy();
    const { "transfer-encoding": _, ...received } = answer.headers;
    response.writeHead(answer.status, received).end(answer.body);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  forwarder.url = `http://127.0.0.1:${server.address().port}`;
  return forwarder;
}
