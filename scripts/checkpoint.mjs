// The progress of a command in a file, so that an interrupted command resumes.

import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";

import { fail } from "./command.mjs";

/** Keeps the progress of a task in `file`; `what` identifies the task, `start` is the progress of a new one. */
export function checkpoint(file, what, start) {
  let state = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : { ...what, ...start };
  const other = Object.keys(what).filter((name) => state[name] !== what[name]);
  if (other.length > 0) fail(`${file} belongs to an import with another ${other.join(" and ")}. Remove the file to start again.`);
  return {
    get: () => state,
    set(next) {
      state = { ...what, ...next };
      // Replaced atomically.
      writeFileSync(`${file}.new`, JSON.stringify(state));
      renameSync(`${file}.new`, file);
    },
  };
}
