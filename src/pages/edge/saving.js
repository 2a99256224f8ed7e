// Saving without silent loss. The Admin API has no conditional writes. So the page reads the state again before each write, and
// asks if it is another than the shown one.

import { ask } from "./dialogs.js";
import { element, table } from "./elements.js";

/**
 * Writes a change unless the API's state is another than the shown one and the operator decides against it.
 *
 * `read` resolves to the API's present content. `shown` is the content that the page showed. `mine` is the content after the
 * change, or null for a deletion. `describe`: content → [[name, text], …]. `write`: () → promise.
 *
 * Resolves to {done: true, written} with the answer to the write, or to {done: false, present}. `present` is the content to
 * show instead; null to change nothing.
 */
export async function save({ subject, read, shown, mine, describe, write }) {
  let accepted = shown;
  for (;;) {
    const present = await read();
    if (isSame(present, accepted) || (mine !== null && isSame(present, mine))) {
      return { done: true, written: await write() };
    }
    const choice = await askAboutChange(subject, describe, { shown: accepted, present, mine });
    if (choice === "present") return { done: false, present };
    if (choice === null) return { done: false, present: null };
    // The dialog may have been open for long, so the state is read again.
    accepted = present;
  }
}

/** True if two contents are the same. Members that one of them lacks do not count. */
export function isSame(one, other) {
  const members = Object.keys(one).filter((name) => one[name] !== undefined && other[name] !== undefined);
  return members.every((name) => JSON.stringify(one[name]) === JSON.stringify(other[name]));
}

function askAboutChange(subject, describe, { shown, present, mine }) {
  const texts = (content) => new Map(content === null ? [] : describe(content));
  const [before, now, wanted] = [texts(shown), texts(present), texts(mine)];
  const names = [...new Set([...now.keys(), ...wanted.keys()])];
  const differs = (name) => before.get(name) !== now.get(name) || (mine !== null && wanted.get(name) !== now.get(name));
  const cell = (text) => element("code", {}, text ?? "not shown");
  const rows = names.filter(differs).map((name) => {
    const cells = [name, cell(before.get(name)), cell(now.get(name)), ...(mine === null ? [] : [cell(wanted.get(name))])];
    return { cells, className: before.get(name) === now.get(name) ? "" : "wins" };
  });
  const heads = ["Part", "You saw", "Now it is", ...(mine === null ? [] : ["You want"])];
  const content = [
    element("p", {}, "It was changed after this page read it. Nothing has been written yet."),
    table("The two states", heads, rows),
  ];
  const overwrite = mine === null ? "Delete anyway" : "Write mine";
  const choices = [["mine", overwrite, "danger"], ["present", mine === null ? "Show the present one" : "Discard mine"], [null, "Cancel"]];
  return ask(`${subject} has changed meanwhile`, content, choices);
}
