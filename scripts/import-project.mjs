// `make import-project`: imports a project into a Flagsmith or into the embedded origin, from a project export, from another
// Flagsmith or from environment documents (docs/projects.md).

import { createHash } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";

import { checkpoint } from "./checkpoint.mjs";
import { fail, required, setting } from "./command.mjs";
import { progress } from "./progress.mjs";
import { AdminApi } from "./project/admin_api.mjs";
import { checkExport, differences } from "./project/export_format.mjs";
import { readDocuments } from "./project/from_documents.mjs";
import { readProject } from "./project/from_origin.mjs";
import { describeImport } from "./project/report.mjs";
import { writeProject } from "./project/to_origin.mjs";

const target = required("EDGE_URL");
const api = new AdminApi(target, required("AUTHORIZATION", ": `Api-Key …` or `Token …`"));
const identities = setting("IDENTITIES", "all");

try {
  await importProject(await source());
} catch (error) {
  fail(`\n${error.message}`);
}

/** The export to import; `organisationName` is the name of a new organisation, if one is needed. */
async function source() {
  const from = setting("SOURCE", "file");
  if (from === "origin") {
    const origin = new AdminApi(required("ORIGIN_URL"), required("ORIGIN_AUTHORIZATION"));
    return { exported: await readProject(origin, required("PROJECT", ": the id of a project at ORIGIN_URL"), { identities }) };
  }
  if (from === "documents") {
    const { exported, organisation } = readDocuments(required("ENVIRONMENTS"));
    return { exported, organisationName: organisation };
  }
  if (from !== "file") throw new Error("SOURCE must be file, origin or documents.");
  const file = setting("FILE", null);
  if (file === null) throw new Error("There is nothing to import: set FILE=project.json, SOURCE=origin or SOURCE=documents.");
  return { exported: parse(file) };
}

function parse(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw new Error(`${file} cannot be read: ${error.message}`);
  }
}

async function importProject({ exported, organisationName }) {
  const organisation = setting("ORGANISATION", null);
  const what = { target, sha256: createHash("sha256").update(JSON.stringify([target, organisation, checkExport(exported)])).digest("hex") };
  // Another export or target has another file, and begins anew.
  const file = `.import-project-${what.sha256.slice(0, 16)}.json`;
  const reached = checkpoint(file, what, { done: 0, counts: {} });
  let show = null;
  const onProgress = (done, total, counts) => {
    reached.set({ done, counts });
    (show ??= progress(total))(done);
  };
  const written = await writeProject(api, exported, { organisation, organisationName, ...reached.get(), onProgress });
  const hasIdentities = exported.environments.some(({ identities = [] }) => identities.length > 0);
  const actual = await readProject(api, written.project.id, { identities: hasIdentities ? "all" : "none" });
  console.log(describeImport(written, exported, differences(exported, actual)).join("\n"));
  rmSync(file);
}
