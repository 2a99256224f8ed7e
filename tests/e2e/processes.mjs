// The child processes of a process, from /proc.

import { readdirSync, readFileSync } from "node:fs";

/** All child processes of `pid`, with their own child processes. */
export function descendants(pid) {
  const running = readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map((name) => read(Number(name))).filter((found) => found !== null);
  const below = (parent) => running.filter((child) => child.parent === parent).flatMap((child) => [child, ...below(child.pid)]);
  return below(pid);
}

/** True if this process is still running; its number may have been reused meanwhile. */
export function isRunning({ pid, started }) {
  return read(pid)?.started === started;
}

/** A running process, or null. An ended process stays listed until its parent reads its status. */
function read(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name before them may have spaces and parentheses.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [state, parent, started] = [fields[0], Number(fields[1]), fields[19]];
    if (state === "Z" || state === "X") return null;
    return { pid, parent, started, command: text(pid, "cmdline"), environment: text(pid, "environ") };
  } catch {
    return null;
  }
}

function text(pid, name) {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "latin1").replaceAll("\0", " ").trim();
  } catch {
    // A process of another user.
    return "";
  }
}
