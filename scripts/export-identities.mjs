// `make export-identities`: writes a worker's identities as JSON lines, in the form that `make import-identities` reads.
//
// Lines are written without parsing them: JavaScript's numbers would change some of the values.

import { createWriteStream } from "node:fs";
import { once } from "node:events";

import { fail, required, setting } from "./command.mjs";
import { client } from "./http_client.mjs";

const file = setting("FILE", null);
const environment = required("ENVIRONMENT");
const send = client(required("EDGE_URL"), required("AUTHORIZATION", ": `Api-Key …` or `Token …`"));
const out = file === null ? process.stdout : createWriteStream(file);

let count = 0;
for (let after = null; ; ) {
  const page = after === null ? "" : `&last_evaluated_key=${encodeURIComponent(after)}`;
  const path = `/edge/environments/${environment}/identities/export/?page_size=50${page}`;
  const lines = (await send("GET", path, { accept: "application/x-ndjson" })).trimEnd().split("\n");
  // The last line has only the key of the next page.
  const { last_evaluated_key, ...others } = JSON.parse(lines.pop());
  if (last_evaluated_key === undefined || Object.keys(others).length > 0) {
    fail("The worker at EDGE_URL is older than this command. Update the worker, or use the command of its version.");
  }
  for (const line of lines) {
    if (!out.write(`${line}\n`)) await once(out, "drain");
  }
  count += lines.length;
  after = last_evaluated_key;
  if (after === null) break;
}
if (file !== null) {
  out.end();
  await once(out, "finish");
}
console.error(`${count} identities of ${environment} were exported.`);
