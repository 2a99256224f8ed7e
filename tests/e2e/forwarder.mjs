// A server in front of an origin, which counts requests, and changes or fails some of them.

import { once } from "node:events";

import { createStandIn } from "./stand_in.mjs";

/**
 * Starts a forwarder to `origin`, another server's {url}. Its `requests` are {method, target, status, body}: what the origin
 * answered. Tests may replace `change` and `fault`.
 */
export async function startForwarder(t, origin) {
  const forwarder = {
    requests: [],
    /** The request to forward instead: {method, target, body}. */
    change: (request) => request,
    /** {status, body}: an answer instead of the origin's. "lose": forwarded, but the connection ends without an answer. */
    fault: (_request) => null,
    /** The requests that may change something. */
    get writes() {
      return this.requests.filter(({ method }) => method !== "GET");
    },
  };
  const server = createStandIn(async (incoming, response) => {
    const pieces = [];
    for await (const piece of incoming) pieces.push(piece);
    const request = forwarder.change({ method: incoming.method, target: incoming.url, body: Buffer.concat(pieces).toString() });
    const fault = forwarder.fault(request);
    if (fault?.status !== undefined) {
      response.writeHead(fault.status, { "content-type": "application/json" });
      return response.end(JSON.stringify(fault.body));
    }
    const { method, target, body } = request;
    const headers = { authorization: incoming.headers.authorization, "content-type": "application/json" };
    const answer = await fetch(origin.url + target, { method, headers, ...(body === "" ? {} : { body }) });
    const text = await answer.text();
    forwarder.requests.push({ method, target, status: answer.status, body: text });
    if (fault === "lose") return response.destroy();
    response.writeHead(answer.status, { "content-type": "application/json" });
    response.end(text);
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
