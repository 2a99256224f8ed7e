// Problems as texts of the page.

import { Refusal } from "./calls.js";

/** A problem that the page itself found, with a text for the page. */
export class PageProblem extends Error {}

/** Returns the text of a failure. Failures without one are errors of the page, which the console shows. */
export function problemText(error) {
  if (error instanceof Refusal || error instanceof PageProblem) return error.message;
  console.error(error);
  return "This page failed. Reload it.";
}
