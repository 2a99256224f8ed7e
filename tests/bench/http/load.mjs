// A run of wrk.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const SCRIPT = fileURLToPath(new URL("requests.lua", import.meta.url));
const CONNECTIONS = 16;
/** Longer than a round. An answer that waits for the disk is slow, but a timeout would fail the whole run. */
const TIMEOUT = "10s";
/** Linux's unit of times in /proc, the same on all architectures of Node. */
const TICKS_PER_SECOND = 100;

export function requireWrk() {
  if (spawnSync("wrk", ["--version"]).error !== undefined) {
    throw new Error("wrk is missing. Install it: apt-get install wrk, or brew install wrk");
  }
}

/**
 * Sends `requests` in turn to `edge` for some seconds, on 16 connections.
 *
 * Returns `perSecond`, `p50` and `p99` in milliseconds, and `cpu`: the runtime's processor time for each request in
 * microseconds, if there is /proc. Throws if any request failed.
 */
export async function load(edge, requests, seconds) {
  const file = join(edge.folder, "requests");
  writeFileSync(file, requests.map(bytesOf).join("\0"));
  const before = processorTime(edge.pid);
  const settings = ["-c", CONNECTIONS, "-t", 1, "-d", `${seconds}s`, "--timeout", TIMEOUT, "-s", SCRIPT];
  const wrk = spawn("wrk", [...settings, edge.address, "--", file]);
  let output = "";
  for (const stream of [wrk.stdout, wrk.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
  const giveUp = setTimeout(() => wrk.kill("SIGKILL"), (seconds + 20) * 1000);
  const end = () => wrk.kill();
  process.on("exit", end);
  await once(wrk, "close");
  process.off("exit", end);
  clearTimeout(giveUp);
  const after = processorTime(edge.pid);
  const result = /^RESULT (.*)$/m.exec(output);
  if (result === null) throw new Error(`wrk gave no result:\n${output}\n${edge.log}`);
  const { requests: count, microseconds, p50, p99, failed } = JSON.parse(result[1]);
  if (failed > 0 || count === 0) throw new Error(`${failed} of ${count} requests failed:\n${output}\n${edge.log}`);
  const cpu = before === null ? null : ((after - before) / count) * 1e6;
  return { perSecond: count / (microseconds / 1e6), p50: p50 / 1000, p99: p99 / 1000, cpu };
}

function bytesOf({ method, path, headers, body }) {
  const lines = [`${method} ${path} HTTP/1.1`, "Host: 127.0.0.1"];
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  if (body !== null) lines.push(`Content-Length: ${Buffer.byteLength(body)}`);
  return `${lines.join("\r\n")}\r\n\r\n${body ?? ""}`;
}

/** The processor time of a process in seconds, in user and system mode; null without /proc. */
function processorTime(pid) {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  } catch {
    return null;
  }
}
