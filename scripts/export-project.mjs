// `make export-project`: writes a project of a Flagsmith, or of the embedded origin, as a project export (docs/projects.md).

import { chmodSync, writeFileSync } from "node:fs";

import { fail, required, setting } from "./command.mjs";
import { progress } from "./progress.mjs";
import { AdminApi } from "./project/admin_api.mjs";
import { readProject } from "./project/from_origin.mjs";
import { describeLeftOut } from "./project/report.mjs";

/** An export has server keys. */
const OWNER_ONLY = 0o600;

const file = setting("FILE", null);
const [base, authorization] = setting("ORIGIN_URL", null) === null ? ["EDGE_URL", "AUTHORIZATION"] : ["ORIGIN_URL", "ORIGIN_AUTHORIZATION"];
const api = new AdminApi(required(base), required(authorization, ": `Api-Key …` or `Token …`"));
let show = null;
const onRead = (done, total) => (show ??= progress(total))(done);

try {
  const exported = await readProject(api, required("PROJECT", ": the id of a project"), { identities: setting("IDENTITIES", "all"), show: onRead });
  const text = `${JSON.stringify(exported, null, 2)}\n`;
  if (file === null) process.stdout.write(text);
  else {
    writeFileSync(file, text, { mode: OWNER_ONLY });
    // The mode above is that of a new file only.
    chmodSync(file, OWNER_ONLY);
  }
  const { project, environments, features, segments } = exported;
  console.error(`The project ${project.name} was exported: ${environments.length} environments, ${features.length} features, ${segments.length} segments.`);
  for (const line of describeLeftOut(exported.left_out)) console.error(line);
} catch (error) {
  fail(`\n${error.message}`);
}
