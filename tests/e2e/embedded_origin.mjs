// The embedded origin for tests: bound to the edge, or alone.

import { learn } from "./secrets.mjs";

/** A master API key in Flagsmith's form. */
export const API_KEY = "Tf6JxQp2.wT8mYk3RbV5nCq9ZsL4hDe7GuX1aFo6J";

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
        modules: [
          { name: "src/origin/entry.js", kind: "esModule", file: "src/origin/entry.js" },
          { name: "src/platform/object_class.js", kind: "esModule", file: "src/platform/object_class.js" },
          { name: "build/origin/index.js", kind: "esModule", file: "build/origin/index.js" },
          { name: "build/origin/index_bg.wasm", kind: "wasm", file: "build/origin/index_bg.wasm" },
        ],
        variables: { ORIGIN_API_TOKEN: API_KEY },
        classes: ["OriginObject"],
        objects: [{ binding: "ORIGIN", className: "OriginObject" }],
      },
    ],
    services: [{ binding: "ORIGIN", script: "origin" }],
  };
}
