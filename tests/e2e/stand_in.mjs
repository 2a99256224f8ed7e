// The HTTP server of the stand-ins.

import { createServer } from "node:http";

/**
 * Creates a server that answers with `handle(request, response)` and never closes an idle connection. Node closes one after
 * 5 s by default. If the runtime uses the connection at that moment, its request fails with "Network connection lost".
 *
 * A runtime that is killed in the middle of its request gets no answer, and that is no failure of the test.
 */
export function createStandIn(handle) {
  return createServer({ keepAliveTimeout: 0 }, async (request, response) => {
    try {
      await handle(request, response);
    } catch (error) {
      if (error.code !== "ECONNRESET") throw error;
    }
  });
}
