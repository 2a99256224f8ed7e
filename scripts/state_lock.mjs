// The lock of a state folder: two servers on the same files would lose each other's writes.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Takes the lock of a state folder until this process ends. Throws if another process that still runs has it. */
export function lockState(state) {
  mkdirSync(state, { recursive: true });
  const file = join(state, "lock");
  while (!create(file)) {
    const owner = Number(read(file));
    if (isRunning(owner)) throw new Error(`${state} is in use by another make dev (process ${owner}). Choose another folder: make dev STATE=.wrangler/other`);
    // Its owner was killed.
    rmSync(file, { force: true });
  }
  process.on("exit", () => rmSync(file, { force: true }));
}

/** True if the file was created; false if it exists. */
function create(file) {
  try {
    writeFileSync(file, `${process.pid}\n`, { flag: "wx" });
    return true;
  } catch (error) {
    if (error.code === "EEXIST") return false;
    throw error;
  }
}

function read(file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

function isRunning(pid) {
  try {
    return pid > 0 && process.kill(pid, 0);
  } catch (error) {
    return error.code === "EPERM";
  }
}
