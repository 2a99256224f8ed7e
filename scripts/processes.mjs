// A program that ends together with this process, and so does everything that it has started.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";

const GRACE_MS = 5_000;
const PARENT_CHECK_MS = 500;
const POLL_MS = 20;
const MAX_POLLS = 50;
const PARENT = process.ppid;

/**
 * Starts a program in a process group of its own. This process ends when the program does, and then nothing of the group is
 * left. SIGINT, SIGTERM, SIGHUP and the end of the parent end the program; so does SIGKILL, through a watchdog.
 */
export function startGroup(command, parameters, env) {
  const leader = spawn(command, parameters, { env, detached: true, stdio: ["ignore", "inherit", "inherit"] });
  // Its input ends when this process does, for whatever reason. Then it kills what is left of the group.
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
  // A process whose parent is killed gets another one, and no signal.
  setInterval(() => process.ppid !== PARENT && !isEnding && end(), PARENT_CHECK_MS);
  leader.on("exit", async (code) => {
    watchdog.stdin.end();
    if (watchdog.exitCode === null) await once(watchdog, "exit");
    for (let polls = 0; polls < MAX_POLLS && isAlive(-leader.pid); polls += 1) await delay(POLL_MS);
    process.exit(isEnding ? 0 : (code ?? 1));
  });
  return leader;
}

/** True if there is a process of this id, or of the group of this negated id. */
function isAlive(id) {
  try {
    return process.kill(id, 0);
  } catch {
    return false;
  }
}
