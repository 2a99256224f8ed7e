// Collects the static files in the given folder: the pages of src/pages at their paths, their parts from npm, and the API's
// description. The folder beside it, origin/assets, gets those of the embedded origin: the description of its API.

import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { stringify } from "yaml";

import { describe } from "./openapi.mjs";
import { describeOrigin } from "./origin_openapi.mjs";

// The path of each folder of src/pages.
const PATHS = { docs: "api/v1/docs", edge: "edge", home: "" };
// The parts of the explorer.
const SWAGGER_UI = ["swagger-ui-bundle.js", "swagger-ui.css"];

const [target] = process.argv.slice(2);
rmSync(target, { recursive: true, force: true });
for (const page of readdirSync("src/pages")) {
  if (!(page in PATHS)) throw new Error(`src/pages/${page} has no path in scripts/assets.mjs`);
  const folder = join(target, PATHS[page]);
  mkdirSync(folder, { recursive: true });
  cpSync(join("src/pages", page), folder, { recursive: true });
}
for (const file of SWAGGER_UI) {
  const source = readFileSync(join("node_modules/swagger-ui-dist", file), "utf8");
  // Its source map is not served.
  writeFileSync(join(target, PATHS.docs, file), source.replace(/\/\*# sourceMappingURL=.*\*\//, ""));
}

const version = /^version = "(.*)"$/m.exec(readFileSync("Cargo.toml", "utf8"))[1];
write(target, describe(version));
const ofOrigin = join(dirname(target), "origin/assets");
rmSync(ofOrigin, { recursive: true, force: true });
write(ofOrigin, describeOrigin(version));

/** Writes a description as JSON and as YAML, at its path among the static files of a folder. */
function write(folder, description) {
  mkdirSync(join(folder, "api/v1"), { recursive: true });
  writeFileSync(join(folder, "api/v1/swagger.json"), JSON.stringify(description));
  writeFileSync(join(folder, "api/v1/swagger.yaml"), stringify(description, { aliasDuplicateObjects: false }));
}
