// The time until the edge serves a change: the page asks the worker how it would evaluate an identity, until the answer has the
// change.

import { Refusal, call } from "./calls.js";
import { UNSEEN } from "./explanation_checks.js";

/** An identity without traits, which the worker does not create for this question. */
const IDENTIFIER = "edge-operations-page";
const FIRST_PAUSE_MS = 150;
const MAX_PAUSE_MS = 1000;
/** The time after which the page stops asking. */
const MAX_WAIT_MS = 20_000;
/** The latest wait of each element, so that a later change replaces an earlier one. */
const waits = new WeakMap();

/**
 * Shows in `container` that a change is saved, and when the edge serves it in an environment; null if the project has none.
 * `check`: a check of explanation_checks.js.
 */
export async function showServing(container, environment, check, saved = "Saved.") {
  const wait = {};
  waits.set(container, wait);
  const isLatest = () => waits.get(container) === wait;
  const began = performance.now();
  const show = (...texts) => {
    if (isLatest()) container.textContent = [saved, ...texts].join(" ");
  };
  if (environment === null) return show();
  show(`Waiting until the edge serves it in ${environment.name}…`);
  for (let pause = FIRST_PAUSE_MS; isLatest(); pause = Math.min(pause * 2, MAX_PAUSE_MS)) {
    let answer;
    try {
      answer = check(await call(`/edge/environments/${encodeURIComponent(environment.api_key)}/identities/explain/?identifier=${IDENTIFIER}`));
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof Refusal)) throw error;
      // Busy or broken for the moment, or permanently not answering.
      if (error.status >= 400 && error.status < 500 && error.status !== 429) {
        return show(`The page cannot check when the edge serves the change: ${error.message}`);
      }
      answer = false;
    }
    const passed = performance.now() - began;
    if (answer === UNSEEN) return show("The edge's explanation does not show this part, so the time is not known.");
    if (answer) return show(`The edge serves it in ${environment.name} after ${(passed / 1000).toFixed(1)} s.`);
    if (passed > MAX_WAIT_MS) {
      const wait = `The edge does not serve it in ${environment.name} after ${MAX_WAIT_MS / 1000} s.`;
      return show(wait, "Check the environment's state above; the flag or segment may also have been changed again.");
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}
