// Runs the import, export and repair commands in the same way as make.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { ROOT } from "./harness.mjs";

/** The variables that make exports to these commands, set or not. */
const EXPORTED = /^export (EDGE_URL .*)$/m.exec(readFileSync(join(ROOT, "Makefile"), "utf8"))[1].split(" ");

/**
 * Runs a command for the worker, in its own folder and with make's settings, in which unset variables are empty texts. Resolves
 * to its output, or rejects with its error output.
 */
export async function run(t, command, admin, settings = {}, folder = mkdtempSync(join(tmpdir(), "transfer-"))) {
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const { PATH } = process.env;
  const unset = Object.fromEntries(EXPORTED.map((name) => [name, ""]));
  const given = { EDGE_URL: admin.edge.address, ENVIRONMENT: admin.key, AUTHORIZATION: "Api-Key local.key", RATE: "10000", ...settings };
  const env = { PATH, ...unset, ...given };
  const child = spawn(process.execPath, [join(ROOT, `scripts/${command}.mjs`)], { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] });
  const printed = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"]) child[name].setEncoding("utf8").on("data", (text) => (printed[name] += text));
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(printed.stderr);
  return printed.stdout;
}
