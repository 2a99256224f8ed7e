// `make export-identities`: writes a worker's identities as JSON lines, in the shape that `make import-identities` takes.

import { createWriteStream } from "node:fs";
import { once } from "node:events";

import { client, required, setting } from "./edge.mjs";

const file = setting("FILE", null);
const environment = required("ENVIRONMENT");
const send = client(required("EDGE_URL"), required("AUTHORIZATION", ": `Api-Key …` or `Token …`"));
const out = file === null ? process.stdout : createWriteStream(file);

let count = 0;
for (let after = null; ; ) {
  const page = after === null ? "" : `&last_evaluated_key=${encodeURIComponent(after)}`;
  const { identities, last_evaluated_key } = await send("GET", `/edge/environments/${environment}/identities/export/?page_size=50${page}`);
  for (const identity of identities) {
    if (!out.write(`${JSON.stringify(identity)}\n`)) await once(out, "drain");
  }
  count += identities.length;
  after = last_evaluated_key;
  if (after === null) break;
}
if (file !== null) {
  out.end();
  await once(out, "finish");
}
console.error(`${count} identities of ${environment}.`);
