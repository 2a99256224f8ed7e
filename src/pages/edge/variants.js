// The variants of a feature, which Flagsmith calls multivariate options. All environments of the project have them.

import * as api from "./admin_api.js";
import { Refusal } from "./calls.js";
import { mayDelete } from "./dialogs.js";
import { element, unfolding, value } from "./elements.js";
import { attempt, button, form, problemPlace } from "./forms.js";
import { save } from "./saving.js";
import { showServing } from "./serving.js";
import { VALUE_NAMES, scalar, servesVariants, text, typed } from "./states.js";
import { valueEditor } from "./values.js";

/** The list of a feature's variants, with a form for a new one. */
export function variantList(row) {
  const { feature } = row;
  const options = feature.multivariate_options;
  const place = element("div", {}, problemPlace());
  const items = options.map((option) => element("li", {}, value(scalar(option)), " ", removeButton(row, option, place)));
  const none = element("p", { className: "quiet" }, "This flag has no variants.");
  const list = items.length === 0 ? none : element("ul", { className: "variants" }, ...items);
  place.append(list, unfolding("Add a variant", () => newVariant(row)));
  return place;
}

function removeButton(row, option, place) {
  const { feature, project } = row;
  const name = text(scalar(option));
  const remove = async () => {
    row.requireSettled();
    const consequence = `The variant and its weights are deleted in all environments of ${project.name}. The control value gets its share.`;
    if (!(await mayDelete(name, consequence))) return;
    const { done, present } = await save({
      subject: `The variant ${name}`,
      read: () => readOption(row, option.id),
      shown: contentOf(option),
      mine: null,
      describe: ({ value }) => [["Value", text(value)]],
      write: () => api.deleteOption(project.id, feature.id, option.id),
    });
    if (!done && present === null) return;
    row.reopen();
    if (done) serve(row, feature.multivariate_options.filter(({ id }) => id !== option.id), `The variant ${name} is deleted.`);
  };
  return button("Delete", () => attempt(place, remove), { ariaLabel: `Delete the variant ${name}` });
}

const contentOf = (option) => ({ value: scalar(option) });

async function readOption({ project, environment, feature }, id) {
  const { multivariate_options: options } = await api.feature(project.id, feature.id, environment);
  const option = options.find((option) => option.id === id);
  if (option === undefined) throw new Refusal(404, "This variant does not exist any more. Search for the flag again.");
  return contentOf(option);
}

/** Shows in the flag's row when the edge serves these variants, since the editor is shown again. */
function serve(row, options, saved) {
  showServing(row.result, row.environment, servesVariants(row.feature, options), saved);
}

function newVariant(row) {
  const { feature, project } = row;
  const editor = valueEditor("", { names: VALUE_NAMES });
  const hint = element("p", { className: "hint" }, "A new variant has the weight 0 everywhere. Set its weights above, in each environment.");
  return form(`New variant of ${feature.name}`, [editor.shown, hint], {
    submit: "Add variant",
    action: async () => {
      // The editor shows itself again, with the new variant.
      row.requireSettled();
      const content = { feature: feature.id, ...typed(editor.read()), default_percentage_allocation: 0 };
      const option = await api.createOption(project.id, feature.id, content);
      row.reopen();
      serve(row, [...feature.multivariate_options, option], `The variant ${text(scalar(option))} is added.`);
    },
  });
}
