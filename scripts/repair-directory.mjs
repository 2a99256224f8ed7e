// `make repair-directory`: makes every identity send its directory entry again, and removes entries without an identity.
//
// The identifiers come from the directory. With FILE they come from an export, which also restores lost entries.

import { readFileSync } from "node:fs";

import { required, setting } from "./command.mjs";
import { client, pace } from "./http_client.mjs";

const file = setting("FILE", null);
const environment = required("ENVIRONMENT");
const send = client(required("EDGE_URL"), required("AUTHORIZATION", ": `Api-Key …` or `Token …`"));
const wait = pace(Number(setting("RATE", 200)));

const total = { repaired: 0, removed: 0 };
for await (const identifiers of file === null ? listed() : written(file)) {
  await wait(identifiers.length);
  const body = JSON.stringify({ identifiers });
  const answer = await send("POST", `/edge/environments/${environment}/identities/repair/`, { body });
  const { repaired, removed } = JSON.parse(answer);
  total.repaired += repaired;
  total.removed += removed;
}
console.log(`${total.repaired} identities sent their directory entries again; ${total.removed} entries without an identity were removed.`);

async function* listed() {
  for (let after = null; ; ) {
    const page = after === null ? "" : `?last_evaluated_key=${encodeURIComponent(after)}`;
    const { results, last_evaluated_key } = JSON.parse(await send("GET", `/api/v1/environments/${environment}/edge-identities/${page}`));
    if (results.length > 0) yield results.map(({ identifier }) => identifier);
    after = last_evaluated_key;
    if (after === null) return;
  }
}

function* written(file) {
  const lines = readFileSync(file, "utf8").split("\n").filter(Boolean);
  const identifiers = lines.map((line) => JSON.parse(line).identifier);
  for (let start = 0; start < identifiers.length; start += 100) yield identifiers.slice(start, start + 100);
}
