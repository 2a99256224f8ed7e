// The flags of an environment: the list, the switch of each flag, and new flags.

import * as api from "./admin_api.js";
import { byId, element, unfolding, value } from "./elements.js";
import { flagEditor } from "./flag_editor.js";
import { attempt, problemPlace, switchButton } from "./forms.js";
import { PagedList, itemSummary } from "./lists.js";
import { newFlag } from "./new_flag.js";
import { save } from "./saving.js";
import { showServing } from "./serving.js";
import { contentOf, describe, servesDefault } from "./states.js";

const list = new PagedList("flags", ["flag", "flags"]);

/** Shows the flags of an environment. */
export async function openFlags(place, signal) {
  byId("flags-note").hidden = !place.environment.use_v2_feature_versioning;
  const load = (query, signal) => api.features(place.project.id, place.environment, query, signal);
  await list.open(load, (feature) => flagItem(place, feature), signal);
  byId("new-flag").replaceChildren(unfolding("New flag", () => newFlag(place, () => list.reload())));
}

export function closeFlags() {
  list.close();
  byId("new-flag").replaceChildren();
}

/** The item of a feature. `row.shown` is the content of its default state that this page shows. */
function flagItem(place, feature) {
  const state = feature.environment_feature_state;
  const row = { ...place, feature, state: state?.id ?? null, shown: state === null ? null : contentOf(state) };
  const result = (row.result = element("p", { className: "result", role: "status" }));
  const shownValue = element("span", { className: "value" });
  const overrides = element("span", { className: "why" });
  const toggle = switchButton(feature.name, row.shown?.enabled ?? false, () => attempt(item, () => flip(row)));
  const details = unfolding(itemSummary(feature.name, shownValue, overrides), () => flagEditor(row), { className: "flag" });
  const item = element("li", { className: "switched" }, toggle, details, problemPlace(), result);
  toggle.disabled = row.shown === null;
  row.show = () => {
    toggle.setAttribute("aria-checked", String(row.shown?.enabled ?? false));
    shownValue.replaceChildren(row.shown === null ? "no state in this environment" : value(row.shown.value));
    overrides.replaceChildren(notes(row));
  };
  row.removed = () => list.removed(item);
  row.reopen = () => {
    details.querySelector(".inside")?.replaceChildren(flagEditor(row));
    details.querySelector("summary").focus();
  };
  row.show();
  return item;
}

function notes({ feature }) {
  const { num_segment_overrides: count, multivariate_options: options } = feature;
  return [
    options.length > 0 ? `${options.length} ${options.length === 1 ? "variant" : "variants"}` : null,
    count > 0 ? `${count} segment ${count === 1 ? "override" : "overrides"}` : null,
    feature.is_server_key_only ? "server keys only" : null,
    feature.is_archived ? "archived" : null,
  ]
    .filter(Boolean)
    .join(" · ");
}

/** Switches a default state. Its value stays as it is at the API. */
async function flip(row) {
  const { environment, feature, result } = row;
  result.textContent = "";
  const mine = { ...row.shown, enabled: !row.shown.enabled };
  const { done, present } = await save({
    subject: feature.name,
    read: async () => contentOf(await api.defaultState(environment, row.state)),
    shown: row.shown,
    mine,
    describe: (content) => describe(content, feature.multivariate_options),
    write: () => api.switchDefaultState(environment, row.state, mine.enabled),
  });
  if (!done && present === null) return;
  // Without a decision against it, the editor keeps the content that its changes are based on.
  row.shown = done ? { ...row.shown, enabled: mine.enabled } : present;
  row.show();
  if (!done) return row.reopen();
  row.touch?.();
  showServing(result, environment, servesDefault(feature, row.shown, false), `Switched ${mine.enabled ? "on" : "off"}.`);
}
