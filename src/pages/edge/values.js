// The editor of a value: a type, and a control for it.

import { element } from "./elements.js";
import { MAX_INTEGER, MIN_INTEGER } from "./flagsmith.js";
import { Invalid, field, select } from "./forms.js";
import { VALUE_NAMES } from "./states.js";

const TYPES = [
  ["text", "Text"],
  ["json", "JSON"],
  ["number", "Whole number"],
  ["boolean", "Boolean"],
  ["none", "No value"],
];
const MAX_LENGTH = 20_000;

/** An editor of a value: {element, read}. `read` returns the value, or throws what is wrong with it. */
export function valueEditor(value, { label = "Value", names = VALUE_NAMES } = {}) {
  const type = select(TYPES, typeOf(value));
  const slot = element("div", { className: "grows" });
  let control;
  const show = (entered) => {
    control = controlOf(type.value, entered);
    slot.replaceChildren(field(label, control, { names, hint: HINTS[type.value] ?? null }));
    slot.hidden = type.value === "none";
  };
  show(value);
  // A text survives a change of the type as far as it can.
  type.addEventListener("change", () => show(control.value));
  const container = element("div", { className: "value-editor" }, field("Type", type), slot);
  return { element: container, read: () => READERS[type.value](control) };
}

const HINTS = {
  json: "Flagsmith stores JSON as text. SDKs return the text.",
  number: "Flagsmith stores other numbers than whole ones as text.",
};

function typeOf(value) {
  if (value === null || value === undefined) return "none";
  if (typeof value === "number") return "number";
  if (typeof value === "boolean") return "boolean";
  return /^\s*[[{]/.test(value) && isJson(value) ? "json" : "text";
}

function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function controlOf(type, value) {
  const text = value === null || value === undefined ? "" : String(value);
  if (type === "boolean") return select([["true", "true"], ["false", "false"]], text === "true" ? "true" : "false");
  if (type === "number") return element("input", { inputMode: "numeric", autocomplete: "off", value: /^-?\d+$/.test(text) ? text : "" });
  const lines = Math.min(12, Math.max(type === "json" ? 4 : 1, text.split("\n").length));
  return element("textarea", { value: text, rows: lines, spellcheck: false, autocomplete: "off", className: type === "json" ? "code" : "" });
}

const READERS = {
  none: () => null,
  boolean: ({ value }) => value === "true",
  number(control) {
    const text = control.value.trim();
    const number = Number(text);
    if (!/^-?\d+$/.test(text)) throw new Invalid(control, "Enter a whole number, or choose the type Text.");
    if (number < MIN_INTEGER || number > MAX_INTEGER) {
      throw new Invalid(control, "Flagsmith's numbers go from −2147483648 to 2147483647. Choose the type Text for others.");
    }
    return number;
  },
  text(control) {
    return checkLength(control);
  },
  json(control) {
    try {
      JSON.parse(control.value);
    } catch (error) {
      throw new Invalid(control, `This is not JSON: ${error.message}.`);
    }
    return checkLength(control);
  },
};

function checkLength(control) {
  const length = [...control.value].length;
  if (length > MAX_LENGTH) throw new Invalid(control, `A value has at most 20,000 characters; this one has ${length.toLocaleString("en")}.`);
  return control.value;
}
