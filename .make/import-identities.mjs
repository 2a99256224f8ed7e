// `make import-identities`: brings identities to a worker, from a file of JSON lines or from a Flagsmith's Admin API.
//
// Each line is an identity as Flagsmith stores it: identifier, identity_uuid, created_date, dashboard_alias,
// identity_traits, identity_features. What was brought already is brought again without harm, so an import that broke
// off just goes on from where its checkpoint says.

import { createHash } from "node:crypto";
import { createReadStream, statSync } from "node:fs";

import { checkpoint, client, fail, pace, progress, required, setting } from "./edge.mjs";

const file = setting("FILE", null);
const environment = required("ENVIRONMENT");
const edge = required("EDGE_URL");
const send = client(edge, required("AUTHORIZATION", ": `Api-Key …` or `Token …`"));
const wait = pace(Number(setting("RATE", 200)));
const batch = Math.min(100, Number(setting("BATCH", 50)));

if (setting("SOURCE", "file") === "origin") await importFromOrigin();
else if (file !== null) await importFile(file);
else fail("FILE is missing, or SOURCE=origin");

/** Brings lines in; resolves to the number of those that were passed over. */
async function bring(lines) {
  await wait(lines.length);
  const path = `/edge/environments/${environment}/identities/import/`;
  const { passed_over } = await send("POST", path, lines.join("\n"), "application/x-ndjson");
  return passed_over;
}

/** Says how many lines were brought; no request can name the identities of those that were passed over. */
function report(lines, passedOver) {
  console.log(`${lines - passedOver} identities are in ${environment}.`);
  if (passedOver > 0) console.log(`${passedOver} lines were passed over: their identifiers are blank.`);
}

async function importFile(file) {
  const { size } = statSync(file);
  const reached = checkpoint(`${file}.imported`, { edge, environment }, { bytes: 0, identities: 0, passed_over: 0 });
  const show = progress(size);
  // A checkpoint of an earlier version has no `passed_over`.
  let { bytes, identities, passed_over = 0 } = reached.get();
  // Of all that was brought: what comes after it may be another than it was, since that may have been mended.
  const read = await hashOf(file, bytes);
  if (bytes > 0 && read.copy().digest("hex") !== reached.get().sha256) {
    fail(`${file}.imported is of an import of other identities; remove it to begin anew`);
  }
  let lines = [];
  let length = 0;
  const flush = async () => {
    if (lines.length === 0) return;
    passed_over += await bring(lines);
    bytes += length;
    identities += lines.length;
    reached.set({ bytes, identities, passed_over, sha256: read.copy().digest("hex") });
    show(bytes);
    lines = [];
    length = 0;
  };
  for await (const line of linesOf(file, bytes)) {
    const text = line.toString("utf8").trim();
    read.update(line);
    length += line.length;
    if (text !== "") lines.push(text);
    // A worker reads bodies of up to 8 MiB.
    if (lines.length === batch || length > 4 * 1024 * 1024) await flush();
  }
  await flush();
  show(size);
  report(identities, passed_over);
}

/** Takes the first bytes of a file into a hash. */
async function hashOf(file, length) {
  const hash = createHash("sha256");
  if (length > 0) for await (const piece of createReadStream(file, { end: length - 1 })) hash.update(piece);
  return hash;
}

/** The lines of a file from a byte on, as bytes, with what ends them. */
async function* linesOf(file, start) {
  let rest = Buffer.alloc(0);
  for await (const piece of createReadStream(file, { start })) {
    rest = Buffer.concat([rest, piece]);
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      yield rest.subarray(0, end + 1);
      rest = rest.subarray(end + 1);
    }
  }
  if (rest.length > 0) yield rest;
}

/**
 * Walks a self-hosted Flagsmith's own identities; their overrides are in the environment's document.
 *
 * What is remembered is how many identities have been brought, not which page: pages may have another size when it goes on.
 */
async function importFromOrigin() {
  const from = required("ORIGIN_URL");
  const origin = client(from, required("ORIGIN_AUTHORIZATION"));
  const root = `/api/v1/environments/${environment}`;
  const reached = checkpoint(`.import-${environment}.json`, { edge, origin: from, environment }, { identities: 0, passed_over: 0 });
  const document = await origin("GET", `${root}/document/`);
  if (document.use_identity_overrides_in_local_eval === false) {
    fail("The environment's document has no identity overrides, and they would be lost: switch them on for local evaluation (Environment settings → SDK settings)");
  }
  const overrides = new Map(document.identity_overrides.map((identity) => [identity.identifier, identity]));
  let page = Math.floor(reached.get().identities / batch) + 1;
  let identities = (page - 1) * batch;
  let { passed_over = 0 } = reached.get();
  let show = null;
  for (let more = true; more; page += 1) {
    const { count, next, results } = await origin("GET", `${root}/identities/?page_size=${batch}&page=${page}`);
    show ??= progress(count);
    const lines = await Promise.all(results.map((identity) => line(origin, root, identity, overrides.get(identity.identifier))));
    if (lines.length > 0) passed_over += await bring(lines);
    identities += lines.length;
    more = next !== null;
    reached.set({ identities, passed_over });
    show(identities);
  }
  report(identities, passed_over);
}

async function line(origin, root, { id, identifier }, override) {
  const traits = await origin("GET", `${root}/identities/${id}/traits/`);
  const pair = ({ trait_key, trait_value }) => ({ trait_key, trait_value });
  return JSON.stringify({
    identifier,
    identity_traits: (traits.results ?? traits).map(pair),
    identity_features: override?.identity_features ?? [],
    ...(override?.created_date === undefined ? {} : { created_date: override.created_date }),
  });
}
