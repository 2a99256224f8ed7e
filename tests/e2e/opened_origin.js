// The embedded origin, with access to its object's database.

import entry, { OriginObject as Origin } from "./entry.js";

export default {
  async fetch(request, env) {
    if (new URL(request.url).pathname !== "/sql") return entry.fetch(request, env);
    return Response.json(await env.STATE.getByName("origin").sql(await request.text()));
  },
};

export class OriginObject extends Origin {
  /** Executes statements, and returns the rows of the last one. */
  sql(statements) {
    return this.ctx.storage.sql.exec(statements).toArray();
  }
}
