// The faults of the static files that wrangler would upload: every needed file must be there, and no other.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";

/** Files that wrangler would read as settings; this project's settings are in wrangler.toml and in the worker. */
const SETTINGS = new Set(["/.assetsignore", "/_headers", "/_redirects"]);
/** A reference to another file: from the root, or relative. */
const REFERENCE = /["'](\/[^"'\s?#]*\.\w+|\.\/[^"'\s?#]+)["']/g;

/** The files below a folder, by the paths where they are served. */
export function staticFiles(folder) {
  const entries = existsSync(folder) ? readdirSync(folder, { recursive: true, withFileTypes: true }) : [];
  const files = entries.filter((entry) => !entry.isDirectory()).map((entry) => join(entry.parentPath ?? entry.path, entry.name));
  return new Map(files.sort().map((file) => [file.slice(folder.length).replaceAll("\\", "/"), readFileSync(file)]));
}

/** The files of the embedded origin (src/origin/entry.js). */
export const OF_ORIGIN = { roots: ["/api/v1/swagger.json", "/api/v1/swagger.yaml"], others: new Set() };

/** The faults of static files, path → content. `named`: the files that the worker serves by their names; by default the edge's. */
export function faultsOfFiles(files, named = servedByName()) {
  const faults = [];
  const { roots, others } = named;
  const needed = new Set(roots);
  // The set grows during the loop, and added files are checked, too.
  for (const path of needed) {
    const content = files.get(path);
    if (content === undefined) {
      faults.push(`${path} is needed, and is missing from the static files`);
      continue;
    }
    for (const [, name] of content.toString().matchAll(REFERENCE)) {
      const named = posix.resolve(posix.dirname(path), name);
      if (!others.has(named)) needed.add(named);
    }
  }
  for (const path of files.keys()) {
    if (SETTINGS.has(path)) faults.push(`${path} would change how the static files are served`);
    else if (!needed.has(path)) faults.push(`${path} is among the static files, but no page needs it`);
    if (/[#@]\s*sourceMappingURL=/.test(files.get(path).toString())) faults.push(`${path} names a source map`);
  }
  return faults;
}

/** The names in src/page.rs: files that no other file refers to, and paths that are not files. */
function servedByName() {
  const source = readFileSync("src/page.rs", "utf8");
  const folders = /const FOLDERS: .* = \[(.*)\];/.exec(source)?.[1].match(/[^", ]+/g) ?? [];
  const named = Array.from(source.matchAll(/const (\w+): &str = "(\/.*)";/g), ([, name, path]) => [name, path]);
  const isFile = ([name]) => name !== "ORIGIN_DESCRIPTION";
  return {
    roots: [...folders.map((folder) => `${folder}/index.html`), ...named.filter(isFile).map(([, path]) => path)],
    others: new Set(named.filter((each) => !isFile(each)).map(([, path]) => path)),
  };
}
