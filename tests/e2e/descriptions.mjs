// Checks of descriptions of APIs, for the edge's own and the embedded origin's.

import { spawn } from "node:child_process";
import { once } from "node:events";

import { Ajv2020 } from "ajv/dist/2020.js";

import { ROOT } from "./harness.mjs";

const MEDIA_TYPE = "application/json";

/** The schemas of a description. */
export class Schemas {
  #ajv = new Ajv2020({ strict: false, validateFormats: false });
  #description;

  constructor(description) {
    this.#description = description;
    this.#ajv.addSchema(description, "description");
  }

  /** The fault of a value, or null. The schema is in the media type at a pointer. */
  fault(pointer, value) {
    const validate = this.#ajv.getSchema(`description#${pointer}/schema`);
    return validate(value) ? null : this.#ajv.errorsText(validate.errors);
  }

  /** The pointer to the JSON of a response, or null if it has no body. Undefined for a status that is not described. */
  responseAt(path, method, status) {
    const response = this.#description.paths[path]?.[method]?.responses[status];
    if (response === undefined) return undefined;
    const { $ref } = response;
    const pointer = $ref === undefined ? pointerTo("paths", path, method, "responses", String(status)) : $ref.slice(1);
    const { content } = $ref === undefined ? response : this.#description.components.responses[$ref.split("/").at(-1)];
    return content === undefined ? null : pointer + pointerTo("content", MEDIA_TYPE);
  }
}

/** The faults of a description's examples, which every JSON body must have, and their number. */
export function checkExamples(description) {
  const schemas = new Schemas(description);
  const found = [];
  let count = 0;
  const check = (pointer, { examples }) => {
    if (examples === undefined) found.push(`${pointer}: there is no example`);
    for (const [name, example] of Object.entries(examples ?? {})) {
      count += 1;
      // External values are paths of the worker, which another test checks.
      const fault = example.externalValue === undefined ? schemas.fault(pointer, example.value) : null;
      if (fault !== null) found.push(`${pointer}/examples/${name}: ${fault}`);
    }
  };
  for (const { path, method, operation: { requestBody, responses } } of operationsOf(description)) {
    const at = pointerTo("paths", path, method);
    if (requestBody?.content[MEDIA_TYPE]) check(at + pointerTo("requestBody", "content", MEDIA_TYPE), requestBody.content[MEDIA_TYPE]);
    for (const [status, response] of Object.entries(responses)) {
      if (response.content?.[MEDIA_TYPE]) check(at + pointerTo("responses", status, "content", MEDIA_TYPE), response.content[MEDIA_TYPE]);
    }
  }
  for (const [name, response] of Object.entries(description.components.responses)) {
    if (response.content) check(pointerTo("components", "responses", name, "content", MEDIA_TYPE), response.content[MEDIA_TYPE]);
  }
  return { found, count };
}

/** The operations of a description: {path, method, operation}. */
export function operationsOf({ paths }) {
  return Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).filter(([name]) => name !== "parameters").map(([method, operation]) => ({ path, method, operation })),
  );
}

/** The requests of an item of a folder in Postman's collection, which may be a folder itself. */
export function flatten(item) {
  return item.item === undefined ? [item] : item.item.flatMap(flatten);
}

/** Runs a command and resolves to its output. Fails if the command fails. */
export async function run(command, parameters, variables) {
  const child = spawn(command, parameters, { cwd: ROOT, env: { ...process.env, ...variables } });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(output);
  return output;
}

function pointerTo(...steps) {
  return steps.map((step) => `/${encodeURIComponent(step.replaceAll("~", "~0").replaceAll("/", "~1"))}`).join("");
}
