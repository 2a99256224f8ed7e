// J2: a worker that calls an object, which reads a row, and then returns the prepared answer.

import { DurableObject } from "cloudflare:workers";

let answer = null;

export default {
  async fetch(request, env) {
    await request.arrayBuffer();
    const object = env.IDENTITIES.getByName(request.headers.get("x-object"));
    await (await object.fetch("https://object/")).arrayBuffer();
    answer ??= read(env);
    return new Response(answer.body, answer.init);
  },
};

export class Reader extends DurableObject {
  constructor(context, env) {
    super(context, env);
    this.sql = context.storage.sql;
    this.sql.exec("CREATE TABLE IF NOT EXISTS identity (id INTEGER PRIMARY KEY, traits TEXT NOT NULL)");
    this.sql.exec("INSERT OR IGNORE INTO identity VALUES (1, ?)", env.TRAITS);
  }

  fetch() {
    return new Response(this.sql.exec("SELECT traits FROM identity WHERE id = 1").one().traits);
  }
}

function read(env) {
  const { status, headers, body } = JSON.parse(env.ANSWER);
  return { body: new TextEncoder().encode(body), init: { status, headers: new Headers(headers) } };
}
