// Gathers the static files in the folder that is given: the pages of src/pages, at the paths where they are served.

import { cpSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

// Where each folder of src/pages is served.
const PATHS = { docs: "api/v1/docs", edge: "edge" };

const [target] = process.argv.slice(2);
rmSync(target, { recursive: true, force: true });
for (const page of readdirSync("src/pages")) {
  if (!(page in PATHS)) throw new Error(`src/pages/${page} has no path in .make/assets.mjs`);
  const folder = join(target, PATHS[page]);
  mkdirSync(folder, { recursive: true });
  cpSync(join("src/pages", page), folder, { recursive: true });
}
