// The conditions of a measurement.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism, loadavg } from "node:os";

/** Cores, processor, versions, and the machine's load during the last five minutes. */
export function machine() {
  const version = createRequire(import.meta.url)("workerd/package.json").version;
  const busy = loadavg()[1].toFixed(1);
  return `${availableParallelism()} cores, ${processor()}, workerd ${version}, node ${process.version}; load average ${busy}`;
}

/** The measured commit, with `-dirty` if there are changes; null outside of a clone. */
export function commit() {
  const { status, stdout } = spawnSync("git", ["describe", "--always", "--dirty"], { encoding: "utf8" });
  return status === 0 ? stdout.trim() : null;
}

function processor() {
  try {
    return /^model name\s*: (.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))[1];
  } catch {
    return process.arch;
  }
}
