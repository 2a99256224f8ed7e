// The editor of the weights of a feature's variants in one state.

import { element } from "./elements.js";
import { Invalid, field, newId } from "./forms.js";
import { scalar, text } from "./states.js";

const NAMES = ["multivariate_feature_state_values", "non_field_errors"];

/** An editor of weights: {shown, read}. `read` returns shares as in a content, or throws what is wrong with them. */
export function weightEditor(options, shares = []) {
  if (options.length === 0) return { shown: null, read: () => shares };
  const present = new Map(shares);
  const inputs = options.map((option, index) => {
    const input = element("input", { type: "number", min: 0, max: 100, step: "any", value: String(present.get(option.id) ?? 0), required: true });
    const label = element("span", {}, "Weight of ", element("code", {}, text(scalar(option))), ", in %");
    return { option, input, shown: field(label, input, { names: index === 0 ? NAMES : [] }) };
  });
  const rest = element("output", { id: newId(), className: "quiet" });
  const sum = () => inputs.reduce((sum, { input }) => sum + (Number(input.value) || 0), 0);
  const showRest = () => {
    const left = Number((100 - sum()).toFixed(6));
    rest.textContent = left < 0 ? `The weights are ${-left} % too high in all.` : `The control value gets the other ${left} %.`;
  };
  const shown = element("fieldset", { className: "weights" }, element("legend", {}, "Weights"), ...inputs.map(({ shown }) => shown), rest);
  shown.addEventListener("input", showRest);
  showRest();
  return { shown, read: () => readWeights(inputs, sum()) };
}

function readWeights(inputs, sum) {
  for (const { input } of inputs) {
    if (!input.validity.valid) throw new Invalid(input, "Enter a number from 0 to 100.");
  }
  if (sum > 100 + 1e-9) throw new Invalid(inputs[0].input, "The weights must not sum to more than 100 %.");
  return inputs
    .map(({ option, input }) => [option.id, Number(input.value)])
    .filter(([, share]) => share > 0)
    .sort(([one], [other]) => one - other);
}
