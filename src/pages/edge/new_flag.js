// The form for a new flag.

import * as api from "./admin_api.js";
import { byId, element } from "./elements.js";
import { button, checkbox, field, form, newId, settle } from "./forms.js";
import { showServing } from "./serving.js";
import { typed } from "./states.js";
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
  const content = [
    field("Name", name, { names: ["name"], hint: "It cannot be changed later." }),
    field("Value", initial, { names: ["initial_value"], hint }),
    field("Description", description, { names: ["description"] }),
    enabled.shown,
    serverOnly.shown,
    variants.shown,
  ];
  const made = form("New flag", content, {
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
      const serves = ({ flags }) => flags.some((flag) => flag.feature.id === feature.id);
      showServing(byId("flags-result"), environment, serves, `${feature.name} is created.`);
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
      variant.shown.remove();
      renumber();
      more.focus();
    });
    const weightField = field("Weight in %", weight, { names: variants.length === 0 ? ["multivariate_options"] : [] });
    const shown = element("fieldset", { className: "variant" }, legend, value.shown, weightField, remove);
    const variant = { value, weight, legend, remove, shown };
    variants.push(variant);
    list.append(variant.shown);
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
    shown: element("div", { className: "variant-fields" }, list, more),
    read: () => variants.map(({ value, weight }) => ({ ...typed(value.read()), default_percentage_allocation: Number(weight.value) })),
    clear() {
      variants = [];
      list.replaceChildren();
    },
  };
}
