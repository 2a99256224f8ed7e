// `make dev` as a process of a test.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";

import { becomes, ROOT } from "./harness.mjs";
import { descendants, isRunning } from "./processes.mjs";

/** Starts `make dev` and waits for its introduction with these words. If the free port was taken meanwhile, another is used. */
export async function startDev(t, state, settings = [], introduction = ["Requests to paste", "Also seeded"]) {
  for (;;) {
    const port = await freePort();
    const dev = make(t, ["dev", `PORT=${port}`, `STATE=${state}`, ...settings]);
    const isReady = () => [...introduction, "The operator's page"].every((words) => dev.output().includes(words));
    await becomes(dev.output, () => isReady() || dev.hasEnded(), "make dev is ready");
    if (isReady()) return { ...dev, port };
    assert.match(dev.output(), /is taken|already in use/i);
  }
}

/** Runs make as the leader of a process group of its own, so that all of it can be ended. */
export function make(t, parameters) {
  const child = spawn("make", parameters, { cwd: ROOT, detached: true });
  const ended = once(child, "close").then(([code]) => code);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  const interrupt = () => {
    if (!hasEnded()) process.kill(-child.pid, "SIGINT");
  };
  const processes = () => descendants(child.pid);
  const end = async () => {
    const running = processes();
    interrupt();
    const code = await ended;
    await noneRuns(running, "SIGINT to all");
    return code;
  };
  t.after(end);
  process.on("exit", interrupt);
  ended.then(() => process.off("exit", interrupt));
  return { pid: child.pid, processes, ended, end, hasEnded, output: () => output };
}

export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** Resolves when none of these processes runs. */
export function noneRuns(processes, message) {
  return becomes(() => processes.filter(isRunning).map(({ command }) => command).join("\n"), "", message);
}
