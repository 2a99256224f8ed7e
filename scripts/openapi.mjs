// Builds the API's description from the YAML of src/openapi, with examples from the exchanges in fixtures/.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { parse } from "yaml";

const SOURCES = "src/openapi";
// Tests replay these against the worker, so an example is a real answer.
const EXCHANGES = ["fixtures/exchanges", "fixtures/admin"];
/** Placeholders of exchanges, and their values in examples. `version` is the API's own. */
const placeholders = (version) => [
  [/<<uuid-(\d)>>/g, "8a3c52f0-6d1b-4e97-b0d4-2f6f5ac1e70$1"],
  [/<<page-\d>>/g, "eyJpZGVudGlmaWVyIjogImFkYSJ9"],
  [/<<release-\d>>/g, version],
  [/<<version-(\d)>>/g, "179536272190$1-bf66b09839e21e9b"],
  [/<<time-(\d)>>/g, "2026-11-22T15:52:01.90$1Z"],
  [/<<webhook-\d>>/g, "https://edge.example.com/edge/webhooks/e59cbdd7ef52606646062a81f99ef4d7"],
  [/"<number: (\d+)>"/g, "$1"],
];

/** The whole description. Throws if its parts contradict each other. `version` is the API's own. */
export function describe(version) {
  const { info, components, paths, ...document } = readParts(SOURCES);
  const files = EXCHANGES.flatMap((folder) => readdirSync(folder).map((file) => join(folder, file)));
  const exchanges = new Map(files.flatMap((file) => readExchanges(file, version)).map((exchange) => [exchange.name, exchange]));
  for (const [path, item] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(item).filter(([name]) => name !== "parameters")) {
      const { "x-exchanges": names = [], ...described } = operation;
      item[method] = described;
      for (const name of names) {
        if (!exchanges.has(name)) throw new Error(`${method} ${path}: there is no exchange "${name}"`);
        illustrate(described, components, method, path, exchanges.get(name));
      }
    }
  }
  return { openapi: document.openapi, info: { ...info, version }, ...document, paths, components };
}

/** The parts of a description, the YAML files of a folder, in one. */
export function readParts(folder) {
  const files = readdirSync(folder).filter((file) => file.endsWith(".yaml"));
  return files.map((file) => parse(readFileSync(join(folder, file), "utf8"), { merge: true })).reduce(merged);
}

/** Merges two objects, and objects of the same name in both. */
function merged(one, other) {
  if (!isObject(one) || !isObject(other)) throw new Error(`${JSON.stringify(other)} is described twice`);
  const joined = { ...one };
  for (const [name, value] of Object.entries(other)) joined[name] = name in joined ? merged(joined[name], value) : value;
  return joined;
}

function readExchanges(file, version) {
  const text = placeholders(version).reduce((text, [pattern, value]) => text.replace(pattern, value), readFileSync(file, "utf8"));
  return text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
}

/** Adds an exchange as an example to its operation. */
function illustrate(operation, components, method, path, { name, request, response }) {
  const fail = (problem) => {
    throw new Error(`${method} ${path}: the exchange "${name}" ${problem}`);
  };
  const [sentPath, query = ""] = request.path.split("?");
  const template = new RegExp(`^${path.replace(/\/$/, "").replaceAll(/\{\w+\}/g, "[^/]+")}/?$`);
  if (request.method.toLowerCase() !== method || !template.test(sentPath)) fail(`is ${request.method} ${request.path}`);
  const key = name.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
  const add = (place, value) => (place.examples = { ...place.examples, [key]: { summary: name, value } });

  operation.parameters = (operation.parameters ?? []).map((parameter) => ({ ...parameter }));
  for (const parameter of operation.parameters.filter(({ required, in: place }) => required && place === "query")) {
    add(parameter, new URLSearchParams(query).get(parameter.name));
  }
  if (operation.parameters.length === 0) delete operation.parameters;
  // A refused body is not an example of a request.
  if (request.body !== null && request.headers["Content-Type"] === "application/json" && response.status !== 400) {
    operation.requestBody = structuredClone(operation.requestBody);
    add(operation.requestBody.content["application/json"], JSON.parse(request.body));
  }
  const described = operation.responses[response.status] ?? fail(`is answered with ${response.status}`);
  if (response.body === null) return;
  operation.responses = { ...operation.responses };
  const answer = structuredClone(resolve(components, described));
  if (answer.content === undefined) fail("is answered with a body");
  // An operation's own example is better than a shared one.
  if (described.$ref !== undefined) delete answer.content["application/json"].examples;
  const { document } = response.body;
  add(answer.content["application/json"], document === undefined ? response.body : JSON.parse(readFileSync(join("fixtures", document), "utf8")));
  operation.responses[response.status] = answer;
}

function resolve(components, { $ref, ...described }) {
  if ($ref === undefined) return described;
  const [, , kind, name] = $ref.split("/");
  return components[kind][name];
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
