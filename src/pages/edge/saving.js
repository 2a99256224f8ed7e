// Saving with a check for conflicting changes. The Admin API has no conditional writes, so the page reads the state again just
// before each write. If the state has changed, it shows both and asks.

import { ask } from "./dialogs.js";
import { element, table } from "./elements.js";

/**
 * Writes a change unless the API's content is another than the shown one and the operator decides against it.
 *
 * `subject`: the name of the changed object. `read` resolves to the API's current content. `shown` is the content that the page
 * showed. `mine` is the content after the change, or null for a deletion. `describe`: content → [[name, text], …].
 * `write`: `mine` → promise.
 *
 * Resolves to {done: true, written} with the answer to the write, or to {done: false, current}. `current` is the content to
 * show instead; null to change nothing.
 */
export async function save({ subject, read, shown, mine, describe, write }) {
  let accepted = shown;
  for (;;) {
    const current = await read();
    if (isSame(current, accepted) || (mine !== null && isSame(current, mine))) {
      return { done: true, written: await write(mine) };
    }
    const choice = await askAboutChange(subject, describe, { shown: accepted, current, mine });
    if (choice === "current") return { done: false, current };
    if (choice === null) return { done: false, current: null };
    // The dialog may have been open for long, so the content is read again.
    accepted = current;
  }
}

/** True if two contents are the same. Members that one of them lacks do not count. */
export function isSame(one, other) {
  const members = Object.keys(one).filter((name) => one[name] !== undefined && other[name] !== undefined);
  return members.every((name) => JSON.stringify(one[name]) === JSON.stringify(other[name]));
}

function askAboutChange(subject, describe, { shown, current, mine }) {
  const texts = (content) => new Map(content === null ? [] : describe(content));
  const [before, now, wanted] = [texts(shown), texts(current), texts(mine)];
  const names = [...new Set([...now.keys(), ...wanted.keys()])];
  const differs = (name) => before.get(name) !== now.get(name) || (mine !== null && wanted.get(name) !== now.get(name));
  const cell = (text) => element("code", {}, text ?? "not shown");
  const rows = names.filter(differs).map((name) => {
    const cells = [name, cell(before.get(name)), cell(now.get(name)), ...(mine === null ? [] : [cell(wanted.get(name))])];
    return { cells, className: before.get(name) === now.get(name) ? "" : "wins" };
  });
  const heads = ["Part", "You saw", "Now it is", ...(mine === null ? [] : ["You want"])];
  const parts = [
    element("p", {}, "It was changed after this page read it. Nothing has been written yet."),
    table("The two states", heads, rows),
  ];
  const [overwrite, discard] = mine === null ? ["Delete anyway", "Show the current state"] : ["Overwrite", "Discard my change"];
  const choices = [["mine", overwrite, "danger"], ["current", discard], [null, "Cancel"]];
  return ask(`${subject} has changed meanwhile`, parts, choices);
}
