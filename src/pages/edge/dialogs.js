// Questions in a modal dialog, which browsers give the focus, and close with Escape.

import { element } from "./elements.js";
import { newId } from "./forms.js";

const open = new Set();

/**
 * Asks a question. `choices`: [value, label, class]. Resolves to the value of the pressed button; null if the dialog was
 * closed.
 */
export function ask(title, content, choices) {
  const heading = element("h3", { id: newId(), tabIndex: -1 }, title);
  const dialog = element("dialog", { aria: { labelledby: heading.id } }, heading, ...content);
  const before = document.activeElement;
  return new Promise((resolve) => {
    let chosen = null;
    const choose = (value) => {
      chosen = value;
      dialog.close();
    };
    const buttons = choices.map(([value, label, className]) => {
      const made = element("button", { type: "button", className: className ?? "" }, label);
      made.addEventListener("click", () => choose(value));
      return made;
    });
    dialog.append(element("div", { className: "buttons" }, ...buttons));
    dialog.addEventListener("close", () => {
      open.delete(dialog);
      dialog.remove();
      if (before?.isConnected) before.focus();
      resolve(chosen);
    });
    open.add(dialog);
    document.body.append(dialog);
    dialog.showModal();
    heading.focus();
  });
}

/** Asks before something is deleted. Resolves to true if it shall be. */
export async function mayDelete(name, consequence) {
  const content = [element("p", {}, consequence)];
  return (await ask(`Delete ${name}?`, content, [["delete", "Delete", "danger"], [null, "Cancel"]])) === "delete";
}

/** Asks before changes that are not saved are discarded. */
export async function mayDiscard() {
  const content = [element("p", {}, "A form has changes that are not saved.")];
  return (await ask("Discard the changes?", content, [["discard", "Discard", "danger"], [null, "Keep editing"]])) === "discard";
}

/** Closes all dialogs without an answer. */
export function closeDialogs() {
  for (const dialog of open) dialog.close();
}
