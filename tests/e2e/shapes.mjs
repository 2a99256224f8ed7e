// The recorded answers of a running Flagsmith, by route: the schema of each body and an example of it. Stand-ins make their
// answers from the examples, and are checked against the schemas (tests/shapes/generate.mjs).

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { Ajv2020 } from "ajv/dist/2020.js";

import { answerName, commonName, routeOf } from "../shapes/routes.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const TABLE = JSON.parse(readFileSync(join(ROOT, "fixtures/origin/shapes.json"), "utf8"));
const ajv = new Ajv2020({ allErrors: true, allowUnionTypes: true });

/** The found differences. With at least one the process fails, even if its test passed. */
const found = new Set();
process.on("exit", () => {
  if (found.size === 0) return;
  console.error(`A stand-in has invented answers:\n${[...found].join("\n")}`);
  process.exitCode = 1;
});

/** A recorded body, with one item of each list. `route` is a name in the table. */
export function recordedBody(method, route, status = 200) {
  const { examples } = TABLE[answerName(method, route, status)];
  return structuredClone(examples[0]);
}

/** Makes the process fail at its end if a stand-in's answer differs from every recorded one; undefined is no answer. */
export function requireRecorded({ method, target }, answer) {
  const inventions = answer === undefined ? [`${method} ${target}: a function answers itself; declare the answer with fault() instead of on()`] : inventionsIn(method, target, answer);
  inventions.forEach((invention) => found.add(invention));
}

/** The differences of an answer from every recorded one of its route and status, a text each. */
export function inventionsIn(method, target, { status = 200, body = "" }) {
  const name = answerName(method, routeOf(target), status);
  const known = [name, commonName(status)].find((each) => each in TABLE);
  if (known === undefined) return [`${name}: no recording has this answer`];
  let value;
  try {
    value = valueOf(body);
  } catch {
    return [`${name}: the body is not JSON`];
  }
  const validate = ajv.getSchema(known) ?? ajv.compile({ $id: known, ...TABLE[known] });
  return validate(value) ? [] : validate.errors.map((error) => `${name}: ${describe(error)}`);
}

/** The JSON of a body: text, bytes or a value; null where there is none. */
function valueOf(body) {
  const isRaw = typeof body === "string" || body instanceof Uint8Array;
  if (!isRaw) return JSON.parse(JSON.stringify(body));
  return body.length === 0 ? null : JSON.parse(Buffer.from(body).toString("utf8"));
}

function describe({ instancePath, keyword, message, params }) {
  const at = `body${instancePath.replaceAll("/", ".")}`;
  if (keyword === "additionalProperties") return `no recording has ${at}.${params.additionalProperty}`;
  if (keyword === "required") return `every recording has ${at}.${params.missingProperty}`;
  return `${at} ${message}${params.type === undefined ? "" : ` (${params.type})`}`;
}
