// `make import-identities`: imports identities into a worker, from a file of JSON lines or from a Flagsmith's Admin API.
//
// Each line is an identity in Flagsmith's stored form: identifier, identity_uuid, created_date, dashboard_alias, django_id,
// identity_traits, identity_features. JavaScript's numbers would change some of the values. So lines are sent without parsing
// them, and numbers in an origin's answers stay texts. Importing an identity twice has no further effect, so an interrupted
// import resumes from its checkpoint.

import { createHash } from "node:crypto";
import { createReadStream, statSync } from "node:fs";

import { JsonNumber, read, write } from "../src/pages/edge/numbers.js";
import { checkpoint } from "./checkpoint.mjs";
import { fail, required, setting } from "./command.mjs";
import { client, concurrently, pace } from "./http_client.mjs";
import { progress } from "./progress.mjs";

const file = setting("FILE", null);
const environment = required("ENVIRONMENT");
const edge = required("EDGE_URL");
const send = client(edge, required("AUTHORIZATION", ": `Api-Key …` or `Token …`"));
const wait = pace(Number(setting("RATE", 200)));
const batch = Math.min(100, Number(setting("BATCH", 50)));
const NEWLINE = Buffer.from("\n");
/** The byte order mark, which some editors on Windows write. */
const BYTE_ORDER_MARK = Buffer.from("\ufeff");
/** The maximum number of concurrent requests to an origin, which may have few processes. */
const ORIGIN_REQUESTS = 8;
/** The member with the value of an origin's trait, by the type of the value. */
const VALUES = { unicode: "string_value", int: "integer_value", bool: "boolean_value", float: "float_value" };

if (setting("SOURCE", "file") === "origin") await importFromOrigin();
else if (file !== null) await importFile(file);
else fail("There is nothing to import: set FILE=identities.jsonl, or SOURCE=origin.");

/** Imports lines; resolves to the number of skipped lines. */
async function bring(lines) {
  await wait(lines.length);
  const path = `/edge/environments/${environment}/identities/import/`;
  const body = Buffer.concat(lines.flatMap((line) => [line, NEWLINE]));
  const { passed_over } = JSON.parse(await send("POST", path, { body, type: "application/x-ndjson" }));
  if (!Number.isInteger(passed_over)) fail("The worker is older than this command. Deploy this version first.");
  return passed_over;
}

/** Prints the number of imported and skipped lines. Skipped lines have identifiers that no request can have. */
function report(lines, passedOver) {
  console.log(`${lines - passedOver} identities were imported into ${environment}.`);
  if (passedOver > 0) console.log(`${passedOver} lines were skipped, because their identifiers are blank.`);
}

async function importFile(file) {
  const { size } = statSync(file);
  const reached = checkpoint(`${file}.imported`, { edge, environment }, { bytes: 0, identities: 0, passed_over: 0 });
  const show = progress(size);
  // A checkpoint of an earlier version has no `passed_over`.
  let { bytes, identities, passed_over = 0 } = reached.get();
  // The hash of the imported part only: the rest of the file may have been corrected since.
  const hash = await hashOf(file, bytes);
  if (bytes > 0 && hash.copy().digest("hex") !== reached.get().sha256) {
    fail(`${file}.imported belongs to an import of other identities. Remove the file to start again.`);
  }
  let lines = [];
  let length = 0;
  const flush = async () => {
    if (lines.length === 0) return;
    passed_over += await bring(lines);
    bytes += length;
    identities += lines.length;
    reached.set({ bytes, identities, passed_over, sha256: hash.copy().digest("hex") });
    show(bytes);
    lines = [];
    length = 0;
  };
  for await (const line of linesOf(file, bytes)) {
    hash.update(line);
    const isFirst = bytes === 0 && length === 0;
    length += line.length;
    const content = isFirst && line.subarray(0, 3).equals(BYTE_ORDER_MARK) ? line.subarray(3) : line;
    if (content.some((byte) => byte > 0x20)) lines.push(content);
    // A worker reads bodies of up to 8 MiB.
    if (lines.length === batch || length > 4 * 1024 * 1024) await flush();
  }
  await flush();
  show(size);
  report(identities, passed_over);
}

/** The hash of the first bytes of a file. */
async function hashOf(file, length) {
  const hash = createHash("sha256");
  if (length > 0) for await (const piece of createReadStream(file, { end: length - 1 })) hash.update(piece);
  return hash;
}

/** The lines of a file from an offset, as bytes, each with its line end. */
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
 * Imports the identities of a self-hosted Flagsmith, page by page; their overrides are in the environment's document.
 *
 * The checkpoint is a number of identities, not of pages, since the size of pages may differ when the import resumes.
 */
async function importFromOrigin() {
  const from = required("ORIGIN_URL");
  const origin = client(from, required("ORIGIN_AUTHORIZATION"));
  const root = `/api/v1/environments/${environment}`;
  const start = { identities: 0, passed_over: 0 };
  const reached = checkpoint(`.import-${environment}.json`, { edge, origin: from, environment }, start);
  const overrides = await overridesOf(origin, root);
  let page = Math.floor(reached.get().identities / batch) + 1;
  let identities = (page - 1) * batch;
  let { passed_over = 0 } = reached.get();
  let show = null;
  for (let more = true; more; page += 1) {
    const { count, next, results } = JSON.parse(await origin("GET", `${root}/identities/?page_size=${batch}&page=${page}`));
    show ??= progress(count);
    const lines = await concurrently(results, ORIGIN_REQUESTS, async ({ id, identifier }) => {
      const identity_traits = await traitsOf(origin, `${root}/identities/${id}/traits/`);
      const { identity_features = [], created_date } = overrides.get(identifier) ?? {};
      return Buffer.from(write({ identifier, identity_traits, identity_features, created_date, django_id: id }));
    });
    if (lines.length > 0) passed_over += await bring(lines);
    identities += lines.length;
    more = next !== null;
    reached.set({ identities, passed_over });
    show(identities);
  }
  report(identities, passed_over);
}

/** The overrides in the environment's document, by identifier. */
async function overridesOf(origin, root) {
  const document = read(await origin("GET", `${root}/document/`));
  if (document.use_identity_overrides_in_local_eval === false) {
    fail("The environment's document does not include identity overrides, so they would be lost. Switch them on for local evaluation (Environment settings → SDK settings).");
  }
  const overrides = new Map();
  for (const identity of document.identity_overrides) {
    // As in evaluation, the first of several counts.
    if (!overrides.has(identity.identifier)) overrides.set(identity.identifier, identity);
  }
  return overrides;
}

/** All traits of an identity of the origin, page by page. */
async function traitsOf(origin, path) {
  const traits = [];
  for (let page = 1; ; page += 1) {
    const { results, next } = read(await origin("GET", `${path}?page_size=999&page=${page}`));
    traits.push(...results.map(traitOf));
    if (next === null) return traits;
  }
}

function traitOf({ trait_key, value_type, ...values }) {
  if (!Object.hasOwn(VALUES, value_type)) fail(`A trait of the origin has the unknown type ${JSON.stringify(value_type)}, so the import stopped.`);
  const value = values[VALUES[value_type]];
  // A float stays a float, even if its text is a whole number.
  const isWhole = value_type === "float" && /^-?\d+$/.test(String(value));
  return { trait_key, trait_value: isWhole ? new JsonNumber(`${value}.0`) : value };
}
