// Writes fixtures/origin/shapes.json: for each recorded answer of a running Flagsmith the schema of its body and, for a
// successful one, an example. With --check it only compares the file with the recordings.

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { answerName, commonName, routeOf } from "./routes.mjs";
import { retyped, schemaOf, widened } from "./schema.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const RECORDINGS = resolve(ROOT, process.env.RECORDINGS ?? "../shared/recordings");
const TABLE = join(ROOT, "fixtures/origin/shapes.json");
/** Flagsmith's refusals have the same form on every route: {"detail": text}. */
const COMMON_STATUSES = [401, 403, 404, 405, 406, 415];
const DETAIL = schemaOf([{ detail: "" }]);
/** Types of document members that no recording has; Flagsmith does not describe the format. */
const SCALAR = ["boolean", "integer", "null", "number", "string"];
const DOCUMENT_TYPES = {
  dashboard_alias: ["null", "string"],
  django_id: ["integer", "null"],
  feature_state_value: SCALAR,
  id: ["integer", "null"],
  key: ["null", "string"],
  priority: ["integer", "null"],
  value: SCALAR,
};

if (!existsSync(RECORDINGS)) {
  console.log(`NOT RUN: there are no recordings in ${RECORDINGS}, from which fixtures/origin/shapes.json is made; set RECORDINGS`);
} else {
  const text = render(table());
  if (!process.argv.includes("--check")) {
    mkdirSync(dirname(TABLE), { recursive: true });
    writeFileSync(TABLE, text);
  } else if (!existsSync(TABLE) || readFileSync(TABLE, "utf8") !== text) {
    console.error("fixtures/origin/shapes.json is not what the recordings give: run `node tests/shapes/generate.mjs`.");
    process.exit(1);
  }
}

/** Name of the answer → its schema. */
function table() {
  const described = description();
  const shapes = new Map(COMMON_STATUSES.map((status) => [commonName(status), DETAIL]));
  for (const [name, { route, method, status, bodies }] of answers()) {
    const schema = schemaOf(bodies);
    if (COMMON_STATUSES.includes(status) && same(schema, DETAIL)) continue;
    const wide = route.endsWith("document/") ? retyped(schema, DOCUMENT_TYPES) : widened(schema, described(method, route, status), described.resolve);
    const examples = status < 300 && bodies.some((body) => body !== null) ? { examples: [exampleOf(bodies)] } : {};
    shapes.set(name, { ...wide, ...examples });
  }
  shapes.set(answerName("GET", "/api/v1/swagger.json", 200), selfDescription());
  return shapes;
}

/** The recorded bodies of each answer. */
function answers() {
  const found = new Map();
  const add = (method, target, status, body) => {
    const route = routeOf(target);
    const name = answerName(method, route, status);
    const answer = found.get(name) ?? { route, method, status, bodies: [] };
    answer.bodies.push(body);
    found.set(name, answer);
  };
  for (const { request, response } of exchangesIn("admin.jsonl")) add(request.method, request.path, response.status, response.body);
  // The only requests of SDKs that the worker sends to the origin.
  for (const { request, response } of exchangesIn("sdk.jsonl").filter(({ request }) => request.path.includes("/analytics/"))) {
    add(request.method, request.path, response.status, response.body);
  }
  const folder = join(RECORDINGS, "documents");
  for (const file of readdirSync(folder).sort().filter((name) => name !== "server-keys.json")) {
    const document = JSON.parse(readFileSync(join(folder, file), "utf8"));
    for (const target of [`/api/v1/environments/${document.api_key}/document/`, "/api/v1/environment-document/"]) add("GET", target, 200, document);
  }
  return found;
}

/** Flagsmith's description of its API: its members, with any content. */
function selfDescription() {
  const recorded = JSON.parse(readFileSync(join(RECORDINGS, "flagsmith-openapi.json"), "utf8"));
  const { properties, ...schema } = schemaOf([recorded]);
  const free = Object.fromEntries(Object.entries(properties).map(([name, { type }]) => [name, { type }]));
  const { title, version } = recorded.info;
  return { ...schema, properties: free, examples: [{ ...recorded, info: { title, version }, paths: {}, components: {}, tags: [] }] };
}

/** The schema of a successful answer in Flagsmith's own description, as a function with a `resolve` for references. */
function description() {
  const { paths, components } = JSON.parse(readFileSync(join(RECORDINGS, "flagsmith-openapi.json"), "utf8"));
  const unnamed = (path) => path.replaceAll(/\{\w+\}/g, "{}");
  const operations = new Map(Object.entries(paths).map(([path, operations]) => [unnamed(path), operations]));
  const schemaIn = (method, route, status) => {
    const responses = operations.get(unnamed(route))?.[method.toLowerCase()]?.responses ?? {};
    const successful = Object.keys(responses).find((name) => name.startsWith("2"));
    const response = status < 300 ? (responses[status] ?? responses[successful]) : undefined;
    return response?.content?.["application/json"]?.schema ?? {};
  };
  const resolve = (reference) => components.schemas[reference.replace("#/components/schemas/", "")];
  return Object.assign(schemaIn, { resolve });
}

/** The fullest of the bodies, with one item of each list. */
function exampleOf(bodies) {
  const length = (body) => JSON.stringify(body).length;
  return shortened(bodies.reduce((fullest, body) => (length(body) > length(fullest) ? body : fullest)));
}

function shortened(value) {
  if (Array.isArray(value)) return value.slice(0, 1).map(shortened);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, shortened(member)]));
}

function exchangesIn(file) {
  return readFileSync(join(RECORDINGS, file), "utf8").split("\n").filter(Boolean).map((line) => JSON.parse(line));
}

/** A line for each answer, in the order of their names. */
function render(shapes) {
  const lines = [...shapes.keys()].sort().map((name) => `${JSON.stringify(name)}: ${JSON.stringify(shapes.get(name))}`);
  return `{\n${lines.join(",\n")}\n}\n`;
}

function same(left, right) {
  return JSON.stringify(left) === JSON.stringify(right);
}
