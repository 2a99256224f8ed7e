// Seeds an origin with the project of environment documents.

import { AdminApi } from "./admin_api.mjs";
import { readDocuments } from "./from_documents.mjs";
import { writeProject } from "./to_origin.mjs";

/**
 * Creates the organisation and project of the documents in `folder` at the origin at `base`. `authorization`: a header with a
 * master API key. Seeding again restores what the documents have, and doubles nothing.
 */
export function seedProject({ base, authorization, folder }) {
  const { exported, organisation } = readDocuments(folder);
  return writeProject(new AdminApi(base, authorization), exported, { organisationName: organisation });
}
