// The editor of one flag in one environment: its default value and weights, its variants, its segment overrides, its deletion.

import * as api from "./admin_api.js";
import { allocationEditor } from "./allocations.js";
import { mayDelete } from "./dialogs.js";
import { byId, definitions, element, timeAgo } from "./elements.js";
import { servesDefault, servesFeature } from "./explanation_checks.js";
import { attempt, button, form, problemLine, settle } from "./forms.js";
import { overrideList } from "./overrides.js";
import { isSame, save } from "./saving.js";
import { showServing } from "./serving.js";
import { defaultStateAccess, flagStateOf, haveOtherAllocations } from "./states.js";
import { valueEditor } from "./values.js";
import { variantList } from "./variants.js";

/** The element of the editor of a FlagRow, which loads the state when it is shown. */
export function flagEditor(row) {
  const container = element("div", { aria: { busy: "false" } }, problemLine());
  const loading = element("p", { className: "quiet" }, "Loading…");
  container.append(loading);
  attempt(container, async () => {
    const { environment, project } = row;
    if (row.stateId === null) {
      container.append(element("p", {}, "This flag has no state in this environment. Create it with POST /api/v1/environments/{key}/featurestates/."));
      return;
    }
    const reads = [api.defaultState(environment, row.stateId), api.feature(project.id, row.feature.id, environment)];
    const [state, feature] = await Promise.all(reads);
    row.feature = feature;
    row.replace(flagStateOf(state));
    container.append(...parts(row, state));
  }).finally(() => loading.remove());
  return container;
}

function parts(row, state) {
  const { feature, environment } = row;
  row.changedAt = element("span", {}, timeAgo(state.updated_at));
  row.defaultForm = defaultForm(row);
  const states = [
    element("h3", {}, `Default in ${environment.name}`),
    row.defaultForm,
    element("h3", {}, "Segment overrides"),
    overrideList(row),
  ];
  return [
    definitions([
      ["Description", feature.description || null],
      ["Created", timeAgo(feature.created_date)],
      ["Changed here", row.changedAt],
    ]),
    // A disabled fieldset disables all controls in it, also those that are added later.
    ...(row.isReadOnly ? [element("fieldset", { className: "read-only", disabled: true, aria: { label: "States, read only" } }, ...states)] : states),
    element("h3", {}, "Variants"),
    variantList(row),
    deletion(row),
  ];
}

function defaultForm(row) {
  const { feature, environment } = row;
  const editor = valueEditor(row.flagState.value, { label: feature.multivariate_options.length > 0 ? "Control value" : "Value" });
  const allocations = allocationEditor(feature.multivariate_options, row.flagState.allocations);
  const made = form(`Default of ${feature.name}`, [editor.element, allocations.element], {
    submit: "Save",
    action: async (result) => {
      const shown = row.flagState;
      const mine = { enabled: shown.enabled, value: editor.read(), allocations: allocations.read() };
      if (isSame(shown, mine)) {
        settle(made);
        result.textContent = "Nothing is changed.";
        return;
      }
      const { done, current, written } = await save({ ...defaultStateAccess(row), shown, mine });
      if (!done && current === null) return;
      settle(made);
      row.replace(done ? flagStateOf(written) : current);
      if (!done) return row.reopen();
      row.touch();
      showServing(result, environment, servesDefault(feature, row.flagState, haveOtherAllocations(shown, row.flagState)));
    },
  });
  return made;
}

function deletion(row) {
  const { feature, project, environment } = row;
  const container = element("div", { className: "deletion" }, problemLine());
  const remove = async () => {
    const consequence = `It is deleted in all environments of ${project.name}, with all its overrides. This cannot be undone.`;
    if (!(await mayDelete(feature.name, consequence))) return;
    const { done, current } = await save({
      ...defaultStateAccess(row),
      shown: row.flagState,
      mine: null,
      write: () => api.deleteFeature(project.id, feature.id),
    });
    if (done) {
      row.removed();
      showServing(byId("flags-result"), environment, servesFeature(feature, false), `${feature.name} is deleted.`);
    } else if (current !== null) {
      row.replace(current);
      row.reopen();
    }
  };
  container.append(button("Delete this flag", () => attempt(container, remove), { className: "danger" }));
  return container;
}
