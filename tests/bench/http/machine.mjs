// Where a figure comes from.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism, loadavg } from "node:os";

/** Cores, processor, versions, and how busy the machine was during the last five minutes. */
export function machine() {
  const version = createRequire(import.meta.url)("workerd/package.json").version;
  const busy = loadavg()[1].toFixed(1);
  return `${availableParallelism()} cores, ${processor()}, workerd ${version}, node ${process.version}; load average ${busy}`;
}

function processor() {
  try {
    return /^model name\s*: (.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))[1];
  } catch {
    return process.arch;
  }
}
