// Builds the embedded origin's OpenAPI description from src/openapi/origin. Adds the shared answers, and recorded answers as
// examples.

import { readFileSync } from "node:fs";

import { readParts } from "./openapi.mjs";

const SOURCES = "src/openapi/origin";
const RECORDED = "fixtures/origin/shapes.json";
const MEDIA_TYPE = "application/json";
/** The answers of every operation, and those of operations with a body, by status. */
const OF_ALL = { 401: "Unauthenticated", 403: "Forbidden", 404: "NotFound", 406: "NotAcceptable", 413: "TooLarge" };
const OF_BODIES = { 400: "Invalid", 415: "UnsupportedMediaType" };

/** The whole description. Throws if its parts contradict each other. `version` is the API's own. */
export function describeOrigin(version) {
  const { info, components, paths, ...document } = readParts(SOURCES);
  const recorded = JSON.parse(readFileSync(RECORDED, "utf8").replaceAll(/<<uuid-(\d+)>>/g, (_, number) => uuid(number)));
  for (const [path, item] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(item).filter(([name]) => name !== "parameters")) {
      const shared = Object.entries({ ...OF_ALL, ...(operation.requestBody === undefined ? {} : OF_BODIES) });
      const references = shared.map(([status, name]) => [status, { $ref: `#/components/responses/${name}` }]);
      const own = Object.entries(operation.responses).map(([status, response]) => {
        const found = recorded[`${method.toUpperCase()} ${routeOf(path)} ${status}`]?.examples;
        return [status, illustrated(response, found)];
      });
      operation.responses = { ...Object.fromEntries(references), ...Object.fromEntries(own) };
    }
  }
  return { openapi: document.openapi, info: { ...info, version }, ...document, paths, components };
}

/** A response with the recorded examples, if it has none of its own. */
function illustrated(response, recorded) {
  const described = response.content?.[MEDIA_TYPE];
  if (described === undefined || described.examples !== undefined || recorded === undefined) return response;
  const examples = Object.fromEntries(recorded.map((value, index) => [`recorded-${index + 1}`, { value }]));
  return { ...response, content: { [MEDIA_TYPE]: { ...described, examples } } };
}

/** The name of a path in the recorded answers (tests/shapes/routes.mjs). */
function routeOf(path) {
  return path.replace("{environment_key}", "{key}").replaceAll(/\{\w+_id\}/g, "{id}");
}

/** A UUID in place of the number of a recorded one. */
function uuid(number) {
  return `8a3c52f0-6d1b-4e97-b0d4-${number.padStart(12, "0")}`;
}
