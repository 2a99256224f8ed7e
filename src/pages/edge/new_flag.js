// The form for a new flag.

import * as api from "./admin_api.js";
import { byId, element } from "./elements.js";
import { servesFeature } from "./explanation_checks.js";
import { columnsOf } from "./flagsmith.js";
import { button, checkbox, field, form, newId, settle } from "./forms.js";
import { showServing } from "./serving.js";
import { valueEditor } from "./values.js";

const MAX_VARIANTS = 100;

/** The form. `created` shows the list of flags again. */
export function newFlag({ project, environment }, created) {
  const name = element("input", { maxLength: 2000, autocomplete: "off", spellcheck: false, autocapitalize: "none" });
  const initial = element("textarea", { rows: 1, autocomplete: "off", spellcheck: false });
  const description = element("input", { autocomplete: "off" });
  const enabled = checkbox("Switched on in all environments", false);
  const serverOnly = checkbox("For server keys only", false);
  const variants = variantFields();
  const hint = "Of all environments. Flagsmith stores true, false and whole numbers as such, and everything else as text.";
  const fields = [
    field("Name", name, { names: ["name"], hint: "It cannot be changed later." }),
    field("Value", initial, { names: ["initial_value"], hint }),
    field("Description", description, { names: ["description"] }),
    enabled.element,
    serverOnly.element,
    variants.element,
  ];
  const made = form("New flag", fields, {
    submit: "Create flag",
    action: async () => {
      const options = variants.read();
      const feature = await api.createFeature(project.id, {
        name: name.value.trim(),
        default_enabled: enabled.control.checked,
        is_server_key_only: serverOnly.control.checked,
        ...(initial.value === "" ? {} : { initial_value: initial.value }),
        ...(description.value === "" ? {} : { description: description.value }),
        ...(options.length === 0 ? {} : { type: "MULTIVARIATE", multivariate_options: options }),
      });
      made.reset();
      variants.clear();
      settle(made);
      made.closest("details").open = false;
      made.closest("details").querySelector("summary").focus();
      await created();
      showServing(byId("flags-result"), environment, servesFeature(feature, true), `${feature.name} is created.`);
    },
  });
  return made;
}

/** The fields of variants, which make a flag multivariate. */
function variantFields() {
  const list = element("div");
  let variants = [];
  const add = () => {
    const value = valueEditor("", { names: [] });
    const weight = element("input", { type: "number", min: 0, max: 100, step: "any", value: "0" });
    const legend = element("legend", { id: newId(), tabIndex: -1 });
    const remove = button("Remove", () => {
      variants = variants.filter((other) => other !== variant);
      variant.container.remove();
      renumber();
      more.focus();
    });
    const weightField = field("Weight in %", weight, { names: variants.length === 0 ? ["multivariate_options"] : [] });
    const container = element("fieldset", { className: "variant" }, legend, value.element, weightField, remove);
    const variant = { value, weight, legend, remove, container };
    variants.push(variant);
    list.append(container);
    renumber();
    legend.focus();
  };
  const more = button("Add a variant", add);
  const renumber = () => {
    variants.forEach(({ legend, remove }, index) => {
      legend.textContent = `Variant ${index + 1}`;
      remove.setAttribute("aria-label", `Remove variant ${index + 1}`);
    });
    more.disabled = variants.length >= MAX_VARIANTS;
  };
  return {
    element: element("div", { className: "variant-fields" }, list, more),
    read: () => variants.map(({ value, weight }) => ({ ...columnsOf(value.read()), default_percentage_allocation: Number(weight.value) })),
    clear() {
      variants = [];
      list.replaceChildren();
    },
  };
}
