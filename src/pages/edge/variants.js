// The variants of a feature, which Flagsmith calls multivariate options. All environments of the project have them.

import * as api from "./admin_api.js";
import { mayDelete } from "./dialogs.js";
import { element, unfolding, value } from "./elements.js";
import { attempt, button, form, problemPlace } from "./forms.js";
import { VALUE_NAMES, scalar, text, typed } from "./states.js";
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
    await api.deleteOption(project.id, feature.id, option.id);
    row.reopen();
  };
  return button("Delete", () => attempt(place, remove), { ariaLabel: `Delete the variant ${name}` });
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
      await api.createOption(project.id, feature.id, { feature: feature.id, ...typed(editor.read()), default_percentage_allocation: 0 });
      row.reopen();
    },
  });
}
