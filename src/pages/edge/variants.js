// The variants of a feature, which Flagsmith calls multivariate options. All environments of the project have them.

import * as api from "./admin_api.js";
import { mayDelete } from "./dialogs.js";
import { element, unfolding, value } from "./elements.js";
import { servesVariants } from "./explanation_checks.js";
import { columnsOf, scalarOf } from "./flagsmith.js";
import { attempt, button, form, problemLine } from "./forms.js";
import { PageProblem } from "./problems.js";
import { save } from "./saving.js";
import { showServing } from "./serving.js";
import { text } from "./states.js";
import { valueEditor } from "./values.js";

/** The list of a feature's variants, with a form for a new one. */
export function variantList(row) {
  const { feature } = row;
  const options = feature.multivariate_options;
  const container = element("div", {}, problemLine());
  const items = options.map((option) => element("li", {}, value(scalarOf(option)), " ", removeButton(row, option, container)));
  const none = element("p", { className: "quiet" }, "This flag has no variants.");
  const list = items.length === 0 ? none : element("ul", { className: "variants" }, ...items);
  container.append(list, unfolding("Add a variant", () => newVariant(row)));
  return container;
}

function removeButton(row, option, container) {
  const { feature, project } = row;
  const name = text(scalarOf(option));
  const remove = async () => {
    row.requireSettled();
    const consequence = `The variant and its weights are deleted in all environments of ${project.name}. The control value gets its share.`;
    if (!(await mayDelete(name, consequence))) return;
    const { done, current } = await save({
      subject: `The variant ${name}`,
      read: () => readOption(row, option.id),
      shown: variantOf(option),
      mine: null,
      describe: ({ value }) => [["Value", text(value)]],
      write: () => api.deleteOption(project.id, feature.id, option.id),
    });
    if (!done && current === null) return;
    row.reopen();
    if (done) serve(row, feature.multivariate_options.filter(({ id }) => id !== option.id), `The variant ${name} is deleted.`);
  };
  return button("Delete", () => attempt(container, remove), { ariaLabel: `Delete the variant ${name}` });
}

const variantOf = (option) => ({ value: scalarOf(option) });

async function readOption({ project, environment, feature }, id) {
  const { multivariate_options: options } = await api.feature(project.id, feature.id, environment);
  const option = options.find((option) => option.id === id);
  if (option === undefined) throw new PageProblem("This variant does not exist any more. Search for the flag again.");
  return variantOf(option);
}

/** Shows in the flag's row when the edge serves these variants, since the editor is shown again. */
function serve(row, options, saved) {
  showServing(row.result, row.environment, servesVariants(row.feature, options), saved);
}

function newVariant(row) {
  const { feature, project } = row;
  const editor = valueEditor("");
  const hint = element("p", { className: "hint" }, "A new variant has the weight 0 everywhere. Set its weights above, in each environment.");
  return form(`New variant of ${feature.name}`, [editor.element, hint], {
    submit: "Add variant",
    action: async () => {
      // The editor shows itself again, with the new variant.
      row.requireSettled();
      const body = { feature: feature.id, ...columnsOf(editor.read()), default_percentage_allocation: 0 };
      const option = await api.createOption(project.id, feature.id, body);
      row.reopen();
      serve(row, [...feature.multivariate_options, option], `The variant ${text(scalarOf(option))} is added.`);
    },
  });
}
