// Starts a program that ends together with this process and with all of its own child processes.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";

const GRACE_MS = 5_000;
const PARENT_CHECK_MS = 500;
const POLL_MS = 20;
const MAX_POLLS = 50;
const PARENT = process.ppid;

/**
 * Starts a program in its own process group. When the program ends, the rest of the group and this process end, too. SIGINT,
 * SIGTERM, SIGHUP and the end of the parent end the program. After a SIGKILL of this process a watchdog ends it.
 */
export function startGroup(command, parameters, env) {
  const leader = spawn(command, parameters, { env, detached: true, stdio: ["ignore", "inherit", "inherit"] });
  // The watchdog's input ends with this process in any case. Then it kills the rest of the group.
  const watchdog = spawn("sh", ["-c", 'read -r line; kill -9 "-$0"', String(leader.pid)], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  let isEnding = false;
  const end = () => {
    // A second signal does not wait.
    if (isEnding) return watchdog.stdin.end();
    isEnding = true;
    leader.kill("SIGTERM");
    setTimeout(() => watchdog.stdin.end(), GRACE_MS);
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, end);
  // If the parent is killed, this process gets another parent and no signal.
  setInterval(() => process.ppid !== PARENT && !isEnding && end(), PARENT_CHECK_MS);
  leader.on("exit", async (code) => {
    watchdog.stdin.end();
    if (watchdog.exitCode === null) await once(watchdog, "exit");
    for (let polls = 0; polls < MAX_POLLS && isAlive(-leader.pid); polls += 1) await delay(POLL_MS);
    process.exit(isEnding ? 0 : (code ?? 1));
  });
  return leader;
}

/** True if a process with this id exists, or, for a negative number, one in that group. */
function isAlive(id) {
  try {
    return process.kill(id, 0);
  } catch {
    return false;
  }
}
