// The flags of an environment: the list, and new flags.

import * as api from "./admin_api.js";
import { byId, unfolding } from "./elements.js";
import { FlagRow } from "./flag_row.js";
import { PagedList } from "./lists.js";
import { newFlag } from "./new_flag.js";

const list = new PagedList("flags", { title: "Flags", one: "flag", several: "flags" });

/** Shows the flags of a selection: {project, environment}. */
export async function openFlags(selection, signal) {
  const { project, environment } = selection;
  byId("flags-note").hidden = !environment.use_v2_feature_versioning;
  const load = (query, signal) => api.features(project.id, environment, query, signal);
  const item = (feature) => new FlagRow(selection, feature, (item) => list.removed(item)).element;
  await list.open(load, item, signal);
  byId("new-flag").replaceChildren(unfolding("New flag", () => newFlag(selection, () => list.reload())));
}

export function closeFlags() {
  list.close();
  byId("new-flag").replaceChildren();
}
