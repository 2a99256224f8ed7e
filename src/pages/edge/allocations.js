// The editor of the percentage allocations of a feature's variants in one state. The page calls them weights.

import { element } from "./elements.js";
import { scalarOf } from "./flagsmith.js";
import { Invalid, field, newId } from "./forms.js";
import { text } from "./states.js";

const NAMES = ["multivariate_feature_state_values", "non_field_errors"];

/** An editor of allocations: {element, read}. `read` returns them as in a flag state, or throws the problem with them. */
export function allocationEditor(options, allocations = []) {
  if (options.length === 0) return { element: null, read: () => allocations };
  const current = new Map(allocations);
  const inputs = options.map((option, index) => {
    const input = element("input", { type: "number", min: 0, max: 100, step: "any", value: String(current.get(option.id) ?? 0), required: true });
    const label = element("span", {}, "Weight of ", element("code", {}, text(scalarOf(option))), ", in %");
    return { option, input, container: field(label, input, { names: index === 0 ? NAMES : [] }) };
  });
  const rest = element("output", { id: newId(), className: "quiet" });
  const sum = () => inputs.reduce((sum, { input }) => sum + (Number(input.value) || 0), 0);
  const showRest = () => {
    const left = Number((100 - sum()).toFixed(6));
    rest.textContent = left < 0 ? `The weights are ${-left} % too high in all.` : `The control value gets the other ${left} %.`;
  };
  const fields = inputs.map(({ container }) => container);
  const container = element("fieldset", { className: "weights" }, element("legend", {}, "Weights"), ...fields, rest);
  container.addEventListener("input", showRest);
  showRest();
  return { element: container, read: () => readAllocations(inputs, sum()) };
}

function readAllocations(inputs, sum) {
  for (const { input } of inputs) {
    if (!input.validity.valid) throw new Invalid(input, "Enter a number from 0 to 100.");
  }
  if (sum > 100 + 1e-9) throw new Invalid(inputs[0].input, "The weights must not sum to more than 100 %.");
  return inputs
    .map(({ option, input }) => [option.id, Number(input.value)])
    .filter(([, percentage]) => percentage > 0)
    .sort(([one], [other]) => one - other);
}
