// Forms: fields with their hints and errors, and the errors of the Admin API next to the fields that they are about.

import { Refusal } from "./calls.js";
import { element } from "./elements.js";
import { problemText } from "./problems.js";

let count = 0;

/** A new id of an element. */
export function newId() {
  count += 1;
  return `made-${count}`;
}

/**
 * A labelled control with a hint, and room for an error. `names` are the paths of the field in an error of the Admin API, as
 * "rules.0.conditions.1.value".
 */
export function field(label, control, { names = [], hint = null } = {}) {
  control.id = newId();
  const described = hint === null ? null : element("p", { className: "hint", id: `${control.id}-hint` }, hint);
  const error = element("p", { className: "error", id: `${control.id}-error`, hidden: true });
  control.setAttribute("aria-describedby", [described, error].filter(Boolean).map(({ id }) => id).join(" "));
  control.dataset.names = names.join(" ");
  return element("div", { className: "field" }, element("label", { htmlFor: control.id }, label), control, described, error);
}

/** A checkbox with its label: {control, element}. */
export function checkbox(label, checked) {
  const control = element("input", { type: "checkbox", checked });
  return { control, element: element("label", { className: "check" }, control, ` ${label}`) };
}

/** A select with options of [value, label]. */
export function select(options, chosen) {
  const made = element("select", {}, ...options.map(([value, label]) => element("option", { value }, label)));
  made.value = chosen;
  return made;
}

/** A switch of a state. It changes only when the API has the change. */
export function switchButton(label, enabled, click) {
  const made = element("button", { type: "button", className: "switch", role: "switch", aria: { label, checked: String(enabled) } });
  made.addEventListener("click", () => click());
  return made;
}

/** A button that is not a form's main one. */
export function button(text, click, properties = {}) {
  const made = element("button", { type: "button", ...properties }, text);
  made.addEventListener("click", () => click(made));
  return made;
}

/**
 * A form with a main button and a line for results. Its action runs once at a time. `others` are further buttons. The form is
 * marked as changed from its first input until `settle`.
 */
export function form(label, fields, { submit, action, others = [] }) {
  const result = element("p", { className: "result", role: "status" });
  const buttons = element("div", { className: "buttons" }, element("button", { className: "primary" }, submit), ...others);
  const parts = [...fields.filter(Boolean), problemLine(), buttons, result];
  const made = element("form", { className: "editor", noValidate: true, aria: { label } }, ...parts);
  made.addEventListener("input", () => (made.dataset.changed = ""));
  made.addEventListener("submit", (event) => {
    event.preventDefault();
    result.textContent = "";
    attempt(made, () => action(result));
  });
  return made;
}

/** Marks a form as unchanged. */
export function settle(made) {
  delete made.dataset.changed;
}

/** True if a form in `container` has changes that are not saved. */
export function hasChanges(container) {
  return container.querySelector("form[data-changed]") !== null;
}

/** The line for the general error of an action. */
export const problemLine = () => element("p", { className: "error general", role: "alert" });

/**
 * Runs an action, and shows its errors in `container`: next to the fields, or in its child `problemLine`. Resolves to the
 * action's result; undefined if it failed, or if the container is busy with an earlier action.
 */
export async function attempt(container, action) {
  if (container.ariaBusy === "true") return undefined;
  container.ariaBusy = "true";
  clearProblems(container);
  try {
    return await action();
  } catch (error) {
    if (error.name !== "AbortError") showProblems(container, error);
    return undefined;
  } finally {
    container.ariaBusy = "false";
  }
}

/** A problem of one control, which the page found before it sent anything. */
export class Invalid extends Error {
  constructor(control, text) {
    super(text);
    this.control = control;
  }
}

/** The last parts of paths that name no field of a form. */
const GENERAL = ["", "detail", "non_field_errors", "segment", "project", "environment"];

function showProblems(container, error) {
  if (error instanceof Invalid) {
    showError(error.control, error.message);
    error.control.focus();
    return;
  }
  const found = error instanceof Refusal && error.status === 400 ? problems(error.body) : [];
  const controls = [...container.querySelectorAll("[data-names]")];
  const rest = [];
  let first = null;
  for (const [path, text] of found) {
    const control = controls.find(({ dataset }) => dataset.names.split(" ").includes(path));
    if (control === undefined) rest.push(GENERAL.includes(path.split(".").at(-1)) ? text : `${path}: ${text}`);
    else showError(control, text);
    first ??= control;
  }
  first?.focus();
  if (found.length > 0 && rest.length === 0) return;
  container.querySelector(":scope > .general").textContent = rest.length > 0 ? rest.join(" ") : problemText(error);
}

function showError(control, text) {
  control.setAttribute("aria-invalid", "true");
  const error = document.getElementById(`${control.id}-error`);
  error.textContent = error.textContent === "" ? text : `${error.textContent} ${text}`;
  error.hidden = false;
}

function clearProblems(container) {
  container.querySelector(":scope > .general").textContent = "";
  for (const control of container.querySelectorAll('[aria-invalid="true"]')) control.removeAttribute("aria-invalid");
  for (const error of container.querySelectorAll(".error:not(.general)")) {
    error.textContent = "";
    error.hidden = true;
  }
}

/** The errors in an answer of the Admin API: [path, text] of each. */
export function problems(body, path = "") {
  if (typeof body === "string") return [[path, body]];
  if (body === null || typeof body !== "object") return [];
  const isTexts = Array.isArray(body) && body.every((one) => typeof one === "string");
  if (isTexts) return body.map((text) => [path, text]);
  const below = (key) => (path === "" ? key : `${path}.${key}`);
  return Object.entries(body).flatMap(([key, part]) => problems(part, below(key)));
}
