// The time until the edge serves a change: the page asks the worker how it would evaluate an identity, until the answer has the
// change.

import { Refusal, call } from "./calls.js";

/** An identity without traits, which the worker does not create for this question. */
const IDENTIFIER = "edge-operations-page";
const FIRST_PAUSE_MS = 150;
const MAX_PAUSE_MS = 1000;
/** The time after which the page stops asking. */
const MAX_WAIT_MS = 20_000;
/** The latest wait of each element, so that a later change replaces an earlier one. */
const waits = new WeakMap();

/** The answer of a check that cannot see the change in the worker's explanation. */
export const UNSEEN = Symbol("unseen");

/**
 * Shows in `place` when the edge serves a change in an environment. `check`: explanation → true if it has the change, false if
 * not, or UNSEEN.
 */
export async function showServing(place, environment, check, saved = "Saved.") {
  const wait = {};
  waits.set(place, wait);
  const isLatest = () => waits.get(place) === wait;
  const began = performance.now();
  const say = (text) => {
    if (isLatest()) place.textContent = `${saved} ${text}`;
  };
  say(`Waiting until the edge serves it in ${environment.name}…`);
  for (let pause = FIRST_PAUSE_MS; isLatest(); pause = Math.min(pause * 2, MAX_PAUSE_MS)) {
    let answer;
    try {
      answer = check(await call(`/edge/environments/${encodeURIComponent(environment.api_key)}/identities/explain/?identifier=${IDENTIFIER}`));
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof Refusal)) throw error;
      // Busy or broken for the moment, or permanently not answering.
      if (error.status >= 400 && error.status < 500 && error.status !== 429) {
        return say(`It cannot be seen when the edge serves it: ${error.message}`);
      }
      answer = false;
    }
    const passed = performance.now() - began;
    if (answer === UNSEEN) return say("The edge's explanation does not show this part, so the time is not known.");
    if (answer) return say(`The edge serves it in ${environment.name} after ${(passed / 1000).toFixed(1)} s.`);
    if (passed > MAX_WAIT_MS) {
      const wait = `The edge does not serve it in ${environment.name} after ${MAX_WAIT_MS / 1000} s.`;
      return say(`${wait} See the environment's state above, or it was changed again.`);
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}
