// The editor of one flag in one environment: its default value and weights, its variants, its segment overrides, its deletion.

import * as api from "./admin_api.js";
import { Refusal } from "./calls.js";
import { mayDelete } from "./dialogs.js";
import { definitions, element, timeAgo } from "./elements.js";
import { attempt, button, form, problemPlace, settle } from "./forms.js";
import { overrideList } from "./overrides.js";
import { isSame, save } from "./saving.js";
import { showServing } from "./serving.js";
import { contentOf, describe, servesDefault, write } from "./states.js";
import { valueEditor } from "./values.js";
import { variantList } from "./variants.js";
import { weightEditor } from "./weights.js";

/** The element of the editor, which loads the state when it is shown. */
export function flagEditor(row) {
  const place = element("div", { aria: { busy: "false" } }, problemPlace());
  const loading = element("p", { className: "quiet" }, "Loading…");
  place.append(loading);
  attempt(place, async () => {
    const { environment, project } = row;
    if (row.state === null) {
      place.append(element("p", {}, "This flag has no state in this environment. Create one in Flagsmith."));
      return;
    }
    const reads = [api.defaultState(environment, row.state), api.feature(project.id, row.feature.id, environment)];
    const [state, feature] = await Promise.all(reads);
    row.feature = feature;
    row.shown = contentOf(state);
    row.show();
    place.append(...parts(row, state));
  }).finally(() => loading.remove());
  return place;
}

function parts(row, state) {
  const { feature, environment } = row;
  const changed = element("span", {}, timeAgo(state.updated_at));
  row.touch = () => changed.replaceChildren(timeAgo(new Date().toISOString()));
  return [
    definitions([
      ["Description", feature.description || null],
      ["Created", timeAgo(feature.created_date)],
      ["Changed here", changed],
    ]),
    element("h3", {}, `Default in ${environment.name}`),
    defaultForm(row),
    element("h3", {}, "Segment overrides"),
    overrideList(row),
    element("h3", {}, "Variants"),
    variantList(row),
    deletion(row),
  ];
}

function defaultForm(row) {
  const { feature, environment } = row;
  const editor = valueEditor(row.shown.value, { label: feature.multivariate_options.length > 0 ? "Control value" : "Value" });
  const weights = weightEditor(feature.multivariate_options, row.shown.shares);
  const made = form(`Default of ${feature.name}`, [editor.shown, weights.shown], {
    submit: "Save",
    action: async (result) => {
      const shown = row.shown;
      const mine = { enabled: shown.enabled, value: editor.read(), shares: weights.read() };
      if (isSame(shown, mine)) {
        settle(made);
        result.textContent = "Nothing is changed.";
        return;
      }
      let state;
      const { done, present, written } = await save({
        subject: feature.name,
        read: async () => contentOf((state = await api.defaultState(environment, row.state))),
        shown,
        mine,
        describe: (content) => describe(content, feature.multivariate_options),
        write: () => write(state, mine),
      });
      if (!done && present === null) return;
      settle(made);
      row.shown = done ? contentOf(written) : present;
      row.show();
      if (!done) return row.reopen();
      row.touch();
      const sharesChanged = !isSame({ shares: shown.shares }, { shares: row.shown.shares });
      showServing(result, environment, servesDefault(feature, row.shown, sharesChanged));
    },
  });
  row.requireSettled = () => {
    if (made.dataset.changed === undefined) return;
    throw new Refusal(0, "The form of the default has changes. Save them first. To discard them, search for the flag again.");
  };
  return made;
}

function deletion(row) {
  const { feature, project, environment } = row;
  const place = element("div", { className: "deletion" }, problemPlace());
  const remove = async () => {
    const consequence = `It is deleted in all environments of ${project.name}, with all its overrides. This cannot be undone.`;
    if (!(await mayDelete(feature.name, consequence))) return;
    const { done, present } = await save({
      subject: feature.name,
      read: async () => contentOf(await api.defaultState(environment, row.state)),
      shown: row.shown,
      mine: null,
      describe: (content) => describe(content, feature.multivariate_options),
      write: () => api.deleteFeature(project.id, feature.id),
    });
    if (done) {
      row.removed();
      const status = document.getElementById("flags-result");
      showServing(status, environment, ({ flags }) => flags.every((flag) => flag.feature.id !== feature.id), `${feature.name} is deleted.`);
    } else if (present !== null) {
      row.shown = present;
      row.show();
      row.reopen();
    }
  };
  place.append(button("Delete this flag", () => attempt(place, remove), { className: "danger" }));
  return place;
}
