// The embedded origin for tests: bound to the edge, or alone.

import assert from "node:assert/strict";
import { join } from "node:path";

import { ROOT, startEdge } from "./harness.mjs";
import { learn } from "./secrets.mjs";

/** A master API key in Flagsmith's form. */
export const API_KEY = "Tf6JxQp2.wT8mYk3RbV5nCq9ZsL4hDe7GuX1aFo6J";

const MODULES = [
  { name: "src/origin/entry.js", kind: "esModule", file: "src/origin/entry.js" },
  { name: "src/platform/object_class.js", kind: "esModule", file: "src/platform/object_class.js" },
  { name: "build/origin/index.js", kind: "esModule", file: "build/origin/index.js" },
  { name: "build/origin/index_bg.wasm", kind: "wasm", file: "build/origin/index_bg.wasm" },
];
const ASSETS = join(ROOT, "build/origin/assets");
const OBJECTS = [{ binding: "STATE", className: "OriginObject" }];

/**
 * The options of `startEdge` for an edge with the embedded origin bound to it. `variables` are further settings of the edge.
 */
export function embeddedOrigin(variables = {}) {
  learn(API_KEY);
  return {
    variables: { ORIGIN_API_TOKEN: API_KEY, ...variables },
    scripts: [
      {
        name: "origin",
        modules: MODULES,
        assets: ASSETS,
        variables: { ORIGIN_API_TOKEN: API_KEY },
        classes: ["OriginObject"],
        objects: OBJECTS,
      },
    ],
    services: [{ binding: "ORIGIN", script: "origin" }],
  };
}

/**
 * Starts an origin alone, with an empty state, as a server of its own: what `startEdge` resolves to. Its API key is API_KEY.
 * `opened`: true to add `/sql`, which executes statements in the object's database (opened_origin.js).
 */
export function startEmbeddedOrigin({ opened = false } = {}) {
  learn(API_KEY);
  const entry = { name: "src/origin/test.js", kind: "esModule", file: "tests/e2e/opened_origin.js" };
  const modules = opened ? [entry, ...MODULES] : MODULES;
  return startEdge({ modules, objects: OBJECTS, variables: { ORIGIN_API_TOKEN: API_KEY } });
}

/** Returns a function that sends a request to the Admin API with the API key, and resolves to its answer. */
export function adminOf(server) {
  return (method, path, body, key = API_KEY) => {
    const headers = { Authorization: `Api-Key ${key}`, "Content-Type": "application/json" };
    return server.request({ method, path, headers, body: body === undefined ? null : JSON.stringify(body) });
  };
}

/**
 * Creates an organisation with a project at the embedded origin behind a server: {admin, send, project}. `project` is its id;
 * `admin` sends a request to a path below `/api/v1/`, resolves to the answer's JSON, and fails if the answer is an error.
 */
export async function createProject(server) {
  const send = adminOf(server);
  const admin = async (method, path, body) => {
    const answer = await send(method, `/api/v1/${path}`, body);
    assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${answer.text}`);
    return answer.json();
  };
  const { id: organisation } = await admin("POST", "organisations/", { name: "o" });
  const { id: project } = await admin("POST", "projects/", { name: "p", organisation });
  return { admin, send, project };
}

/**
 * Creates a project with an environment and an enabled feature `f` of the value "0": {admin, key, change}. `key` is the environment's
 * client key; `change` sets the feature's value there.
 */
export async function createFlag(server) {
  const { admin, project } = await createProject(server);
  const { api_key: key } = await admin("POST", "environments/", { name: "e", project });
  const { id: feature } = await admin("POST", `projects/${project}/features/`, { name: "f", initial_value: "0", default_enabled: true });
  const { results } = await admin("GET", `environments/${key}/featurestates/?feature=${feature}`);
  const change = (value) => admin("PATCH", `environments/${key}/featurestates/${results[0].id}/`, { feature_state_value: value });
  return { admin, key, change };
}
